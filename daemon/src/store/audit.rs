//! Who did what, when, and from where: written in the transaction of the deed, and never changed after it. The database
//! itself refuses to; what is old may be forgotten.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Row, params};
use serde::Serialize;

use super::tx::{StoreError, Tx};
use crate::rules::action::Action;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditEntry {
    /// Unix seconds.
    pub at: i64,
    /// A username, a Unix account as `unix:root`, or `postern` itself.
    pub actor: String,
    /// What was done: an [`Action`]'s name.
    pub action: String,
    /// To what: a username, a device's or location's name.
    pub object: String,
    /// More, for people.
    pub detail: Option<String>,
    /// The address of who asked for it over the network; `None`: nobody did, it came over the command line's socket or of
    /// itself.
    pub source: Option<String>,
}

const COLUMNS: &str = "at, actor, action, object, detail, source";

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        at: row.get(0)?,
        actor: row.get(1)?,
        action: row.get(2)?,
        object: row.get(3)?,
        detail: row.get(4)?,
        source: row.get(5)?,
    })
}

impl Tx<'_> {
    /// Writes an entry. Never put a secret here.
    pub fn audit(
        &self,
        actor: &str,
        action: Action,
        object: &str,
        detail: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.insert(
            "INSERT INTO audit (at, actor, action, object, detail, source) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                now.as_second(),
                actor,
                action.name(),
                object,
                detail,
                self.source().map(|source| source.to_string())
            ],
        )?;
        Ok(())
    }

    /// The newest `limit` entries that are not older than `since` (Unix seconds), oldest first.
    pub fn audit_since(&self, since: i64, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let mut entries = self.all(
            &format!("SELECT {COLUMNS} FROM audit WHERE at >= ?1 ORDER BY id DESC LIMIT ?2"),
            params![since, limit],
            entry,
        )?;
        entries.reverse();
        Ok(entries)
    }

    /// Forgets entries that are older than `keep`, some at a time.
    pub fn forget_audit(&self, keep: Duration, now: Timestamp) -> Result<usize, StoreError> {
        let since = now.as_second().saturating_sub(i64::try_from(keep.as_secs()).unwrap_or(i64::MAX));
        // Written only where something follows from it.
        self.execute(
            "UPDATE audit_horizon SET kept_since = ?1 \
             WHERE kept_since < ?1 AND EXISTS (SELECT 1 FROM audit WHERE at < ?1)",
            [since],
        )?;
        self.execute(
            "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT 1000)",
            [since],
        )
    }

    /// The newest `limit` entries of one deed, newest first.
    pub fn audit_of(&self, action: Action, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.all(
            &format!("SELECT {COLUMNS} FROM audit WHERE action = ?1 ORDER BY id DESC LIMIT ?2"),
            params![action.name(), limit],
            entry,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;
    use crate::store::Store;

    const DAY: i64 = 24 * 60 * 60;

    fn a_log() -> Store {
        let store = Store::in_memory().unwrap();
        let written = store.write_blocking(|tx| {
            (0..3).try_for_each(|day| {
                tx.audit("unix:root", Action::UserInvite, &format!("user{day}"), None, at(day * DAY))
            })
        });
        written.unwrap_or_else(|error: StoreError| panic!("{error}"));
        store
    }

    fn objects(store: &Store) -> Vec<String> {
        let entries = store.read_blocking(|tx| tx.audit_since(0, 99)).unwrap();
        entries.into_iter().map(|entry| entry.object).collect()
    }

    #[test]
    fn no_statement_changes_removes_or_replaces_an_entry() {
        let store = a_log();
        for statement in [
            "UPDATE audit SET actor = 'nobody'",
            "DELETE FROM audit",
            "DELETE FROM audit WHERE at = 0",
            "REPLACE INTO audit (id, at, actor, action, object) VALUES (1, 0, 'x', 'x', 'x')",
            "DELETE FROM audit_horizon",
            "UPDATE audit_horizon SET kept_since = -1",
        ] {
            let done = store.write_blocking(|tx| tx.execute(statement, []));
            let refused = done.map(|_| ()).unwrap_err();
            assert!(postern_gateway::chain(&refused).contains("the audit log"), "{statement}: {refused}");
        }
        assert_eq!(objects(&store), ["user0", "user1", "user2"]);
    }

    #[test]
    fn what_is_older_than_the_time_it_is_kept_goes_and_nothing_else() {
        let store = a_log();
        let two_days = Duration::from_hours(48);
        let forget = |now| store.write_blocking(|tx| tx.forget_audit(two_days, at(now))).unwrap().0;
        assert_eq!(forget(2 * DAY), 0);
        assert_eq!(forget(3 * DAY), 1);
        assert_eq!(objects(&store), ["user1", "user2"]);
        // The clock went back: what is gone is gone, the rest stays.
        assert_eq!(forget(2 * DAY), 0);
        assert_eq!(objects(&store), ["user1", "user2"]);
    }
}
