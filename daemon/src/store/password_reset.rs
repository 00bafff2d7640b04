//! Tokens with which somebody sets another password, and the sessions they open. Only hashes are here.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::enrollment::Subject;
use crate::rules::ids::{ResetId, UserId};
use crate::rules::reset::Reset;
use crate::rules::token::TokenHash;

const COLUMNS: &str = "id, user_id, expires_at, deadline, used_at, created_at";

fn reset(row: &Row<'_>) -> rusqlite::Result<Reset> {
    Ok(Reset {
        id: ResetId(row.get(0)?),
        user: UserId(row.get(1)?),
        issued_at: row.get(5)?,
        expires_at: row.get(2)?,
        deadline: row.get(3)?,
        is_used: row.get::<_, Option<i64>>(4)?.is_some(),
    })
}

impl Tx<'_> {
    /// A new row; those of the same user that nobody started are deleted (protocol 1.11). `placeholder` stands for the
    /// token's hash until [`Tx::set_reset_hash`].
    pub fn insert_reset(
        &self,
        user: UserId,
        placeholder: TokenHash,
        expires_at: i64,
        now: Timestamp,
    ) -> Result<ResetId, StoreError> {
        self.execute("DELETE FROM password_reset WHERE user_id = ?1 AND deadline IS NULL", [user.0])?;
        let id = self.insert(
            "INSERT INTO password_reset (user_id, token_hash, created_at, expires_at) VALUES (?1, ?2, ?3, ?4)",
            params![user.0, placeholder.0, now.as_second(), expires_at],
        )?;
        Ok(ResetId(id))
    }

    /// Puts the hash of the token itself in place.
    pub fn set_reset_hash(&self, id: ResetId, hash: TokenHash) -> Result<(), StoreError> {
        self.execute("UPDATE password_reset SET token_hash = ?2 WHERE id = ?1", params![id.0, hash.0])?;
        Ok(())
    }

    /// By number.
    pub fn reset(&self, id: ResetId) -> Result<Option<Reset>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM password_reset WHERE id = ?1"), [id.0], reset)
    }

    /// By its token.
    pub fn reset_by_token(&self, hash: TokenHash) -> Result<Option<Reset>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM password_reset WHERE token_hash = ?1"), [hash.0], reset)
    }

    /// By its session.
    pub fn reset_by_session(&self, hash: TokenHash) -> Result<Option<Reset>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM password_reset WHERE session_hash = ?1"), [hash.0], reset)
    }

    /// Starts a session, or puts another identifier in the place of the one it has; the deadline never changes.
    pub fn open_reset(&self, id: ResetId, session: TokenHash, deadline: i64) -> Result<(), StoreError> {
        self.execute(
            "UPDATE password_reset SET session_hash = ?2, deadline = coalesce(deadline, ?3) WHERE id = ?1",
            params![id.0, session.0, deadline],
        )?;
        Ok(())
    }

    /// Stores another password of a user and ends every session of theirs, this one too, and what applications were issued; no browser is known any more.
    /// Tokens that nobody used yet are
    /// withdrawn: whoever reads the user's mail may have them.
    pub fn change_password(&self, id: UserId, hash: &str, now: Timestamp) -> Result<(), StoreError> {
        let second = now.as_second();
        self.execute("UPDATE user SET password_hash = ?2 WHERE id = ?1", params![id.0, hash])?;
        self.execute(
            "UPDATE password_reset SET used_at = ?2, session_hash = NULL WHERE user_id = ?1 AND used_at IS NULL
             AND deadline IS NOT NULL",
            params![id.0, second],
        )?;
        self.execute("DELETE FROM password_reset WHERE user_id = ?1 AND deadline IS NULL", [id.0])?;
        self.sign_out_all(id, None)?;
        self.forget_browsers(id)?;
        for enrollment in self.open_enrollments_of(id)? {
            self.end_enrollment(enrollment, now)?;
        }
        self.withdraw_tokens(Subject::User(id), now)?;
        Ok(())
    }

    /// No link that was mailed to a user sets a password any more, started or not.
    pub fn withdraw_resets(&self, user: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM password_reset WHERE user_id = ?1", [user.0])?;
        Ok(())
    }

    /// Forgets what can be used no more.
    pub fn forget_resets(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.execute(
            "DELETE FROM password_reset WHERE expires_at <= ?1 AND coalesce(deadline, expires_at) <= ?1",
            [now.as_second()],
        )
    }
}
