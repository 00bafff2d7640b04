//! Connecting where a second factor is asked for: how long a code and a connection are good. Clients do not say when they
//! disconnect (protocol 1.8), so a connection is over when nobody shook hands for so long that no key of WireGuard's would
//! still be good.

/// A connection is over so many seconds after its last handshake, or after its beginning if there was none (WireGuard white
/// paper, section 6.1, `REJECT_AFTER_TIME`).
pub const IDLE: i64 = 180;
/// So many seconds there are to give the second factor.
pub const ATTEMPT: i64 = 600;
/// So many seconds a mailed code is good.
pub const CODE: i64 = 600;
/// Whoever asks again within so many seconds is mailed the same code.
pub const SAME_CODE: i64 = 300;
/// An account is mailed no more than one code in so many seconds.
pub const MAIL_EVERY: i64 = 60;

/// With what a second factor is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// An authenticator app's code.
    Totp,
    /// A code that is mailed.
    Email,
}

impl Method {
    /// As clients number them (protocol 1.8); `None`: one that is not offered.
    pub fn numbered(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::Totp),
            1 => Some(Self::Email),
            _ => None,
        }
    }

    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Email => "email",
        }
    }

    /// As stored.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Totp, Self::Email].into_iter().find(|method| method.name() == name)
    }
}

/// What decides when a connection is over. All times are Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// When the second factor was given.
    pub begun_at: i64,
    /// Since when handshakes are looked at.
    pub watched_since: i64,
    /// The newest one that was seen.
    pub last_handshake: Option<i64>,
}

impl Running {
    /// When it is over, if nobody shakes hands after `now`. What was before it began does not count; where no handshake was
    /// seen, somebody may have shaken hands until it was looked at. A handshake of the future, after the clock was set back,
    /// counts as one of now.
    pub fn ends_at(self, now: i64) -> i64 {
        let seen = self.last_handshake.unwrap_or(self.watched_since).min(now);
        self.begun_at.max(seen).saturating_add(IDLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(begun_at: i64, watched_since: i64, last_handshake: Option<i64>, now: i64) -> i64 {
        Running { begun_at, watched_since, last_handshake }.ends_at(now)
    }

    #[test]
    fn it_is_over_180_seconds_after_the_last_handshake() {
        assert_eq!(ends(1000, 0, Some(1500), 1600), 1680);
    }

    #[test]
    fn the_first_handshake_is_waited_for_as_long() {
        assert_eq!(ends(1000, 0, None, 1001), 1180);
        assert_eq!(ends(1000, 0, Some(900), 1001), 1180, "that was an earlier connection's");
    }

    #[test]
    fn who_looks_later_takes_nobody_for_gone_whom_they_could_not_see() {
        assert_eq!(ends(1000, 5000, None, 5001), 5180);
        assert_eq!(ends(1000, 5000, Some(4990), 5001), 5170, "but whom they see");
    }

    #[test]
    fn a_clock_that_was_set_back_prolongs_nothing_beyond_its_time() {
        assert_eq!(ends(1000, 0, Some(9000), 2000), 2180);
    }

    #[test]
    fn methods_are_numbered_as_clients_do() {
        assert_eq!(Method::numbered(0), Some(Method::Totp));
        assert_eq!(Method::numbered(1), Some(Method::Email));
        assert!([-1, 2, 3, 4, 5].into_iter().all(|number| Method::numbered(number).is_none()));
    }
}
