//! Recovery codes: what lets somebody in once who lost their second factor. Ten of 80 bits each, shown once; the database
//! holds hashes.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::ids::UserId;
use super::token::TokenHash;

/// How many somebody has at once.
pub const CODES: usize = 10;
/// Bytes of randomness in one, of which 16 letters and digits are made.
const BYTES: usize = 10;
/// Crockford's base32: nothing in it is mistaken for something else when it is read off paper.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const GROUP: usize = 4;

/// New codes out of fresh random bytes, as people are shown them: `xxxx-xxxx-xxxx-xxxx`.
pub fn codes(random: &[[u8; 32]; 4]) -> Vec<Zeroizing<String>> {
    random.as_flattened().chunks_exact(BYTES).take(CODES).map(code).collect()
}

/// What is stored of a user's code and looked up; `None`: what was typed is none. Dashes and spaces do not count, nor capitals.
pub fn hash(user: UserId, typed: &str) -> Option<TokenHash> {
    let plain = plain(typed)?;
    let mut digest = Sha256::new_with_prefix("postern recovery code");
    digest.update(user.0.to_be_bytes());
    digest.update(plain.as_bytes());
    Some(TokenHash(digest.finalize().into()))
}

fn code(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(BYTES * 2));
    let (mut bits, mut count) = (0u16, 0u8);
    for byte in bytes {
        bits = (bits << 8) | u16::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            let symbol = ALPHABET.get(usize::from((bits >> count) & 31)).copied().unwrap_or(b'0');
            if text.len() % (GROUP + 1) == GROUP {
                text.push('-');
            }
            text.push(char::from(symbol));
        }
        bits &= (1 << count) - 1;
    }
    text
}

fn plain(typed: &str) -> Option<Zeroizing<String>> {
    let mut plain = Zeroizing::new(String::with_capacity(BYTES * 2));
    for symbol in typed.chars().filter(|symbol| !symbol.is_whitespace() && *symbol != '-') {
        let symbol = match symbol.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            symbol => symbol,
        };
        let is_known = u8::try_from(symbol).is_ok_and(|symbol| ALPHABET.contains(&symbol));
        if !is_known || plain.len() >= BYTES * 8 / 5 {
            return None;
        }
        plain.push(symbol);
    }
    (plain.len() == BYTES * 8 / 5).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: UserId = UserId(1);

    fn some() -> Vec<Zeroizing<String>> {
        let mut number = 0u8;
        codes(&std::array::from_fn(|_| {
            std::array::from_fn(|_| {
                number = number.wrapping_mul(37).wrapping_add(11);
                number
            })
        }))
    }

    #[test]
    fn there_are_ten_different_ones_of_sixteen_symbols_in_groups_of_four() {
        let codes = some();
        let mut seen = std::collections::BTreeSet::new();
        for code in &codes {
            let groups: Vec<_> = code.split('-').collect();
            assert!(groups.len() == 4 && groups.iter().all(|group| group.len() == 4), "{}", code.as_str());
            assert!(seen.insert(code.as_str().to_owned()));
        }
        assert_eq!(seen.len(), CODES);
    }

    #[test]
    fn every_bit_of_the_randomness_counts() {
        assert_eq!(code(&[0; 10]).as_str(), "0000-0000-0000-0000");
        assert_eq!(code(&[255; 10]).as_str(), "zzzz-zzzz-zzzz-zzzz");
        assert_eq!(code(&[0b0000_1000, 0b1000_0000, 0, 0, 0, 0, 0, 0, 0, 1]).as_str(), "1200-0000-0000-0001");
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        let hash_of = |typed: &str| hash(ANN, typed).map(|hash| hash.0);
        let right = hash_of("10ab-cdef-ghjk-mnpq");
        assert!(right.is_some());
        for typed in ["10abcdefghjkmnpq", " IOAB CDEF GHJK MNPQ ", "l0ab-cdef-ghjk-mnpq"] {
            assert_eq!(hash_of(typed), right, "{typed}");
        }
        for typed in [
            "",
            "10ab",
            "10ab-cdef-ghjk-mnp",
            "10ab-cdef-ghjk-mnpqr",
            "10ab-cdef-ghjk-mnpu",
            "10ab-cdef-ghjk-mnpé",
        ] {
            assert_eq!(hash_of(typed), None, "{typed}");
        }
        assert_ne!(hash(UserId(2), "10ab-cdef-ghjk-mnpq").map(|hash| hash.0), right, "another user's");
    }
}
