//! Ends what is over: sessions past their deadline, and devices that their users never stood behind. Tries again where
//! a pool was exhausted.

use jiff::Timestamp;

use crate::flows::tell::tell;
use crate::flows::{exhaustion, mailed_code, permit, second_factor, sign_in_code, signing_keys};
use crate::rules::action::Action;
use crate::rules::enrollment::{Enrollment, EnrollmentKind, Subject};
use crate::rules::fact::Fact;
use crate::rules::ids::UserId;
use crate::rules::message::Message;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// Everything there is to end at a moment, and another try for who waits.
pub fn sweep(tx: &Tx<'_>, site: &Site, now: Timestamp) -> Result<(), StoreError> {
    end_sessions(tx, site, now)?;
    tx.forget_withdrawn(now)?;
    tx.forget_resets(now)?;
    tx.forget_attempts(now)?;
    mailed_code::forget(tx, now)?;
    tx.forget_sessions(site.config.sign_in, now)?;
    sign_in_code::forget(tx, now)?;
    second_factor::forget(tx, now)?;
    tx.forget_grants(now)?;
    signing_keys::forget(tx, now)?;
    tx.forget_mail(now)?;
    tx.forget_enrollments(now)?;
    tx.forget_audit(site.config.audit_keep, now)?;
    for enrollment in tx.take_untold_expiries(now)? {
        tx.happened(Fact::EnrollmentExpired);
        tell(tx, site, &Message::EnrollmentExpired { enrollment }, now)?;
    }
    permit::retry_exhausted(tx, site)?;
    exhaustion::tell(tx, site, now)
}

/// Closes sessions past their deadline. A device registered in one that set no password, by a user who has none, is
/// removed; its peers go with the commit. Says how many sessions were closed.
pub fn end_sessions(tx: &Tx<'_>, site: &Site, now: Timestamp) -> Result<usize, StoreError> {
    let overdue = tx.overdue_enrollments(now)?;
    for enrollment in &overdue {
        end_session(tx, site, enrollment, now)?;
    }
    Ok(overdue.len())
}

/// Withdraws the links of a user and closes the sessions that were opened with one; of a `kind`, if that is given. Says how many.
pub fn end_links(
    tx: &Tx<'_>,
    site: &Site,
    user: UserId,
    kind: Option<EnrollmentKind>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut ended = tx.withdraw_tokens(Subject::User(user), now)?;
    for running in tx.running_enrollments(user)? {
        if kind.is_none_or(|kind| running.kind == kind) {
            end_session(tx, site, &running, now)?;
            ended += 1;
        }
    }
    Ok(ended)
}

/// Closes one session, whatever its deadline.
fn end_session(tx: &Tx<'_>, site: &Site, enrollment: &Enrollment, now: Timestamp) -> Result<(), StoreError> {
    remove_abandoned(tx, site, enrollment, now)?;
    tx.end_enrollment(enrollment.id, now)
}

fn remove_abandoned(
    tx: &Tx<'_>,
    site: &Site,
    enrollment: &Enrollment,
    now: Timestamp,
) -> Result<(), StoreError> {
    let user = match enrollment.subject {
        Subject::User(id) => tx.user(id)?,
        Subject::Machine(_) => None,
    };
    let Some(user) = user.filter(|user| user.password_hash.is_none()) else { return Ok(()) };
    tx.happened(Fact::EnrollmentAbandoned);
    tx.forget_second_factors(user.id)?;
    for id in tx.devices_registered_in(enrollment.id)? {
        let Some(device) = tx.device(id)? else { continue };
        tx.delete_device(&device)?;
        let why = format!("{} ended the session without setting a password", user.username);
        tx.audit("postern", Action::DeviceAbandon, &device.name, Some(&why), now)?;
        tell(tx, site, &Message::DeviceAbandoned { user: user.id, device: device.name }, now)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::flows::issue::issue_enrollment;
    use crate::rules::enrollment::EnrollmentKind;
    use crate::rules::ids::EnrollmentId;
    use crate::store::Store;

    #[test]
    fn what_is_long_over_is_forgotten_but_not_who_invited_somebody() {
        const YEAR: i64 = 366 * 24 * 60 * 60;
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let count = |second| {
            let done = store.write_blocking(|tx| {
                sweep(tx, &site, at(second))?;
                let held = (1..=2).filter(|id| tx.enrollment(EnrollmentId(*id)).unwrap().is_some()).count();
                Ok::<_, StoreError>((held, tx.audit_since(0, 9)?.len()))
            });
            done.unwrap().0
        };
        let issue = |tx: &Tx<'_>, user| {
            let (subject, ttl) = (Subject::User(user), Duration::from_hours(1));
            issue_enrollment(tx, &site, subject, EnrollmentKind::Activation, None, ttl, at(0))
        };
        let made = store.write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            let (first, ..) = issue(tx, ann)?;
            tx.open_enrollment(first, 600, at(1))?;
            tx.end_enrollment(first, at(600))?;
            issue(tx, ann)?;
            tx.audit("ann", Action::EnrollmentStart, "ann", None, at(1))
        });
        made.unwrap();
        assert_eq!(count(YEAR / 5), (2, 1));
        assert_eq!(count(YEAR), (1, 1));
        // That it is forgotten is an entry.
        assert_eq!(count(3 * YEAR), (1, 1));
        let left = store.read_blocking(|tx| tx.audit_since(0, 9)).unwrap();
        assert_eq!(left[0].action, Action::AuditForget.name());
    }
}
