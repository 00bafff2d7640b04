//! Brings a database file to this version's schema, one transaction a step. Steps are never edited once released.

use rusqlite::{Connection, TransactionBehavior};

use super::tx::StoreError;

const STEPS: &[&str] = &[
    include_str!("../../migrations/0001_start.sql"),
    include_str!("../../migrations/0002_names_bindings_waiting.sql"),
    include_str!("../../migrations/0003_wizard.sql"),
    include_str!("../../migrations/0004_freed_slot_owner.sql"),
    include_str!("../../migrations/0005_mail.sql"),
];

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
