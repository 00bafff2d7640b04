//! Who did what, when, and from where: written in the transaction of the deed, and never changed after it. The database
//! itself refuses to; what is old may be forgotten.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Row, params};
use serde::Serialize;

use super::tx::{StoreError, Tx};
use crate::rules::action::{Action, Reason};

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
    /// Why it was refused: a [`Reason`]'s name; `None`: it was done.
    pub refused: Option<String>,
}

const COLUMNS: &str = "at, actor, action, object, detail, source, refused";
/// Entries go together, a day's at once: that they went is an entry, too.
const GO_TOGETHER: i64 = 24 * 60 * 60;

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        at: row.get(0)?,
        actor: row.get(1)?,
        action: row.get(2)?,
        object: row.get(3)?,
        detail: row.get(4)?,
        source: row.get(5)?,
        refused: row.get(6)?,
    })
}

impl Tx<'_> {
    /// Writes an entry of what was done. Never put a secret here.
    pub fn audit(
        &self,
        actor: &str,
        action: Action,
        object: &str,
        detail: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_entry((actor, action, object), None, detail, now)
    }

    /// Writes an entry of what was refused to `actor`. Never put a secret here.
    pub fn audit_refused(
        &self,
        actor: &str,
        action: Action,
        reason: Reason,
        detail: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write_entry((actor, action, actor), Some(reason), detail, now)
    }

    fn write_entry(
        &self,
        (actor, action, object): (&str, Action, &str),
        refused: Option<Reason>,
        detail: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.insert(
            &format!("INSERT INTO audit ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
            params![
                now.as_second(),
                actor,
                action.name(),
                object,
                detail,
                self.source().map(|source| source.to_string()),
                refused.map(Reason::name),
            ],
        )?;
        Ok(())
    }

    /// The newest `limit` entries that are not older than `since` (Unix seconds), oldest first.
    pub fn audit_since(&self, since: i64, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.entries("at >= ?1", since, limit)
    }

    /// The same of what was refused.
    pub fn refused_since(&self, since: i64, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.entries("at >= ?1 AND refused IS NOT NULL", since, limit)
    }

    fn entries(&self, which: &str, since: i64, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let mut entries = self.all(
            &format!("SELECT {COLUMNS} FROM audit WHERE {which} ORDER BY id DESC LIMIT ?2"),
            params![since, limit],
            entry,
        )?;
        entries.reverse();
        Ok(entries)
    }

    /// Forgets entries that are older than `keep`, some at a time and at most a day after their time. An entry says until
    /// when there are none any more.
    pub fn forget_audit(&self, keep: Duration, now: Timestamp) -> Result<usize, StoreError> {
        let since = now.as_second().saturating_sub(i64::try_from(keep.as_secs()).unwrap_or(i64::MAX));
        let moved = self.execute(
            "UPDATE audit_horizon SET kept_since = ?1 \
             WHERE kept_since < ?1 AND EXISTS (SELECT 1 FROM audit WHERE at <= ?1 - ?2 AND at >= kept_since)",
            [since, GO_TOGETHER],
        )?;
        if moved > 0 {
            let detail =
                Timestamp::from_second(since).map(|since| format!("what was before {since} is gone"));
            self.audit("postern", Action::AuditForget, "postern", detail.ok().as_deref(), now)?;
        }
        self.execute(
            "DELETE FROM audit WHERE id IN (SELECT id FROM audit \
             WHERE at < (SELECT kept_since FROM audit_horizon) ORDER BY at LIMIT 1000)",
            [],
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
            "UPDATE audit SET refused = 'limit'",
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
        assert_eq!(forget(3 * DAY - 1), 0, "a day's entries go together");
        assert_eq!(forget(3 * DAY), 1);
        assert_eq!(objects(&store), ["user1", "user2", "postern"]);
        // The clock went back: what is gone is gone, the rest stays.
        assert_eq!(forget(2 * DAY), 0);
        assert_eq!(objects(&store), ["user1", "user2", "postern"]);
    }

    #[test]
    fn that_entries_went_is_an_entry_and_one_a_day_is_enough() {
        let store = a_log();
        for hour in 0..24 * 6 {
            store.write_blocking(|tx| tx.forget_audit(Duration::from_hours(48), at(hour * 3600))).unwrap();
        }
        let told = store.read_blocking(|tx| tx.audit_of(Action::AuditForget, 9)).unwrap();
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(told[2].detail.as_deref(), Some("what was before 1970-01-02T00:00:00Z is gone"));
        assert_eq!(objects(&store), ["postern"; 3]);
    }

    #[test]
    fn what_was_refused_says_why_and_is_found_by_itself() {
        let store = a_log();
        store
            .write_blocking(|tx| {
                tx.audit_refused("-", Action::EnrollmentStart, Reason::Unknown, Some("more"), at(5))
            })
            .unwrap();
        let refused = store.read_blocking(|tx| tx.refused_since(0, 9)).unwrap();
        let [entry] = refused.as_slice() else { panic!("{refused:?}") };
        assert_eq!((entry.refused.as_deref(), entry.object.as_str()), (Some("unknown"), "-"));
        assert_eq!(objects(&store).len(), 4);
    }
}
