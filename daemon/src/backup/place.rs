//! Which names there may be in a backup, and what each stands for. A name leads nowhere else, whatever an archive says.

use std::path::{Component, Path, PathBuf};

use super::DATABASE;

pub(super) const MAIN_NAME: &str = "config/postern.toml";
pub(super) const DATABASE_NAME: &str = "state/postern.db";

const LOCATIONS: &str = "config/locations.d";
const TEXTS: &str = "config/mail";
const OTHERS: &str = "config/files";
const STATE: &str = "state";

/// Folders of the state folder that belong into a backup.
pub(super) const STATE_DIRS: [&str; 2] = ["keys", "acme"];
const LONGEST: usize = 200;

/// What a file of a backup is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `postern.toml`.
    Main,
    /// A location's file, by its name in the folder of locations.
    Location(PathBuf),
    /// A text of mails and pages, below its folder.
    Text(PathBuf),
    /// Another file that the configuration names, below the configuration's folder.
    Named(PathBuf),
    /// A file below the state folder.
    State(PathBuf),
}

impl Place {
    /// `None`: no backup holds such a file.
    pub fn of(name: &str) -> Option<Self> {
        if name == MAIN_NAME {
            return Some(Self::Main);
        }
        if name.len() > LONGEST || name.contains('\0') || !is_plain(Path::new(name)) {
            return None;
        }
        let below = |folder: &str| name.strip_prefix(folder)?.strip_prefix('/').map(PathBuf::from);
        if let Some(file) = below(LOCATIONS) {
            return (depth(&file) == 1).then_some(Self::Location(file));
        }
        if let Some(file) = below(STATE) {
            let folder = file.parent().and_then(Path::to_str).unwrap_or_default();
            let known = file == Path::new(DATABASE) || (depth(&file) == 2 && STATE_DIRS.contains(&folder));
            return known.then_some(Self::State(file));
        }
        below(TEXTS).map(Self::Text).or_else(|| below(OTHERS).map(Self::Named))
    }

    /// Its name; `None`: it has none that a backup can hold.
    pub fn name(&self) -> Option<String> {
        let (folder, file) = match self {
            Self::Main => return Some(MAIN_NAME.to_owned()),
            Self::Location(file) => (LOCATIONS, file),
            Self::Text(file) => (TEXTS, file),
            Self::Named(file) => (OTHERS, file),
            Self::State(file) => (STATE, file),
        };
        let name = format!("{folder}/{}", file.to_str()?);
        (Self::of(&name).as_ref() == Some(self)).then_some(name)
    }
}

/// Whether a path has nothing but names, and is written as they are.
fn is_plain(path: &Path) -> bool {
    let rebuilt: PathBuf = path.components().collect();
    rebuilt.as_os_str() == path.as_os_str()
        && path.components().all(|part| matches!(part, Component::Normal(_)))
}

fn depth(path: &Path) -> usize {
    path.components().count()
}
