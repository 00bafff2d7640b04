//! Makes a device's addresses those of exactly the locations it may use: the one place where permission becomes a
//! peer or stops being one. Registration, group changes, disabling, reloads and retries all end here.

use std::collections::{BTreeMap, BTreeSet};

use crate::rules::access::may_join;
use crate::rules::ids::{DeviceId, LocationId, UserId};
use crate::site::{Site, SiteLocation};
use crate::store::account::User;
use crate::store::address::Held;
use crate::store::device::{Device, DeviceOwner};
use crate::store::fixed::Granted;
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
    if device.is_fixed {
        return settle_fixed(tx, site, device);
    }
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

/// A device on addresses of its own keeps them; whether it may use them is what permission says. A machine may.
fn settle_fixed(tx: &Tx<'_>, site: &Site, device: &Device) -> Result<Settled, StoreError> {
    let of_owner = match device.owner {
        DeviceOwner::User(user) => Some(locations_of_user(tx, site, user)?),
        DeviceOwner::Machine(_) => None,
    };
    let mut granted = BTreeSet::new();
    for place in tx.fixed_places_of(device.id)? {
        let is_open = of_owner.as_ref().is_none_or(|open| open.iter().any(|open| open.id == place.location));
        tx.grant_fixed_place(device, place.location, if is_open { Granted::Yes } else { Granted::No })?;
        granted.extend(is_open.then_some(place.location));
    }
    Ok(Settled { granted, exhausted: BTreeSet::new() })
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
    let devices = unsettled(tx, site)?;
    for device in &devices {
        keep(tx, device, &permitted(tx, site, device)?)?;
    }
    for device in &devices {
        settle_device(tx, site, device)?;
    }
    Ok(())
}

/// The devices that settling might change. Of many thousands these are few or none, so everybody is judged by what is
/// read at once; only these are asked about one by one.
fn unsettled(tx: &Tx<'_>, site: &Site) -> Result<Vec<Device>, StoreError> {
    let memberships = tx.memberships()?;
    let users: BTreeMap<UserId, Vec<&SiteLocation>> = tx
        .users()?
        .iter()
        .map(|user| (user.id, open_to(site, user, memberships.get(&user.id).unwrap_or(&BTreeSet::new()))))
        .collect();
    let mut held: BTreeMap<DeviceId, Vec<Held>> = BTreeMap::new();
    tx.addresses()?.into_iter().for_each(|place| held.entry(place.device).or_default().push(place));
    let waiting: BTreeSet<DeviceId> = tx.waiting()?.into_iter().map(|(device, _)| device).collect();
    let is_settled = |device: &Device| {
        if device.is_fixed {
            return matches!(device.owner, DeviceOwner::Machine(_));
        }
        let of_owner = match device.owner {
            DeviceOwner::User(user) => users.get(&user).map_or(&[][..], Vec::as_slice),
            DeviceOwner::Machine(_) => &[],
        };
        let permitted = of_device(site, device, of_owner);
        let held = held.get(&device.id).map_or(&[][..], Vec::as_slice);
        !waiting.contains(&device.id)
            && held.len() == permitted.len()
            && permitted.iter().all(|location| held.iter().any(|place| is_in_place(place, location)))
    };
    let mut devices = tx.devices()?;
    devices.retain(|device| !is_settled(device));
    Ok(devices)
}

/// Whether this is a place on `location`, of addresses of its present subnets.
fn is_in_place(held: &Held, location: &SiteLocation) -> bool {
    held.location == location.id && location.config.pool().addresses(held.slot) == Some(held.addresses)
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
    let Some(user) = tx.user(user)? else { return Ok(Vec::new()) };
    Ok(open_to(site, &user, &tx.groups_of(user.id)?))
}

/// The same of a user and their groups that were read.
pub(super) fn open_to<'a>(
    site: &'a Site,
    user: &User,
    memberships: &BTreeSet<String>,
) -> Vec<&'a SiteLocation> {
    let is_open = |location: &&SiteLocation| may_join(location.config.groups.as_ref(), memberships);
    site.locations().filter(|_| user.disabled_at.is_none()).filter(is_open).collect()
}

/// The locations whose addresses a device should have.
fn permitted<'a>(tx: &Tx<'_>, site: &'a Site, device: &Device) -> Result<Vec<&'a SiteLocation>, StoreError> {
    let of_owner = match device.owner {
        DeviceOwner::User(user) => locations_of_user(tx, site, user)?,
        DeviceOwner::Machine(_) => Vec::new(),
    };
    Ok(of_device(site, device, &of_owner))
}

/// The same of a device whose owner may use the locations `of_owner`; none of one that has addresses of its own.
pub(super) fn of_device<'a>(
    site: &'a Site,
    device: &Device,
    of_owner: &[&'a SiteLocation],
) -> Vec<&'a SiteLocation> {
    match device.owner {
        _ if device.is_fixed => Vec::new(),
        DeviceOwner::User(_) => {
            let is_open =
                |location: &&SiteLocation| device.only_location.is_none_or(|only| only == location.id);
            of_owner.iter().copied().filter(is_open).collect()
        }
        DeviceOwner::Machine(location) => site.location(location).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use postern_gateway::PrivateKey;

    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::store::Store;

    #[test]
    fn only_devices_that_settling_would_change_are_asked_about() {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let unsettled = |site: &Site| -> Vec<String> {
            let found = store.read_blocking(|tx| unsettled(tx, site)).unwrap();
            found.into_iter().map(|device| device.name).collect()
        };
        let changed = |change: fn(&mut SiteLocation)| {
            let locations = site.locations().cloned().map(|mut location| {
                change(&mut location);
                location
            });
            Site::new(site.config.clone(), site.instance, site.keys.clone(), locations)
        };
        let made = store.write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            for (owner, name, seed) in
                [(DeviceOwner::User(ann), "laptop", 1), (DeviceOwner::Machine(LocationId(1)), "printer", 2)]
            {
                let key = PrivateKey::from_random([seed; 32]).public();
                tx.insert_device(owner, name, Some(key), None, at(0))?;
            }
            Ok::<_, StoreError>(ann)
        });
        let ann = made.unwrap().0;
        assert_eq!(unsettled(&site), ["laptop", "printer"], "they have no addresses");
        store.write_blocking(|tx| settle_all(tx, &site)).unwrap();
        assert_eq!(unsettled(&site), Vec::<String>::new());
        assert_eq!(
            unsettled(&changed(|location| location.config.groups = Some(BTreeSet::new()))),
            ["laptop"],
            "nobody may join any more; a machine joins by no group"
        );
        let other_subnet = |location: &mut SiteLocation| location.config.ipv6 = "fd99::/64".parse().ok();
        assert_eq!(unsettled(&changed(other_subnet)), ["laptop", "printer"]);
        store.write_blocking(|tx| tx.set_disabled(ann, Some(at(1)))).unwrap();
        assert_eq!(unsettled(&site), ["laptop"]);
        store.write_blocking(|tx| tx.set_waiting(DeviceId(2), &[LocationId(2)].into())).unwrap();
        assert_eq!(unsettled(&site), ["laptop", "printer"], "who waits is tried again");
    }

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
            Site::new(site.config.clone(), site.instance, site.keys.clone(), hq)
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
