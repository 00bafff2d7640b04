//! One transaction: the statements it runs and the memory of what they touched.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use postern_gateway::{PublicKey, chain};
use rusqlite::{Params, Row, Transaction};

use super::signals::Touched;
use crate::rules::fact::Fact;
use crate::rules::ids::{DeviceId, LocationId};

/// What can go wrong in the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A statement, or the file, failed.
    #[error("the database failed")]
    Sqlite(#[source] rusqlite::Error),
    /// A row holds what this version cannot have written.
    #[error("the database holds an unreadable {0}")]
    Unreadable(&'static str),
    /// SQLite finds mistakes in it.
    #[error(
        "the database is damaged ({0}): nothing was changed; `postern restore FILE` puts back the last backup"
    )]
    Damaged(String),
    /// Made by a later version.
    #[error(
        "the database has schema {found}, this version knows up to {known}: nothing was changed; install the newer postern \
         again, or put back a backup of this version with `postern restore FILE`"
    )]
    Newer {
        /// In the file.
        found: i64,
        /// The last one known here.
        known: i64,
    },
    /// A closure panicked; its transaction was rolled back.
    #[error("a database task died: {0}")]
    Panicked(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            // The file is at fault, and not the machine.
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged(error.to_string()),
            Some(_) | None => Self::Sqlite(error),
        }
    }
}

impl StoreError {
    /// What was to be done never came to its end.
    pub(super) fn nothing_done() -> Self {
        Self::Panicked("nothing was done".to_owned())
    }

    /// Whether trying again is of no use before somebody has put the file right.
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Damaged(_) | Self::Newer { .. })
    }

    /// Whether a `UNIQUE` constraint refused the write: somebody else was first.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation))
    }
}

/// What keeps the database from taking anything, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It may be over soon: the disk is full, another process holds it.
    Unwritable(String),
    /// Its file is damaged: only a backup helps.
    Damaged(String),
}

impl Trouble {
    pub(super) fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Damaged(what) => Self::Damaged(what.clone()),
            StoreError::Sqlite(_)
            | StoreError::Unreadable(_)
            | StoreError::Newer { .. }
            | StoreError::Panicked(_) => Self::Unwritable(chain(error)),
        }
    }
}

/// An open transaction.
pub struct Tx<'a> {
    transaction: &'a Transaction<'a>,
    touched: RefCell<Touched>,
    locations: RefCell<BTreeSet<LocationId>>,
    afterwards: RefCell<Vec<Afterwards>>,
    source: Option<IpAddr>,
    trouble: RefCell<Option<Trouble>>,
}

/// What is done once a transaction is committed.
pub(super) type Afterwards = Box<dyn FnOnce()>;

impl<'a> Tx<'a> {
    pub(super) fn new(transaction: &'a Transaction<'a>) -> Self {
        Self {
            transaction,
            touched: RefCell::default(),
            locations: RefCell::default(),
            afterwards: RefCell::default(),
            source: None,
            trouble: RefCell::default(),
        }
    }

    /// The same, for somebody at this address.
    pub(super) fn from(self, source: Option<IpAddr>) -> Self {
        Self { source, ..self }
    }

    /// The address of who asked for this.
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    pub(super) fn into_parts(self) -> (Touched, Vec<Afterwards>) {
        (self.touched.into_inner(), self.afterwards.into_inner())
    }

    /// Why a statement could not write, unless its values were to blame, or could not read what is damaged.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.borrow().clone()
    }

    fn noted<T>(&self, written: rusqlite::Result<T>) -> Result<T, StoreError> {
        written.map_err(|error| {
            let error = StoreError::from(error);
            if !error.is_conflict() {
                *self.trouble.borrow_mut() = Some(Trouble::of(&error));
            }
            error
        })
    }

    /// What reading fails of passes, unless the file is damaged.
    fn read<T>(&self, read: rusqlite::Result<T>) -> Result<T, StoreError> {
        read.map_err(|error| {
            let error = StoreError::from(error);
            if let trouble @ Trouble::Damaged(_) = Trouble::of(&error) {
                *self.trouble.borrow_mut() = Some(trouble);
            }
            error
        })
    }

    /// Has `work` done if and when this transaction is committed: before a loop is woken for it, and before anybody
    /// else writes.
    pub fn after_commit(&self, work: impl FnOnce() + 'static) {
        self.afterwards.borrow_mut().push(Box::new(work));
    }

    /// Remembers that something happened: it is counted once this is committed.
    pub fn happened(&self, fact: Fact) {
        *self.touched.borrow_mut().facts.entry(fact).or_default() += 1;
    }

    /// Remembers that a device registered its key, and where it is to be live.
    pub fn registered(&self, device: DeviceId, on: impl IntoIterator<Item = LocationId>, now: Timestamp) {
        let registered = on.into_iter().map(|location| ((device, location), now));
        self.touched.borrow_mut().registered.extend(registered);
    }

    /// Remembers that this peer may have to change.
    pub(super) fn touch_peer(&self, key: PublicKey) {
        self.touched.borrow_mut().peers.insert(key);
    }

    /// Remembers that this peer of this location may have to change.
    pub(super) fn touch_peer_on(&self, key: PublicKey, location: LocationId) {
        self.touch_peer(key);
        self.locations.borrow_mut().insert(location);
    }

    /// The locations on which a peer may have to change.
    pub fn touched_locations(&self) -> BTreeSet<LocationId> {
        self.locations.borrow().clone()
    }

    /// Remembers that anything about the interfaces may have to change.
    pub(super) fn touch_everything(&self) {
        self.touched.borrow_mut().everything = true;
    }

    /// Remembers that there is mail to deliver.
    pub(super) fn touch_outbox(&self) {
        self.touched.borrow_mut().outbox = true;
    }

    /// Runs one statement and says how many rows it changed.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        let mut statement = self.read(self.transaction.prepare_cached(sql))?;
        self.noted(statement.execute(params))
    }

    /// Runs one `INSERT` and gives the new row's number.
    pub(super) fn insert(&self, sql: &str, params: impl Params) -> Result<i64, StoreError> {
        let mut statement = self.read(self.transaction.prepare_cached(sql))?;
        self.noted(statement.insert(params))
    }

    /// At most one row.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let one = || {
            let mut statement = self.transaction.prepare_cached(sql)?;
            let mut rows = statement.query(params)?;
            rows.next()?.map(read).transpose()
        };
        self.read(one())
    }

    /// All rows.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let all = || {
            let mut statement = self.transaction.prepare_cached(sql)?;
            statement.query_map(params, read)?.collect()
        };
        self.read(all())
    }
}

/// Reads a public key out of a column of 32 bytes.
pub(super) fn key_from(bytes: Option<[u8; 32]>) -> Result<Option<PublicKey>, StoreError> {
    bytes
        .map(|bytes| PublicKey::from_bytes(bytes).map_err(|_| StoreError::Unreadable("public key")))
        .transpose()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::store::Store;

    #[test]
    fn what_follows_a_commit_is_done_after_it_and_only_then() {
        let store = Store::in_memory().unwrap();
        let done = Rc::new(Cell::new(0));
        let count = |tx: &Tx<'_>| {
            let counted = Rc::clone(&done);
            tx.after_commit(move || counted.set(counted.get() + 1));
            assert_eq!(done.get(), 0);
        };
        let refused = store.write_blocking(|tx| {
            count(tx);
            Err::<(), _>(StoreError::Unreadable("thing"))
        });
        assert!(refused.is_err());
        assert_eq!(done.get(), 0);
        store
            .write_blocking(|tx| {
                count(tx);
                Ok::<_, StoreError>(())
            })
            .unwrap();
        assert_eq!(done.get(), 1);
    }
}
