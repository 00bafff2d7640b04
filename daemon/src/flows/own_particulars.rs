//! What people change about themselves, as far as the configuration lets them. The rest is the administrators'.

use jiff::Timestamp;

use super::accounts::{self, Edit};
use super::own_devices::actor;
use super::refusal::Refusal;
use super::sign_in::SignedIn;
use crate::config::Particular;
use crate::rules::names;
use crate::site::Site;
use crate::store::Tx;

/// Their particulars, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Empty: none.
    pub phone: String,
}

/// Which of them nobody accepts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wrong {
    /// See [`Typed`].
    pub first_name: bool,
    /// See [`Typed`].
    pub last_name: bool,
    /// See [`Typed`].
    pub phone: bool,
}

/// Changes what may be changed; of the rest, what was typed counts for nothing. `Err`: nothing is changed, as something is wrong.
pub fn change(
    tx: &Tx<'_>,
    site: &Site,
    who: &SignedIn,
    typed: &Typed,
    now: Timestamp,
) -> Result<Result<(), Wrong>, Refusal> {
    let may = |what| site.config.portal.may_change.contains(&what);
    let named = |text: &String| may(Particular::Name).then(|| text.clone());
    let edit = Edit {
        first_name: named(&typed.first_name),
        last_name: named(&typed.last_name),
        phone: may(Particular::Phone).then(|| typed.phone.clone()),
        ..Edit::default()
    };
    let is_no_name =
        |name: &Option<String>| name.as_ref().is_some_and(|name| names::person_name(name).is_err());
    let wrong = Wrong {
        first_name: is_no_name(&edit.first_name),
        last_name: is_no_name(&edit.last_name),
        phone: edit.phone.as_ref().is_some_and(|phone| names::phone(phone).is_err()),
    };
    if wrong != Wrong::default() {
        return Ok(Err(wrong));
    }
    if edit != Edit::default() {
        accounts::edit(tx, site, &actor(who), &who.user.username, &edit, now)?;
    }
    Ok(Ok(()))
}
