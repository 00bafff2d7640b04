//! Changed copies of what is known to be interesting. The same seed makes the same copies.

/// `SplitMix64`: enough to choose by, and everybody can write it down.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.throw() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn range_in(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let ends = [self.below(bytes.len() + 1), self.below(bytes.len() + 1)];
        // Mostly short, so that most of the rest stays what it was.
        let length = if self.below(4) == 0 { usize::MAX } else { 16 };
        let from = ends[0].min(ends[1]);
        from..ends[0].max(ends[1]).min(from.saturating_add(length))
    }
}

/// What parsers stumble over.
const WORDS: [&[u8]; 22] = [
    b"\0",
    b"\xff",
    b"\r\n",
    b"\n\n",
    b"\"",
    b"'",
    b"=",
    b"[[",
    b"]]",
    b"{{",
    b"}}",
    b"{%",
    b"%}",
    b"0",
    b"-1",
    b"65536",
    b"18446744073709551616",
    b"<script>",
    b"](javascript:",
    b"%00",
    "\u{202e}".as_bytes(),
    "ẞ".as_bytes(),
];

/// A copy of one of `corpus` with a few changes, or of two with a seam.
pub(crate) fn mutated(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(6) {
        let at = dice.range_in(&bytes);
        match dice.below(7) {
            0 => drop(bytes.drain(at)),
            1 => {
                let again = bytes[at.clone()].to_vec();
                bytes.splice(at.start..at.start, again);
            }
            2 => drop(bytes.splice(at, WORDS[dice.below(WORDS.len())].iter().copied())),
            3 => {
                let other = &corpus[dice.below(corpus.len())];
                let piece = other[dice.range_in(other)].to_vec();
                drop(bytes.splice(at, piece));
            }
            4 if at.start < bytes.len() => bytes[at.start] ^= 1 << dice.below(8),
            5 if at.start < bytes.len() => bytes[at.start] = dice.throw().to_le_bytes()[0],
            _ => {
                let word = WORDS[dice.below(WORDS.len())].repeat(1 + dice.below(300));
                drop(bytes.splice(at.start..at.start, word));
            }
        }
        bytes.truncate(64 * 1024);
    }
    bytes
}
