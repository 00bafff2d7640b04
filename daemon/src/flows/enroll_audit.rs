//! What administrators are told about enrollments that clients show to nobody.

use jiff::Timestamp;

use crate::flows::enroll::EnrollError;
use crate::flows::link::{Death, Link, look};
use crate::rules::action::{Action, Reason};
use crate::rules::enrollment::{OpenError, Subject};
use crate::rules::ids::{DeviceId, UserId};
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
    tx.audit_refused(&name, Action::PasswordRefuse, Reason::Value, Some(why), now)
}

/// Why a token starts no session, and whose it is.
pub fn why_no_start(
    tx: &Tx<'_>,
    site: &Site,
    token: TokenHash,
    now: Timestamp,
) -> Result<(Reason, Option<String>), StoreError> {
    Ok(match look(tx, site, token, now)? {
        Link::Unknown if tx.reset_by_token(token)?.is_some() => (Reason::Misused, None),
        Link::Unknown => (Reason::Unknown, None),
        // It can be started: here it was to do something else.
        Link::Good(invitation) => (Reason::Misused, Some(invitation.user.username)),
        Link::Machine { name, .. } => (machines(tx, site, token, now)?, Some(name)),
        Link::Dead(dead) => (reason_of(dead.why), name_of(tx, dead.user)?),
    })
}

/// Machines' links are not told apart for people.
fn machines(tx: &Tx<'_>, site: &Site, token: TokenHash, now: Timestamp) -> Result<Reason, StoreError> {
    let enrollment = tx.enrollment_by_token(token)?;
    let refused = enrollment.and_then(|found| found.start(now, site.config.enrollment.session_ttl).err());
    Ok(match refused {
        Some(OpenError::Expired) => Reason::Expired,
        Some(OpenError::Spent) => Reason::Used,
        None => Reason::Misused,
    })
}

fn reason_of(death: Death) -> Reason {
    match death {
        Death::Expired => Reason::Expired,
        Death::Used | Death::Done => Reason::Used,
        Death::Withdrawn => Reason::Withdrawn,
        Death::Disabled => Reason::Disabled,
    }
}

/// Why a token does not reset a password, and whose it is.
pub fn why_no_reset(
    tx: &Tx<'_>,
    token: TokenHash,
    now: Timestamp,
) -> Result<(Reason, Option<String>), StoreError> {
    let Some(reset) = tx.reset_by_token(token)? else {
        let is_another = tx.enrollment_by_token(token)?.is_some();
        return Ok((if is_another { Reason::Misused } else { Reason::Unknown }, None));
    };
    let reason = if reset.is_used || reset.deadline.is_some_and(|deadline| deadline <= now.as_second()) {
        Reason::Used
    } else if reset.deadline.is_none() && reset.expires_at <= now.as_second() {
        Reason::Expired
    } else {
        Reason::Disabled
    };
    Ok((reason, name_of(tx, reset.user)?))
}

fn name_of(tx: &Tx<'_>, user: UserId) -> Result<Option<String>, StoreError> {
    Ok(tx.user(user)?.map(|user| user.username))
}

/// Why a device is not registered; `None`: nobody refused it, or nobody is known who would have registered it.
pub fn why_no_device(error: &EnrollError) -> Option<Reason> {
    match error {
        EnrollError::Disabled => Some(Reason::Disabled),
        EnrollError::Value(_) | EnrollError::Key(_) => Some(Reason::Value),
        EnrollError::LocationKey | EnrollError::KeyTaken | EnrollError::DeviceTaken => Some(Reason::Taken),
        EnrollError::TooManyDevices | EnrollError::DeviceLimit(_) => Some(Reason::Enough),
        EnrollError::Exhausted(_) | EnrollError::NoLocation => Some(Reason::NoPlace),
        EnrollError::UnfinishedPerson | EnrollError::NeedsDeviceToken | EnrollError::NotAPerson => {
            Some(Reason::Misused)
        }
        EnrollError::NotYours | EnrollError::UnknownDevice | EnrollError::TakenOver => {
            Some(Reason::NotAllowed)
        }
        EnrollError::InvalidToken
        | EnrollError::TokenExpired
        | EnrollError::NoSession
        | EnrollError::AlreadyActive
        | EnrollError::UnknownPollingToken
        | EnrollError::NothingToPoll
        | EnrollError::Store(_) => None,
    }
}

/// Whether some location has not taken a device yet.
pub fn is_pending(tx: &Tx<'_>, id: DeviceId) -> Result<bool, StoreError> {
    Ok(!tx.pending_places(id)?.is_empty())
}

/// Writes down which locations did not take a device in time; the gateway goes on trying.
pub fn pending(tx: &Tx<'_>, site: &Site, id: DeviceId, now: Timestamp) -> Result<(), StoreError> {
    let Some(device) = tx.device(id)? else { return Ok(()) };
    for location in tx.pending_places(id)?.into_iter().filter_map(|location| site.location(location)) {
        tx.audit("postern", Action::DevicePending, &device.name, Some(&location.config.name), now)?;
    }
    Ok(())
}

/// Whose a session is, by name.
pub fn owner_of_session(tx: &Tx<'_>, session: TokenHash) -> Result<Option<String>, StoreError> {
    let Some(enrollment) = tx.enrollment_by_session(session)? else { return Ok(None) };
    Ok(match enrollment.subject {
        Subject::User(id) => tx.user(id)?.map(|user| user.username),
        Subject::Machine(id) => tx.device(id)?.map(|device| device.name),
    })
}
