//! The stages of an enrollment. Which one it is in is computed from the row and the time, never stored: *unused*
//! until the token is first presented, *open* until the session's deadline, *spent* ever after. The account half
//! (a password) and the device half are independent, because clients do them in different orders.

use std::time::Duration;

use jiff::Timestamp;

use super::ids::{DeviceId, EnrollmentId, UserId};

/// How long a link is good that somebody makes for themselves: whoever asks for it has the client before them.
pub const OWN_LINK: Duration = Duration::from_mins(10);

/// Why a token was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrollmentKind {
    /// An invitation: the account waits for its password.
    Enrollment,
    /// A desktop client for somebody who may already have a password.
    Activation,
    /// A machine that waits for its key.
    Machine,
}

impl EnrollmentKind {
    /// As stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enrollment => "enrollment",
            Self::Activation => "activation",
            Self::Machine => "machine",
        }
    }

    /// The opposite of [`EnrollmentKind::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Enrollment, Self::Activation, Self::Machine].into_iter().find(|kind| kind.name() == name)
    }
}

/// For whom a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A person.
    User(UserId),
    /// A machine's device, registered beforehand.
    Machine(DeviceId),
}

/// An issued token with what became of it. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four facts of a row, each independent of the others")]
pub struct Enrollment {
    /// Its number.
    pub id: EnrollmentId,
    /// Why it was issued.
    pub kind: EnrollmentKind,
    /// For whom.
    pub subject: Subject,
    /// By which administrator, if he has an account.
    pub issued_by: Option<UserId>,
    /// When it was issued.
    pub issued_at: i64,
    /// Until when it may be started.
    pub expires_at: i64,
    /// Of its session, once started.
    pub deadline: Option<i64>,
    /// Whether a password was set in its session.
    pub password_set: bool,
    /// Whether the person looked at their data in its session.
    pub reviewed: bool,
    /// Whether the person chose to go without a device.
    pub device_skipped: bool,
    /// Whether its session was closed.
    pub ended: bool,
}

/// Why a token opens nothing (protocol 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too late for the first start. Clients compare this text.
    #[error("token expired")]
    Expired,
    /// Its session is over, or has done what it was for.
    #[error("invalid token")]
    Spent,
}

/// A token nobody presented yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Unused {
    expires_at: i64,
}

/// A running session.
#[derive(Debug, PartialEq, Eq)]
pub struct Open {
    /// When it ends.
    pub deadline: i64,
    password_set: bool,
}

/// Where an enrollment stands at a moment.
#[derive(Debug, PartialEq, Eq)]
pub enum Stage {
    /// See [`Unused`].
    Unused(Unused),
    /// See [`Open`].
    Open(Open),
    /// Good for nothing any more.
    Spent,
}

impl Enrollment {
    /// Where it stands.
    pub fn stage(&self, now: Timestamp) -> Stage {
        match self.deadline {
            None => Stage::Unused(Unused { expires_at: self.expires_at }),
            Some(deadline) if !self.ended && now.as_second() < deadline => {
                Stage::Open(Open { deadline, password_set: self.password_set })
            }
            Some(_) => Stage::Spent,
        }
    }

    /// The running session, if there is one.
    pub fn session(&self, now: Timestamp) -> Option<Open> {
        match self.stage(now) {
            Stage::Open(open) => Some(open),
            Stage::Unused(_) | Stage::Spent => None,
        }
    }

    /// What presenting the token leads to. Expiry is told before everything else, except inside a running session,
    /// which goes on to its own deadline.
    pub fn start(&self, now: Timestamp, session_ttl: Duration) -> Result<Open, OpenError> {
        match self.stage(now) {
            Stage::Unused(unused) => unused.open(now, session_ttl),
            Stage::Open(open) => open.again(),
            Stage::Spent if now.as_second() >= self.expires_at => Err(OpenError::Expired),
            Stage::Spent => Err(OpenError::Spent),
        }
    }
}

impl Unused {
    /// The first start.
    pub fn open(self, now: Timestamp, session_ttl: Duration) -> Result<Open, OpenError> {
        if now.as_second() >= self.expires_at {
            return Err(OpenError::Expired);
        }
        let length = i64::try_from(session_ttl.as_secs()).unwrap_or(i64::MAX);
        Ok(Open { deadline: now.as_second().saturating_add(length), password_set: false })
    }
}

impl Open {
    /// A further start: the same deadline, and nothing more once the password is set.
    pub fn again(self) -> Result<Self, OpenError> {
        if self.password_set { Err(OpenError::Spent) } else { Ok(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_mins(10);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn issued() -> Enrollment {
        Enrollment {
            id: EnrollmentId(1),
            kind: EnrollmentKind::Enrollment,
            subject: Subject::User(UserId(1)),
            issued_by: None,
            issued_at: 0,
            expires_at: 1000,
            deadline: None,
            password_set: false,
            reviewed: false,
            device_skipped: false,
            ended: false,
        }
    }

    #[test]
    fn the_first_start_opens_a_session_of_full_length() {
        assert_eq!(issued().start(at(999), TTL).unwrap().deadline, 1599);
    }

    #[test]
    fn an_unused_token_expires() {
        assert_eq!(issued().start(at(1000), TTL), Err(OpenError::Expired));
    }

    #[test]
    fn a_second_start_keeps_the_deadline_even_after_the_tokens_own_expiry() {
        let open = Enrollment { deadline: Some(1599), ..issued() };
        assert_eq!(open.start(at(1200), TTL).unwrap().deadline, 1599);
    }

    #[test]
    fn a_session_ends_at_its_deadline() {
        let open = Enrollment { deadline: Some(700), ..issued() };
        assert!(open.session(at(699)).is_some());
        assert!(open.session(at(700)).is_none());
        assert_eq!(open.start(at(700), TTL), Err(OpenError::Spent));
        assert_eq!(open.start(at(1000), TTL), Err(OpenError::Expired));
    }

    #[test]
    fn once_the_password_is_set_the_session_runs_on_but_is_not_opened_again() {
        let open = Enrollment { deadline: Some(700), password_set: true, ..issued() };
        assert!(open.session(at(500)).is_some());
        assert_eq!(open.start(at(500), TTL), Err(OpenError::Spent));
    }
}
