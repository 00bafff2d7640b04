//! The state folder, for its owner alone and held by one daemon at a time: two would write one database under two
//! configurations.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, geteuid, getgroups, setfsgid, setfsuid, setgroups};

/// What one daemon at a time holds, in the folder.
pub const LOCK: &str = "postern.lock";

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
        let acting = AsOwner::of(path).map_err(failed)?;
        let lock = File::options().create(true).append(true).mode(0o600).open(path.join(LOCK));
        let lock = lock.map_err(failed)?;
        drop(acting);
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StateDirError::Taken(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Until this is dropped, root has no other rights to files on this thread than the folder's owner.
    pub fn as_owner(&self) -> io::Result<AsOwner> {
        AsOwner::of(&self.path)
    }
}

/// As long as this is there, what root does with files on this thread it does with the rights of the folder's owner:
/// a link that the owner put there leads root nowhere that the owner may not go, and what is made there is the owner's.
/// For everybody else it changes nothing.
#[must_use = "dropping it gives root its rights back"]
pub struct AsOwner {
    /// Of the thread, and of the process.
    before: Option<(Uid, Gid, Vec<Gid>)>,
    /// The rights are one thread's.
    _here: PhantomData<*const ()>,
}

impl AsOwner {
    fn of(folder: &Path) -> io::Result<Self> {
        let found = folder.metadata()?;
        let mut this = Self { before: None, _here: PhantomData };
        if !geteuid().is_root() || found.uid() == 0 {
            return Ok(this);
        }
        let (uid, gid, groups) = (Uid::from_raw(found.uid()), Gid::from_raw(found.gid()), getgroups()?);
        setgroups(&[])?;
        // Of root's capabilities those over files go with the user.
        this.before = Some((setfsuid(uid), setfsgid(gid), groups));
        // They say what was before, not whether it worked: that is what the next call says.
        if (setfsuid(uid), setfsgid(gid)) == (uid, gid) {
            Ok(this)
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
}

impl Drop for AsOwner {
    fn drop(&mut self) {
        let Some((uid, gid, groups)) = self.before.take() else { return };
        setfsuid(uid);
        setfsgid(gid);
        if let Err(error) = setgroups(&groups) {
            tracing::warn!(%error, "root's groups could not be taken up again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    /// Nobody in particular.
    const OWNER: u32 = 12345;

    #[test]
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn root_follows_no_link_of_the_folders_owner_and_leaves_what_it_makes_to_them() {
        if !geteuid().is_root() {
            eprintln!("SKIPPED: only root gives a folder to somebody else; run as root");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let [state, mine] = ["state", "mine"].map(|name| dir.path().join(name));
        fs::write(&mine, "root's").unwrap();
        fs::set_permissions(&mine, fs::Permissions::from_mode(0o640)).unwrap();
        DirBuilder::new().mode(0o700).create(&state).unwrap();
        chown(&state, Some(OWNER), Some(OWNER)).unwrap();
        symlink(&mine, state.join(LOCK)).unwrap();
        assert!(matches!(StateDir::hold(&state), Err(StateDirError::Io { .. })));
        assert_eq!(mine.metadata().unwrap().uid(), 0);
        fs::remove_file(state.join(LOCK)).unwrap();
        let held = StateDir::hold(&state).unwrap();
        let lock = state.join(LOCK).metadata().unwrap();
        assert_eq!((lock.uid(), lock.gid()), (OWNER, OWNER));
        let groups = getgroups().unwrap();
        let acting = held.as_owner().unwrap();
        assert!(fs::read(&mine).is_err(), "the owner may not read it");
        drop(acting);
        assert_eq!((fs::read(&mine).unwrap(), getgroups().unwrap()), (b"root's".to_vec(), groups));
    }
}
