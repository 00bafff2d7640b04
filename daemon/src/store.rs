//! All SQL, over one SQLite file: one writer, several readers, WAL, `synchronous=FULL`.
//!
//! [`Store::write`] runs a closure in one transaction off the async threads. The transaction remembers what kind
//! of thing was touched; once it is committed the matching loop is woken. So no caller can forget to wake anyone,
//! and an aborted request wakes nobody.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};

pub mod account;
pub mod address;
pub mod app;
pub mod app_grant;
pub mod audit;
pub mod census;
pub mod connection;
pub mod desired;
pub mod device;
pub mod enrollment;
mod expiry;
pub mod fixed;
#[cfg(test)]
mod full;
pub mod instance;
pub mod location;
mod log;
pub mod mailed_code;
pub mod measure;
pub mod membership;
mod migrate;
mod opened;
pub mod outbox;
pub mod owed;
pub mod passkey;
pub mod password_reset;
pub mod pending_sign_in;
pub mod second_factor;
pub mod session;
mod signals;
pub mod signing_key;
pub mod traffic;
mod tx;
pub mod waiting;
pub mod whole;
pub mod withdrawn;

use opened::{Writer, open_reader, prepare};
pub use signals::{Changes, Revision, Touched};
pub use tx::{StoreError, Trouble, Tx};

/// How many connections read at once.
const READERS: usize = 4;

tokio::task_local! {
    /// Who is asking, while a request is answered.
    static SOURCE: IpAddr;
}

/// Does `work` for somebody at this address: what it writes into the audit log says so.
pub async fn asked_from<T>(source: IpAddr, work: impl Future<Output = T>) -> T {
    SOURCE.scope(source, work).await
}

/// The database. Clones share it.
#[derive(Clone)]
pub struct Store {
    /// Dropped before the writer, which closes the file.
    readers: Arc<Mutex<Vec<Connection>>>,
    writer: Arc<Mutex<Writer>>,
    places: Arc<tokio::sync::Semaphore>,
    path: Option<Arc<PathBuf>>,
    changes: Changes,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

impl Store {
    /// Opens or makes the file and brings it to this version's schema. A newer schema and a damaged file are refused before
    /// anything is written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        whole::inspect(path)?;
        let mut writer = Connection::open(path)?;
        prepare(&writer)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "FULL")?;
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
        let trouble = Arc::default();
        let writer = Writer::new(writer, Arc::clone(&trouble));
        Self {
            writer: Arc::new(Mutex::new(writer)),
            readers: Arc::default(),
            places: Arc::new(tokio::sync::Semaphore::new(READERS)),
            path,
            changes: Changes::default(),
            trouble,
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
        let source = SOURCE.try_with(|source| *source).ok();
        aside(move || store.write_from(source, work)).await?
    }

    /// [`Store::write`] on the calling thread, for nobody outside.
    pub fn write_blocking<T, E>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<(T, Revision), E>
    where
        E: From<StoreError>,
    {
        self.write_from(None, work)
    }

    fn write_from<T, E>(
        &self,
        source: Option<IpAddr>,
        work: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<(T, Revision), E>
    where
        E: From<StoreError>,
    {
        let mut result = None;
        let mut work = Some(work);
        let committed = self.write_if(source, &mut |tx| {
            result = work.take().map(|work| work(tx));
            matches!(result, Some(Ok(_)))
        })?;
        match (result, committed) {
            (Some(Ok(value)), Some(revision)) => Ok((value, revision)),
            (Some(Err(error)), _) => Err(error),
            (_, None) | (None, Some(_)) => Err(StoreError::nothing_done().into()),
        }
    }

    /// Runs `work` in one write transaction, which commits if it says so. `None`: it did not. Not generic: what is compiled
    /// for every flow is the flow alone.
    fn write_if(
        &self,
        source: Option<IpAddr>,
        work: &mut dyn FnMut(&Tx<'_>) -> bool,
    ) -> Result<Option<Revision>, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Trouble::Damaged(what)) = self.trouble() {
            // What is written to a damaged file may do more harm.
            return Err(StoreError::Damaged(what));
        }
        let begun = writer.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| self.not_written(error))?;
        let tx = Tx::new(&transaction).from(source);
        if !work(&tx) {
            self.remember(tx.trouble());
            return Ok(None);
        }
        let (touched, afterwards) = tx.into_parts();
        transaction.commit().map_err(|error| self.not_written(error))?;
        for work in afterwards {
            work();
        }
        Ok(Some(self.changes.publish(touched)))
    }

    /// Why the last write that failed did, `None`: what was tried since then succeeded. Damage, by whomever it was found, stays
    /// until the daemon ends.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the last write failed, tries whether the database can be written again.
    pub async fn try_again(&self) -> Result<(), StoreError> {
        if self.trouble().is_some() {
            self.write(instance::rewrite).await?;
            let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(Trouble::Damaged(what)) = &*trouble {
                // A reader found it meanwhile.
                return Err(StoreError::Damaged(what.clone()));
            }
            *trouble = None;
            drop(trouble);
            tracing::info!("the database can be written again");
        }
        Ok(())
    }

    fn not_written(&self, error: rusqlite::Error) -> StoreError {
        let error = StoreError::from(error);
        self.remember(Some(Trouble::of(&error)));
        error
    }

    fn remember(&self, trouble: Option<Trouble>) {
        let Some(trouble) = trouble else { return };
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*known, &trouble) {
            (Some(Trouble::Damaged(_)), _) => return,
            (_, Trouble::Damaged(error)) => tracing::error!(
                error,
                "the database is damaged: nothing can be changed, tunnels go on; `postern restore FILE` puts back the last backup"
            ),
            (None, Trouble::Unwritable(error)) => {
                tracing::error!(
                    error,
                    "the database cannot be written: nothing can be changed, tunnels go on"
                );
            }
            (Some(Trouble::Unwritable(_)), Trouble::Unwritable(_)) => {}
        }
        *known = Some(trouble);
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
        aside(move || {
            let _place = place;
            store.read_blocking(work)
        })
        .await?
    }

    /// [`Store::read`] on the calling thread.
    pub fn read_blocking<T, E>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let mut result = None;
        let mut work = Some(work);
        self.look(&mut |tx| {
            result = work.take().map(|work| work(tx));
            if matches!(result, Some(Err(_))) {
                self.remember(tx.trouble());
            }
        })?;
        result.unwrap_or_else(|| Err(StoreError::nothing_done().into()))
    }

    /// Shows one consistent state of the database.
    fn look(&self, work: &mut dyn FnMut(&Tx<'_>)) -> Result<(), StoreError> {
        let Some(path) = &self.path else {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            work(&Tx::new(&writer.transaction()?));
            return Ok(());
        };
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => open_reader(path)?,
        };
        work(&Tx::new(&reader.transaction()?));
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
        Ok(())
    }
}

/// Runs `work` on a thread that may block, to its end even if the caller goes away. What tokio compiles for a task, it compiles
/// once, not for every flow.
async fn aside<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, StoreError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let task: Box<dyn FnOnce() + Send> = Box::new(move || drop(sender.send(work())));
    tokio::task::spawn_blocking(task).await.map_err(|error| StoreError::Panicked(error.to_string()))?;
    receiver.await.map_err(|_| StoreError::nothing_done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_commit_is_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("postern.db")).unwrap();
        let writer = store.writer.lock().unwrap();
        let said = |pragma| writer.pragma_query_value(None, pragma, |row| row.get::<_, String>(0));
        let full: i64 = writer.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!((said("journal_mode").unwrap().as_str(), full), ("wal", 2));
    }

    #[tokio::test]
    async fn a_write_that_failed_is_told_of_until_one_succeeds() {
        let store = Store::in_memory().unwrap();
        store.write_blocking(|tx| tx.instance(uuid::Uuid::nil())).unwrap();
        store.fill_the_disk().unwrap();
        assert_eq!(store.trouble(), None);
        assert!(store.write_blocking(|tx| tx.instance(uuid::Uuid::nil())).is_err());
        assert!(store.try_again().await.is_err());
        assert!(
            matches!(store.trouble(), Some(Trouble::Unwritable(why)) if why.contains("readonly")),
            "{:?}",
            store.trouble()
        );
        store.free_the_disk().unwrap();
        store.try_again().await.unwrap();
        assert_eq!(store.trouble(), None);
    }

    #[tokio::test]
    async fn damage_is_told_of_whoever_finds_it_and_nothing_is_written_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postern.db");
        drop(Store::open(&path).unwrap());
        let sound = std::fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        let store = Store::open(&path).unwrap();
        bytes[4096..].fill(0xa5);
        std::fs::write(&path, &bytes).unwrap();
        assert!(store.read_blocking(|tx| Ok::<_, StoreError>(tx.users()?.len())).is_err());
        let damaged = |trouble| matches!(trouble, Some(Trouble::Damaged(_)));
        assert!(damaged(store.trouble()));
        // Who knows what else is wrong there.
        std::fs::write(&path, &sound).unwrap();
        let refused = store.write_blocking(|tx| tx.insert_group("ops"));
        assert!(matches!(refused, Err(StoreError::Damaged(_))));
        assert!(store.try_again().await.is_err() && damaged(store.trouble()));
        drop(store);
        assert!(std::fs::read(&path).unwrap() == sound, "it was changed");
    }

    #[test]
    fn what_is_in_the_log_of_a_damaged_file_is_not_written_into_it_when_it_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postern.db");
        drop(Store::open(&path).unwrap());
        let log = dir.path().join("postern.db-wal");
        for is_damaged in [false, true] {
            let store = Store::open(&path).unwrap();
            store.write_blocking(|tx| tx.insert_group(&format!("ops {is_damaged}"))).unwrap();
            store.read_blocking(|tx| tx.users().map(drop)).unwrap();
            let before = [&path, &log].map(|path| std::fs::read(path).unwrap());
            if is_damaged {
                store.remember(Some(Trouble::Damaged("a page".to_owned())));
            }
            drop(store);
            let after = [&path, &log].map(|path| std::fs::read(path).unwrap_or_default());
            assert_eq!(before == after, is_damaged);
        }
    }

    #[tokio::test]
    async fn work_that_panics_is_undone_and_hinders_nobody() {
        let store = Store::in_memory().unwrap();
        let panics = |tx: &Tx<'_>| -> Result<(), StoreError> {
            tx.insert_group("ops").unwrap();
            panic!("as this test wants");
        };
        assert!(matches!(store.write(panics).await, Err(StoreError::Panicked(_))));
        assert!(matches!(store.read(panics).await, Err(StoreError::Panicked(_))));
        store.write(|tx| tx.insert_group("ops")).await.unwrap();
    }

    #[test]
    fn a_value_that_is_refused_is_no_trouble() {
        let store = Store::in_memory().unwrap();
        let twice = |tx: &Tx<'_>| tx.insert_group("ops").and_then(|_| tx.insert_group("ops"));
        assert!(store.write_blocking(twice).is_err());
        assert_eq!(store.trouble(), None);
    }
}
