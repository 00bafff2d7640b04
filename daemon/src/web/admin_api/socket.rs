//! The socket's file.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use tokio::net::{UnixListener, UnixSocket};

use super::caller::ADMIN_GROUP;

/// How many connections may wait to be taken.
const WAITING: u32 = 128;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody answers there.
    #[error("another postern answers on {}", .0.display())]
    Taken(PathBuf),
    /// The file system.
    #[error("cannot listen on {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Listens on `path`, for root and, where there is one, the group `postern-admin`. A file that an ended daemon left
/// there is replaced. Must be called within a tokio runtime.
pub fn bind(path: &Path) -> Result<UnixListener, BindError> {
    let failed = |source| BindError::Io { path: path.to_owned(), source };
    match UnixStream::connect(path) {
        Ok(_) => return Err(BindError::Taken(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), make_folder).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    // Nobody can connect before `listen`: the file admits the right ones from the first moment.
    let socket = UnixSocket::new_stream().map_err(failed)?;
    socket.bind(path).map_err(failed)?;
    admit(path).map_err(failed)?;
    socket.listen(WAITING).map_err(failed)
}

/// Whoever may use the socket must get to it, whatever the process's umask.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.exists() {
        return Ok(());
    }
    path.parent().map_or(Ok(()), make_folder)?;
    std::fs::create_dir(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o755))
}

fn admit(path: &Path) -> io::Result<()> {
    // Closed to the group first: its owner changes before its permissions widen.
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let Ok(Some(group)) = Group::from_name(ADMIN_GROUP) else { return Ok(()) };
    // In a folder that gives its group to what is made in it, nothing has to be changed, nor need the right to.
    if std::fs::metadata(path)?.gid() != group.gid.as_raw() {
        chown(path, None, Some(group.gid.as_raw()))?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o660))
}
