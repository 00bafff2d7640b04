//! Tokens that were taken back before anybody used them. They open nothing; they are known so that whoever holds one is
//! told whom to ask, and forgotten after some months.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::params;

use super::tx::{StoreError, Tx};
use crate::rules::enrollment::{OWN_LINK, Subject};
use crate::rules::ids::UserId;
use crate::rules::token::TokenHash;

/// How long a token that was taken back is known.
const KNOWN_FOR: Duration = Duration::from_hours(90 * 24);

/// A token that was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawn {
    /// Whose it was.
    pub user: UserId,
    /// By which administrator it was issued.
    pub issued_by: Option<UserId>,
}

impl Tx<'_> {
    /// Takes back every token of `subject` that nobody used; they are good for nothing from here on. Those of a link that is good
    /// for minutes only are not remembered: people make as many as they like.
    pub fn withdraw_tokens(&self, subject: Subject, now: Timestamp) -> Result<usize, StoreError> {
        let (user, device) = subject.columns();
        let short = i64::try_from(OWN_LINK.as_secs()).unwrap_or(i64::MAX);
        self.execute(
            "INSERT OR IGNORE INTO withdrawn_token (token_hash, user_id, issued_by, withdrawn_at)
             SELECT token_hash, user_id, issued_by, ?2 FROM enrollment
             WHERE opened_at IS NULL AND user_id = ?1 AND expires_at - created_at > ?3",
            params![user, now.as_second(), short],
        )?;
        self.execute(
            "DELETE FROM enrollment WHERE opened_at IS NULL AND (user_id = ?1 OR device_id = ?2)",
            params![user, device],
        )
    }

    /// By its token.
    pub fn withdrawn_by_token(&self, hash: TokenHash) -> Result<Option<Withdrawn>, StoreError> {
        self.one("SELECT user_id, issued_by FROM withdrawn_token WHERE token_hash = ?1", [hash.0], |row| {
            Ok(Withdrawn { user: UserId(row.get(0)?), issued_by: row.get::<_, Option<i64>>(1)?.map(UserId) })
        })
    }

    /// Forgets what was taken back long ago.
    pub fn forget_withdrawn(&self, now: Timestamp) -> Result<usize, StoreError> {
        let length = i64::try_from(KNOWN_FOR.as_secs()).unwrap_or(i64::MAX);
        let before = now.as_second().saturating_sub(length);
        self.execute("DELETE FROM withdrawn_token WHERE withdrawn_at < ?1", [before])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_person, at};
    use crate::rules::enrollment::EnrollmentKind;
    use crate::store::Store;

    #[test]
    fn a_replaced_token_is_known_as_withdrawn_for_ninety_days() {
        let store = Store::in_memory().unwrap();
        let [first, second, third] = [1, 2, 3].map(|number| TokenHash([number; 32]));
        store
            .write_blocking(|tx| {
                let user = a_person(tx, "ann");
                let subject = Subject::User(user);
                tx.insert_enrollment(subject, EnrollmentKind::Enrollment, None, first, 86_400, at(0))?;
                tx.withdraw_tokens(subject, at(1))?;
                tx.insert_enrollment(subject, EnrollmentKind::Enrollment, None, second, 86_401, at(1))?;
                assert_eq!(tx.withdrawn_by_token(first)?, Some(Withdrawn { user, issued_by: None }));
                assert_eq!(tx.withdrawn_by_token(second)?, None);
                assert!(tx.enrollment_by_token(first)?.is_none());
                tx.insert_enrollment(subject, EnrollmentKind::Activation, None, third, 601, at(1))?;
                tx.withdraw_tokens(subject, at(1))?;
                assert_eq!(tx.withdrawn_by_token(third)?, None, "of minutes");
                assert!(tx.enrollment_by_token(third)?.is_none());
                assert_eq!(tx.forget_withdrawn(at(90 * 86_400 + 1))?, 0);
                assert_eq!(tx.forget_withdrawn(at(90 * 86_400 + 2))?, 2);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}
