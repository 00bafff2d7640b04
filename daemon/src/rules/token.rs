//! Tokens: derived when they are needed, never stored. A token is the base62 of HMAC-SHA-256 under a key kept
//! beside the database, over its kind, the row it belongs to and a generation; the database holds a hash of it.
//! So mail can be delivered after any restart, and a stolen database holds nothing that opens a session.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::ids::{CodeId, DeviceId, LocationId};

/// 32 characters of base62 hold 190 bits.
const LENGTH: usize = 32;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a token is for; tokens of different kinds never coincide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Opens a session (protocol 3.1). The id is that of an enrollment.
    Enrollment,
    /// Lets somebody set another password (protocol 1.11). The id is that of a reset.
    PasswordReset,
    /// Reads one device's configuration (protocol 3.10). The id is that of a device.
    Polling,
}

/// What six digits are mailed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To sign in, or to set a second factor up.
    SignIn,
    /// To connect with this device where a second factor is asked for.
    Connect(DeviceId, LocationId),
}

/// The key under which tokens are derived.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TokenKey([u8; 32]);

impl TokenKey {
    /// 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The token of `kind` that belongs to row `id` in its `generation`.
    pub fn derive(&self, kind: TokenKind, id: i64, generation: i64) -> Token {
        let label: &[u8] = match kind {
            TokenKind::Enrollment => b"postern enrollment token",
            TokenKind::PasswordReset => b"postern password reset token",
            TokenKind::Polling => b"postern polling token",
        };
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        mac.update(label);
        mac.update(&id.to_be_bytes());
        mac.update(&generation.to_be_bytes());
        Token(Zeroizing::new(base62(mac.finalize().into_bytes().into())))
    }

    /// The six digits that are mailed for row `id`, made then (Unix seconds).
    pub fn digits(&self, purpose: Purpose, id: CodeId, made_at: i64) -> Zeroizing<String> {
        let label: &[u8] = match purpose {
            Purpose::SignIn => b"postern email code",
            Purpose::Connect(..) => b"postern mailed code",
        };
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104)")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        mac.update(label);
        mac.update(&id.0.to_be_bytes());
        mac.update(&made_at.to_be_bytes());
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        let number = bytes.iter().take(8).fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
        Zeroizing::new(format!("{:06}", number % 1_000_000))
    }
}

/// A bearer token. It has no `Debug`, `Display` or `Serialize`; [`Token::expose`] marks every place that shows it.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes what somebody presents; surrounding white space is people's, not the token's.
    pub fn presented(text: &str) -> Self {
        Self(Zeroizing::new(text.trim().to_owned()))
    }

    /// What is stored and looked up.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The token itself, to be handed to whom it belongs and to nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// SHA-256 of a token or session identifier. Both have more than 128 bits of entropy, so no salt is needed.
#[derive(Clone, Copy)]
pub struct TokenHash(pub [u8; 32]);

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

/// Long division of the 256-bit number by 62, thirty-two times.
fn base62(mut number: [u8; 32]) -> String {
    let mut text = String::with_capacity(LENGTH);
    for _ in 0..LENGTH {
        let mut rest = 0u16;
        for byte in &mut number {
            let value = rest * 256 + u16::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        text.extend(ALPHABET.get(usize::from(rest)).copied().map(char::from));
    }
    number.zeroize();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_32_letters_and_digits_and_differ_by_kind_id_and_generation() {
        let key = TokenKey::from_bytes([1; 32]);
        let tokens = [
            key.derive(TokenKind::Enrollment, 1, 0),
            key.derive(TokenKind::Enrollment, 1, 1),
            key.derive(TokenKind::Enrollment, 2, 0),
            key.derive(TokenKind::Polling, 1, 0),
            key.derive(TokenKind::PasswordReset, 1, 0),
            TokenKey::from_bytes([2; 32]).derive(TokenKind::Polling, 1, 0),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for token in &tokens {
            assert_eq!(token.expose().len(), LENGTH);
            assert!(token.expose().chars().all(|c| c.is_ascii_alphanumeric()));
            assert!(seen.insert(token.expose().to_owned()));
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_token_for_ever() {
        let key = TokenKey::from_bytes([1; 32]);
        let again = TokenKey::from_bytes([1; 32]);
        assert!(key.derive(TokenKind::Polling, 7, 3).hash() == again.derive(TokenKind::Polling, 7, 3).hash());
    }

    #[test]
    fn mailed_codes_are_six_digits_and_differ_by_row_time_and_purpose() {
        let key = TokenKey::from_bytes([1; 32]);
        let connect = Purpose::Connect(DeviceId(1), LocationId(1));
        let code = |id, made_at| key.digits(connect, CodeId(id), made_at).to_string();
        let codes: Vec<String> = (0..200).map(|id| code(id, 7)).collect();
        assert!(codes.iter().all(|code| code.len() == 6 && code.chars().all(|c| c.is_ascii_digit())));
        let different: std::collections::BTreeSet<_> = codes.iter().collect();
        assert!(different.len() > 190);
        assert!(codes[7] == code(7, 7) && codes[7] != code(7, 8));
        assert_ne!(codes[7], *key.digits(Purpose::SignIn, CodeId(7), 7));
        assert_ne!(codes[7], *TokenKey::from_bytes([2; 32]).digits(connect, CodeId(7), 7));
    }

    #[test]
    fn white_space_around_a_presented_token_does_not_count() {
        assert!(Token::presented(" abc\n").hash() == Token::presented("abc").hash());
    }
}
