//! Connections to the database's file.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::tx::{StoreError, Trouble};

/// The one connection that writes.
pub(super) struct Writer {
    connection: Connection,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl Writer {
    /// `trouble` is asked when it closes.
    pub(super) fn new(connection: Connection, trouble: Arc<Mutex<Option<Trouble>>>) -> Self {
        Self { connection, trouble }
    }
}

impl Deref for Writer {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Drop for Writer {
    /// The last connection that closes writes the log into the file, which a damaged one is spared: both stay as they are.
    fn drop(&mut self) {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*trouble, Some(Trouble::Damaged(_))) {
            // It cannot fail for a connection that is open.
            let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }
}

/// Another connection to the file, which cannot write.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let reader = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    prepare(&reader)?;
    reader.pragma_update(None, "query_only", true)?;
    Ok(reader)
}

/// What every connection needs.
pub(super) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}
