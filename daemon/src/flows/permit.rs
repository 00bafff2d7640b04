//! Makes a device's addresses those of exactly the locations it may use: the one place where permission becomes a
//! peer or stops being one. Registration, group changes, disabling, reloads and retries all end here.

use std::collections::BTreeSet;

use crate::rules::access::may_join;
use crate::rules::ids::{LocationId, UserId};
use crate::site::{Site, SiteLocation};
use crate::store::device::{Device, DeviceOwner};
use crate::store::{StoreError, Tx};

/// What a device holds after settling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Where it has addresses.
    pub granted: BTreeSet<LocationId>,
    /// Where it should have but the pool is exhausted.
    pub exhausted: BTreeSet<LocationId>,
}

/// Settles one device.
pub fn settle_device(tx: &Tx<'_>, site: &Site, device: &Device) -> Result<Settled, StoreError> {
    let permitted = permitted(tx, site, device)?;
    let mut settled = Settled::default();
    for held in tx.addresses_of(device.id)? {
        let wanted = permitted.iter().find(|location| location.id == held.location);
        match wanted.map(|location| location.config.pool().addresses(held.slot)) {
            Some(Some(addresses)) => {
                if addresses != held.addresses {
                    tx.move_address(device, held.location, addresses)?;
                }
                settled.granted.insert(held.location);
            }
            Some(None) | None => tx.free_address(device, held.location)?,
        }
    }
    for location in
        permitted.iter().filter(|location| !settled.granted.contains(&location.id)).collect::<Vec<_>>()
    {
        match tx.take_address(device, location.id, location.config.pool())? {
            Some(_) => settled.granted.insert(location.id),
            None => settled.exhausted.insert(location.id),
        };
    }
    tx.set_waiting(device.id, &settled.exhausted)?;
    Ok(settled)
}

/// Settles all devices of a user.
pub fn settle_user(tx: &Tx<'_>, site: &Site, user: UserId) -> Result<(), StoreError> {
    for device in tx.devices_of(user)? {
        settle_device(tx, site, &device)?;
    }
    Ok(())
}

/// Settles every device.
pub fn settle_all(tx: &Tx<'_>, site: &Site) -> Result<(), StoreError> {
    for device in tx.devices()? {
        settle_device(tx, site, &device)?;
    }
    Ok(())
}

/// Tries again for devices that found a pool exhausted, whoever waits longest first.
pub fn retry_exhausted(tx: &Tx<'_>, site: &Site) -> Result<(), StoreError> {
    for (id, _) in tx.waiting()? {
        if let Some(device) = tx.device(id)? {
            settle_device(tx, site, &device)?;
        }
    }
    Ok(())
}

/// The locations a user may use: none while disabled.
pub fn locations_of_user<'a>(
    tx: &Tx<'_>,
    site: &'a Site,
    user: UserId,
) -> Result<Vec<&'a SiteLocation>, StoreError> {
    let Some(user) = tx.user(user)?.filter(|user| user.disabled_at.is_none()) else { return Ok(Vec::new()) };
    let memberships = tx.groups_of(user.id)?;
    Ok(site.locations().filter(|location| may_join(location.config.groups.as_ref(), &memberships)).collect())
}

/// The locations whose addresses a device should have.
pub(super) fn permitted<'a>(
    tx: &Tx<'_>,
    site: &'a Site,
    device: &Device,
) -> Result<Vec<&'a SiteLocation>, StoreError> {
    match device.owner {
        DeviceOwner::User(user) => {
            let mut locations = locations_of_user(tx, site, user)?;
            locations.retain(|location| device.only_location.is_none_or(|only| only == location.id));
            Ok(locations)
        }
        DeviceOwner::Machine(location) => Ok(site.location(location).into_iter().collect()),
    }
}
