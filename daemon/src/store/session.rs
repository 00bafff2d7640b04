//! Who is signed in where, and which browsers signed in to an account before.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::ids::{SessionId, UserId};
use crate::rules::second_factor::Factor;
use crate::rules::session::{MOST_SESSIONS, Session, Timeouts};
use crate::rules::token::TokenHash;

/// How many browsers an account knows at most; beyond that the one that was not used for longest is a stranger again.
const MOST_BROWSERS: u32 = 20;
/// How long a browser is known: as long as any keeps a cookie (RFC 6265bis, 5.5).
pub const BROWSER_KNOWN_FOR: i64 = 400 * 24 * 60 * 60;

const COLUMNS: &str = "id, user_id, created_at, last_used_at, browser, address, authenticated_at, second_factor, second_factor_at";

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: SessionId(row.get(0)?),
        user: UserId(row.get(1)?),
        created_at: row.get(2)?,
        last_used_at: row.get(3)?,
        browser: row.get(4)?,
        address: row.get(5)?,
        authenticated_at: row.get(6)?,
        second_factor: row.get::<_, Option<String>>(7)?.and_then(|name| Factor::from_name(&name)),
        second_factor_at: row.get(8)?,
    })
}

impl Tx<'_> {
    /// Signs somebody in; their oldest session ends where they have too many.
    pub fn sign_in(
        &self,
        user: UserId,
        token: TokenHash,
        (browser, address): (&str, &str),
        now: Timestamp,
    ) -> Result<SessionId, StoreError> {
        let id = self.insert(
            "INSERT INTO session (user_id, token_hash, created_at, last_used_at, authenticated_at, browser, address)
             VALUES (?1, ?2, ?3, ?3, ?3, ?4, ?5)",
            params![user.0, token.0, now.as_second(), browser, address],
        )?;
        self.execute(
            "DELETE FROM session WHERE user_id = ?1 AND id NOT IN
             (SELECT id FROM session WHERE user_id = ?1 ORDER BY last_used_at DESC, id DESC LIMIT ?2)",
            params![user.0, MOST_SESSIONS],
        )?;
        Ok(SessionId(id))
    }

    /// By what the cookie holds, whether it still runs or not.
    pub fn session_by_token(&self, token: TokenHash) -> Result<Option<Session>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM session WHERE token_hash = ?1"), [token.0], session)
    }

    /// A user's, last used first, whether they still run or not.
    pub fn sessions_of(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        self.all(
            &format!("SELECT {COLUMNS} FROM session WHERE user_id = ?1 ORDER BY last_used_at DESC, id DESC"),
            [user.0],
            session,
        )
    }

    /// Writes down that a session was used.
    pub fn use_session(&self, id: SessionId, address: &str, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE session SET last_used_at = max(last_used_at, ?2), address = ?3 WHERE id = ?1",
            params![id.0, now.as_second(), address],
        )?;
        Ok(())
    }

    /// Ends a user's session of this number; `false`: there is none.
    pub fn sign_out(&self, user: UserId, id: SessionId) -> Result<bool, StoreError> {
        let ended = self.execute("DELETE FROM session WHERE id = ?1 AND user_id = ?2", [id.0, user.0])?;
        Ok(ended > 0)
    }

    /// Writes down that the session's user proved again who they are.
    pub fn confirm_session(&self, id: SessionId, now: Timestamp) -> Result<(), StoreError> {
        self.execute("UPDATE session SET authenticated_at = ?2 WHERE id = ?1", [id.0, now.as_second()])?;
        Ok(())
    }

    /// Ends all sessions of a user but perhaps one, and lets in nobody who still owes a second factor; gives how many sessions
    /// those were.
    pub fn sign_out_all(&self, user: UserId, but: Option<SessionId>) -> Result<usize, StoreError> {
        self.delete_pending_of(user)?;
        self.end_grants_of(user, but)?;
        self.execute(
            "DELETE FROM session WHERE user_id = ?1 AND id IS NOT ?2",
            params![user.0, but.map(|id| id.0)],
        )
    }

    /// Ends all sessions there are, what applications were given, and connections by a second factor.
    pub fn sign_out_everybody(&self) -> Result<(), StoreError> {
        for table in ["session", "pending_sign_in", "app_grant", "connect_attempt", "connection"] {
            self.execute(&format!("DELETE FROM {table}"), [])?;
        }
        Ok(())
    }

    /// Forgets sessions that are over, and browsers that did not sign in for [`BROWSER_KNOWN_FOR`].
    pub fn forget_sessions(&self, timeouts: Timeouts, now: Timestamp) -> Result<(), StoreError> {
        let [idle, absolute] = timeouts.seconds();
        let before = |length: i64| now.as_second().saturating_sub(length);
        self.execute(
            "DELETE FROM session WHERE last_used_at <= ?1 OR created_at <= ?2",
            [before(idle), before(absolute)],
        )?;
        self.execute("DELETE FROM known_browser WHERE last_used_at <= ?1", [before(BROWSER_KNOWN_FOR)])?;
        Ok(())
    }

    /// Whether the browser with this token signed in to the account before.
    pub fn knows_browser(&self, user: UserId, token: TokenHash) -> Result<bool, StoreError> {
        let found: Option<i64> = self.one(
            "SELECT 1 FROM known_browser WHERE token_hash = ?1 AND user_id = ?2",
            params![token.0, user.0],
            |row| row.get(0),
        )?;
        Ok(found.is_some())
    }

    /// Knows a browser from here on, under another token than before: whoever had put `former` there knows it no more.
    pub fn know_browser(
        &self,
        user: UserId,
        former: Option<TokenHash>,
        token: TokenHash,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if let Some(former) = former {
            self.execute(
                "UPDATE known_browser SET token_hash = ?2 WHERE token_hash = ?1",
                params![former.0, token.0],
            )?;
        }
        self.execute(
            "INSERT OR REPLACE INTO known_browser (token_hash, user_id, last_used_at) VALUES (?1, ?2, ?3)",
            params![token.0, user.0, now.as_second()],
        )?;
        self.execute(
            "DELETE FROM known_browser WHERE user_id = ?1 AND token_hash NOT IN (SELECT token_hash FROM known_browser
             WHERE user_id = ?1 ORDER BY last_used_at DESC, token_hash = ?2 DESC LIMIT ?3)",
            params![user.0, token.0, MOST_BROWSERS],
        )?;
        Ok(())
    }

    /// No browser is known to the account any more.
    pub fn forget_browsers(&self, user: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM known_browser WHERE user_id = ?1", [user.0])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fixtures::{a_person, at};
    use crate::store::Store;

    fn hash(number: u8) -> TokenHash {
        TokenHash([number; 32])
    }

    #[test]
    fn a_user_has_so_many_sessions_and_the_least_used_gives_way() {
        let store = Store::in_memory().unwrap();
        let kept = store.write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            let first = tx.sign_in(ann, hash(100), ("", "::1"), at(0))?;
            let ben = a_person(tx, "ben");
            tx.sign_in(ben, hash(101), ("", "::1"), at(0))?;
            for number in 0..20 {
                if number == 10 {
                    tx.use_session(first, "::2", at(99))?;
                }
                tx.sign_in(ann, hash(number), ("", "::1"), at(i64::from(number) + 1))?;
            }
            let has = |number| Ok::<_, StoreError>(tx.session_by_token(hash(number))?.is_some());
            assert_eq!([has(100)?, has(0)?, has(1)?, has(101)?], [true, false, true, true]);
            Ok::<_, StoreError>(tx.sessions_of(ann)?.len())
        });
        assert_eq!(kept.unwrap().0, 20);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let store = Store::in_memory().unwrap();
        let timeouts = Timeouts { idle: Duration::from_secs(100), absolute: Duration::from_secs(250) };
        let looked = store.write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            let id = tx.sign_in(ann, hash(1), ("", "::1"), at(0))?;
            tx.know_browser(ann, None, hash(2), at(0))?;
            tx.forget_sessions(timeouts, at(99))?;
            tx.use_session(id, "::1", at(200))?;
            tx.forget_sessions(timeouts, at(249))?;
            let running = tx.sessions_of(ann)?.len();
            tx.forget_sessions(timeouts, at(250))?;
            let known = tx.knows_browser(ann, hash(2))?;
            tx.forget_sessions(timeouts, at(BROWSER_KNOWN_FOR))?;
            Ok::<_, StoreError>((running, tx.sessions_of(ann)?.len(), known, tx.knows_browser(ann, hash(2))?))
        });
        assert_eq!(looked.unwrap().0, (1, 0, true, false));
    }

    #[test]
    fn a_browser_of_several_people_is_known_to_each_and_its_former_token_to_none() {
        let store = Store::in_memory().unwrap();
        let looked = store.write_blocking(|tx| {
            let (ann, ben) = (a_person(tx, "ann"), a_person(tx, "ben"));
            tx.know_browser(ann, None, hash(1), at(0))?;
            tx.know_browser(ben, Some(hash(1)), hash(2), at(1))?;
            let known = |user, number| tx.knows_browser(user, hash(number));
            assert!(known(ann, 2)? && known(ben, 2)? && !known(ann, 1)?);
            for number in 3..23 {
                tx.know_browser(ann, None, hash(number), at(2))?;
            }
            assert!(!known(ann, 2)? && known(ann, 22)? && known(ben, 2)?, "the least used gave way");
            tx.forget_browsers(ann)?;
            assert!(!known(ann, 22)? && known(ben, 2)?);
            Ok::<_, StoreError>(())
        });
        looked.unwrap();
    }
}
