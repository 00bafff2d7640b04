//! Groups and their members, as administrators change them. Who may use which location follows in the same
//! transaction.

use jiff::Timestamp;
use serde::Serialize;

use super::invite::{Actor, known_user};
use super::permit::settle_user;
use super::refusal::Refusal;
use crate::rules::action::Action;
use crate::rules::ids::GroupId;
use crate::rules::names;
use crate::site::{Site, SiteLocation};
use crate::store::Tx;

/// A group that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Created {
    /// Its name.
    pub group: String,
}

/// A group that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Its name.
    pub group: String,
    /// Who was in it.
    pub members: Vec<String>,
}

/// What became of a membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Membership {
    /// Which group.
    pub group: String,
    /// Who.
    pub username: String,
    /// Whether it was so before.
    pub already: bool,
}

/// Makes an empty group.
pub fn create(tx: &Tx<'_>, actor: &Actor, name: &str, now: Timestamp) -> Result<Created, Refusal> {
    let name = names::group(name).map_err(Refusal::value(name))?;
    if tx.group_by_name(&name)?.is_some() {
        return Err(Refusal::GroupTaken(name));
    }
    tx.insert_group(&name)?;
    tx.audit(&actor.name, Action::GroupCreate, &name, None, now)?;
    Ok(Created { group: name })
}

/// Removes a group that neither a location nor an application names.
pub fn remove(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    name: &str,
    now: Timestamp,
) -> Result<Removed, Refusal> {
    let (id, name) = known_group(tx, name)?;
    let naming = locations_naming(site, &name).next().map(|location| location.config.name.clone());
    if let Some(location) = naming {
        return Err(Refusal::GroupInUse { group: name, location });
    }
    if let Some(app) = tx.app_naming(id)? {
        return Err(Refusal::GroupOfApp { group: name, app });
    }
    let members = tx.members_of(id)?;
    tx.delete_group(id)?;
    for (member, _) in &members {
        settle_user(tx, site, *member)?;
    }
    tx.audit(&actor.name, Action::GroupRemove, &name, None, now)?;
    Ok(Removed { group: name, members: members.into_iter().map(|(_, name)| name).collect() })
}

/// Puts a user into a group.
pub fn add_user(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    group: &str,
    username: &str,
    now: Timestamp,
) -> Result<Membership, Refusal> {
    let (id, group) = known_group(tx, group)?;
    let user = known_user(tx, username)?;
    let added = tx.add_member(user.id, id)?;
    if added {
        settle_user(tx, site, user.id)?;
        tx.audit(&actor.name, Action::GroupAddUser, &group, Some(&user.username), now)?;
    }
    Ok(Membership { group, username: user.username, already: !added })
}

/// Takes a user out of a group.
pub fn remove_user(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    group: &str,
    username: &str,
    now: Timestamp,
) -> Result<Membership, Refusal> {
    let (id, group) = known_group(tx, group)?;
    let user = known_user(tx, username)?;
    let removed = tx.remove_member(user.id, id)?;
    if removed {
        settle_user(tx, site, user.id)?;
        tx.audit(&actor.name, Action::GroupRemoveUser, &group, Some(&user.username), now)?;
    }
    Ok(Membership { group, username: user.username, already: !removed })
}

/// The locations whose configuration names a group.
pub(super) fn locations_naming<'a>(site: &'a Site, group: &'a str) -> impl Iterator<Item = &'a SiteLocation> {
    site.locations().filter(move |location| {
        location.config.groups.iter().flatten().any(|named| named.eq_ignore_ascii_case(group))
    })
}

/// A group's number, and its name as it was made.
pub(super) fn known_group(tx: &Tx<'_>, name: &str) -> Result<(GroupId, String), Refusal> {
    let unknown = || Refusal::UnknownGroup(name.to_owned());
    let id = tx.group_by_name(name)?.ok_or_else(unknown)?;
    let made = tx.groups()?.into_iter().find(|made| made.eq_ignore_ascii_case(name)).ok_or_else(unknown)?;
    Ok((id, made))
}

#[cfg(test)]
mod tests;
