//! The file of a backup: for its owner alone, written beside its place and encrypted from the first byte.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::Clock;
use crate::durable::sync_folder;
use crate::envelope::{self, Lock, Sealing};

/// Whoever waits longer is told how far it is, as often as this.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// What began so long ago and is not held was killed.
const ABANDONED_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// A file that is gone when this is dropped, unless it is put in its place.
pub(super) struct Output<'a, E: Write> {
    path: PathBuf,
    /// `None`: it is finished.
    sealing: Option<Sealing<BufWriter<File>>>,
    bytes: u64,
    told_at: Timestamp,
    errors: &'a mut E,
}

impl<'a, E: Write> Output<'a, E> {
    /// Begins it beside `place`, where what killed backups to that place left is removed. How far it is goes to `errors`.
    pub(super) fn beside(place: &Path, lock: &Lock, errors: &'a mut E) -> io::Result<Self> {
        // It is in nobody's way, and what does not succeed here the next may.
        let _ = remove_abandoned(place);
        let mut path = place.as_os_str().to_owned();
        // Of its own: another backup may be under way to the same place.
        path.push(format!(".{}.tmp", Clock::system().now().as_nanosecond()));
        let path = PathBuf::from(path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        // Held while it is written: it is not abandoned. Some file systems have no such locks.
        let _ = file.try_lock();
        let mut this = Self { path, sealing: None, bytes: 0, told_at: Clock::system().now(), errors };
        this.sealing = Some(envelope::seal(lock, BufWriter::new(file))?);
        // A passphrase takes a second by itself.
        this.told_at = Clock::system().now();
        Ok(this)
    }

    /// Whether nothing was written yet.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Has it on disk, whole, and gives it its name; its length.
    pub(super) fn place(mut self, place: &Path) -> io::Result<u64> {
        let sealing = self.sealing.take().ok_or(io::ErrorKind::InvalidInput)?;
        let file = sealing.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&self.path, place)?;
        sync_folder(&std::path::absolute(place)?)?;
        Ok(file.metadata()?.len())
    }

    fn tell(&mut self) -> io::Result<()> {
        let now = Clock::system().now();
        if now.duration_since(self.told_at).unsigned_abs() >= TOLD_EVERY {
            self.told_at = now;
            writeln!(self.errors, "postern: {} so far", size(self.bytes))?;
        }
        Ok(())
    }
}

impl<E: Write> Write for Output<'_, E> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sealing = self.sealing.as_mut().ok_or(io::ErrorKind::InvalidInput)?;
        let written = sealing.write(bytes)?;
        self.bytes += u64::try_from(written).unwrap_or_default();
        self.tell()?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sealing.as_mut().map_or(Ok(()), Sealing::flush)
    }
}

impl<E: Write> Drop for Output<'_, E> {
    fn drop(&mut self) {
        // It has another name by now, or is of no use.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes unfinished backups to `place` that nobody holds and that began a while ago: one that begins is not held yet.
fn remove_abandoned(place: &Path) -> io::Result<()> {
    let place = std::path::absolute(place)?;
    let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else { return Ok(()) };
    let now = Clock::system().now();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let begun = begun_at(entry.file_name().as_encoded_bytes(), name.as_encoded_bytes());
        let is_old = begun.is_some_and(|begun| now.duration_since(begun) > ABANDONED_AFTER);
        // Nothing but a plain file: who opens a pipe waits for somebody.
        if is_old && entry.file_type()?.is_file() && File::open(entry.path())?.try_lock().is_ok() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// When an unfinished backup to a place of this name began, by its own.
fn begun_at(name: &[u8], of: &[u8]) -> Option<Timestamp> {
    let stamp = name.strip_prefix(of)?.strip_prefix(b".")?.strip_suffix(b".tmp")?;
    let stamp = std::str::from_utf8(stamp).ok()?;
    let is_number = stamp.bytes().all(|byte| byte.is_ascii_digit());
    Timestamp::from_nanosecond(stamp.parse().ok().filter(|_| is_number)?).ok()
}

/// A length for people.
pub(super) fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    if bytes < KIB * KIB {
        format!("{} KiB", bytes.div_ceil(KIB))
    } else {
        format!("{} MiB", bytes.div_ceil(KIB * KIB))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Passphrase;

    #[test]
    fn what_a_killed_backup_left_is_removed_by_the_next_to_that_place_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let (killed, now) = ("kept.1700000000000000000.tmp", Clock::system().now().as_nanosecond());
        let begins = format!("kept.{now}.tmp");
        let others = ["kept", "kept.17x.tmp", "kept.tmp", "other.1700000000000000000.tmp", begins.as_str()];
        for name in others.iter().chain(&[killed]) {
            fs::write(path(name), name).unwrap();
        }
        let held = File::create(path("kept.1700000000000000001.tmp")).unwrap();
        held.lock().unwrap();
        let lock = Lock::Under(Passphrase::new("correct horse battery staple"));
        let mut told = io::sink();
        drop(Output::beside(&path("kept"), &lock, &mut told).unwrap());
        assert!(!path(killed).exists());
        assert!(others.iter().all(|name| path(name).exists()), "{others:?}");
        assert!(path("kept.1700000000000000001.tmp").exists(), "another is being written");
    }

    #[test]
    fn two_at_once_to_the_same_place_are_each_whole() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("kept");
        let lock = Lock::Under(Passphrase::new("correct horse battery staple"));
        let [mut told, mut told_too] = [io::sink(), io::sink()];
        let mut first = Output::beside(&place, &lock, &mut told).unwrap();
        let mut second = Output::beside(&place, &lock, &mut told_too).unwrap();
        first.write_all(b"longer").unwrap();
        second.write_all(b"short").unwrap();
        let length = first.place(&place).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().len(), length);
        let other = second.place(&place).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().len(), other);
        assert!(other < length);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
