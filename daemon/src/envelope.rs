//! Encrypted files in the format of age (age-encryption.org/v1), for public keys or under a passphrase. It knows nothing of
//! what is in them; the tool `age` opens them too.

use std::io::{self, BufReader, Read, Write};
use std::iter::once;

use age::scrypt;
use age::secrecy::SecretString;
use age::stream::{StreamReader, StreamWriter};
use age::x25519;
use age::{DecryptError, Decryptor, Encryptor};
use zeroize::Zeroizing;

/// The shortest passphrase: whoever steals a backup may guess for as long as they like.
pub const SHORTEST_PASSPHRASE: usize = 12;
/// What each guess of a passphrase costs: 2 to this power rounds of scrypt, as the tool `age` has it. A second or two, and
/// 256 MiB.
const WORK: u8 = 18;
/// What opening may cost at most: four times that, for who encrypted a backup again.
const MOST_WORK: u8 = 20;

/// A public key.
pub struct Recipient(x25519::Recipient);

/// A private key.
pub struct Identity(x25519::Identity);

/// A passphrase.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

/// What a file is closed with.
pub enum Lock {
    /// Whoever has one of the private keys opens it; at least one.
    For(Vec<Recipient>),
    /// Whoever knows it opens it.
    Under(Passphrase),
}

/// What opens a file.
pub enum Key {
    /// Any of these.
    Identities(Vec<Identity>),
    /// This.
    Passphrase(Passphrase),
}

/// How a file is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// For public keys.
    ForRecipients,
    /// Under a passphrase.
    UnderPassphrase,
}

/// Why a file does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something else.
    #[error("this is not a file encrypted by age: is it a backup, and all of it?")]
    NotAge,
    /// The passphrase.
    #[error("the passphrase is wrong, or the file was changed")]
    Passphrase,
    /// The private key.
    #[error("the file was encrypted for other keys than this one")]
    Identity,
    /// The header's checksum, or its end.
    #[error("the file is damaged: it was cut short or changed")]
    Damaged,
    /// The disk.
    #[error("the file cannot be read")]
    Io(#[source] io::Error),
}

/// A file that is being encrypted. It is whole only after [`Sealing::finish`].
pub struct Sealing<W: Write>(StreamWriter<W>);

/// An encrypted file whose header was read.
pub struct Envelope<R: Read>(Decryptor<BufReader<R>>);

/// A public key as `age-keygen` prints it, or what is wrong with it.
pub fn recipient(text: &str) -> Result<Recipient, String> {
    let wrong = |_| {
        let secret = text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-");
        let said = if secret { "a private key" } else { text };
        format!("{said:?} is not a public key of age: write it as age-keygen prints it, \"age1...\"")
    };
    text.parse().map(Recipient).map_err(wrong)
}

/// The private keys of a file as `age-keygen` writes it; comments and empty lines are passed over.
pub fn identities(text: &str) -> Result<Vec<Identity>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let parsed = lines.map(|line| line.parse().map(Identity));
    match parsed.collect::<Result<Vec<_>, _>>() {
        Ok(found) if !found.is_empty() => Ok(found),
        // What is in it may be a key: it is not shown.
        Ok(_) | Err(_) => {
            Err("holds no private key of age (a line that begins with AGE-SECRET-KEY-1)".to_owned())
        }
    }
}

impl Passphrase {
    /// Of a file or of a person; what ends the line does not belong to it.
    pub fn new(text: &str) -> Self {
        let end = text.trim_end_matches(['\r', '\n']).len();
        Self(Zeroizing::new(text.get(..end).unwrap_or_default().to_owned()))
    }

    /// Whether it is long enough to close something with.
    pub fn is_long_enough(&self) -> bool {
        self.0.chars().count() >= SHORTEST_PASSPHRASE
    }

    /// Whether it is the same.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn secret(&self) -> SecretString {
        SecretString::from(self.0.to_string())
    }
}

/// Begins to encrypt into `out`.
pub fn seal<W: Write>(lock: &Lock, out: W) -> io::Result<Sealing<W>> {
    let encryptor = match lock {
        Lock::For(recipients) => {
            let recipients = recipients.iter().map(|Recipient(key)| {
                let key: &dyn age::Recipient = key;
                key
            });
            Encryptor::with_recipients(recipients).map_err(io::Error::other)?
        }
        Lock::Under(passphrase) => {
            let mut recipient = scrypt::Recipient::new(passphrase.secret());
            // However busy this machine is right now.
            recipient.set_work_factor(WORK);
            let recipient: &dyn age::Recipient = &recipient;
            Encryptor::with_recipients(once(recipient)).map_err(io::Error::other)?
        }
    };
    Ok(Sealing(encryptor.wrap_output(out)?))
}

impl<W: Write> Sealing<W> {
    /// Writes the end, without which nothing opens it.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<R: Read> Envelope<R> {
    /// Reads the header.
    pub fn read(file: R) -> Result<Self, OpenError> {
        Ok(Self(Decryptor::new_buffered(BufReader::new(file)).map_err(of)?))
    }

    /// What it takes to open it.
    pub fn closed(&self) -> Closed {
        if self.0.is_scrypt() { Closed::UnderPassphrase } else { Closed::ForRecipients }
    }

    /// What is in it. Each piece of 64 KiB is proven before it is given; the last one proves that nothing is missing.
    pub fn open(self, key: &Key) -> Result<StreamReader<BufReader<R>>, OpenError> {
        match key {
            Key::Identities(identities) => {
                let identities = identities.iter().map(|Identity(key)| {
                    let key: &dyn age::Identity = key;
                    key
                });
                self.0.decrypt(identities).map_err(of)
            }
            Key::Passphrase(passphrase) => {
                let mut identity = scrypt::Identity::new(passphrase.secret());
                identity.set_max_work_factor(MOST_WORK);
                let identity: &dyn age::Identity = &identity;
                self.0.decrypt(once(identity)).map_err(|error| {
                    let is_other = matches!(error, DecryptError::NoMatchingKeys);
                    if is_other { OpenError::Passphrase } else { of(error) }
                })
            }
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the crate reserves the right to add variants")]
fn of(error: DecryptError) -> OpenError {
    match error {
        DecryptError::NoMatchingKeys => OpenError::Identity,
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => OpenError::Passphrase,
        DecryptError::InvalidHeader | DecryptError::UnknownFormat => OpenError::NotAge,
        DecryptError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => OpenError::NotAge,
        DecryptError::Io(error) => OpenError::Io(error),
        // The header's checksum, above all.
        _ => OpenError::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CONTENT: [u8; 100_000] = [7; 100_000];

    fn sealed(lock: &Lock) -> Vec<u8> {
        let mut sealing = seal(lock, Vec::new()).unwrap();
        sealing.write_all(&CONTENT).unwrap();
        sealing.finish().unwrap()
    }

    fn opened(file: &[u8], key: &Key) -> Result<Vec<u8>, String> {
        let envelope = Envelope::read(file).map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        let mut reader = envelope.open(key).map_err(|error| error.to_string())?;
        reader.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn a_pair() -> (Recipient, Key) {
        let identity = x25519::Identity::generate();
        (Recipient(identity.to_public()), Key::Identities(vec![Identity(identity)]))
    }

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text)
    }

    #[test]
    fn a_passphrase_opens_what_was_closed_under_it_and_no_other_does() {
        let file = sealed(&Lock::Under(passphrase("correct horse battery\n")));
        assert_eq!(Envelope::read(&*file).unwrap().closed(), Closed::UnderPassphrase);
        let open = |text| opened(&file, &Key::Passphrase(passphrase(text)));
        assert_eq!(open("correct horse battery").unwrap(), CONTENT);
        assert!(open("correct horse batterz").unwrap_err().contains("the passphrase is wrong"));
        assert!(opened(&file, &a_pair().1).is_err());
    }

    #[test]
    fn each_of_several_keys_opens_it_and_a_strangers_does_not() {
        let ((first, first_key), (second, second_key)) = (a_pair(), a_pair());
        let file = sealed(&Lock::For(vec![first, second]));
        for key in [first_key, second_key] {
            assert_eq!(opened(&file, &key).unwrap(), CONTENT);
        }
        assert!(opened(&file, &a_pair().1).unwrap_err().contains("for other keys"));
    }

    #[test]
    fn what_is_cut_or_changed_anywhere_does_not_open() {
        let (recipient, key) = a_pair();
        let file = sealed(&Lock::For(vec![recipient]));
        for at in (0..file.len()).step_by(487).chain([file.len() - 1]) {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, &key).is_err(), "byte {at}");
            assert!(opened(&file[..at], &key).is_err(), "cut at {at}");
        }
        assert!(opened(&file, &key).is_ok());
    }

    #[test]
    fn keys_are_read_as_age_writes_them_and_a_private_one_is_never_shown() {
        let identity = x25519::Identity::generate();
        let private = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
        let public = identity.to_public().to_string();
        assert!(recipient(&public).is_ok());
        assert_eq!(
            identities(&format!("# created: now\n# {public}\n{private}\n")).unwrap_or_default().len(),
            1
        );
        for said in [recipient(&private).err().unwrap(), identities("").err().unwrap()] {
            assert!(said.contains("key") && !said.contains(&private), "{said}");
        }
        assert!(recipient("age1").is_err() && recipient("ada@example.com").is_err());
    }
}
