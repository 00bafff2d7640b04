//! Writes what was designed: all files or none. What the daemon's user has to read is given to it.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use postern_gateway::chain;

use crate::cli::service_user::ServiceUser;
use crate::config::Draft;
use crate::durable::{self, Changed};

/// For a secret.
const SECRET: u32 = 0o600;
/// For what the daemon reads.
const READ: u32 = 0o640;
/// For what it writes too, by `postern location`; the package has them so.
const LOCATION: u32 = 0o660;
/// For a folder with what it reads.
const FOLDER: u32 = 0o750;
/// For the one with what it writes.
const LOCATIONS: u32 = 0o770;

impl ServiceUser {
    /// A file with a secret, which only the daemon may read.
    pub(super) fn write_secret(&self, path: &Path, text: &str) -> Result<Changed, String> {
        let changed = durable::write(path, text, SECRET).map_err(cannot("write", path))?;
        std::fs::set_permissions(path, Permissions::from_mode(SECRET)).map_err(cannot("protect", path))?;
        self.own(path)?;
        Ok(changed)
    }

    /// All drafts; `main` is the one that root owns and the daemon reads.
    pub(super) fn write(&self, main: &Path, drafts: &[Draft]) -> Result<Vec<Changed>, String> {
        let mut changed = Vec::new();
        for Draft { file, text } in drafts {
            let Some(text) = text else { continue };
            let (folder, mode) = if file == main { (FOLDER, READ) } else { (LOCATIONS, LOCATION) };
            self.make_folder(file.parent(), folder)?;
            changed.push(durable::write(file, text, mode).map_err(cannot("write", file))?);
            self.share(file)?;
        }
        Ok(changed)
    }

    /// Makes a folder and those above it, in which the daemon's group may look; `mode` is the folder's own.
    fn make_folder(&self, folder: Option<&Path>, mode: u32) -> Result<(), String> {
        let is_lacking = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let Some(folder) = folder.filter(is_lacking) else { return Ok(()) };
        self.make_folder(folder.parent(), FOLDER)?;
        DirBuilder::new().mode(mode).create(folder).map_err(cannot("make", folder))?;
        self.share(folder)?;
        // Whatever the umask leaves.
        std::fs::set_permissions(folder, Permissions::from_mode(mode)).map_err(cannot("protect", folder))
    }

    fn own(&self, path: &Path) -> Result<(), String> {
        let Some(user) = &self.0 else { return Ok(()) };
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(cannot("give postern", path))
    }

    /// Root's, and what its group may is for the daemon.
    fn share(&self, path: &Path) -> Result<(), String> {
        let Some(user) = &self.0 else { return Ok(()) };
        chown(path, Some(0), Some(user.gid.as_raw())).map_err(cannot("give postern", path))
    }
}

fn cannot(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> String {
    let path: PathBuf = path.to_owned();
    move |error| format!("cannot {action} {}: {}; nothing was changed", path.display(), chain(&error))
}
