//! Ends what is over: sessions past their deadline, and devices that their users never stood behind.

use jiff::Timestamp;

use crate::rules::action::Action;
use crate::rules::enrollment::{Enrollment, Subject};
use crate::store::{StoreError, Tx};

/// Closes sessions past their deadline. A device registered in one that set no password, by a user who has none, is
/// removed; its peers go with the commit. Says how many sessions were closed.
pub fn end_sessions(tx: &Tx<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let overdue = tx.overdue_enrollments(now)?;
    for enrollment in &overdue {
        remove_abandoned(tx, enrollment, now)?;
        tx.end_enrollment(enrollment.id, now)?;
    }
    Ok(overdue.len())
}

fn remove_abandoned(tx: &Tx<'_>, enrollment: &Enrollment, now: Timestamp) -> Result<(), StoreError> {
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
    }
    Ok(())
}
