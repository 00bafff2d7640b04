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
    let mut settled = Settled { granted: keep(tx, device, &permitted)?, exhausted: BTreeSet::new() };
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

/// Frees what a device may not have any more, gives what it keeps the addresses of the present subnets, and says where
/// it keeps a place.
fn keep(
    tx: &Tx<'_>,
    device: &Device,
    permitted: &[&SiteLocation],
) -> Result<BTreeSet<LocationId>, StoreError> {
    let mut kept = BTreeSet::new();
    for held in tx.addresses_of(device.id)? {
        let wanted = permitted.iter().find(|location| location.id == held.location);
        match wanted.map(|location| location.config.pool().addresses(held.slot)) {
            Some(Some(addresses)) => {
                if addresses != held.addresses {
                    tx.move_address(device, held.location, addresses)?;
                }
                kept.insert(held.location);
            }
            Some(None) | None => tx.free_address(device, held.location)?,
        }
    }
    Ok(kept)
}

/// Settles all devices of a user.
pub fn settle_user(tx: &Tx<'_>, site: &Site, user: UserId) -> Result<(), StoreError> {
    for device in tx.devices_of(user)? {
        settle_device(tx, site, &device)?;
    }
    Ok(())
}

/// Settles every device. What some give up is free before others take.
pub fn settle_all(tx: &Tx<'_>, site: &Site) -> Result<(), StoreError> {
    let devices = tx.devices()?;
    for device in &devices {
        keep(tx, device, &permitted(tx, site, device)?)?;
    }
    for device in &devices {
        settle_device(tx, site, device)?;
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

#[cfg(test)]
mod tests {
    use postern_gateway::PrivateKey;

    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::store::Store;

    #[test]
    fn the_last_address_passes_from_one_device_to_another_whatever_their_order() {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let only = |group: &str| {
            let hq = site.locations().take(1).cloned().map(|mut hq| {
                hq.config.groups = Some([group.to_owned()].into());
                hq.config.ipv4 = "10.77.1.0/30".parse().ok();
                hq
            });
            Site::new(site.config.clone(), site.instance, site.token_key.clone(), hq)
        };
        let places = |site: &Site| {
            let done = store.write_blocking(|tx| {
                settle_all(tx, site)?;
                Ok::<_, StoreError>((
                    tx.addresses()?.iter().map(|held| held.device.0).collect(),
                    tx.waiting()?.len(),
                ))
            });
            done.unwrap().0
        };
        let join = |username: &str, number: u8| {
            store.write_blocking(|tx| {
                let user = a_person(tx, username);
                let group = tx.insert_group(username)?;
                tx.add_member(user, group)?;
                let key = PrivateKey::from_random([number; 32]).public();
                tx.insert_device(DeviceOwner::User(user), "laptop", Some(key), None, at(0))
            })
        };
        join("ann", 1).unwrap();
        join("bob", 2).unwrap();
        assert_eq!(places(&only("bob")), (vec![2], 0));
        assert_eq!(places(&only("ann")), (vec![1], 0), "ann's comes first, and bob's holds the address");
    }
}
