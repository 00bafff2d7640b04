//! What a token's owner does with it: start a session, set a password, register devices, fetch their configuration
//! (protocol 1.1 to 1.6). The browser's pages and the desktop client's API are two doors to these same functions.

mod devices;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::flows::welcome::welcome_when_done;
use crate::rules::action::{Action, Reason};
use crate::rules::enrollment::{Enrollment, EnrollmentKind, OpenError, Stage, Subject};
use crate::rules::fact::Fact;
use crate::rules::ids::{EnrollmentId, LocationId, UserId};
use crate::rules::names::{self, NameError};
use crate::rules::token::{Token, TokenHash};
use crate::site::Site;
use crate::store::account::User;
use crate::store::device::Device;
use crate::store::{StoreError, Tx};

pub use devices::{
    Registered, add_device, create_device, device_of_key, device_to_poll, renew_key, replace_key,
};

/// Why a step of an enrollment is refused. The texts go to people.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// Never issued, withdrawn, spent. The client compares this text (protocol 0.4).
    #[error("invalid token")]
    InvalidToken,
    /// Never started in time. The client compares this text (protocol 0.4).
    #[error("token expired")]
    TokenExpired,
    /// No cookie, an unknown one, or the ten minutes are over.
    #[error("the session is over: ask your administrator for a new link")]
    NoSession,
    /// The account is disabled.
    #[error("this account is disabled: ask your administrator")]
    Disabled,
    /// Activation by somebody who has a password.
    #[error("this account has a password already; change it after signing in")]
    AlreadyActive,
    /// A value that is not taken.
    #[error(transparent)]
    Value(#[from] NameError),
    /// The key.
    #[error(transparent)]
    Key(#[from] postern_gateway::KeyError),
    /// The key belongs to a location.
    #[error("this is the public key of a location; a device needs a key of its own")]
    LocationKey,
    /// The key is registered.
    #[error("this public key is registered already: make a new one")]
    KeyTaken,
    /// The owner has a device of that name.
    #[error("you have a device of this name already: choose another")]
    DeviceTaken,
    /// Protocol 3.2.
    #[error("no more devices can be registered with this link: ask your administrator for another one")]
    TooManyDevices,
    /// So many devices is the most that a person may have.
    #[error(
        "you may have {0} devices, and no more: remove one that you do not use, or ask your administrator"
    )]
    DeviceLimit(u32),
    /// It has settings of its own, a preshared key perhaps, that no page shows.
    #[error("this device was taken over with addresses of its own: ask your administrator for another key")]
    TakenOver,
    /// Everything it may use is full; nothing was stored (see [`crate::flows::exhaustion::tell_refused`]).
    #[error("every location this device may use has run out of addresses: ask your administrator")]
    Exhausted(BTreeSet<LocationId>),
    /// There is nothing to give.
    #[error("there is no location this device may use: ask your administrator")]
    NoLocation,
    /// `dg` with the token of somebody who has no password yet.
    #[error("finish enrolling in the browser or the desktop client first, or ask for a device token")]
    UnfinishedPerson,
    /// `dg` with a person's token and more than one location.
    #[error("the command line client takes exactly one location: ask your administrator for a device token")]
    NeedsDeviceToken,
    /// Protocol 1.5: nothing else may be answered with 404 there.
    #[error("device not found")]
    UnknownDevice,
    /// The key is another user's.
    #[error("this device belongs to somebody else")]
    NotYours,
    /// The polling token is nobody's.
    #[error("this device is not registered any more")]
    UnknownPollingToken,
    /// The one location of the device cannot be used at present.
    #[error("this device may use no location at present: ask your administrator")]
    NothingToPoll,
    /// A machine's session cannot do what a person's can.
    #[error("this link is for a machine: it has no password")]
    NotAPerson,
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An open session and whose it is.
pub struct Session {
    /// The token's row.
    pub enrollment: Enrollment,
    /// Unix seconds.
    pub deadline: i64,
    /// Who.
    pub owner: Owner,
}

/// Who enrolls.
pub enum Owner {
    /// A person.
    Person(User),
    /// A machine.
    Machine(Device),
}

/// Starts the session of a token, or joins the one that runs: the deadline stays, the new cookie is as good as the
/// others.
pub fn open(
    tx: &Tx<'_>,
    site: &Site,
    token: &Token,
    session: TokenHash,
    now: Timestamp,
) -> Result<Session, EnrollError> {
    let enrollment = tx.enrollment_by_token(token.hash())?.ok_or(EnrollError::InvalidToken)?;
    let owner = owner_of(tx, enrollment.subject)?;
    let open = enrollment.start(now, site.config.enrollment.session_ttl)?;
    if enrollment.kind == EnrollmentKind::Enrollment && owner.has_password() {
        // Set in another session meanwhile; further clients take an activation token.
        return Err(EnrollError::InvalidToken);
    }
    if let Stage::Unused(_) = enrollment.stage(now) {
        tx.open_enrollment(enrollment.id, open.deadline, now)?;
        tx.audit(owner.name(), Action::EnrollmentStart, owner.name(), None, now)?;
        tx.happened(Fact::EnrollmentStarted);
    }
    tx.insert_session(enrollment.id, session)?;
    Ok(Session { enrollment, deadline: open.deadline, owner })
}

/// The session a cookie belongs to.
pub fn session(tx: &Tx<'_>, cookie: TokenHash, now: Timestamp) -> Result<Session, EnrollError> {
    let enrollment = tx.enrollment_by_session(cookie)?.ok_or(EnrollError::NoSession)?;
    let open = enrollment.session(now).ok_or(EnrollError::NoSession)?;
    let owner = owner_of(tx, enrollment.subject)?;
    Ok(Session { enrollment, deadline: open.deadline, owner })
}

/// Sets the first password; `password_hash` was made before the transaction. An absent phone number clears it
/// (protocol 1.4), and so does one that is none.
pub fn activate(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    password_hash: &str,
    phone: &str,
    now: Timestamp,
) -> Result<(), EnrollError> {
    let user = may_activate(session)?;
    let phone = names::phone(phone);
    tx.activate_user(user.id, password_hash, phone.as_ref().ok().and_then(|phone| phone.as_deref()))?;
    if let Err(error) = phone {
        // Clients do not show a refusal (protocol 1.4); a missing number harms less than a missing password.
        let why = error.to_string();
        tx.audit_refused(&user.username, Action::PhoneRefuse, Reason::Value, Some(&why), now)?;
    }
    tx.password_set_in(session.id(), now)?;
    tx.audit(&user.username, Action::PasswordSet, &user.username, None, now)?;
    welcome_when_done(tx, site, user.id, now)?;
    Ok(())
}

/// Whether [`activate`] can succeed: to be asked before the password is hashed, which is expensive.
pub fn may_activate(session: &Session) -> Result<&User, EnrollError> {
    let user = session.person().ok_or(EnrollError::NotAPerson)?;
    if user.password_hash.is_some() { Err(EnrollError::AlreadyActive) } else { Ok(user) }
}

impl Session {
    /// The person, unless it is a machine's.
    pub fn person(&self) -> Option<&User> {
        match &self.owner {
            Owner::Person(user) => Some(user),
            Owner::Machine(_) => None,
        }
    }

    /// The token's row number.
    pub fn id(&self) -> EnrollmentId {
        self.enrollment.id
    }
}

impl Owner {
    /// For the audit log.
    pub fn name(&self) -> &str {
        match self {
            Self::Person(user) => &user.username,
            Self::Machine(device) => &device.name,
        }
    }

    /// Whether it is a person who can sign in.
    fn has_password(&self) -> bool {
        match self {
            Self::Person(user) => user.password_hash.is_some(),
            Self::Machine(_) => false,
        }
    }

    /// The user's number.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Person(user) => Some(user.id),
            Self::Machine(_) => None,
        }
    }
}

fn owner_of(tx: &Tx<'_>, subject: Subject) -> Result<Owner, EnrollError> {
    match subject {
        Subject::User(id) => {
            let user = tx.user(id)?.ok_or(EnrollError::InvalidToken)?;
            if user.disabled_at.is_some() { Err(EnrollError::Disabled) } else { Ok(Owner::Person(user)) }
        }
        Subject::Machine(id) => Ok(Owner::Machine(tx.device(id)?.ok_or(EnrollError::InvalidToken)?)),
    }
}

impl From<OpenError> for EnrollError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Expired => Self::TokenExpired,
            OpenError::Spent => Self::InvalidToken,
        }
    }
}
