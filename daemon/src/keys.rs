//! The key files below the state folder: 0600, made on first use, never in the database. They must survive a lost
//! database and never sit in a dump of it.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use postern_gateway::PrivateKey;
use zeroize::Zeroizing;

use crate::durable::{self, Changed, Staged, sync_folder};
use crate::rules::ids::LocationId;
use crate::rules::seal::SealKey;
use crate::rules::token::TokenKey;

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file or its folder.
    #[error("cannot use the key file {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Group or others have rights to it.
    #[error("others may read the key file {path}: run `chmod 600 {path}`")]
    Exposed {
        /// Which.
        path: PathBuf,
    },
    /// It is not the one that was used before.
    #[error("{path} is not the key that secrets in the database are sealed under: restore it from a backup")]
    OtherSeal {
        /// Which.
        path: PathBuf,
    },
    /// Cut short or edited.
    #[error("{path} holds no key: restore it from a backup; a new one would shut out every client")]
    Unreadable {
        /// Which.
        path: PathBuf,
    },
}

/// The folder of key files.
#[derive(Debug, Clone)]
pub struct Keys {
    dir: PathBuf,
}

impl Keys {
    /// Makes `keys` in the state folder, for the owner alone, if it is not there.
    pub fn open(state_dir: &Path) -> Result<Self, KeysError> {
        let dir = state_dir.join("keys");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.and_then(|()| sync_folder(&dir))
            .map_err(|source| KeysError::Io { path: dir.clone(), source })?;
        Ok(Self { dir })
    }

    /// The key that tokens are derived under; made of `random` on first use.
    pub fn token_key(&self, random: [u8; 32]) -> Result<TokenKey, KeysError> {
        let path = self.dir.join("token.key");
        let text = read_or_make(&path, || PrivateKeyText(PrivateKey::from_random(random).to_base64()))?;
        let key = PrivateKey::from_base64(text.trim()).map_err(|_| KeysError::Unreadable { path })?;
        Ok(TokenKey::from_bytes(*key.expose_bytes()))
    }

    /// The key that secrets are sealed under; made of `random` on first use.
    pub fn seal_key(&self, random: [u8; 32]) -> Result<SealKey, KeysError> {
        let path = self.dir.join("seal.key");
        let text = read_or_make(&path, || PrivateKeyText(PrivateKey::from_random(random).to_base64()))?;
        let key = PrivateKey::from_base64(text.trim()).map_err(|_| KeysError::Unreadable { path })?;
        Ok(SealKey::from_bytes(*key.expose_bytes()))
    }

    /// What is told when the key that secrets are sealed under is another than before.
    pub fn other_seal(&self) -> KeysError {
        KeysError::OtherSeal { path: self.dir.join("seal.key") }
    }

    /// A location's own key; made of `random` on first use.
    pub fn location_key(&self, id: LocationId, random: [u8; 32]) -> Result<PrivateKey, KeysError> {
        let path = self.location_path(id);
        let text = read_or_make(&path, || PrivateKeyText(PrivateKey::from_random(random).to_base64()))?;
        PrivateKey::from_base64(text.trim()).map_err(|_| KeysError::Unreadable { path })
    }

    /// Has another key beside a location's file: the location has it once that is renamed.
    pub fn stage_location_key(&self, id: LocationId, key: &PrivateKey) -> Result<Staged, KeysError> {
        let path = self.location_path(id);
        durable::stage(&path, &line_of(key), 0o600).map_err(|source| KeysError::Io { path, source })
    }

    fn location_path(&self, id: LocationId) -> PathBuf {
        self.dir.join(format!("location-{id}.key"))
    }
}

fn line_of(key: &PrivateKey) -> Zeroizing<String> {
    let mut text = key.to_base64();
    text.push('\n');
    text
}

struct PrivateKeyText(Zeroizing<String>);

fn read_or_make(path: &Path, key: impl FnOnce() -> PrivateKeyText) -> Result<Zeroizing<String>, KeysError> {
    let failed = |source| KeysError::Io { path: path.to_owned(), source };
    match File::open(path) {
        Ok(file) => {
            let mode = file.metadata().map_err(failed)?.permissions().mode();
            if mode & 0o077 != 0 {
                return Err(KeysError::Exposed { path: path.to_owned() });
            }
            let mut text = Zeroizing::new(String::new());
            file.take(1024).read_to_string(&mut text).map_err(failed)?;
            Ok(text)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let PrivateKeyText(text) = key();
            make(path, &text).map_err(failed)?;
            Ok(text)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes a file that was not there, so that it is whole and on disk, or not there.
fn make(path: &Path, text: &str) -> io::Result<()> {
    let line = Zeroizing::new(format!("{text}\n"));
    durable::write(path, &line, 0o600).map(Changed::keep)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_read_ever_after() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        let first = keys.location_key(LocationId(7), [1; 32]).unwrap();
        assert!(first == keys.location_key(LocationId(7), [2; 32]).unwrap());
        let path = dir.path().join("keys/location-7.key");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(dir.path().join("keys")).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn another_key_is_the_one_from_the_moment_it_is_renamed() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        let first = keys.location_key(LocationId(7), [1; 32]).unwrap();
        let other = PrivateKey::from_random([2; 32]);
        let staged = keys.stage_location_key(LocationId(7), &other).unwrap();
        assert!(first == keys.location_key(LocationId(7), [3; 32]).unwrap());
        let (source, target) = staged.names();
        durable::rename(source, target).unwrap();
        assert!(other == keys.location_key(LocationId(7), [3; 32]).unwrap());
    }

    #[test]
    fn a_key_of_which_a_crash_left_half_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        fs::write(dir.path().join("keys/location-7.key.new"), "").unwrap();
        let made = keys.location_key(LocationId(7), [1; 32]).unwrap();
        assert!(made == keys.location_key(LocationId(7), [2; 32]).unwrap());
    }

    #[test]
    fn a_key_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        keys.location_key(LocationId(7), [1; 32]).unwrap();
        let path = dir.path().join("keys/location-7.key");
        fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(keys.location_key(LocationId(7), [1; 32]), Err(KeysError::Exposed { .. })));
    }

    #[test]
    fn a_damaged_key_file_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        keys.token_key([1; 32]).unwrap();
        let path = dir.path().join("keys/token.key");
        fs::write(&path, "cut sh").unwrap();
        assert!(matches!(keys.token_key([1; 32]), Err(KeysError::Unreadable { .. })));
        assert_eq!(fs::read_to_string(path).unwrap(), "cut sh");
    }
}
