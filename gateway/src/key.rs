//! The three kinds of 32-byte keys. Public keys are shown and compared freely; private and preshared keys have
//! neither `Debug` nor `Display` nor `Serialize`, are compared in constant time and are wiped when dropped.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Why 32 bytes, or a text, are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not the standard base64 (with padding) of 32 bytes.
    #[error("a key is the base64 of 32 bytes (44 characters, ending in '=')")]
    NotBase64Of32Bytes,
    /// All zero, or another point of low order (RFC 7748 section 6.1): anyone could compute its shared secrets.
    #[error("this is not a usable public key (it is a point of low order)")]
    LowOrder,
}

/// An X25519 public key that is not of low order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Refuses points of low order, the all-zero key included.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        if is_of_low_order(bytes) { Err(KeyError::LowOrder) } else { Ok(Self(bytes)) }
    }

    /// The 32 bytes, as they go over the wire.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(decode(text)?)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An X25519 private key, clamped as `wg` clamps it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PrivateKey([u8; 32]);

impl PrivateKey {
    /// Makes a key of 32 random bytes; they are clamped here (RFC 7748 section 5).
    pub fn from_random(mut bytes: [u8; 32]) -> Self {
        let [first, .., last] = &mut bytes;
        *first &= 0b1111_1000;
        *last = (*last & 0b0111_1111) | 0b0100_0000;
        Self(bytes)
    }

    /// Parses the base64 that [`PrivateKey::to_base64`] writes.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        Ok(Self::from_random(decode(text)?))
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> PublicKey {
        PublicKey(x25519_dalek::PublicKey::from(&StaticSecret::from(self.0)).to_bytes())
    }

    /// The secret bytes, for the backends.
    pub fn expose_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The secret as text, for the key file.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0))
    }
}

impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for PrivateKey {}

/// A preshared key. The all-zero key means "none" to WireGuard and therefore is not one.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PresharedKey([u8; 32]);

impl PresharedKey {
    /// `None` for the all-zero key.
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        if bytes.ct_eq(&[0; 32]).into() { None } else { Some(Self(bytes)) }
    }

    /// Parses base64; `None` for the all-zero key.
    pub fn from_base64(text: &str) -> Result<Option<Self>, KeyError> {
        Ok(Self::from_bytes(*Zeroizing::new(decode(text)?)))
    }

    /// The secret bytes, for the backends.
    pub fn expose_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The secret as text, for files of `wg-quick`.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0))
    }
}

impl PartialEq for PresharedKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for PresharedKey {}

/// Compares with the seven encodings of points of low order: a multiplication would tell as well, but ten thousand
/// keys are read at a time. Implementations ignore the highest bit (RFC 7748 section 5).
fn is_of_low_order(mut bytes: [u8; 32]) -> bool {
    let [.., last] = &mut bytes;
    *last &= 0b0111_1111;
    let near_p = |first: u8| {
        let mut point = [0xff; 32];
        let [low, .., high] = &mut point;
        (*low, *high) = (first, 0x7f);
        point
    };
    let mut one = [0; 32];
    let [low, ..] = &mut one;
    *low = 1;
    [[0; 32], one, ORDER_8[0], ORDER_8[1], near_p(0xec), near_p(0xed), near_p(0xee)].contains(&bytes)
}

/// The two points of order 8, little-endian.
const ORDER_8: [[u8; 32]; 2] = [
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
];

fn decode(text: &str) -> Result<[u8; 32], KeyError> {
    let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| KeyError::NotBase64Of32Bytes)?);
    <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError::NotBase64Of32Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_survives_its_text() {
        let key = PrivateKey::from_random([7; 32]).public();
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn points_of_low_order_are_refused() {
        let mut one = [0; 32];
        one[0] = 1;
        let around_p = [0xec, 0xed, 0xee].map(|first| {
            let mut point = [0xff; 32];
            (point[0], point[31]) = (first, 0x7f);
            point
        });
        for mut point in [[0; 32], one, ORDER_8[0], ORDER_8[1]].into_iter().chain(around_p) {
            let theirs = x25519_dalek::PublicKey::from(point);
            assert!(!StaticSecret::from([9; 32]).diffie_hellman(&theirs).was_contributory(), "{point:?}");
            assert_eq!(PublicKey::from_bytes(point), Err(KeyError::LowOrder));
            point[31] |= 0x80;
            assert_eq!(PublicKey::from_bytes(point), Err(KeyError::LowOrder));
        }
    }

    #[test]
    fn texts_that_are_not_32_bytes_are_refused() {
        for text in ["", "abc", "AAAA", &STANDARD.encode([9; 31]), &STANDARD.encode([9; 33])] {
            assert_eq!(text.parse::<PublicKey>(), Err(KeyError::NotBase64Of32Bytes), "{text}");
        }
    }

    #[test]
    fn a_private_key_is_clamped_like_wg_does() {
        let key = PrivateKey::from_random([0xff; 32]);
        assert_eq!((key.expose_bytes()[0], key.expose_bytes()[31]), (0xf8, 0x7f));
    }
}
