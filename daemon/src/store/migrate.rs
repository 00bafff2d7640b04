//! Brings a database file to this version's schema, one transaction a step. Steps are never edited once released.

use rusqlite::{Connection, TransactionBehavior};

use super::tx::StoreError;

const STEPS: &[&str] = &[
    include_str!("../../migrations/0001_start.sql"),
    include_str!("../../migrations/0002_names_bindings_waiting.sql"),
    include_str!("../../migrations/0003_wizard.sql"),
    include_str!("../../migrations/0004_freed_slot_owner.sql"),
    include_str!("../../migrations/0005_mail.sql"),
    include_str!("../../migrations/0006_audit_of.sql"),
    include_str!("../../migrations/0007_fixed_place.sql"),
    include_str!("../../migrations/0008_audit_owed_rename.sql"),
    include_str!("../../migrations/0009_audit_outcome.sql"),
    include_str!("../../migrations/0010_sign_in.sql"),
    include_str!("../../migrations/0011_login.sql"),
];

/// The schema that the last step leads to.
pub(super) fn newest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = newest();
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (version, step) in (1..).zip(STEPS).filter(|(version, _)| *version > found) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use super::*;
    use crate::store::Store;

    /// What all migrations lead to, as one file to read.
    #[test]
    fn the_migrations_end_in_the_written_schema() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let mut text = "-- What the migrations lead to, for people; a test keeps it true.\n".to_owned();
        let mut statement = connection
            .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY tbl_name, type DESC, name")
            .unwrap();
        for sql in statement.query_map([], |row| row.get::<_, String>(0)).unwrap() {
            writeln!(text, "\n{};", sql.unwrap()).unwrap();
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.sql");
        if std::env::var_os("POSTERN_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == text,
            "schema.sql is not what the migrations lead to: run this test with POSTERN_WRITE_SCHEMA=1 and read the difference"
        );
    }

    const DUMPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/dumps");

    /// Every schema but the newest has a dump, made with `sqlite3 FILE .dump` of a database that has rows in every table; a
    /// dump is never changed.
    #[test]
    fn a_database_of_every_schema_opens_and_keeps_all_rows() {
        let (fresh, _dir) = opened(&Connection::open_in_memory().unwrap());
        let (_, newest_schema) = rows_and_schema(&fresh);
        for version in 1..newest() {
            let dump = std::fs::read_to_string(format!("{DUMPS}/schema-{version}.sql"));
            let old = Connection::open_in_memory().unwrap();
            old.execute_batch(&dump.unwrap_or_else(|error| panic!("schema {version}: {error}"))).unwrap();
            let (before, _) = rows_and_schema(&old);
            assert!(before.len() >= 10, "{before:?}");
            let (migrated, _dir) = opened(&old);
            let (after, schema) = rows_and_schema(&migrated);
            for (table, rows) in before {
                assert!(rows > 0, "the dump of {version} has no rows in {table}");
                assert_eq!(after.get(&table), Some(&rows), "{table} of schema {version}");
            }
            assert_eq!(schema, newest_schema, "schema {version} ends elsewhere");
            let dangling = migrated.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap();
            assert!(!dangling, "schema {version}");
            let names: Vec<String> = texts(&migrated, "SELECT folded_name FROM device ORDER BY id");
            assert_eq!(names[..2], ["laptop", "edge"], "schema {version}");
        }
    }

    /// A file of what `old` holds, opened by the daemon; its folder goes with it.
    fn opened(old: &Connection) -> (Connection, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postern.db");
        old.execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
        drop(Store::open(&path).unwrap());
        (Connection::open(&path).unwrap(), dir)
    }

    /// How many rows each table has, and what the tables are.
    fn rows_and_schema(connection: &Connection) -> (BTreeMap<String, i64>, Vec<String>) {
        let tables = texts(
            connection,
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        );
        let count = |table: &String| {
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
        };
        let rows = tables.iter().map(|table| (table.clone(), count(table))).collect();
        let mut schema = texts(
            connection,
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'",
        );
        schema.sort();
        (rows, schema)
    }

    fn texts(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let texts = statement.query_map([], |row| row.get(0)).unwrap();
        texts.collect::<rusqlite::Result<_>>().unwrap()
    }
}
