//! What administrators do with devices: find, rename and remove them, and add machines, which are devices without a
//! person that wait for their key.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::device_limit::beyond_limit;
use super::invite::{Actor, checked_ttl, inviter, known_user};
use super::issue::issue_enrollment;
use super::permit::settle_device;
use super::refusal::Refusal;
use super::tell::tell;
use crate::rules::action::Action;
use crate::rules::enrollment::{EnrollmentKind, Subject};
use crate::rules::ids::DeviceId;
use crate::rules::message::Message;
use crate::rules::names;
use crate::rules::token::Token;
use crate::site::Site;
use crate::store::device::{Device, DeviceOwner};
use crate::store::{StoreError, Tx};

/// A machine to be.
#[derive(Debug, Clone)]
pub struct NewMachine {
    /// Unique among machines.
    pub name: String,
    /// Its only location.
    pub location: String,
}

/// Who issues a token, and for how long it is good.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The administrator shown to the machine; `None`: the actor, else the configured contact.
    pub by: Option<String>,
    /// `None`: as configured.
    pub ttl: Option<Duration>,
}

/// What whoever sets up a machine hands over to it.
pub struct MachineToken {
    /// Its number.
    pub id: DeviceId,
    /// Its name.
    pub name: String,
    /// Where it belongs.
    pub location: String,
    /// Where it enrolls.
    pub url: String,
    /// What it enrolls with.
    pub token: Token,
    /// Unix seconds.
    pub expires_at: i64,
}

/// Whether a person may be given more devices than people may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// They may not.
    Kept,
    /// They may, this time.
    Passed,
}

/// What became of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its number.
    pub id: DeviceId,
    /// Its name, the new one after renaming.
    pub name: String,
    /// Whose it is; `None`: a machine.
    pub user: Option<String>,
}

/// A device and where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Which.
    #[serde(flatten)]
    pub device: Changed,
    /// Where it had addresses.
    pub locations: Vec<String>,
}

/// The device called `wanted`: a name, `user/name`, or a number, which `#` marks where there is a device of such a name.
pub fn find(tx: &Tx<'_>, wanted: &str) -> Result<Device, Refusal> {
    let unknown = || Refusal::UnknownDevice(wanted.to_owned());
    if let Some(number) = wanted.strip_prefix('#').and_then(|text| text.parse().ok()) {
        return tx.device(DeviceId(number))?.ok_or_else(unknown);
    }
    let number = wanted.parse().ok().map(DeviceId);
    let mut found = Vec::new();
    for device in tx.devices()? {
        if Some(device.id) == number || is_called(tx, &device, wanted)? {
            found.push(device);
        }
    }
    match found.len() {
        0 | 1 => found.pop().ok_or_else(unknown),
        _ => Err(Refusal::AmbiguousDevice(wanted.to_owned())),
    }
}

/// Gives a device another name; its peers do not notice.
pub fn rename(
    tx: &Tx<'_>,
    actor: &Actor,
    wanted: &str,
    name: &str,
    now: Timestamp,
) -> Result<Changed, Refusal> {
    let device = find(tx, wanted)?;
    let name = names::device_name(name).map_err(Refusal::value(name))?;
    tx.rename_device(device.id, &name).map_err(taken(&name))?;
    let detail = format!("was {}", device.name);
    tx.audit(&actor.name, Action::DeviceRename, &name, Some(&detail), now)?;
    Ok(Changed { id: device.id, user: user_of(tx, &device)?, name })
}

/// Removes a device with its addresses and tokens.
pub fn remove(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    wanted: &str,
    now: Timestamp,
) -> Result<Removed, Refusal> {
    let device = find(tx, wanted)?;
    let user = user_of(tx, &device)?;
    let locations = location_names(tx, site, &device)?;
    tx.delete_device(&device)?;
    tx.audit(&actor.name, Action::DeviceRemove, &device.name, user.as_deref(), now)?;
    if let DeviceOwner::User(user) = device.owner {
        tell(tx, site, &Message::DeviceRemoved { user, device: device.name.clone() }, now)?;
    }
    Ok(Removed { device: Changed { id: device.id, name: device.name, user }, locations })
}

/// Makes a machine, reserves its address and issues its token.
pub fn add_machine(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    new: &NewMachine,
    terms: &Terms,
    now: Timestamp,
) -> Result<MachineToken, Refusal> {
    let name = names::device_name(&new.name).map_err(Refusal::value(&new.name))?;
    let unknown = || Refusal::UnknownLocation(new.location.clone());
    let location = site.location_named(&new.location).ok_or_else(unknown)?;
    if location.config.second_factor {
        return Err(Refusal::SecondFactor(location.config.name.clone()));
    }
    let owner = DeviceOwner::Machine(location.id);
    let id = tx.insert_device(owner, &name, None, None, now).map_err(taken(&name))?;
    let device = tx.device(id)?.ok_or_else(|| Refusal::UnknownDevice(name.clone()))?;
    if settle_device(tx, site, &device)?.granted.is_empty() {
        return Err(Refusal::PoolExhausted(location.config.name.clone()));
    }
    tx.audit(&actor.name, Action::DeviceAddMachine, &name, Some(&location.config.name), now)?;
    issue(tx, site, actor, &device, terms, now)
}

/// A machine that was taken over becomes a person's device: it keeps its addresses, and is from then on where its owner
/// may be.
pub fn give(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    (wanted, username, limit): (&str, &str, Limit),
    now: Timestamp,
) -> Result<Changed, Refusal> {
    let device = find(tx, wanted)?;
    if !matches!(device.owner, DeviceOwner::Machine(_)) {
        return Err(Refusal::NotMachine(device.name));
    }
    if !device.is_fixed {
        return Err(Refusal::NotTakenOver(device.name));
    }
    let user = known_user(tx, username)?;
    if limit == Limit::Kept
        && let Some(limit) = beyond_limit(tx, site, user.id)?
    {
        return Err(Refusal::DeviceLimit { username: user.username, limit });
    }
    tx.give_device(device.id, DeviceOwner::User(user.id)).map_err(taken(&device.name))?;
    let device = tx.device(device.id)?.ok_or_else(|| Refusal::UnknownDevice(device.name))?;
    settle_device(tx, site, &device)?;
    tx.audit(&actor.name, Action::DeviceGive, &device.name, Some(&user.username), now)?;
    tell(tx, site, &Message::DeviceAdded { user: user.id, device: device.name.clone() }, now)?;
    Ok(Changed { id: device.id, name: device.name, user: Some(user.username) })
}

/// A fresh token for a machine that lost its key. Its peer stays until it registers another key.
pub fn reissue(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    wanted: &str,
    terms: &Terms,
    now: Timestamp,
) -> Result<MachineToken, Refusal> {
    let device = find(tx, wanted)?;
    tx.audit(&actor.name, Action::DeviceReissue, &device.name, None, now)?;
    issue(tx, site, actor, &device, terms, now)
}

/// Names of the locations on which a device has addresses.
pub(super) fn location_names(tx: &Tx<'_>, site: &Site, device: &Device) -> Result<Vec<String>, StoreError> {
    let held = tx.addresses_of(device.id)?.into_iter().map(|held| held.location);
    let fixed = tx.fixed_places_of(device.id)?.into_iter().filter(|place| place.granted);
    let fixed = fixed.map(|place| place.location);
    let locations = held.chain(fixed).filter_map(|location| site.location(location));
    Ok(locations.map(|location| location.config.name.clone()).collect())
}

fn issue(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    device: &Device,
    terms: &Terms,
    now: Timestamp,
) -> Result<MachineToken, Refusal> {
    let DeviceOwner::Machine(location) = device.owner else {
        return Err(Refusal::NotMachine(device.name.clone()));
    };
    if device.is_fixed {
        return Err(Refusal::TakenOver(device.name.clone()));
    }
    let location =
        site.location(location).ok_or_else(|| Refusal::UnknownLocation(format!("number {location}")))?;
    let ttl = checked_ttl(terms.ttl, site)?;
    let by = inviter(tx, actor, terms.by.as_deref())?;
    let (_, token, expires_at) =
        issue_enrollment(tx, site, Subject::Machine(device.id), EnrollmentKind::Machine, by, ttl, now)?;
    Ok(MachineToken {
        id: device.id,
        name: device.name.clone(),
        location: location.config.name.clone(),
        url: site.config.public_url.clone(),
        token,
        expires_at,
    })
}

fn is_called(tx: &Tx<'_>, device: &Device, wanted: &str) -> Result<bool, StoreError> {
    let is_name = |name: &str| names::folded(&device.name) == names::folded(name);
    if is_name(wanted) {
        return Ok(true);
    }
    match wanted.split_once('/') {
        Some((user, name)) if is_name(name) => {
            Ok(user_of(tx, device)?.is_some_and(|owner| owner.eq_ignore_ascii_case(user)))
        }
        Some(_) | None => Ok(false),
    }
}

/// The username of a device's owner.
fn user_of(tx: &Tx<'_>, device: &Device) -> Result<Option<String>, StoreError> {
    match device.owner {
        DeviceOwner::User(id) => Ok(tx.user(id)?.map(|user| user.username)),
        DeviceOwner::Machine(_) => Ok(None),
    }
}

fn taken(name: &str) -> impl FnOnce(StoreError) -> Refusal {
    let name = name.to_owned();
    |error| if error.is_conflict() { Refusal::DeviceTaken(name) } else { Refusal::Store(error) }
}

#[cfg(test)]
mod tests;
