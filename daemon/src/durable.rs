//! Files that are as they should be or as they were, never in between, also when the power fails: written beside,
//! synced, renamed. A change is undone unless it is kept; one that is only staged waits beside until it is placed. It
//! knows nothing of what is in the files.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use postern_gateway::chain;
use zeroize::Zeroizing;

/// No file changed here is longer.
const MOST_BYTES: u64 = 1024 * 1024;

/// A file changed: dropping this undoes it, [`Changed::keep`] does not.
#[must_use = "dropping it undoes the change"]
pub struct Changed {
    undo: Option<Undo>,
}

/// A change that is on disk but for the [renaming](rename). Dropping this gives it up, [`Staged::keep`] leaves it ready.
#[must_use = "dropping it gives the change up"]
pub struct Staged {
    beside: PathBuf,
    path: PathBuf,
    /// Whether nobody needs what is beside once the change is given up.
    is_draft: bool,
}

enum Undo {
    Remove(PathBuf),
    Write { path: PathBuf, before: Before },
    Rename { from: PathBuf, to: PathBuf },
}

/// What a file was. It may hold a key: no `Debug`, and wiped.
struct Before {
    bytes: Zeroizing<Vec<u8>>,
    mode: u32,
    owner: (u32, u32),
}

/// Makes `path` hold `text`. A file that was there keeps its mode and, where that is allowed, its owner; a new one
/// gets `mode`. Behind a symbolic link the file it leads to is changed.
pub fn write(path: &Path, text: &str, mode: u32) -> io::Result<Changed> {
    let path = behind_links(path)?;
    let before = Before::of(&path)?;
    let (mode, owner) = before.as_ref().map_or((mode, None), |before| (before.mode, Some(before.owner)));
    put(&path, text.as_bytes(), mode, owner)?;
    Ok(Changed::from(path, before))
}

/// Makes `path` hold `bytes` with this mode and, unless `None`, this owner and group, whatever is there: a link is
/// replaced, not followed.
pub fn replace(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<Changed> {
    let before = Before::of(path)?;
    put(path, bytes, mode, owner)?;
    Ok(Changed::from(path.to_owned(), before))
}

/// Renames `path` to `aside`, in the same folder; what was called so before is lost.
pub fn move_aside(path: &Path, aside: &Path) -> io::Result<Changed> {
    fs::rename(path, aside)?;
    sync_folder(path)?;
    Ok(Changed { undo: Some(Undo::Rename { from: aside.to_owned(), to: path.to_owned() }) })
}

/// Has `text` on disk beside `path`, which is to hold it once it is renamed. Modes and owners are as for [`write()`].
pub fn stage(path: &Path, text: &str, mode: u32) -> io::Result<Staged> {
    let path = behind_links(path)?;
    let before = Before::of(&path)?;
    let (mode, owner) = before.as_ref().map_or((mode, None), |before| (before.mode, Some(before.owner)));
    let staged = beside(&path, text.as_bytes(), mode, owner)?;
    // Whoever notes the name relies on its being there.
    sync_folder(&path)?;
    Ok(staged)
}

/// A file that is to be called otherwise, in the same folder; what is called so is lost then.
pub fn stage_aside(path: &Path, aside: &Path) -> io::Result<Staged> {
    fs::metadata(path)?;
    Ok(Staged { beside: path.to_owned(), path: aside.to_owned(), is_draft: false })
}

/// Renames a file that is there, and has that on disk. One that is not was renamed before.
pub fn rename(source: &Path, target: &Path) -> io::Result<()> {
    match fs::rename(source, target) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        renamed => renamed?,
    }
    sync_folder(target)
}

impl Changed {
    fn from(path: PathBuf, before: Option<Before>) -> Self {
        let undo = match before {
            Some(before) => Undo::Write { path, before },
            None => Undo::Remove(path),
        };
        Self { undo: Some(undo) }
    }

    /// The change stays.
    pub fn keep(mut self) {
        self.undo = None;
    }
}

impl Staged {
    /// The present name, and the one it is to have.
    pub fn names(&self) -> (&Path, &Path) {
        (&self.beside, &self.path)
    }

    /// Somebody else renames it.
    pub fn keep(mut self) {
        self.is_draft = false;
    }

    fn place(mut self) -> io::Result<()> {
        fs::rename(&self.beside, &self.path)?;
        self.is_draft = false;
        sync_folder(&self.path)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.is_draft {
            // One that stays is no obstacle to the next.
            let _ = fs::remove_file(&self.beside);
        }
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        let Some(undo) = self.undo.take() else { return };
        if let Err(error) = undo.perform() {
            tracing::error!(file = %undo.path().display(), error = chain(&error), "a file could not be put back");
        }
    }
}

impl Undo {
    fn perform(&self) -> io::Result<()> {
        match self {
            Self::Remove(path) => fs::remove_file(path)?,
            Self::Write { path, before } => put(path, &before.bytes, before.mode, Some(before.owner))?,
            Self::Rename { from, to } => fs::rename(from, to)?,
        }
        sync_folder(self.path())
    }

    fn path(&self) -> &Path {
        match self {
            Self::Remove(path) | Self::Write { path, .. } | Self::Rename { to: path, .. } => path,
        }
    }
}

impl Before {
    /// `None`: there is no such file.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if metadata.len() > MOST_BYTES {
            return Err(io::Error::new(ErrorKind::FileTooLarge, "longer than any file postern changes"));
        }
        let mut bytes = Zeroizing::new(Vec::new());
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        let (mode, owner) = (metadata.mode() & 0o7777, (metadata.uid(), metadata.gid()));
        Ok(Some(Self { bytes, mode, owner }))
    }
}

fn behind_links(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(path.to_owned()),
        found => found,
    }
}

fn put(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    beside(path, bytes, mode, owner)?.place()
}

fn beside(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<Staged> {
    // Not a name that ends as those end which are read.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match fs::remove_file(&beside) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let staged = Staged { beside, path: path.to_owned(), is_draft: true };
    write_new(&staged.beside, bytes, mode, owner)?;
    Ok(staged)
}

fn write_new(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some((uid, gid)) = owner {
        // Only root may give a file away; whoever else writes here owns it from then on.
        let _ = fchown(&file, Some(uid), Some(gid));
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Has a change of names in the folder of `path` on disk.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_keeps_its_mode_and_a_new_one_gets_the_given_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        write(&path, "one", 0o644).unwrap().keep();
        assert_eq!(shown(&path), ("one".to_owned(), 0o644));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        write(&path, "two", 0o644).unwrap().keep();
        assert_eq!(shown(&path), ("two".to_owned(), 0o640));
        assert_eq!(names(dir.path()), ["a.toml"]);
    }

    #[test]
    fn what_is_not_kept_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let [old, new] = ["old.toml", "new.toml"].map(|name| dir.path().join(name));
        write(&old, "before", 0o640).unwrap().keep();
        drop(write(&old, "after", 0o644).unwrap());
        drop(write(&new, "after", 0o644).unwrap());
        drop(move_aside(&old, &new).unwrap());
        assert_eq!(shown(&old), ("before".to_owned(), 0o640));
        assert_eq!(names(dir.path()), ["old.toml"]);
    }

    #[test]
    fn what_a_crash_left_beside_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        fs::write(dir.path().join("a.toml.new"), "half").unwrap();
        write(&path, "whole", 0o644).unwrap().keep();
        assert_eq!(names(dir.path()), ["a.toml"]);
        assert_eq!(shown(&path).0, "whole");
    }

    #[test]
    fn what_is_staged_is_nowhere_to_be_read_until_it_is_placed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        drop(stage(&path, "given up", 0o644).unwrap());
        assert_eq!(names(dir.path()), Vec::<String>::new());
        let staged = stage(&path, "whole", 0o644).unwrap();
        assert_eq!(names(dir.path()), ["a.toml.new"]);
        renamed(staged);
        assert_eq!(
            (names(dir.path()), shown(&path)),
            (vec!["a.toml".to_owned()], ("whole".to_owned(), 0o644))
        );
    }

    #[test]
    fn a_change_that_is_staged_is_made_or_given_up_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let [path, aside] = ["a.toml", "a.toml.removed"].map(|name| dir.path().join(name));
        write(&path, "before", 0o640).unwrap().keep();
        drop(stage(&path, "after", 0o644).unwrap());
        drop(stage_aside(&path, &aside).unwrap());
        assert_eq!(
            (names(dir.path()), shown(&path)),
            (vec!["a.toml".to_owned()], ("before".to_owned(), 0o640))
        );
        renamed(stage(&path, "after", 0o644).unwrap());
        assert_eq!(shown(&path), ("after".to_owned(), 0o640));
        renamed(stage_aside(&path, &aside).unwrap());
        assert_eq!(names(dir.path()), ["a.toml.removed"]);
        rename(&path, &aside).unwrap();
        assert_eq!(shown(&aside).0, "after", "what was renamed before is left alone");
    }

    #[test]
    fn what_is_replaced_has_the_given_mode_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let [link, target, lax] = ["link", "target", "lax"].map(|name| dir.path().join(name));
        fs::write(&target, "another's").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        replace(&link, b"secret", 0o600, None).unwrap().keep();
        assert_eq!(shown(&link), ("secret".to_owned(), 0o600));
        assert_eq!(fs::read_to_string(&target).unwrap(), "another's");
        fs::write(&lax, "old").unwrap();
        fs::set_permissions(&lax, Permissions::from_mode(0o644)).unwrap();
        let changed = replace(&lax, b"secret", 0o600, None).unwrap();
        assert_eq!(shown(&lax), ("secret".to_owned(), 0o600));
        drop(changed);
        assert_eq!(shown(&lax), ("old".to_owned(), 0o644));
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let dir = tempfile::tempdir().unwrap();
        let [link, target] = ["link.toml", "target"].map(|name| dir.path().join(name));
        fs::write(&target, "before").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, "after", 0o644).unwrap().keep();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "after");
    }

    fn renamed(staged: Staged) {
        let (source, target) = staged.names();
        let (source, target) = (source.to_owned(), target.to_owned());
        staged.keep();
        rename(&source, &target).unwrap();
    }

    fn shown(path: &Path) -> (String, u32) {
        (fs::read_to_string(path).unwrap(), fs::metadata(path).unwrap().mode() & 0o777)
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}
