//! The database file as a whole: whether it can be used at all, and a copy of it. What it says is never changed here;
//! only what a first start left half made is taken back, as its journal says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::tx::StoreError;
use super::{migrate, owed};

/// The database's file in the state folder.
pub const DATABASE: &str = "postern.db";

/// More mistakes than these tell nothing new.
const MISTAKES: usize = 3;

/// What a database file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The last migration that was made.
    pub schema: i64,
    /// The installation's identity; empty before the first start has ended.
    pub instance: String,
}

/// The newest schema that this program knows.
pub fn newest_schema() -> i64 {
    migrate::newest()
}

/// Writes what the database holds at this moment into `copy`, a file that is empty. The daemon and its writers go on
/// meanwhile: a transaction is in the copy as a whole or not at all.
pub fn copy(database: &Path, copy: &Path) -> Result<(), StoreError> {
    let source = read_only(database)?;
    // A name that is not UTF-8 would be another file's.
    let target = copy.to_str().ok_or(StoreError::Unreadable("name of the copy"))?;
    source.execute("VACUUM INTO ?1", [target])?;
    Ok(())
}

/// [`super::Tx::owed_renames`] of a file of whatever schema.
pub fn owed_renames(database: &Path) -> Result<Vec<(PathBuf, PathBuf)>, StoreError> {
    let connection = read_only(database)?;
    if !connection.table_exists(None, "owed_rename")? {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare(owed::OWED)?;
    let owed = statement.query_map([], owed::names)?;
    Ok(owed.collect::<Result<_, _>>()?)
}

/// Refuses a file that is damaged or newer than this program, and says what it is.
pub fn describe(database: &Path) -> Result<Described, StoreError> {
    let connection = read_only(database)?;
    let schema = judge(&connection)?;
    let instance = connection.query_row("SELECT uuid FROM instance", [], |row| row.get(0));
    let instance = match instance {
        Err(rusqlite::Error::QueryReturnedNoRows) => String::new(),
        other => other?,
    };
    let dangling = connection.prepare("PRAGMA foreign_key_check")?.exists([])?;
    if dangling {
        return Err(StoreError::Damaged("rows name others that are not there".to_owned()));
    }
    Ok(Described { schema, instance })
}

/// Refuses a file that is damaged or newer than this program, before anybody writes to it. What is empty or not there yet
/// is neither.
pub(super) fn inspect(database: &Path) -> Result<(), StoreError> {
    if database.metadata().map_or(0, |found| found.len()) == 0 {
        return Ok(());
    }
    super::log::inspect(database)?;
    match judge(&read_only(database)?) {
        Err(StoreError::Sqlite(error)) if is_half_made(&error) => {
            // Whoever reads it as a writer has SQLite put back what its journal says.
            let writer = Connection::open(database)?;
            let _: i64 = writer.pragma_query_value(None, "user_version", |row| row.get(0))?;
            drop(writer);
            judge(&read_only(database)?).map(drop)
        }
        judged => judged.map(drop),
    }
}

/// Whether the first start ended amid a transaction, before the file had a write-ahead log.
fn is_half_made(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
}

/// The schema of a sound database.
fn judge(connection: &Connection) -> Result<i64, StoreError> {
    let schema: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = migrate::newest();
    if schema > known {
        return Err(StoreError::Newer { found: schema, known });
    }
    let mut statement = connection.prepare("PRAGMA quick_check(3)")?;
    let mistakes = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mistakes: Vec<String> = mistakes.take(MISTAKES).collect::<Result<_, _>>()?;
    if mistakes != ["ok"] {
        return Err(StoreError::Damaged(mistakes.join("; ")));
    }
    Ok(schema)
}

fn read_only(database: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::fixtures::a_person;
    use crate::store::Store;

    /// A folder with a database of some users, checkpointed and closed.
    fn a_database() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postern.db");
        let store = Store::open(&path).unwrap();
        let written = store.write_blocking(|tx| {
            for number in 0..500 {
                a_person(tx, &format!("user{number}"));
            }
            Ok::<_, StoreError>(())
        });
        written.unwrap();
        (dir, path)
    }

    #[test]
    fn a_damaged_file_is_refused_with_the_way_out_and_not_touched() {
        let (_dir, path) = a_database();
        let sound = fs::read(&path).unwrap();
        let zeroed = |from: usize, to: usize| {
            let mut bytes = sound.clone();
            bytes[from..to].fill(0);
            bytes
        };
        let (begin, middle) = (zeroed(0, 16), zeroed(sound.len() / 2, sound.len() / 2 + 8192));
        for damaged in [b"no database at all".repeat(100), begin, middle, sound[..sound.len() / 2].to_vec()] {
            fs::write(&path, &damaged).unwrap();
            let Err(error) = Store::open(&path) else { panic!("it was taken") };
            assert!(matches!(error, StoreError::Damaged(_)) && error.is_lasting(), "{error}");
            assert!(error.to_string().contains("postern restore FILE"), "{error}");
            assert!(fs::read(&path).unwrap() == damaged, "it was changed");
        }
        fs::write(&path, &sound).unwrap();
        assert!(Store::open(&path).is_ok());
    }

    #[test]
    fn what_a_first_start_left_half_made_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let [first, found] = ["first.db", "found.db"].map(|name| dir.path().join(name));
        let writer = Connection::open(&first).unwrap();
        // A cache of nothing has every page in the file, and the journal on disk, long before the commit.
        writer
            .execute_batch("PRAGMA cache_size = 0; CREATE TABLE t (a); BEGIN IMMEDIATE; DROP TABLE t; CREATE TABLE u (a)")
            .unwrap();
        let many =
            "INSERT INTO u WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)
                    SELECT randomblob(100) FROM n";
        writer.execute_batch(many).unwrap();
        fs::copy(&first, &found).unwrap();
        fs::copy(dir.path().join("first.db-journal"), dir.path().join("found.db-journal")).unwrap();
        let told = judge(&read_only(&found).unwrap());
        assert!(matches!(told, Err(StoreError::Sqlite(error)) if is_half_made(&error)));
        inspect(&found).unwrap();
        let tables = read_only(&found).unwrap();
        let tables = tables
            .query_row("SELECT group_concat(name) FROM sqlite_schema", [], |row| row.get::<_, String>(0));
        assert_eq!(tables.unwrap(), "t");
    }

    #[test]
    fn a_newer_schema_is_refused_with_both_numbers_and_not_touched() {
        let (_dir, path) = a_database();
        let newer = newest_schema() + 1;
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE tomorrow (id INTEGER); PRAGMA journal_mode = DELETE").unwrap();
        connection.pragma_update(None, "user_version", newer).unwrap();
        drop(connection);
        let before = fs::read(&path).unwrap();
        let Err(error) = Store::open(&path) else { panic!("it was taken") };
        let said = error.to_string();
        assert!(error.is_lasting(), "{said}");
        for words in
            [&format!("schema {newer}"), &format!("up to {}", newest_schema()), "install the newer postern"]
        {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(fs::read(&path).unwrap() == before, "it was changed");
    }

    #[test]
    fn a_copy_has_what_was_committed_and_no_file_beside_it() {
        let (dir, path) = a_database();
        let store = Store::open(&path).unwrap();
        store.write_blocking(|tx| tx.instance(uuid::Uuid::nil())).unwrap();
        let copied = dir.path().join("copy");
        fs::write(&copied, "").unwrap();
        copy(&path, &copied).unwrap();
        let described = describe(&copied).unwrap();
        assert_eq!(described, Described { schema: newest_schema(), instance: uuid::Uuid::nil().to_string() });
        let names = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let beside: Vec<_> = names.filter(|name| name.to_str().unwrap().starts_with("copy")).collect();
        assert_eq!(beside, ["copy"]);
        let users =
            Store::open(&copied).unwrap().read_blocking(|tx| Ok::<_, StoreError>(tx.users()?.len())).unwrap();
        assert_eq!(users, 500);
    }
}
