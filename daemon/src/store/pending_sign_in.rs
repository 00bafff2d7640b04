//! Who gave the right password and owes a second factor. What the browser holds is here as a hash.

use jiff::Timestamp;
use rusqlite::params;

use super::tx::{StoreError, Tx};
use crate::rules::ids::UserId;
use crate::rules::token::TokenHash;

/// So many of one account wait at most; beyond that the oldest gives way.
const MOST_PENDING: u32 = 20;

/// Somebody who waits to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingSignIn {
    /// Its number.
    pub id: i64,
    /// Who.
    pub user: UserId,
    /// When the password was given (Unix seconds).
    pub created_at: i64,
}

impl Tx<'_> {
    /// The browser with this token waits from here on.
    pub fn insert_pending(&self, user: UserId, token: TokenHash, now: Timestamp) -> Result<(), StoreError> {
        self.insert(
            "INSERT INTO pending_sign_in (user_id, token_hash, created_at) VALUES (?1, ?2, ?3)",
            params![user.0, token.0, now.as_second()],
        )?;
        self.execute(
            "DELETE FROM pending_sign_in WHERE user_id = ?1 AND id NOT IN
             (SELECT id FROM pending_sign_in WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2)",
            params![user.0, MOST_PENDING],
        )?;
        Ok(())
    }

    /// By what the cookie holds, whether it is over or not.
    pub fn pending_by_token(&self, token: TokenHash) -> Result<Option<PendingSignIn>, StoreError> {
        self.one(
            "SELECT id, user_id, created_at FROM pending_sign_in WHERE token_hash = ?1",
            [token.0],
            |row| Ok(PendingSignIn { id: row.get(0)?, user: UserId(row.get(1)?), created_at: row.get(2)? }),
        )
    }

    /// It waits no more.
    pub fn delete_pending(&self, id: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM pending_sign_in WHERE id = ?1", [id])?;
        Ok(())
    }

    /// Nobody waits to be let in as this user any more.
    pub fn delete_pending_of(&self, user: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM pending_sign_in WHERE user_id = ?1", [user.0])?;
        Ok(())
    }

    /// Forgets who began at this moment (Unix seconds) or before.
    pub fn forget_pending(&self, before: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM pending_sign_in WHERE created_at <= ?1", [before])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_person, at};
    use crate::store::Store;

    #[test]
    fn so_many_of_an_account_wait_and_the_oldest_gives_way_and_all_go_with_the_password() {
        let store = Store::in_memory().unwrap();
        let looked = store.write_blocking(|tx| {
            let (ann, ben) = (a_person(tx, "ann"), a_person(tx, "ben"));
            tx.insert_pending(ben, TokenHash([99; 32]), at(0))?;
            for number in 0..21 {
                tx.insert_pending(ann, TokenHash([number; 32]), at(0))?;
            }
            let waits = |number| Ok::<_, StoreError>(tx.pending_by_token(TokenHash([number; 32]))?.is_some());
            assert_eq!([waits(0)?, waits(1)?, waits(20)?, waits(99)?], [false, true, true, true]);
            tx.change_password(ann, "another", at(1))?;
            assert_eq!([waits(1)?, waits(20)?, waits(99)?], [false, false, true]);
            tx.forget_pending(0)?;
            assert!(!waits(99)?);
            Ok::<_, StoreError>(())
        });
        looked.unwrap();
    }
}
