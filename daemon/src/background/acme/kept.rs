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

/// A certificate as an authority gave it.
pub(super) struct Obtained {
    /// Whose: the directory's URL.
    pub(super) directory: String,
    /// PEM.
    pub(super) chain_pem: String,
    /// PEM.
    pub(super) key_pem: Zeroizing<String>,
}

/// Before whose certificate it is, in the first line of its file: outside of the PEM blocks, where anything may stand.
const DIRECTORY: &str = "Directory: ";

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

    /// The certificate, and the directory it is from, if that was written down; `None`: there was none yet.
    pub(super) fn pair(&self) -> Result<Option<(Pair, Option<String>)>, KeptError> {
        let path = self.pair_path();
        let Some(text) = read(&path)? else { return Ok(None) };
        let directory = text.lines().next().and_then(|line| line.strip_prefix(DIRECTORY)).map(str::to_owned);
        Ok(Some((Pair::of(text.as_bytes(), &path, text.as_bytes(), &path)?, directory)))
    }

    /// Whether visitors can be shown it.
    pub(super) fn judge(&self, obtained: &Obtained) -> Result<Pair, KeptError> {
        let (path, Obtained { chain_pem, key_pem, .. }) = (self.pair_path(), obtained);
        Ok(Pair::of(chain_pem.as_bytes(), &path, key_pem.as_bytes(), &path)?)
    }

    /// Keeps a certificate with its key.
    pub(super) fn keep(&self, obtained: &Obtained) -> Result<(), KeptError> {
        let Obtained { directory, chain_pem, key_pem } = obtained;
        let text = Zeroizing::new(format!("{DIRECTORY}{directory}\n{}{chain_pem}", key_pem.as_str()));
        self.write(&self.pair_path(), &text)
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
