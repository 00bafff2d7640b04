//! Backups: one archive of database, keys and configuration. Here it is put together and taken apart; `crate::envelope`
//! encrypts it, the command line writes the file. Decision 0015 says what is in it and why.
//!
//! An archive is a tar of plain files. The first, `manifest.json`, names all others in their order, with length and SHA-256.

mod manifest;
mod place;
mod staging;
mod take;
#[cfg(test)]
mod tests;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigErrors;
use crate::store::StoreError;

pub use crate::store::whole::DATABASE;
pub use manifest::{Entry, Manifest};
pub use place::Place;
pub use staging::{Staging, Swapped};
pub use take::{KeyFiles, Taken, take};
pub use unpack::{ConfigFile, Unpacked, unpack};

/// The header of the admin API that tells [`Manifest::summary`] before the archive comes.
pub const SUMMARY: &str = "postern-backup";

/// The moment of a backup or a restore in names of files, in UTC: names in their order are moments in theirs.
pub const MOMENT: &str = "%Y-%m-%dT%H%M%SZ";
/// [`MOMENT`], where a digit is any digit.
const MOMENT_LIKE: &[u8] = b"0000-00-00T000000Z";

/// Whether part of a name is such a moment.
pub fn is_moment(text: &str) -> bool {
    let is_like = |(byte, like): (u8, &u8)| if *like == b'0' { byte.is_ascii_digit() } else { byte == *like };
    text.len() == MOMENT_LIKE.len() && text.bytes().zip(MOMENT_LIKE).all(is_like)
}

/// Why there is no backup, or why it is not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// See [`StoreError`].
    #[error("the database cannot be copied")]
    Database(#[source] StoreError),
    /// The copy in a backup.
    #[error("the database in the backup is of no use")]
    Copy(#[source] StoreError),
    /// See [`ConfigErrors`].
    #[error("the configuration cannot be read: {0}")]
    Config(#[from] ConfigErrors),
    /// Somebody else is at it.
    #[error("another backup is being taken: wait for its end")]
    Busy,
    /// A file or folder of this host.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The state folder.
    #[error(
        "the state folder {} is a mount point, which cannot be replaced: unmount it and restore, then move the files onto it",
        .0.display()
    )]
    MountPoint(PathBuf),
    /// The archive ends early, or is not what was written.
    #[error("the backup is damaged: it was cut short or changed")]
    Damaged(#[source] io::Error),
    /// One file of it is not what the manifest says.
    #[error("the backup is damaged: {0} is not what its manifest says")]
    Differs(String),
    /// It names a file that no backup holds.
    #[error("this is no backup that postern made: {0:?} does not belong into one")]
    Foreign(String),
    /// The manifest.
    #[error("this is no backup that postern made: it has no manifest that can be read")]
    NoManifest,
    /// Of a later version.
    #[error(
        "the backup was made by postern {program} with schema {found}, this program knows up to {known}: install that version \
         or a newer one, then restore"
    )]
    Newer {
        /// Who made it.
        program: String,
        /// Its schema.
        found: i64,
        /// The last one known here.
        known: i64,
    },
}

impl BackupError {
    fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
