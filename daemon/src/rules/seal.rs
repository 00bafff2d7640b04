//! Secrets that must be recoverable, sealed: XChaCha20-Poly1305 under a key kept beside the database. What is sealed for
//! one row opens for no other, so a stolen database is of no use and a row put in another's place is noticed.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::ids::{DeviceId, LocationId, SessionId, UserId};

const NONCE_BYTES: usize = 24;

/// The key under which secrets are sealed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealKey([u8; 32]);

/// Which secret of which row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// The preshared key of a device in a location.
    PresharedKey(DeviceId, LocationId),
    /// The preshared key with which a device is connected to a location that asks for a second factor.
    ConnectionKey(DeviceId, LocationId),
    /// What a user's authenticator app and we compute codes from.
    Totp(UserId),
    /// The private key that ID tokens are signed with, by the thumbprint of its public key.
    SigningKey([u8; 32]),
    /// An application's request that a browser carries until somebody has signed in there, or agreed in this session.
    AppRequest(Option<SessionId>),
    /// What a passkey is asked, which a browser carries until it answers.
    PasskeyChallenge,
}

impl SealKey {
    /// 32 random bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// `random` is to be fresh each time.
    pub fn seal(&self, what: Sealed, secret: &[u8], random: [u8; 32]) -> Vec<u8> {
        let (nonce, _) = random.split_first_chunk::<NONCE_BYTES>().unwrap_or((&[0; NONCE_BYTES], &[]));
        let payload = Payload { msg: secret, aad: &what.identity() };
        #[expect(clippy::expect_used, reason = "it fails beyond 256 GiB only (RFC 8439)")]
        let sealed = self.cipher().encrypt(&XNonce::from(*nonce), payload).expect("a short secret is sealed");
        [nonce.as_slice(), &sealed].concat()
    }

    /// `None`: sealed under another key or for another row, or damaged.
    pub fn open(&self, what: Sealed, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload { msg: sealed, aad: &what.identity() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.0.into())
    }
}

impl Sealed {
    fn identity(self) -> Vec<u8> {
        match self {
            Self::PresharedKey(device, location) => {
                format!("postern preshared key of device {device} in location {location}").into_bytes()
            }
            Self::ConnectionKey(device, location) => {
                format!("postern connection of device {device} to location {location}").into_bytes()
            }
            Self::Totp(user) => format!("postern TOTP secret of user {user}").into_bytes(),
            Self::SigningKey(thumbprint) => [b"postern signing key ".as_slice(), &thumbprint].concat(),
            Self::PasskeyChallenge => b"postern challenge of a passkey".to_vec(),
            Self::AppRequest(None) => b"postern request of an application".to_vec(),
            Self::AppRequest(Some(session)) => {
                format!("postern request of an application in session {session}").into_bytes()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Sealed = Sealed::PresharedKey(DeviceId(7), LocationId(1));

    #[test]
    fn what_is_sealed_opens_for_its_row_and_under_its_key_alone() {
        let key = SealKey::from_bytes([1; 32]);
        let sealed = key.seal(ROW, b"secret", [3; 32]);
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(key.open(ROW, &sealed).unwrap().as_slice(), b"secret");
        for other in [
            Sealed::PresharedKey(DeviceId(8), LocationId(1)),
            Sealed::PresharedKey(DeviceId(7), LocationId(2)),
            Sealed::PresharedKey(DeviceId(71), LocationId(1)),
            Sealed::ConnectionKey(DeviceId(7), LocationId(1)),
            Sealed::Totp(UserId(7)),
        ] {
            assert!(key.open(other, &sealed).is_none(), "{other:?}");
        }
        assert!(SealKey::from_bytes([2; 32]).open(ROW, &sealed).is_none());
    }

    #[test]
    fn what_was_changed_or_cut_does_not_open() {
        let key = SealKey::from_bytes([1; 32]);
        let sealed = key.seal(ROW, b"secret", [3; 32]);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(ROW, &changed).is_none(), "byte {at}");
            assert!(key.open(ROW, &sealed[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn the_same_secret_is_sealed_differently_each_time() {
        let key = SealKey::from_bytes([1; 32]);
        assert_ne!(key.seal(ROW, b"secret", [3; 32]), key.seal(ROW, b"secret", [4; 32]));
    }
}
