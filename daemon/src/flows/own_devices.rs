//! What people do with their own devices. Somebody else's is as unknown to them as one that never was.

use jiff::Timestamp;

use super::devices;
use super::enroll::{self, EnrollError};
use super::invite::Actor;
use super::refusal::Refusal;
use super::sign_in::SignedIn;
use crate::rules::ids::DeviceId;
use crate::site::Site;
use crate::store::Tx;
use crate::store::device::{Device, DeviceOwner};

/// One of theirs.
pub fn find(tx: &Tx<'_>, who: &SignedIn, id: DeviceId) -> Result<Device, Refusal> {
    let device = tx.device(id)?.filter(|device| device.owner == DeviceOwner::User(who.user.id));
    device.ok_or_else(|| Refusal::UnknownDevice(by_number(id)))
}

/// Gives it another name; its peers do not notice.
pub fn rename(tx: &Tx<'_>, who: &SignedIn, id: DeviceId, name: &str, now: Timestamp) -> Result<(), Refusal> {
    find(tx, who, id)?;
    devices::rename(tx, &actor(who), &by_number(id), name, now)?;
    Ok(())
}

/// Removes it with its addresses.
pub fn remove(tx: &Tx<'_>, site: &Site, who: &SignedIn, id: DeviceId, now: Timestamp) -> Result<(), Refusal> {
    find(tx, who, id)?;
    devices::remove(tx, site, &actor(who), &by_number(id), now)?;
    Ok(())
}

/// Adds one with a key of theirs.
pub fn add(
    tx: &Tx<'_>,
    site: &Site,
    who: &SignedIn,
    (name, key): (&str, &str),
    now: Timestamp,
) -> Result<Device, EnrollError> {
    enroll::add_device(tx, site, &who.user, (name, key), now)
}

/// Gives it another key; what has the old one is cut off.
pub fn renew_key(
    tx: &Tx<'_>,
    site: &Site,
    who: &SignedIn,
    (id, key): (DeviceId, &str),
    now: Timestamp,
) -> Result<Device, EnrollError> {
    let device = tx.device(id)?.filter(|device| device.owner == DeviceOwner::User(who.user.id));
    enroll::renew_key(tx, site, (&who.user, &device.ok_or(EnrollError::UnknownDevice)?), key, now)
}

pub(super) fn actor(who: &SignedIn) -> Actor {
    Actor { name: who.user.username.clone(), account: Some(who.user.id) }
}

fn by_number(id: DeviceId) -> String {
    format!("#{id}")
}
