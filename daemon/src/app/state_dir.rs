//! The state folder, for its owner alone and held by one daemon at a time: two would write one database under two
//! configurations.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
};
use std::path::{Path, PathBuf};

/// A folder that this process holds until the value is dropped or the process ends, however it ends.
pub struct StateDir {
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
    pub fn hold(path: &Path) -> Result<Self, StateDirError> {
        let failed = |source| StateDirError::Io { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let folder = path.metadata().map_err(failed)?;
        if folder.permissions().mode() & 0o077 != 0 {
            return Err(StateDirError::Exposed(path.to_owned()));
        }
        let lock = File::options().create(true).append(true).mode(0o600).open(path.join("postern.lock"));
        let lock = lock.map_err(failed)?;
        if lock.metadata().map_err(failed)?.uid() != folder.uid() {
            // Root looks after somebody else's folder: the file is theirs, or they could not hold it any more. Whoever may not
            // give it away is told so when it matters.
            let _ = chown(path.join("postern.lock"), Some(folder.uid()), Some(folder.gid()));
        }
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
