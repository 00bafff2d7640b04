//! The stages of a forgotten password's token: unused until it is first presented, then a session until its deadline,
//! used up after that or once a password was set. They are computed, never stored.

use std::time::Duration;

use jiff::Timestamp;

use super::ids::{ResetId, UserId};

/// How long an unused token is good.
pub const TOKEN_TTL: Duration = Duration::from_hours(24);

/// A token with what became of it. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// Its number.
    pub id: ResetId,
    /// Whose password.
    pub user: UserId,
    /// When it was issued.
    pub issued_at: i64,
    /// Until when it may be started.
    pub expires_at: i64,
    /// Of its session, once started.
    pub deadline: Option<i64>,
    /// Whether a password was set with it.
    pub is_used: bool,
}

impl Reset {
    /// The end of the session that presenting the token gives: of a new one, or of the one that runs. `None`: it gives
    /// none any more.
    pub fn start(&self, now: Timestamp, session_ttl: Duration) -> Option<i64> {
        if self.deadline.is_some() {
            return self.session(now);
        }
        let length = i64::try_from(session_ttl.as_secs()).unwrap_or(i64::MAX);
        (now.as_second() < self.expires_at).then(|| now.as_second().saturating_add(length))
    }

    /// The end of the running session, if there is one.
    pub fn session(&self, now: Timestamp) -> Option<i64> {
        self.deadline.filter(|deadline| !self.is_used && now.as_second() < *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_mins(10);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn unused() -> Reset {
        Reset {
            id: ResetId(1),
            user: UserId(1),
            issued_at: 0,
            expires_at: 1000,
            deadline: None,
            is_used: false,
        }
    }

    #[test]
    fn a_token_is_started_before_it_expires_and_joined_until_its_deadline() {
        assert_eq!(unused().start(at(999), TTL), Some(1599));
        assert_eq!(unused().start(at(1000), TTL), None);
        assert_eq!(unused().session(at(0)), None);
        let open = Reset { deadline: Some(1599), ..unused() };
        assert_eq!(open.start(at(1598), TTL), Some(1599));
        assert_eq!(open.session(at(1598)), Some(1599));
        assert_eq!(open.start(at(1599), TTL), None);
    }

    #[test]
    fn a_token_sets_one_password() {
        let used = Reset { deadline: Some(1599), is_used: true, ..unused() };
        assert_eq!(used.start(at(1000), TTL), None);
        assert_eq!(used.session(at(1000)), None);
    }
}
