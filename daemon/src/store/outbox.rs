//! Mail that waits, was delivered, or was given up. A message is written in the transaction of the fact it reports.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::message::Message;

/// After so many failures, about ten hours, a message is parked and shown to the administrator.
const ATTEMPTS: u32 = 16;
/// The first retry comes after so many seconds; each further one after twice as long.
const FIRST_RETRY: i64 = 30;
/// The longest pause between retries, in seconds.
const LONGEST_RETRY: i64 = 3600;

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The row's number.
    pub id: i64,
    /// As stored; see [`Outgoing::message`].
    text: String,
    /// Unix seconds.
    pub created_at: i64,
    /// Failures so far.
    pub attempts: u32,
    /// When it was given up (Unix seconds).
    pub parked_at: Option<i64>,
    /// Why the last attempt failed, or why it was given up.
    pub last_error: Option<String>,
}

impl Outgoing {
    /// What to tell; an error when a later version wrote it.
    pub fn message(&self) -> Result<Message, serde_json::Error> {
        serde_json::from_str(&self.text)
    }
}

const COLUMNS: &str = "id, message, created_at, attempts, parked_at, last_error";

fn outgoing(row: &Row<'_>) -> rusqlite::Result<Outgoing> {
    Ok(Outgoing {
        id: row.get(0)?,
        text: row.get(1)?,
        created_at: row.get(2)?,
        attempts: row.get(3)?,
        parked_at: row.get(4)?,
        last_error: row.get(5)?,
    })
}

impl Tx<'_> {
    /// Puts a message into the outbox; the commit wakes the mail loop.
    pub fn post(&self, message: &Message, now: Timestamp) -> Result<(), StoreError> {
        let text = serde_json::to_string(message).map_err(|_| StoreError::Unreadable("message"))?;
        self.insert(
            "INSERT INTO outbox (message, created_at, next_attempt_at) VALUES (?1, ?2, ?2)",
            params![text, now.as_second()],
        )?;
        self.touch_outbox();
        Ok(())
    }

    /// What may be tried at `now`, longest due first.
    pub fn due_mail(&self, now: Timestamp, limit: u32) -> Result<Vec<Outgoing>, StoreError> {
        self.all(
            &format!(
                "SELECT {COLUMNS} FROM outbox WHERE delivered_at IS NULL AND parked_at IS NULL
                 AND next_attempt_at <= ?1 ORDER BY next_attempt_at, id LIMIT ?2"
            ),
            params![now.as_second(), limit],
            outgoing,
        )
    }

    /// When the next message is due (Unix seconds).
    pub fn next_mail_at(&self) -> Result<Option<i64>, StoreError> {
        let next: Option<Option<i64>> = self.one(
            "SELECT min(next_attempt_at) FROM outbox WHERE delivered_at IS NULL AND parked_at IS NULL",
            [],
            |row| row.get(0),
        )?;
        Ok(next.flatten())
    }

    /// Records that a message is out of our hands.
    pub fn mail_delivered(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.execute("UPDATE outbox SET delivered_at = ?2 WHERE id = ?1", params![id, now.as_second()])?;
        Ok(())
    }

    /// Records a failure: it is tried again later, and given up in the end.
    pub fn mail_failed(&self, mail: &Outgoing, error: &str, now: Timestamp) -> Result<(), StoreError> {
        let attempts = mail.attempts.saturating_add(1);
        let pause = FIRST_RETRY.checked_shl(mail.attempts.min(16)).unwrap_or(LONGEST_RETRY);
        self.execute(
            "UPDATE outbox SET attempts = ?2, last_error = ?3, next_attempt_at = ?4,
             parked_at = CASE WHEN ?2 >= ?5 THEN ?6 END WHERE id = ?1",
            params![
                mail.id,
                attempts,
                error,
                now.as_second().saturating_add(pause.min(LONGEST_RETRY)),
                ATTEMPTS,
                now.as_second()
            ],
        )?;
        Ok(())
    }

    /// Gives a message up without another attempt.
    pub fn park_mail(&self, id: i64, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE outbox SET parked_at = ?2, last_error = ?3 WHERE id = ?1",
            params![id, now.as_second(), reason],
        )?;
        Ok(())
    }

    /// Messages that failed and wait, or were given up, newest first.
    pub fn troubled_mail(&self, limit: u32) -> Result<Vec<Outgoing>, StoreError> {
        self.all(
            &format!(
                "SELECT {COLUMNS} FROM outbox WHERE delivered_at IS NULL AND last_error IS NOT NULL
                 ORDER BY id DESC LIMIT ?1"
            ),
            [limit],
            outgoing,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;
    use crate::store::Store;

    #[test]
    fn a_failing_message_is_retried_ever_later_and_given_up_in_the_end() {
        let store = a_store_with_a_notice();
        let mut now = 0;
        let mut pauses = Vec::new();
        store
            .write_blocking(|tx| {
                while let Some(next) = tx.next_mail_at()? {
                    pauses.push(next - now);
                    now = next;
                    let due = tx.due_mail(at(now), 9)?;
                    tx.mail_failed(&due[0], "no room", at(now))?;
                }
                Ok::<_, StoreError>(())
            })
            .unwrap();
        assert_eq!(pauses[..4], [0, 30, 60, 120]);
        assert_eq!((pauses.len(), pauses[15]), (16, 3600));
        let troubled = store.read_blocking(|tx| tx.troubled_mail(9)).unwrap();
        assert_eq!((troubled[0].parked_at, troubled[0].last_error.as_deref()), (Some(now), Some("no room")));
    }

    #[test]
    fn a_commit_with_a_message_wakes_the_mail_loop() {
        let store = Store::in_memory().unwrap();
        let mail = store.changes().mail();
        post_notice(&store);
        assert!(mail.has_changed().unwrap());
    }

    fn a_store_with_a_notice() -> Store {
        let store = Store::in_memory().unwrap();
        post_notice(&store);
        store
    }

    fn post_notice(store: &Store) {
        let notice = Message::Notice { subject: "Pool".to_owned(), text: "It is full.".to_owned() };
        store.write_blocking(|tx| tx.post(&notice, at(0))).unwrap();
    }
}
