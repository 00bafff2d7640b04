//! A second factor while enrolling, where everybody has to have one: in the browser after the password, in the desktop client
//! before it (protocol 1.7). Only an invitation's session may: whoever has a password already signs in for it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::enroll::{EnrollError, Session};
use super::passkeys::{self, Adding, PasskeyError};
use super::second_factor::{self, Begun, RecoveryCodes, SetUp};
use crate::rules::enrollment::EnrollmentKind;
use crate::rules::ids::UserId;
use crate::rules::second_factor::Method;
use crate::site::Site;
use crate::store::account::User;
use crate::store::passkey::Handle;
use crate::store::{StoreError, Tx};

/// Whether somebody is still to set one up in this session.
pub fn owes(tx: &Tx<'_>, site: &Site, session: &Session) -> Result<bool, StoreError> {
    Ok(owing(tx, site, session)?.is_some())
}

/// Begins. `random` is two times fresh.
pub fn begin(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    (method, random): (Method, [[u8; 32]; 2]),
    may_mail: impl Fn(UserId) -> Result<(), Duration>,
    now: Timestamp,
) -> Result<Begun, EnrollError> {
    let Some(user) = owing(tx, site, session)? else { return Ok(Begun::Nothing) };
    Ok(second_factor::begin_by(tx, site, user, (method, random), may_mail, now)?)
}

/// What an app is shown, once that is begun.
pub fn begun(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    now: Timestamp,
) -> Result<Option<SetUp>, EnrollError> {
    match owing(tx, site, session)? {
        Some(user) => Ok(second_factor::begun(tx, site, user, now)?),
        None => Ok(None),
    }
}

/// Has it count if the code is right; see [`second_factor::confirm`]. Every session at /me ends: none of them gave it.
pub fn confirm(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    given: (Method, &str),
    random: &[[u8; 32]; 4],
    now: Timestamp,
) -> Result<Option<RecoveryCodes>, EnrollError> {
    match owing(tx, site, session)? {
        Some(user) => Ok(second_factor::confirm_by(tx, site, user, given, None, random, now)?),
        None => Ok(None),
    }
}

/// Begins with a passkey; `None`: the session is not for that, or it is done. See [`passkeys::begin`].
pub fn begin_passkey(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    handle: Handle,
) -> Result<Option<(Value, Adding)>, PasskeyError> {
    owing(tx, site, session)?.map(|user| passkeys::begin(tx, site, user, handle)).transpose()
}

/// Adds it; see [`passkeys::add`]. Every session at /me ends, as in [`confirm`].
pub fn add_passkey(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    made: (&Adding, &str, &str),
    random: &[[u8; 32]; 4],
    now: Timestamp,
) -> Result<Option<RecoveryCodes>, PasskeyError> {
    match owing(tx, site, session)? {
        Some(user) => passkeys::add(tx, site, (user, None), made, random, now),
        None => Ok(None),
    }
}

fn owing<'a>(tx: &Tx<'_>, site: &Site, session: &'a Session) -> Result<Option<&'a User>, StoreError> {
    let may = session.enrollment.kind == EnrollmentKind::Enrollment;
    let Some(user) = session.person().filter(|_| may) else { return Ok(None) };
    Ok(second_factor::owes(site, tx.factors_of(user.id)?).then_some(user))
}
