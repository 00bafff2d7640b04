//! How long somebody who signed in stays so: not beyond some time without use, nor beyond some time in any case. It is
//! computed, never stored, so that other timeouts hold for sessions that run.

use std::time::Duration;

use jiff::Timestamp;

use super::ids::{SessionId, UserId};
use super::second_factor::Factor;

/// How many sessions a user has at most; beyond that the one that was not used for longest ends.
pub const MOST_SESSIONS: u32 = 20;
/// How exactly the last use is known: looking at pages writes no more often.
const NOTED_EVERY: i64 = 60;
/// How long who proved who they are may change what guards the account, in seconds.
const FRESH_FOR: i64 = 10 * 60;

/// When a session ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// So long after its last use.
    pub idle: Duration,
    /// So long after signing in, however much it is used.
    pub absolute: Duration,
}

/// Somebody signed in, in one browser. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// Who.
    pub user: UserId,
    /// When they signed in.
    pub created_at: i64,
    /// When a page was last asked for, within a minute.
    pub last_used_at: i64,
    /// As [`super::browser::name`] calls it.
    pub browser: String,
    /// From where it was last used.
    pub address: String,
    /// When they last proved who they are: by signing in, or by giving the password again.
    pub authenticated_at: i64,
    /// With what beside the password, if anything.
    pub second_factor: Option<Factor>,
    /// When.
    pub second_factor_at: Option<i64>,
}

impl Session {
    /// Whether it still is one.
    pub fn is_running(&self, timeouts: Timeouts, now: Timestamp) -> bool {
        let [idle, absolute] = timeouts.seconds();
        let now = now.as_second();
        now < self.last_used_at.saturating_add(idle) && now < self.created_at.saturating_add(absolute)
    }

    /// Whether its user proved a short while ago who they are.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.as_second() < self.authenticated_at.saturating_add(FRESH_FOR)
    }

    /// Whether a use from `address` is to be written down.
    pub fn is_to_note(&self, address: &str, now: Timestamp) -> bool {
        address != self.address || now.as_second() >= self.last_used_at.saturating_add(NOTED_EVERY)
    }
}

impl Timeouts {
    /// Without use, and in any case.
    pub fn seconds(self) -> [i64; 2] {
        [self.idle, self.absolute].map(|time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts =
        Timeouts { idle: Duration::from_secs(100), absolute: Duration::from_secs(250) };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn used_at(last_used_at: i64) -> Session {
        let (id, user) = (SessionId(1), UserId(1));
        let (browser, address) = (String::new(), "::1".to_owned());
        let (authenticated_at, second_factor, second_factor_at) = (0, None, None);
        Session {
            id,
            user,
            created_at: 0,
            last_used_at,
            browser,
            address,
            authenticated_at,
            second_factor,
            second_factor_at,
        }
    }

    #[test]
    fn a_session_ends_without_use_and_after_its_time_in_any_case() {
        assert!(used_at(0).is_running(TIMEOUTS, at(99)) && !used_at(0).is_running(TIMEOUTS, at(100)));
        assert!(used_at(249).is_running(TIMEOUTS, at(249)) && !used_at(249).is_running(TIMEOUTS, at(250)));
    }

    #[test]
    fn who_proved_who_they_are_is_believed_for_ten_minutes() {
        assert!(used_at(0).is_fresh(at(599)) && !used_at(0).is_fresh(at(600)));
    }

    #[test]
    fn a_use_is_noted_once_a_minute_and_wherever_it_comes_from_elsewhere() {
        assert!(!used_at(0).is_to_note("::1", at(59)) && used_at(0).is_to_note("::1", at(60)));
        assert!(used_at(0).is_to_note("::2", at(1)));
    }
}
