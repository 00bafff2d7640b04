//! Tells administrators that a location has no address left: each device in the audit log, the contact by mail once a
//! day and location.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::flows::enroll_audit::owner_of_session;
use crate::rules::action::Action;
use crate::rules::ids::LocationId;
use crate::rules::message::Message;
use crate::rules::token::TokenHash;
use crate::site::{Site, SiteLocation};
use crate::store::{StoreError, Tx};

/// How long the contact is not told again, in seconds.
const QUIET: i64 = 24 * 60 * 60;

/// Tells what was not told yet.
pub fn tell(tx: &Tx<'_>, site: &Site, now: Timestamp) -> Result<(), StoreError> {
    for (device, location) in tx.take_untold_waiting()? {
        let (Some(device), Some(location)) = (tx.device(device)?, site.location(location)) else { continue };
        tell_of(tx, site, location, &device.name, now)?;
    }
    Ok(())
}

/// Tells that the owner of a session was refused because all these locations are full. The refusal itself stored
/// nothing, so there is no device to name.
pub fn tell_refused(
    tx: &Tx<'_>,
    site: &Site,
    session: TokenHash,
    locations: &BTreeSet<LocationId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(name) = owner_of_session(tx, session)? else { return Ok(()) };
    tell_refused_to(tx, site, &name, locations, now)
}

/// The same of a device that `name` was to have.
pub fn tell_refused_to(
    tx: &Tx<'_>,
    site: &Site,
    name: &str,
    locations: &BTreeSet<LocationId>,
    now: Timestamp,
) -> Result<(), StoreError> {
    locations
        .iter()
        .filter_map(|id| site.location(*id))
        .try_for_each(|location| tell_of(tx, site, location, name, now))
}

fn tell_of(
    tx: &Tx<'_>,
    site: &Site,
    location: &SiteLocation,
    whose: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let detail = format!("location {} has no free address", location.config.name);
    tx.audit("postern", Action::PoolExhaust, whose, Some(&detail), now)?;
    if tx.mark_exhaustion_told(location.id, now.as_second().saturating_sub(QUIET), now)? {
        let location = location.config.name.clone();
        super::tell::tell(tx, site, &Message::LocationFull { location }, now)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use postern_gateway::PrivateKey;

    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::flows::permit::{settle_all, settle_device};
    use crate::flows::sweep::sweep;
    use crate::rules::ids::DeviceId;
    use crate::store::Store;
    use crate::store::device::DeviceOwner;

    #[test]
    fn a_full_location_is_told_by_device_in_the_log_and_once_a_day_by_mail() {
        let (store, site) = a_site_with_one_address();
        let [_, waiting, _] = three_devices(&store, &site);
        let told = |second: i64| {
            store.write_blocking(|tx| tell(tx, &site, at(second))).unwrap();
            let audited = store.read_blocking(|tx| tx.audit_since(0, 99)).unwrap();
            let mails = store.read_blocking(|tx| tx.due_mail(at(1_000_000), 9)).unwrap();
            let entries = audited.iter().filter(|entry| entry.action == Action::PoolExhaust.name());
            (entries.count(), mails.len())
        };
        assert_eq!(told(10), (2, 1));
        assert_eq!(told(20), (2, 1), "nothing new happened");
        let again = |second: i64| {
            store
                .write_blocking(|tx| {
                    tx.set_waiting(waiting, &[].into())?;
                    tx.set_waiting(waiting, &[LocationId(1)].into())
                })
                .unwrap();
            told(second)
        };
        assert_eq!(again(86_409), (3, 1));
        assert_eq!(again(86_411), (4, 2));
    }

    #[test]
    fn a_freed_address_goes_to_who_waits_longest() {
        let (store, site) = a_site_with_one_address();
        let [holder, first, second] = three_devices(&store, &site);
        let held = |device| store.read_blocking(|tx| tx.addresses_of(device)).unwrap().len();
        assert_eq!([held(holder), held(first), held(second)], [2, 1, 1]);
        store
            .write_blocking(|tx| {
                tx.delete_device(&tx.device(holder)?.unwrap())?;
                sweep(tx, &site, at(50))
            })
            .unwrap();
        assert_eq!([held(first), held(second)], [2, 1]);
        assert_eq!(who_waits(&store), [(second, LocationId(1))]);
    }

    #[test]
    fn who_may_not_use_the_location_any_more_does_not_wait_for_it() {
        let (store, mut site) = a_site_with_one_address();
        three_devices(&store, &site);
        let lab = site.location(LocationId(2)).cloned();
        site = Site::new(site.config.clone(), site.instance, site.keys.clone(), lab);
        store.write_blocking(|tx| settle_all(tx, &site)).unwrap();
        assert_eq!(who_waits(&store), []);
    }

    fn who_waits(store: &Store) -> Vec<(DeviceId, LocationId)> {
        store
            .read_blocking(|tx| {
                let waiting = tx.waiting()?;
                Ok::<_, StoreError>(waiting)
            })
            .unwrap()
    }

    /// `hq` has one address, `lab` has many.
    fn a_site_with_one_address() -> (Store, Site) {
        let store = Store::in_memory().unwrap();
        let mut site = a_site(&store);
        site.config.mail.directory = Some("mail".into());
        let locations = site.locations().cloned().map(|mut location| {
            if location.id == LocationId(1) {
                location.config.ipv4 = "10.77.1.0/30".parse().ok();
            }
            location
        });
        let small = Site::new(site.config.clone(), site.instance, site.keys.clone(), locations);
        (store, small)
    }

    fn three_devices(store: &Store, site: &Site) -> [DeviceId; 3] {
        let made = store.write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            let mut devices = Vec::new();
            for number in 1..=3 {
                let key = PrivateKey::from_random([number; 32]).public();
                let name = format!("device {number}");
                devices.push(tx.insert_device(DeviceOwner::User(ann), &name, Some(key), None, at(0))?);
            }
            for device in &devices {
                settle_device(tx, site, &tx.device(*device)?.unwrap())?;
            }
            Ok::<_, StoreError>(devices)
        });
        made.unwrap().0.try_into().unwrap()
    }
}
