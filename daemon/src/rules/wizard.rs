//! The steps of enrolling in the browser, and which one comes next. Where somebody stands follows from what is done, so
//! a reload, another tab and a browser opened again all lead to the same place.

use super::enrollment::{Enrollment, EnrollmentKind};

/// A page of a running session, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Looking at one's data.
    You,
    /// Choosing a password.
    Password,
    /// Setting up a second factor, where everybody has to.
    Factor,
    /// Registering a device.
    Device,
    /// Nothing is left to do.
    Done,
}

/// What a session has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Whether the account has a password.
    pub has_password: bool,
    /// Whether a second factor is still to be set up.
    pub owes_factor: bool,
    /// Whether a device is there that the session registered or, for somebody new, another one did.
    pub has_device: bool,
}

impl Step {
    /// All, in their order.
    pub const ALL: [Self; 5] = [Self::You, Self::Password, Self::Factor, Self::Device, Self::Done];

    /// The first step that is not done.
    pub fn next(enrollment: &Enrollment, reached: Reached) -> Self {
        if !reached.has_password {
            return if enrollment.reviewed { Self::Password } else { Self::You };
        }
        if reached.owes_factor {
            return Self::Factor;
        }
        if reached.has_device || enrollment.device_skipped { Self::Done } else { Self::Device }
    }

    /// Whether the page of this step may be looked at when `next` is the first one that is not done: what is done may be
    /// seen again, except the password and the second factor, which are set once.
    pub fn may_be_seen(self, kind: EnrollmentKind, next: Self) -> bool {
        match self {
            Self::You => kind == EnrollmentKind::Enrollment,
            Self::Password | Self::Factor => next == self,
            Self::Device | Self::Done => self <= next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::enrollment::Subject;
    use crate::rules::ids::{EnrollmentId, UserId};

    fn enrollment() -> Enrollment {
        Enrollment {
            id: EnrollmentId(1),
            kind: EnrollmentKind::Enrollment,
            subject: Subject::User(UserId(1)),
            issued_by: None,
            issued_at: 0,
            expires_at: 1000,
            deadline: Some(600),
            password_set: false,
            reviewed: false,
            device_skipped: false,
            ended: false,
        }
    }

    #[test]
    fn each_step_leads_to_the_next() {
        let reached = |has_password, has_device| Reached { has_password, owes_factor: false, has_device };
        let owing = Reached { owes_factor: true, ..reached(true, true) };
        assert_eq!(Step::next(&enrollment(), owing), Step::Factor);
        assert_eq!(Step::next(&enrollment(), Reached { has_password: false, ..owing }), Step::You);
        let reviewed = Enrollment { reviewed: true, ..enrollment() };
        let skipped = Enrollment { device_skipped: true, ..reviewed.clone() };
        assert_eq!(Step::next(&enrollment(), reached(false, false)), Step::You);
        assert_eq!(Step::next(&reviewed, reached(false, false)), Step::Password);
        assert_eq!(
            Step::next(&reviewed, reached(false, true)),
            Step::Password,
            "clients begin with the device"
        );
        assert_eq!(Step::next(&reviewed, reached(true, false)), Step::Device);
        assert_eq!(
            Step::next(&enrollment(), reached(true, false)),
            Step::Device,
            "set in a client meanwhile"
        );
        assert_eq!(Step::next(&reviewed, reached(true, true)), Step::Done);
        assert_eq!(Step::next(&skipped, reached(true, false)), Step::Done);
    }

    #[test]
    fn nothing_is_seen_before_its_turn_and_the_password_only_in_its_turn() {
        let seen = |next| {
            let kind = EnrollmentKind::Enrollment;
            Step::ALL.into_iter().filter(|step| step.may_be_seen(kind, next)).collect::<Vec<_>>()
        };
        assert_eq!(seen(Step::You), [Step::You]);
        assert_eq!(seen(Step::Password), [Step::You, Step::Password]);
        assert_eq!(seen(Step::Factor), [Step::You, Step::Factor]);
        assert_eq!(seen(Step::Device), [Step::You, Step::Device]);
        assert_eq!(seen(Step::Done), [Step::You, Step::Device, Step::Done]);
        assert!(!Step::You.may_be_seen(EnrollmentKind::Activation, Step::Device), "they have an account");
    }
}
