//! The files of a restored configuration: all of them are put where the configuration says, or none is.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use super::Target;
use crate::backup::{ConfigFile, Place};
use crate::cli::Failure;
use crate::config::{Parts, settings};
use crate::durable::{self, Changed};

/// The daemon's user and group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Files, and where each of them goes.
#[derive(Default)]
pub(super) struct Files<'a> {
    found: Vec<Restored<'a>>,
    /// Location files of this host that the backup does not have.
    surplus: Vec<PathBuf>,
}

struct Restored<'a> {
    path: PathBuf,
    file: &'a ConfigFile,
    mode: Mode,
}

/// Who may read a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The daemon reads it.
    Read,
    /// It writes it too, by `postern location`.
    Write,
    /// It alone reads it.
    Secret,
}

/// What was written and moved, undone from the last to the first when this is dropped.
#[derive(Default)]
pub(super) struct Done {
    changed: Vec<Changed>,
    moved: Vec<PathBuf>,
}

impl<'a> Files<'a> {
    /// Where the files of a backup go, if `parts` is the configuration.
    pub(super) fn of(parts: &Parts, config: &'a [ConfigFile]) -> Self {
        let found: Vec<_> = config.iter().filter_map(|file| restored(parts, file)).collect();
        let entries = fs::read_dir(&parts.locations_dir).into_iter().flatten();
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let locations = paths.filter(|path| path.extension().is_some_and(|end| end == "toml"));
        let surplus = locations.filter(|path| !found.iter().any(|known| known.path == *path)).collect();
        Self { found, surplus }
    }

    /// Refuses to touch a configuration that somebody made on this host.
    pub(super) fn are_free(&self) -> Result<(), Failure> {
        let taken =
            self.found.iter().find(|restored| restored.is_in_the_way()).map(|restored| &restored.path);
        let Some(taken) = taken.or(self.surplus.first()) else { return Ok(()) };
        let why = format!(
            "this host has a configuration, {}: nothing was changed; --without-config keeps it, --force moves it aside",
            taken.display()
        );
        Err(Failure::Refused(why))
    }

    /// Where they all are.
    pub(super) fn paths(&self) -> Vec<&Path> {
        self.found.iter().map(|restored| &*restored.path).collect()
    }

    pub(super) fn write_all_but_main(&self, target: &Target) -> Result<Done, Failure> {
        let mut done = Done::default();
        for path in &self.surplus {
            done.move_aside(path, target)?;
        }
        for restored in self.found.iter().filter(|restored| restored.file.place != Place::Main) {
            done.write(restored, target)?;
        }
        Ok(done)
    }

    pub(super) fn write_main(&self, target: &Target) -> Result<Done, Failure> {
        let mut done = Done::default();
        for restored in self.found.iter().filter(|restored| restored.file.place == Place::Main) {
            done.write(restored, target)?;
        }
        Ok(done)
    }
}

impl Restored<'_> {
    /// Whether another file is there, and not the one that came with the package.
    fn is_in_the_way(&self) -> bool {
        let Ok(present) = fs::read(&self.path) else { return false };
        let nobody_set_it_up = || {
            let text = String::from_utf8_lossy(&present);
            settings::text_at(&text, "", "public_url").is_none_or(|url| url.is_empty())
        };
        present != *self.file.bytes && !(self.file.place == Place::Main && nobody_set_it_up())
    }
}

impl Done {
    /// Everything stays; what was moved aside.
    pub(super) fn keep(mut self) -> Vec<PathBuf> {
        self.changed.drain(..).for_each(Changed::keep);
        std::mem::take(&mut self.moved)
    }

    fn write(&mut self, restored: &Restored<'_>, target: &Target) -> Result<(), Failure> {
        let path = &restored.path;
        if restored.is_in_the_way() {
            self.move_aside(path, target)?;
        }
        let folder_mode = if restored.mode == Mode::Write { 0o770 } else { 0o750 };
        make_folder(path, folder_mode, target).map_err(cannot("make the folder of", path))?;
        let mode = match restored.mode {
            Mode::Read => 0o640,
            Mode::Write => 0o660,
            Mode::Secret => 0o600,
        };
        let uid = |owner: Owner| if restored.mode == Mode::Secret { owner.uid } else { 0 };
        let owner = target.owner.map(|owner| (uid(owner), owner.gid));
        let changed = durable::replace(path, &restored.file.bytes, mode, owner);
        self.changed.push(changed.map_err(cannot("write", path))?);
        Ok(())
    }

    fn move_aside(&mut self, path: &Path, target: &Target) -> Result<(), Failure> {
        let aside = target.aside(path);
        let moved = durable::move_aside(path, &aside).map_err(cannot("move aside", path))?;
        self.changed.push(moved);
        self.moved.push(aside);
        Ok(())
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        while let Some(changed) = self.changed.pop() {
            drop(changed);
        }
    }
}

fn restored<'a>(parts: &Parts, file: &'a ConfigFile) -> Option<Restored<'a>> {
    let (path, mode) = match &file.place {
        Place::Main => (parts.main.clone(), Mode::Read),
        Place::Location(name) => (parts.locations_dir.join(name), Mode::Write),
        Place::Text(below) => (parts.templates_dir.join(below), Mode::Read),
        Place::Named(below) => {
            let path = parts.base().join(below);
            let is_secret = parts.named.iter().any(|named| named.path == path && named.is_secret);
            (path, if is_secret { Mode::Secret } else { Mode::Read })
        }
        Place::State(_) => return None,
    };
    Some(Restored { path, file, mode })
}

/// The folder of `path` with this mode; those above it are for reading only.
fn make_folder(path: &Path, mode: u32, target: &Target) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.exists()) else { return Ok(()) };
    make_folder(folder, 0o750, target)?;
    fs::DirBuilder::new().mode(mode).create(folder)?;
    // Whatever the shell's umask takes away.
    fs::set_permissions(folder, fs::Permissions::from_mode(mode))?;
    target.owner.map_or(Ok(()), |owner| lchown(folder, Some(0), Some(owner.gid)))
}

fn cannot(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.to_owned();
    move |error| Failure::Refused(format!("cannot {action} {}: {error}; nothing was changed", path.display()))
}
