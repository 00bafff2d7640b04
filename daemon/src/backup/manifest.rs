//! What a backup says of itself, in JSON.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::BackupError;
use super::place::{DATABASE_NAME, MAIN_NAME, Place};
use crate::store::whole;

/// Its name in the archive.
pub(super) const NAME: &str = "manifest.json";
/// The shape of archives made here; another one is not understood.
pub(super) const FORMAT: u32 = 1;
/// Longer than a manifest of all files that may be in a backup.
pub(super) const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// More files than any installation has.
const MOST_FILES: usize = 10_000;

/// What is in a backup, and of whom it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The shape of the archive.
    pub format: u32,
    /// The version of the program that made it.
    pub program: String,
    /// The database's schema.
    pub schema: i64,
    /// The installation's identity.
    pub instance: String,
    /// When it was begun: what was acknowledged before is in it.
    pub taken_at: Timestamp,
    /// Whether private keys are in it.
    pub with_keys: bool,
    /// What the configuration names and the backup does not hold, with the reason.
    pub left_out: Vec<String>,
    /// All other files, in their order.
    pub files: Vec<Entry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// In the archive.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// What people and scripts are told of it: the number of files in place of their list.
    pub fn summary(&self) -> Value {
        json!({
            "program": self.program, "schema": self.schema, "instance": self.instance, "taken_at": self.taken_at,
            "with_keys": self.with_keys, "left_out": self.left_out, "files": self.files.len(),
        })
    }

    /// A manifest that can be followed here.
    pub(super) fn read(text: &[u8]) -> Result<Self, BackupError> {
        let found: Self = serde_json::from_slice(text).map_err(|_| BackupError::NoManifest)?;
        let known = whole::newest_schema();
        if found.format > FORMAT || found.schema > known {
            return Err(BackupError::Newer { program: found.program, found: found.schema, known });
        }
        let mut names: Vec<&str> = found.files.iter().map(|file| &*file.name).collect();
        if let Some(foreign) = names.iter().find(|name| Place::of(name).is_none()) {
            return Err(BackupError::Foreign((*foreign).to_owned()));
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        let is_whole = [DATABASE_NAME, MAIN_NAME].iter().all(|name| names.contains(name));
        if names.len() == count && count <= MOST_FILES && is_whole {
            Ok(found)
        } else {
            Err(BackupError::NoManifest)
        }
    }
}
