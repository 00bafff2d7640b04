//! What outlives the daemon: the account with the authority, and the certificate with its key. Each is one file, whole or
//! as it was, for the daemon's user alone.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::durable;
use crate::tls::pair::{Pair, PairError};

/// Why something could not be kept, or found again.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeptError {
    /// A file.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not what was written.
    #[error("{} is damaged: remove it, and postern makes another account", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// See [`PairError`].
    #[error(transparent)]
    Pair(#[from] PairError),
}

/// An account, and where it is one.
#[derive(Serialize, Deserialize)]
pub(super) struct Account {
    /// The directory's URL.
    pub(super) directory: String,
    /// With its key.
    pub(super) credentials: AccountCredentials,
}

/// The folder of both.
pub(super) struct Kept {
    dir: PathBuf,
}

impl Kept {
    pub(super) fn below(state_dir: &Path) -> Self {
        Self { dir: state_dir.join("acme") }
    }

    /// The account with this directory.
    pub(super) fn account(&self, directory: &str) -> Result<Option<AccountCredentials>, KeptError> {
        let path = self.dir.join("account.json");
        let Some(text) = read(&path)? else { return Ok(None) };
        let found: Result<Account, _> = serde_json::from_str(&text);
        let found = found.map_err(|source| KeptError::Damaged { path, source })?;
        Ok(Some(found).filter(|found| found.directory == directory).map(|found| found.credentials))
    }

    pub(super) fn keep_account(&self, account: &Account) -> Result<(), KeptError> {
        let path = self.dir.join("account.json");
        let text = serde_json::to_string(account);
        let text = Zeroizing::new(text.map_err(|source| KeptError::Damaged { path: path.clone(), source })?);
        self.write(&path, &text)
    }

    /// Forgets an account that the authority does not know.
    pub(super) fn forget_account(&self) -> Result<(), KeptError> {
        let path = self.dir.join("account.json");
        fs::remove_file(&path).map_err(|source| KeptError::Io { action: "remove", path, source })
    }

    /// The certificate; `None`: there was none yet.
    pub(super) fn pair(&self) -> Result<Option<Pair>, KeptError> {
        let path = self.pair_path();
        let Some(text) = read(&path)? else { return Ok(None) };
        Ok(Some(Pair::of(text.as_bytes(), &path, text.as_bytes(), &path)?))
    }

    /// Judges and keeps a certificate with its key, both PEM.
    pub(super) fn keep_pair(&self, chain_pem: &str, key_pem: &str) -> Result<Pair, KeptError> {
        let path = self.pair_path();
        let pair = Pair::of(chain_pem.as_bytes(), &path, key_pem.as_bytes(), &path)?;
        self.write(&path, &Zeroizing::new(format!("{key_pem}{chain_pem}")))?;
        Ok(pair)
    }

    fn pair_path(&self) -> PathBuf {
        self.dir.join("certificate.pem")
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), KeptError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        let written = made.and_then(|()| durable::write(path, text, 0o600));
        let io = |source| KeptError::Io { action: "write", path: path.to_owned(), source };
        written.map_err(io).map(durable::Changed::keep)
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeptError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeptError::Io { action: "read", path: path.to_owned(), source }),
    }
}
