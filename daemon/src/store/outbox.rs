//! Mail that waits, was delivered, or was given up. A message is written in the transaction of the fact it reports.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::message::Message;

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
/// The first retry comes after so many seconds; each further one after twice as long.
const FIRST_RETRY: i64 = 30;
/// The longest pause between retries while the server is to blame.
const LONGEST_FOR_SERVER: i64 = HOUR;
/// The longest pause between retries of a mail that the server puts off.
const LONGEST_FOR_MAIL: i64 = DAY;
/// A message that fails for so long is parked and shown to the administrator.
const GIVEN_UP_AFTER: i64 = 5 * DAY;
/// How long delivered and parked messages are kept.
const DELIVERED_KEPT: i64 = 30 * DAY;
const PARKED_KEPT: i64 = 90 * DAY;

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
    /// When it is tried the next time (Unix seconds), if it is.
    pub next_attempt_at: i64,
    /// When it left (Unix seconds).
    pub delivered_at: Option<i64>,
    /// When it was given up (Unix seconds).
    pub parked_at: Option<i64>,
    /// Why the last attempt failed, or why it was given up.
    pub last_error: Option<String>,
    /// With which word the server took it.
    pub answer: Option<String>,
    failing_since: Option<i64>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailState {
    /// It was not tried yet.
    Waiting,
    /// It failed and is tried again.
    Retrying,
    /// It left.
    Sent,
    /// It was given up.
    Parked,
}

impl Outgoing {
    /// What to tell; an error when a later version wrote it.
    pub fn message(&self) -> Result<Message, serde_json::Error> {
        serde_json::from_str(&self.text)
    }

    /// What became of it.
    pub fn state(&self) -> MailState {
        match (self.delivered_at, self.parked_at, self.attempts) {
            (Some(_), _, _) => MailState::Sent,
            (None, Some(_), _) => MailState::Parked,
            (None, None, 0) => MailState::Waiting,
            (None, None, _) => MailState::Retrying,
        }
    }
}

const COLUMNS: &str = "id, message, created_at, attempts, next_attempt_at, delivered_at, parked_at, last_error, \
                       answer, failing_since";
/// Neither sent nor given up.
const IS_OPEN: &str = "delivered_at IS NULL AND parked_at IS NULL";

fn outgoing(row: &Row<'_>) -> rusqlite::Result<Outgoing> {
    Ok(Outgoing {
        id: row.get(0)?,
        text: row.get(1)?,
        created_at: row.get(2)?,
        attempts: row.get(3)?,
        next_attempt_at: row.get(4)?,
        delivered_at: row.get(5)?,
        parked_at: row.get(6)?,
        last_error: row.get(7)?,
        answer: row.get(8)?,
        failing_since: row.get(9)?,
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
                "SELECT {COLUMNS} FROM outbox WHERE {IS_OPEN}
                 AND next_attempt_at <= ?1 ORDER BY next_attempt_at, id LIMIT ?2"
            ),
            params![now.as_second(), limit],
            outgoing,
        )
    }

    /// When the next message is due (Unix seconds).
    pub fn next_mail_at(&self) -> Result<Option<i64>, StoreError> {
        let next: Option<Option<i64>> =
            self.one(&format!("SELECT min(next_attempt_at) FROM outbox WHERE {IS_OPEN}"), [], |row| {
                row.get(0)
            })?;
        Ok(next.flatten())
    }

    /// Records that a message is out of our hands. Those that failed for the server's sake follow at once.
    pub fn mail_delivered(&self, id: i64, answer: &str, now: Timestamp) -> Result<(), StoreError> {
        let second = now.as_second();
        self.execute(
            "UPDATE outbox SET delivered_at = ?2, answer = ?3, last_error = NULL WHERE id = ?1",
            params![id, second, answer],
        )?;
        self.execute(
            &format!("UPDATE outbox SET next_attempt_at = ?1, server_failed = 0 WHERE {IS_OPEN} AND server_failed = 1"),
            [second],
        )?;
        Ok(())
    }

    /// Records a failure: it is tried again later, ever more seldom, and given up in the end. `jitter` keeps what failed
    /// together from coming back together.
    pub fn mail_failed(
        &self,
        mail: &Outgoing,
        blame: Blame,
        error: &str,
        jitter: u8,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let second = now.as_second();
        let since = mail.failing_since.unwrap_or(second);
        let is_over = second.saturating_sub(since) >= GIVEN_UP_AFTER;
        self.execute(
            &format!(
                "UPDATE outbox SET attempts = ?2, last_error = ?3, next_attempt_at = ?4, failing_since = ?5,
                 server_failed = ?6, parked_at = ?7 WHERE id = ?1 AND {IS_OPEN}"
            ),
            params![
                mail.id,
                mail.attempts.saturating_add(1),
                error,
                second.saturating_add(pause(mail.attempts, blame, jitter)),
                since,
                blame == Blame::Server,
                is_over.then_some(second)
            ],
        )?;
        Ok(())
    }

    /// Records a refusal for good: there is no other attempt.
    pub fn mail_refused(&self, id: i64, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            &format!(
                "UPDATE outbox SET attempts = attempts + 1, parked_at = ?2, last_error = ?3
                 WHERE id = ?1 AND {IS_OPEN}"
            ),
            params![id, now.as_second(), reason],
        )?;
        Ok(())
    }

    /// Gives a message up that would help nobody any more: nothing went wrong.
    pub fn park_mail(&self, id: i64, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            &format!("UPDATE outbox SET parked_at = ?2, last_error = ?3 WHERE id = ?1 AND {IS_OPEN}"),
            params![id, now.as_second(), reason],
        )?;
        Ok(())
    }

    /// By number.
    pub fn mail(&self, id: i64) -> Result<Option<Outgoing>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM outbox WHERE id = ?1"), [id], outgoing)
    }

    /// The newest messages, newest first.
    pub fn newest_mail(&self, which: Listed, limit: u32) -> Result<Vec<Outgoing>, StoreError> {
        let condition = match which {
            Listed::All => "1",
            Listed::NotSent => "delivered_at IS NULL",
        };
        self.all(
            &format!("SELECT {COLUMNS} FROM outbox WHERE {condition} ORDER BY id DESC LIMIT ?1"),
            [limit],
            outgoing,
        )
    }

    /// Tries a message again at once, also one that was given up, with all its attempts before it.
    pub fn retry_mail(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE outbox SET parked_at = NULL, attempts = 0, failing_since = NULL, server_failed = 0,
             next_attempt_at = ?2 WHERE id = ?1 AND delivered_at IS NULL",
            params![id, now.as_second()],
        )?;
        self.touch_outbox();
        Ok(())
    }

    /// Throws a message away.
    pub fn discard_mail(&self, id: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM outbox WHERE id = ?1", [id])?;
        Ok(())
    }

    /// Forgets what was delivered or given up long ago.
    pub fn forget_mail(&self, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM outbox WHERE delivered_at <= ?1 OR (delivered_at IS NULL AND parked_at <= ?2)",
            [now.as_second().saturating_sub(DELIVERED_KEPT), now.as_second().saturating_sub(PARKED_KEPT)],
        )?;
        Ok(())
    }
}

/// What a failed attempt is put down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The server, or the way to it.
    Server,
    /// The mail itself.
    Mail,
}

/// Which messages are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// All that are kept.
    All,
    /// Those that wait, are retried, or were given up.
    NotSent,
}

/// How long to wait after a failure, in seconds: up to a fifth more or less than the rule.
fn pause(failures_before: u32, blame: Blame, jitter: u8) -> i64 {
    let longest = match blame {
        Blame::Server => LONGEST_FOR_SERVER,
        Blame::Mail => LONGEST_FOR_MAIL,
    };
    let rule = FIRST_RETRY.saturating_mul(1 << failures_before.min(16)).min(longest);
    let percent = 80 + i64::from(jitter) * 40 / 255;
    (rule * percent / 100).min(longest)
}

#[cfg(test)]
mod tests;
