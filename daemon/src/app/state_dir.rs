//! The state folder, for its owner alone and held by one daemon at a time: two would write one database under two
//! configurations.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
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
    /// Group or others have rights to it. It is not tightened here: it may be a folder that others need.
    #[error("others may use the state folder {path}: run `chmod 700 {path}`", path = .0.display())]
    Exposed(PathBuf),
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
    /// Makes the folder, for its owner alone, if it is not there, and holds it.
    pub(super) fn hold(path: &Path) -> Result<Self, StateDirError> {
        let failed = |source| StateDirError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        if path.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
            return Err(StateDirError::Exposed(path.to_owned()));
        }
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
