//! The state folder, held by one daemon at a time: two would write one database under two configurations.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A folder that this process holds until the value is dropped or the process ends, however it ends.
pub(super) struct StateDir {
    path: PathBuf,
    _lock: File,
}

/// Why the folder cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// By another daemon.
    #[error(
        "another postern uses the state folder {}: end it first, or give this one a state_dir of its own",
        .0.display()
    )]
    Taken(PathBuf),
    /// The file system.
    #[error("cannot use the state folder {}: may postern make it and write there?", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StateDir {
    /// Makes the folder if it is not there, and holds it.
    pub(super) fn hold(path: &Path) -> Result<Self, StateDirError> {
        let failed = |source| StateDirError::Io { path: path.to_owned(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let lock = File::options().create(true).append(true).open(path.join("postern.lock"));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StateDirError::Taken(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
