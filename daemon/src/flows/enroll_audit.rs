//! What administrators are told about enrollments that clients show to nobody.

use jiff::Timestamp;

use crate::rules::action::Action;
use crate::rules::enrollment::Subject;
use crate::rules::ids::DeviceId;
use crate::rules::token::TokenHash;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// Writes down that an activation was refused: newer clients ignore the answer (protocol 1.4).
pub fn refused_activation(
    tx: &Tx<'_>,
    session: TokenHash,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(name) = owner_of_session(tx, session)? else { return Ok(()) };
    tx.audit(&name, Action::PasswordRefuse, &name, Some(why), now)
}

/// Whether some location has not taken a device yet.
pub fn is_pending(tx: &Tx<'_>, id: DeviceId) -> Result<bool, StoreError> {
    Ok(tx.addresses_of(id)?.iter().any(|held| held.live_since.is_none()))
}

/// Writes down which locations did not take a device in time; the gateway goes on trying.
pub fn pending(tx: &Tx<'_>, site: &Site, id: DeviceId, now: Timestamp) -> Result<(), StoreError> {
    let Some(device) = tx.device(id)? else { return Ok(()) };
    let waiting = tx.addresses_of(id)?.into_iter().filter(|held| held.live_since.is_none());
    for location in waiting.filter_map(|held| site.location(held.location)) {
        tx.audit("postern", Action::DevicePending, &device.name, Some(&location.config.name), now)?;
    }
    Ok(())
}

/// Whose a session is, by name.
pub(super) fn owner_of_session(tx: &Tx<'_>, session: TokenHash) -> Result<Option<String>, StoreError> {
    let Some(enrollment) = tx.enrollment_by_session(session)? else { return Ok(None) };
    Ok(match enrollment.subject {
        Subject::User(id) => tx.user(id)?.map(|user| user.username),
        Subject::Machine(id) => tx.device(id)?.map(|device| device.name),
    })
}
