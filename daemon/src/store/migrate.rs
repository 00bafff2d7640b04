//! Brings a database file to this version's schema, one transaction a step. Steps are never edited once released.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::tx::StoreError;

const STEPS: &[&str] = &[
    include_str!("../../migrations/0001_start.sql"),
    include_str!("../../migrations/0002_names_bindings_waiting.sql"),
    include_str!("../../migrations/0003_wizard.sql"),
    include_str!("../../migrations/0004_freed_slot_owner.sql"),
    include_str!("../../migrations/0005_mail.sql"),
    include_str!("../../migrations/0006_audit_of.sql"),
    include_str!("../../migrations/0007_fixed_place.sql"),
    include_str!("../../migrations/0008_owed_rename.sql"),
];

/// Refuses a file with damaged pages, before anything of it is changed.
pub(super) fn check(connection: &Connection) -> Result<(), StoreError> {
    // Closing a connection moves the log into the file otherwise.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match found {
        Ok(found) if found == "ok" => {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
            Ok(())
        }
        Ok(found) => Err(StoreError::Damaged(found)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Err(StoreError::Damaged(error.to_string()))
            }
            Some(_) | None => Err(error.into()),
        },
    }
}

pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
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
    use std::fmt::Write as _;

    use super::*;

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
}
