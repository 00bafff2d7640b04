//! All SQL, over one SQLite file: one writer, several readers, WAL, `synchronous=FULL`.
//!
//! [`Store::write`] runs a closure in one transaction off the async threads. The transaction remembers what kind
//! of thing was touched; once it is committed the matching loop is woken. So no caller can forget to wake anyone,
//! and an aborted request wakes nobody.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

pub mod account;
pub mod address;
pub mod audit;
pub mod census;
pub mod desired;
pub mod device;
pub mod enrollment;
mod expiry;
pub mod fixed;
#[cfg(test)]
mod full;
pub mod instance;
pub mod location;
pub mod measure;
pub mod membership;
mod migrate;
pub mod outbox;
pub mod owed;
pub mod password_reset;
mod signals;
mod tx;
pub mod waiting;
pub mod withdrawn;

pub use signals::{Changes, Revision, Touched};
pub use tx::{StoreError, Tx};

/// How many connections read at once.
const READERS: usize = 4;

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {
    writer: Arc<Mutex<Connection>>,
    readers: Arc<Mutex<Vec<Connection>>>,
    places: Arc<tokio::sync::Semaphore>,
    path: Option<Arc<PathBuf>>,
    changes: Changes,
}

impl Store {
    /// Opens or makes the file and brings it to this version's schema. A newer schema is refused.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut writer = Connection::open(path)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "FULL")?;
        prepare(&writer)?;
        migrate::migrate(&mut writer)?;
        Ok(Self::over(writer, Some(Arc::new(path.to_owned()))))
    }

    /// An empty database in memory; reads share the writer's connection.
    pub fn in_memory() -> Result<Self, StoreError> {
        let mut writer = Connection::open_in_memory()?;
        prepare(&writer)?;
        migrate::migrate(&mut writer)?;
        Ok(Self::over(writer, None))
    }

    fn over(writer: Connection, path: Option<Arc<PathBuf>>) -> Self {
        Self {
            writer: Arc::new(Mutex::new(writer)),
            readers: Arc::default(),
            places: Arc::new(tokio::sync::Semaphore::new(READERS)),
            path,
            changes: Changes::default(),
        }
    }

    /// What commits touched, for the loops.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Runs `work` in one write transaction. An error rolls everything back; nothing is woken then. If the
    /// caller goes away meanwhile, the transaction still commits and still wakes the loops.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<(T, Revision), E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let store = self.clone();
        match tokio::task::spawn_blocking(move || store.write_blocking(work)).await {
            Ok(result) => result,
            Err(error) => Err(StoreError::Panicked(error.to_string()).into()),
        }
    }

    /// [`Store::write`] on the calling thread.
    pub fn write_blocking<T, E>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<(T, Revision), E>
    where
        E: From<StoreError>,
    {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let tx = Tx::new(&transaction);
        let value = work(&tx)?;
        let (touched, afterwards) = tx.into_parts();
        transaction.commit().map_err(StoreError::from)?;
        for work in afterwards {
            work();
        }
        Ok((value, self.changes.publish(touched)))
    }

    /// Runs `work` over one consistent state of the database; it cannot write.
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let store = self.clone();
        let result = tokio::task::spawn_blocking(move || {
            let _place = place;
            store.read_blocking(work)
        })
        .await;
        match result {
            Ok(result) => result,
            Err(error) => Err(StoreError::Panicked(error.to_string()).into()),
        }
    }

    /// [`Store::read`] on the calling thread.
    pub fn read_blocking<T, E>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let Some(path) = &self.path else {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = writer.transaction().map_err(StoreError::from)?;
            return work(&Tx::new(&transaction));
        };
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => open_reader(path)?,
        };
        let result = {
            let transaction = reader.transaction().map_err(StoreError::from)?;
            work(&Tx::new(&transaction))
        };
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        result
    }
}

fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let reader = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    prepare(&reader)?;
    reader.pragma_update(None, "query_only", true)?;
    Ok(reader)
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(())
}
