//! A state folder in the making: beside the one it is going to be, for its owner alone, gone unless it is put in place.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use sha2::{Digest as _, Sha256};

use super::manifest::{Entry, Manifest};
use super::{BackupError, DATABASE, is_moment};
use crate::durable::sync_folder;
use crate::rules::action::Action;
use crate::store::Store;
use crate::store::whole::{self, Described};

/// What the folder's name has after the place's, before the stamp.
const UNFINISHED: &str = ".restoring-";
const PIECE_BYTES: usize = 64 * 1024;

/// A folder that is removed when this is dropped.
pub struct Staging {
    dir: PathBuf,
    place: PathBuf,
    /// Of the folder itself: it is not abandoned.
    lock: File,
}

/// A folder that took another one's place; dropping this puts the other one back.
#[must_use = "dropping it puts the old folder back"]
pub struct Swapped {
    /// Where the new one is, and where the old one is if there was one.
    place: PathBuf,
    aside: PathBuf,
    had_one: bool,
    kept: bool,
}

impl Staging {
    /// Makes an empty folder beside `place`; `stamp`, a moment ([`super::MOMENT`]), makes its name one of its own.
    pub fn beside(place: &Path, stamp: &str) -> Result<Self, BackupError> {
        let begun = with_suffix(place, UNFINISHED);
        remove_abandoned(&begun)
            .map_err(BackupError::file("remove what an earlier restore left as", &begun))?;
        let dir = with_suffix(&begun, stamp);
        let made = DirBuilder::new().mode(0o700).create(&dir).and_then(|()| File::open(&dir));
        let lock = made.map_err(BackupError::file("make", &dir))?;
        let this = Self { dir, place: place.to_owned(), lock };
        this.lock.lock().map_err(BackupError::file("hold", &this.dir))?;
        Ok(this)
    }

    /// Writes one file, which has to be what `entry` says.
    pub(super) fn write(&self, file: &Path, from: &mut impl Read, entry: &Entry) -> Result<(), BackupError> {
        let path = self.dir.join(file);
        let failed = |source| BackupError::File { action: "write", path: path.clone(), source };
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = from.read(&mut piece).map_err(BackupError::Damaged)?;
            let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { break };
            hash.update(read);
            bytes += u64::try_from(read.len()).unwrap_or(u64::MAX);
            file.write_all(read).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        let is_same = bytes == entry.bytes && hex(&hash.finalize()) == entry.sha256;
        if is_same { Ok(()) } else { Err(BackupError::Differs(entry.name.clone())) }
    }

    /// What the database in it is.
    pub(super) fn describe(&self) -> Result<Described, BackupError> {
        whole::describe(&self.dir.join(DATABASE)).map_err(BackupError::Copy)
    }

    /// Brings its database to this program's schema, takes out what belongs to the old host alone, and writes into its audit log that it was restored.
    pub fn record(&self, manifest: &Manifest, now: Timestamp) -> Result<(), BackupError> {
        let detail = format!("taken at {} by postern {}", manifest.taken_at, manifest.program);
        let store = Store::open(&self.dir.join(DATABASE)).map_err(BackupError::Copy)?;
        let written = store.write_blocking(|tx| {
            // They name files of the host that it was taken on, and the backup has them in their places.
            tx.renames_done()?;
            // Whoever signed out since then would be signed in again.
            tx.sign_out_everybody()?;
            if !manifest.with_keys {
                tx.forget_preshared_keys()?;
                tx.forget_totp_secrets()?;
                tx.forget_signing_keys()?;
            }
            tx.audit("unix:root", Action::BackupRestore, "postern", Some(&detail), now)
        });
        written.map(drop).map_err(BackupError::Copy)
    }

    /// Gives everything in it to a user and a group, and has it on disk.
    pub fn complete(&self, owner: Option<(u32, u32)>) -> Result<(), BackupError> {
        complete(&self.dir, owner).map_err(BackupError::file("complete", &self.dir))
    }

    /// Takes its place, in one step. What was there is at `aside` then.
    pub fn swap(mut self, aside: &Path) -> Result<Swapped, BackupError> {
        let had_one = fs::symlink_metadata(&self.place).is_ok();
        let failed = |error: io::Error| {
            let is_mount =
                [io::ErrorKind::CrossesDevices, io::ErrorKind::ResourceBusy].contains(&error.kind());
            let replaced = || BackupError::file("replace the state folder", &self.place)(error);
            if is_mount { BackupError::MountPoint(self.place.clone()) } else { replaced() }
        };
        if had_one {
            // First, so that what was there is at no moment called as what is unfinished and may be removed.
            fs::rename(&self.dir, aside).map_err(BackupError::file("rename", &self.dir))?;
            aside.clone_into(&mut self.dir);
        }
        let swapped =
            if had_one { exchange(&self.dir, &self.place) } else { fs::rename(&self.dir, &self.place) };
        swapped.map_err(failed)?;
        let done = Swapped { place: self.place.clone(), aside: aside.to_owned(), had_one, kept: false };
        // What is called so from here on is not ours to remove.
        let _ = std::mem::ManuallyDrop::new(self);
        sync_folder(&done.place).map_err(BackupError::file("write", &done.place))?;
        Ok(done)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // It is in nobody's way, and named as what it is.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Swapped {
    /// The new one stays.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Swapped {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let undone = if self.had_one {
            exchange(&self.aside, &self.place).and_then(|()| fs::remove_dir_all(&self.aside))
        } else {
            fs::remove_dir_all(&self.place)
        };
        if let Err(error) = undone {
            tracing::error!(%error, folder = %self.place.display(), "the state folder could not be put back");
        }
    }
}

/// Removes folders whose names begin so and end in a moment, and that nobody holds: there are keys in them, and whoever made them was killed.
fn remove_abandoned(begun: &Path) -> io::Result<()> {
    let (Some(parent), Some(begun)) = (begun.parent(), begun.file_name()) else { return Ok(()) };
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let stamp = name.as_encoded_bytes().strip_prefix(begun.as_encoded_bytes());
        let is_one = stamp.and_then(|stamp| std::str::from_utf8(stamp).ok()).is_some_and(is_moment);
        if is_one && entry.file_type()?.is_dir() && File::open(entry.path())?.try_lock().is_ok() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// `path` with more at the end of its name.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Fails only without memory, as every write into a string.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    match renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE) {
        // A file system that cannot: in three steps, each of which leaves both folders whole.
        Err(Errno::EINVAL) => {
            let between = with_suffix(one, ".exchanged");
            fs::rename(other, &between)?;
            fs::rename(one, other)?;
            fs::rename(&between, one)
        }
        exchanged => Ok(exchanged?),
    }
}

fn complete(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            complete(&entry?.path(), owner)?;
        }
    }
    if let Some((uid, gid)) = owner {
        chown(path, Some(uid), Some(gid))?;
    }
    File::open(path)?.sync_all()
}
