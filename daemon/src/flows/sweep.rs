//! Ends what is over: sessions past their deadline, and devices that their users never stood behind. Tries again where
//! a pool was exhausted.

use jiff::Timestamp;

use crate::flows::tell::tell;
use crate::flows::{exhaustion, permit};
use crate::rules::action::Action;
use crate::rules::enrollment::{Enrollment, Subject};
use crate::rules::message::Message;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// Everything there is to end at a moment, and another try for who waits.
pub fn sweep(tx: &Tx<'_>, site: &Site, now: Timestamp) -> Result<(), StoreError> {
    end_sessions(tx, site, now)?;
    tx.forget_withdrawn(now)?;
    tx.forget_resets(now)?;
    tx.forget_mail(now)?;
    for enrollment in tx.take_untold_expiries(now)? {
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

/// Closes one session, whatever its deadline.
pub(super) fn end_session(
    tx: &Tx<'_>,
    site: &Site,
    enrollment: &Enrollment,
    now: Timestamp,
) -> Result<(), StoreError> {
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
    for id in tx.devices_registered_in(enrollment.id)? {
        let Some(device) = tx.device(id)? else { continue };
        tx.delete_device(&device)?;
        let why = format!("{} ended the session without setting a password", user.username);
        tx.audit("postern", Action::DeviceAbandon, &device.name, Some(&why), now)?;
        tell(tx, site, &Message::DeviceAbandoned { user: user.id, device: device.name }, now)?;
    }
    Ok(())
}
