//! Messages and attributes (`linux/netlink.h`): written into one run of bytes, read from where they lie.
//!
//! Every family spoken here has a header of four bytes of its own before its attributes.

use std::io;

use zeroize::Zeroizing;

/// Length, type, flags, sequence number and port of a message; then the family's own header.
const HEADER_BYTES: usize = 16;
const FAMILY_HEADER_BYTES: usize = 4;
/// Marks an attribute that holds attributes.
const NESTED: u16 = 0x8000;
/// Without the marks for nesting and byte order.
const KIND_MASK: u16 = 0x3fff;

/// A message to the kernel. It is wiped when dropped: it may hold a key.
pub(in crate::backend) struct Message {
    bytes: Zeroizing<Vec<u8>>,
    /// Whether an attribute is longer than its length can say.
    overlong: bool,
}

impl Message {
    /// Of this type, with this header of its family.
    pub(in crate::backend) fn new(kind: u16, family_header: [u8; FAMILY_HEADER_BYTES]) -> Self {
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        bytes.extend([0; 4]);
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(family_header);
        Self { bytes, overlong: false }
    }

    /// Appends an attribute.
    pub(in crate::backend) fn put(&mut self, kind: u16, value: &[u8]) {
        let start = self.begin(kind);
        self.bytes.extend(value);
        self.end(start);
    }

    /// Appends an attribute that holds those which `fill` appends.
    pub(in crate::backend) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.begin(kind | NESTED);
        fill(self);
        self.end(start);
    }

    fn begin(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        start
    }

    fn end(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start);
        self.overlong |= length.is_err();
        overwrite(&mut self.bytes, start, &length.unwrap_or(u16::MAX).to_ne_bytes());
        let padded = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(padded, 0);
    }

    /// What was appended.
    #[cfg(test)]
    pub(in crate::backend) fn attributes(&self) -> &[u8] {
        self.bytes.get(HEADER_BYTES + FAMILY_HEADER_BYTES..).unwrap_or_default()
    }

    /// As it goes to the kernel.
    pub(super) fn finished(&mut self, flags: u16, sequence: u32) -> io::Result<&[u8]> {
        let length = u32::try_from(self.bytes.len()).map_err(io::Error::other)?;
        if self.overlong {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "more than fits one netlink attribute"));
        }
        overwrite(&mut self.bytes, 0, &length.to_ne_bytes());
        overwrite(&mut self.bytes, 6, &flags.to_ne_bytes());
        overwrite(&mut self.bytes, 8, &sequence.to_ne_bytes());
        Ok(&self.bytes)
    }
}

fn overwrite(bytes: &mut [u8], start: usize, with: &[u8]) {
    if let Some(slot) = bytes.get_mut(start..start + with.len()) {
        slot.copy_from_slice(with);
    }
}

/// An answer of the kernel.
pub(super) struct Answer<'b> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    body: &'b [u8],
}

impl<'b> Answer<'b> {
    /// After the family's own header.
    pub(super) fn attributes(&self) -> Attributes<'b> {
        Attributes(self.body.get(FAMILY_HEADER_BYTES..).unwrap_or_default())
    }

    /// The error number of an acknowledgement or of a dump's end; 0: done.
    pub(super) fn code(&self) -> i32 {
        self.body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code).saturating_neg())
    }
}

/// The messages that were received at once.
pub(super) fn answers(mut bytes: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    std::iter::from_fn(move || {
        let (length, header) = bytes.split_first_chunk()?;
        let (kind, header) = header.split_first_chunk()?;
        let (flags, header) = header.split_first_chunk()?;
        let (sequence, _) = header.split_first_chunk()?;
        let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
        let body = bytes.get(HEADER_BYTES..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Answer {
            kind: u16::from_ne_bytes(*kind),
            flags: u16::from_ne_bytes(*flags),
            sequence: u32::from_ne_bytes(*sequence),
            body,
        })
    })
}

/// Types and values of a run of attributes. What is malformed ends it.
#[derive(Clone)]
pub(in crate::backend) struct Attributes<'b>(&'b [u8]);

impl<'b> Attributes<'b> {
    /// Those within the value of an attribute.
    pub(in crate::backend) fn within(value: &'b [u8]) -> Self {
        Self(value)
    }

    /// As bytes, to be kept.
    pub(in crate::backend) fn encoded(&self) -> Vec<u8> {
        self.0.to_vec()
    }

    /// The value of the first of this type.
    pub(in crate::backend) fn find(&self, kind: u16) -> Option<&'b [u8]> {
        self.clone().find_map(|(found, value)| (found == kind).then_some(value))
    }
}

impl<'b> Iterator for Attributes<'b> {
    type Item = (u16, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([a, b, c, d], _) = self.0.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([*a, *b]));
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([*c, *d]) & KIND_MASK, value))
    }
}

/// The bytes of a number, if there are exactly as many.
pub(in crate::backend) fn number<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fill: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::new(7, [1, 2, 3, 4]);
        fill(&mut message);
        message.finished(0x305, 9).unwrap().to_vec()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut bytes = written(|message| {
            message.put(1, &[5]);
            message.nest(2, |message| message.put(3, b"abcd"));
        });
        bytes.extend(written(|message| message.put(4, b"")));
        let found: Vec<Answer<'_>> = answers(&bytes).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].kind, found[0].flags, found[0].sequence), (7, 0x305, 9));
        assert_eq!(found[0].attributes().find(1), Some(&[5][..]));
        let nested = Attributes::within(found[0].attributes().find(2).unwrap());
        assert_eq!(nested.collect::<Vec<_>>(), [(3, &b"abcd"[..])]);
        assert_eq!(found[1].attributes().find(4), Some(&b""[..]));
    }

    #[test]
    fn what_is_cut_off_anywhere_is_read_without_a_panic() {
        let bytes = written(|message| message.put(3, b"abcde"));
        for end in 0..bytes.len() {
            assert_eq!(answers(&bytes[..end]).count(), 0);
        }
        let attribute = &bytes[20..29];
        for end in 0..attribute.len() {
            assert_eq!(Attributes(&attribute[..end]).count(), 0);
        }
        assert_eq!(Attributes(attribute).count(), 1);
    }

    #[test]
    fn what_is_too_long_for_an_attribute_is_not_sent() {
        let mut message = Message::new(7, [0; 4]);
        message.nest(1, |message| (0..3).for_each(|_| message.put(2, &vec![0; 30_000])));
        assert_eq!(message.finished(0, 1).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
