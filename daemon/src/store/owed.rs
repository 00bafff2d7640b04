//! Files that a transaction has ready: they are renamed into place once it is committed, also if the daemon dies in
//! between and is started again.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rusqlite::Row;

use super::tx::{StoreError, Tx};

/// In the order of the commits; [`names`] reads a row.
pub(super) const OWED: &str = "SELECT source, target FROM owed_rename ORDER BY id";

pub(super) fn names(row: &Row<'_>) -> rusqlite::Result<(PathBuf, PathBuf)> {
    let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
    Ok((path(row.get(0)?), path(row.get(1)?)))
}

impl Tx<'_> {
    /// Once this is committed `source` is to be called `target`.
    pub fn owe_rename(&self, source: &Path, target: &Path) -> Result<(), StoreError> {
        let [source, target] = [source, target].map(|path| path.as_os_str().as_bytes());
        self.execute("INSERT INTO owed_rename (source, target) VALUES (?1, ?2)", [source, target])?;
        Ok(())
    }

    /// What was committed and perhaps not renamed: present and future names, in the order of the commits.
    pub fn owed_renames(&self) -> Result<Vec<(PathBuf, PathBuf)>, StoreError> {
        self.all(OWED, [], names)
    }

    /// Nothing is owed any more.
    pub fn renames_done(&self) -> Result<(), StoreError> {
        self.execute("DELETE FROM owed_rename", [])?;
        Ok(())
    }
}
