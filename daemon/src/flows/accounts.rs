//! What administrators do with accounts that exist: change them, disable, enable and remove them. Peers follow from
//! the commit. The last active administrator stays one.

use jiff::Timestamp;
use serde::Serialize;

use super::devices::location_names;
use super::invite::{Actor, known_user};
use super::permit::settle_user;
use super::refusal::Refusal;
use super::sweep::end_links;
use crate::rules::action::Action;
use crate::rules::ids::UserId;
use crate::rules::names;
use crate::site::Site;
use crate::store::account::User;
use crate::store::{StoreError, Tx};

/// What to change, as typed; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// Unique.
    pub username: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Unique.
    pub email: Option<String>,
    /// Empty: none.
    pub phone: Option<String>,
    /// Whether they administer.
    pub is_admin: Option<bool>,
    /// Who acts as this administrator on the host.
    pub unix_account: Option<UnixAccount>,
}

/// Which Unix account acts as an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnixAccount {
    /// This one.
    Uid(u32),
    /// None does.
    Unmapped,
}

/// What an edit did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edited {
    /// As it is afterwards.
    pub username: String,
    /// Names of what is different from before.
    pub changed: Vec<&'static str>,
}

/// What disabling or enabling did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Switched {
    /// Whose account.
    pub username: String,
    /// Whether it was in that state before.
    pub already: bool,
}

/// What is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Who.
    pub username: String,
    /// With which devices.
    pub devices: Vec<RemovedDevice>,
    /// From which groups.
    pub groups: Vec<String>,
}

/// A device that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemovedDevice {
    /// As its owner called it.
    pub name: String,
    /// Where it had addresses.
    pub locations: Vec<String>,
}

/// Changes what `edit` gives. An administrator who is none any more keeps no Unix account; with another address links that were
/// mailed to the one before end, opened ones too; only who has no password yet keeps an invitation.
pub fn edit(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    username: &str,
    edit: &Edit,
    now: Timestamp,
) -> Result<Edited, Refusal> {
    if *edit == Edit::default() {
        return Err(Refusal::NothingToChange);
    }
    let user = known_user(tx, username)?;
    let wanted = edited(&user, edit)?;
    may_be(tx, &wanted)?;
    if !wanted.is_admin {
        keep_an_administrator(tx, &user)?;
    }
    let changed = differences(&user, &wanted);
    if !changed.is_empty() {
        tx.update_user(&wanted)?;
        if wanted.email != user.email && user.password_hash.is_some() {
            forget_mailed(tx, site, user.id, now)?;
        }
        tx.audit(&actor.name, Action::UserEdit, &wanted.username, Some(&changed.join(", ")), now)?;
    }
    Ok(Edited { username: wanted.username, changed })
}

/// Whoever reads the mailbox of before has nothing that opens the account, nor goes on with what is open. Whoever has no password
/// yet is not asked for here: an invitation stays, as it may have been handed over.
fn forget_mailed(tx: &Tx<'_>, site: &Site, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    tx.withdraw_resets(user)?;
    tx.delete_mailed_codes(user)?;
    end_links(tx, site, user, None, now)?;
    Ok(())
}

/// Ends sessions and what applications were issued, withdraws tokens that nobody used and takes every address away; devices and groups stay for
/// [`enable`].
pub fn disable(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    username: &str,
    now: Timestamp,
) -> Result<Switched, Refusal> {
    let user = known_user(tx, username)?;
    if user.disabled_at.is_some() {
        return Ok(Switched { username: user.username, already: true });
    }
    keep_an_administrator(tx, &user)?;
    end_links(tx, site, user.id, None, now)?;
    tx.set_disabled(user.id, Some(now))?;
    tx.sign_out_all(user.id, None)?;
    settle_user(tx, site, user.id)?;
    tx.audit(&actor.name, Action::UserDisable, &user.username, None, now)?;
    Ok(Switched { username: user.username, already: false })
}

/// Gives the devices of a disabled user their places back.
pub fn enable(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    username: &str,
    now: Timestamp,
) -> Result<Switched, Refusal> {
    let user = known_user(tx, username)?;
    if user.disabled_at.is_none() {
        return Ok(Switched { username: user.username, already: true });
    }
    tx.set_disabled(user.id, None)?;
    settle_user(tx, site, user.id)?;
    tx.audit(&actor.name, Action::UserEnable, &user.username, None, now)?;
    Ok(Switched { username: user.username, already: false })
}

/// Removes a user with devices, tokens, sessions and memberships.
pub fn remove(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    username: &str,
    now: Timestamp,
) -> Result<Removed, Refusal> {
    let user = known_user(tx, username)?;
    keep_an_administrator(tx, &user)?;
    let mut devices = Vec::new();
    for device in tx.devices_of(user.id)? {
        let locations = location_names(tx, site, &device)?;
        tx.delete_device(&device)?;
        devices.push(RemovedDevice { name: device.name, locations });
    }
    let groups = tx.groups_of(user.id)?.into_iter().collect();
    tx.delete_user(user.id)?;
    let detail = format!("with {} devices", devices.len());
    tx.audit(&actor.name, Action::UserRemove, &user.username, Some(&detail), now)?;
    Ok(Removed { username: user.username, devices, groups })
}

fn edited(user: &User, edit: &Edit) -> Result<User, Refusal> {
    let mut wanted = user.clone();
    if let Some(text) = &edit.username {
        wanted.username = names::username(text).map_err(Refusal::value(text))?;
    }
    if let Some(text) = &edit.first_name {
        wanted.first_name = names::person_name(text).map_err(Refusal::value(text))?;
    }
    if let Some(text) = &edit.last_name {
        wanted.last_name = names::person_name(text).map_err(Refusal::value(text))?;
    }
    if let Some(text) = &edit.email {
        wanted.email = names::email(text).map_err(Refusal::value(text))?;
    }
    if let Some(text) = &edit.phone {
        wanted.phone = names::phone(text).map_err(Refusal::value(text))?;
    }
    wanted.is_admin = edit.is_admin.unwrap_or(wanted.is_admin);
    match edit.unix_account {
        Some(UnixAccount::Uid(_)) if !wanted.is_admin => {
            return Err(Refusal::NotAdministrator(wanted.username));
        }
        Some(UnixAccount::Uid(uid)) => wanted.unix_uid = Some(uid),
        Some(UnixAccount::Unmapped) => wanted.unix_uid = None,
        None if !wanted.is_admin => wanted.unix_uid = None,
        None => {}
    }
    Ok(wanted)
}

/// Whether nobody else has what is one person's only.
fn may_be(tx: &Tx<'_>, wanted: &User) -> Result<(), Refusal> {
    let is_another = |found: Option<User>| found.is_some_and(|found| found.id != wanted.id);
    if is_another(tx.user_by_name(&wanted.username)?) {
        return Err(Refusal::UsernameTaken(wanted.username.clone()));
    }
    if is_another(tx.user_by_email(&wanted.email)?) {
        return Err(Refusal::EmailTaken(wanted.email.clone()));
    }
    match wanted.unix_uid {
        Some(uid) if is_another(tx.user_by_uid(uid)?) => Err(Refusal::UidTaken(uid)),
        Some(_) | None => Ok(()),
    }
}

/// Refuses to take the last active administrator away.
fn keep_an_administrator(tx: &Tx<'_>, user: &User) -> Result<(), Refusal> {
    let is_active = user.is_admin && user.disabled_at.is_none();
    if is_active && !tx.has_other_administrator(user.id)? {
        return Err(Refusal::LastAdministrator(user.username.clone()));
    }
    Ok(())
}

fn differences(before: &User, after: &User) -> Vec<&'static str> {
    let compared = [
        ("username", before.username != after.username),
        ("first_name", before.first_name != after.first_name),
        ("last_name", before.last_name != after.last_name),
        ("email", before.email != after.email),
        ("phone", before.phone != after.phone),
        ("admin", before.is_admin != after.is_admin),
        ("unix_uid", before.unix_uid != after.unix_uid),
    ];
    compared.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

#[cfg(test)]
mod tests;
