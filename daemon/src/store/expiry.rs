//! Invitations that expired without having been used, so that who sent them can be told, once.

use jiff::Timestamp;
use rusqlite::params;

use super::tx::{StoreError, Tx};
use crate::rules::ids::EnrollmentId;

/// What expired longer ago than so many seconds is no news.
const NEWS: i64 = 7 * 24 * 60 * 60;

impl Tx<'_> {
    /// Marks and gives the invitations that expired unused, were not replaced, and nobody was told of yet.
    pub fn take_untold_expiries(&self, now: Timestamp) -> Result<Vec<EnrollmentId>, StoreError> {
        let second = now.as_second();
        let expired = self.all(
            "SELECT e.id FROM enrollment e JOIN user u ON u.id = e.user_id
             WHERE e.kind = 'enrollment' AND e.opened_at IS NULL AND e.ended_at IS NULL AND e.expiry_told_at IS NULL
             AND e.expires_at <= ?1 AND e.expires_at > ?2 AND u.password_hash IS NULL AND u.disabled_at IS NULL
             ORDER BY e.id LIMIT 100",
            params![second, second.saturating_sub(NEWS)],
            |row| row.get(0).map(EnrollmentId),
        )?;
        for id in &expired {
            self.execute("UPDATE enrollment SET expiry_told_at = ?2 WHERE id = ?1", params![id.0, second])?;
        }
        Ok(expired)
    }
}
