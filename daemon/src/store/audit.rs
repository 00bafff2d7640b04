//! Who did what, when: written in the transaction of the deed.

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
}

/// How long entries are kept: two years, in seconds.
const KEPT: i64 = 2 * 366 * 24 * 60 * 60;

const COLUMNS: &str = "at, actor, action, object, detail";

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        at: row.get(0)?,
        actor: row.get(1)?,
        action: row.get(2)?,
        object: row.get(3)?,
        detail: row.get(4)?,
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
            "INSERT INTO audit (at, actor, action, object, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![now.as_second(), actor, action.name(), object, detail],
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

    /// Forgets entries of long ago, some at a time.
    pub fn forget_audit(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT 1000)",
            [now.as_second().saturating_sub(KEPT)],
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
