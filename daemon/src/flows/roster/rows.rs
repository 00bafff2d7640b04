//! The rows that lists of users and devices are made of. For everybody they are read whole, in a few queries however
//! many there are; for a few, only theirs are.

use std::collections::{BTreeMap, BTreeSet};

use crate::flows::permit::{of_device, open_to};
use crate::rules::action::Action;
use crate::rules::enrollment::{Enrollment, Subject};
use crate::rules::ids::{DeviceId, LocationId, UserId};
use crate::rules::second_factor::Factors;
use crate::site::{Site, SiteLocation};
use crate::store::account::User;
use crate::store::address::Held;
use crate::store::audit::AuditEntry;
use crate::store::device::{Device, DeviceOwner};
use crate::store::fixed::FixedPlace;
use crate::store::{StoreError, Tx};

/// So many refused activations are looked at.
const REFUSALS: u32 = 1000;

/// What belongs to users and devices.
pub(super) struct Rows<'a> {
    site: &'a Site,
    owners: BTreeMap<UserId, Owner<'a>>,
    held: BTreeMap<DeviceId, Vec<Held>>,
    fixed: BTreeMap<DeviceId, Vec<FixedPlace>>,
    connected: BTreeSet<(DeviceId, LocationId)>,
    newest: BTreeMap<Subject, Enrollment>,
    refused: BTreeMap<String, Vec<AuditEntry>>,
    factors: BTreeMap<UserId, Factors>,
}

/// What a user may do.
pub(super) struct Owner<'a> {
    pub(super) username: String,
    pub(super) groups: BTreeSet<String>,
    pub(super) locations: Vec<&'a SiteLocation>,
}

impl<'a> Rows<'a> {
    /// Of everybody: `users` are all there are.
    pub(super) fn all(tx: &Tx<'_>, site: &'a Site, users: &[User]) -> Result<Self, StoreError> {
        let mut memberships = tx.memberships()?;
        let newest = tx.newest_enrollments()?.into_iter().map(|newest| (newest.subject, newest)).collect();
        let mut rows = Self { newest, ..Self::empty(tx, site)? };
        for user in users {
            rows.add(user, memberships.remove(&user.id).unwrap_or_default());
        }
        for place in tx.addresses()? {
            rows.held.entry(place.device).or_default().push(place);
        }
        rows.fixed = tx.fixed_places()?;
        rows.connected = tx.connections()?.iter().map(|found| (found.device, found.location)).collect();
        rows.factors = tx.factors()?;
        Ok(rows)
    }

    /// Of these users and devices.
    pub(super) fn of(
        tx: &Tx<'_>,
        site: &'a Site,
        users: &[User],
        devices: &[Device],
    ) -> Result<Self, StoreError> {
        let mut rows = Self::empty(tx, site)?;
        for user in users {
            rows.add(user, tx.groups_of(user.id)?);
            rows.factors.insert(user.id, tx.factors_of(user.id)?);
        }
        for device in devices {
            rows.held.insert(device.id, tx.addresses_of(device.id)?);
            rows.fixed.insert(device.id, tx.fixed_places_of(device.id)?);
            let connected = tx.connections_of(device.id)?;
            rows.connected.extend(connected.into_iter().map(|location| (device.id, location)));
        }
        let people = users.iter().map(|user| Subject::User(user.id));
        for subject in people.chain(devices.iter().map(|device| Subject::Machine(device.id))) {
            rows.newest.extend(tx.last_enrollment(subject)?.map(|newest| (subject, newest)));
        }
        Ok(rows)
    }

    fn empty(tx: &Tx<'_>, site: &'a Site) -> Result<Self, StoreError> {
        let mut refused: BTreeMap<String, Vec<AuditEntry>> = BTreeMap::new();
        for entry in tx.audit_of(Action::PasswordRefuse, REFUSALS)? {
            refused.entry(entry.object.clone()).or_default().push(entry);
        }
        let (owners, held, fixed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (connected, newest, factors) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { site, owners, held, fixed, connected, newest, refused, factors })
    }

    fn add(&mut self, user: &User, groups: BTreeSet<String>) {
        let locations = open_to(self.site, user, &groups);
        self.owners.insert(user.id, Owner { username: user.username.clone(), groups, locations });
    }

    /// `None`: a machine's.
    pub(super) fn owner_of(&self, device: &Device) -> Option<&Owner<'a>> {
        match device.owner {
            DeviceOwner::User(user) => self.owner(user),
            DeviceOwner::Machine(_) => None,
        }
    }

    /// What a user has beside the password.
    pub(super) fn factors(&self, user: UserId) -> Factors {
        self.factors.get(&user).copied().unwrap_or_default()
    }

    pub(super) fn owner(&self, user: UserId) -> Option<&Owner<'a>> {
        self.owners.get(&user)
    }

    /// The locations a device may use, with its place there: `None` where it found no address.
    pub(super) fn places(&self, device: &Device) -> Vec<(&'a SiteLocation, Option<&Held>)> {
        let held = self.held.get(&device.id).map_or(&[][..], Vec::as_slice);
        let of_owner = self.owner_of(device).map_or(&[][..], |owner| owner.locations.as_slice());
        let permitted = of_device(self.site, device, of_owner).into_iter();
        permitted.map(|location| (location, held.iter().find(|held| held.location == location.id))).collect()
    }

    /// The locations where a device is on addresses of its own.
    pub(super) fn fixed_places(&self, device: &Device) -> Vec<(&'a SiteLocation, &FixedPlace)> {
        let places = self.fixed.get(&device.id).map_or(&[][..], Vec::as_slice).iter();
        let granted = places.filter(|place| place.granted);
        granted.filter_map(|place| Some((self.site.location(place.location)?, place))).collect()
    }

    /// Whether a second factor was given for a device there.
    pub(super) fn is_connected(&self, device: DeviceId, location: LocationId) -> bool {
        self.connected.contains(&(device, location))
    }

    pub(super) fn newest(&self, subject: Subject) -> Option<&Enrollment> {
        self.newest.get(&subject)
    }

    /// The activations of a user that were refused, newest first.
    pub(super) fn refused(&self, username: &str) -> &[AuditEntry] {
        self.refused.get(username).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use postern_gateway::PrivateKey;
    use serde_json::{Value, to_value};

    use crate::fixtures::{a_person, a_site, at};
    use crate::flows::issue::issue_enrollment;
    use crate::flows::permit::settle_all;
    use crate::flows::roster;
    use crate::rules::action::Action;
    use crate::rules::enrollment::{EnrollmentKind, Subject};
    use crate::rules::ids::LocationId;
    use crate::site::Site;
    use crate::store::device::DeviceOwner;
    use crate::store::{Store, StoreError};

    #[test]
    fn a_list_says_of_everybody_what_is_said_of_each_alone() {
        let (store, site) = people_and_machines();
        let read = store.read_blocking(|tx| {
            let (users, devices) =
                (roster::users(tx, &site, at(9))?, roster::devices(tx, &site, None, at(9)));
            let devices = devices.unwrap_or_else(|refused| panic!("{refused}"));
            let (users, devices) = (to_value(&users).unwrap(), to_value(&devices).unwrap());
            for user in users.as_array().unwrap() {
                let name = user["username"].as_str().unwrap();
                let alone =
                    roster::user(tx, &site, name, at(9)).unwrap_or_else(|refused| panic!("{refused}"));
                assert_eq!(*user, to_value(alone).unwrap());
                let theirs = roster::devices(tx, &site, Some(name), at(9));
                let theirs = theirs.unwrap_or_else(|refused| panic!("{refused}"));
                assert_eq!(user["devices"], to_value(theirs).unwrap());
            }
            for device in devices.as_array().unwrap() {
                let id = device["id"].to_string();
                let alone =
                    roster::device(tx, &site, &id, at(9)).unwrap_or_else(|refused| panic!("{refused}"));
                assert_eq!(*device, to_value(alone).unwrap());
            }
            Ok::<_, StoreError>((users, devices))
        });
        let (users, devices) = read.unwrap();
        let of = |list: &Value, path: &str| -> Vec<Value> {
            list.as_array()
                .unwrap()
                .iter()
                .map(|one| one.pointer(path).cloned().unwrap_or_default())
                .collect()
        };
        assert_eq!(of(&users, "/username"), ["ann", "ben", "eve"]);
        assert_eq!(of(&users, "/groups/0"), [Value::from("ops"), Value::Null, Value::from("ops")]);
        assert_eq!(of(&users, "/locations/1"), [Value::from("lab"), Value::Null, Value::Null]);
        assert_eq!(of(&users, "/enrollment/state"), [Value::from("unused"), Value::Null, Value::Null]);
        assert_eq!(of(&users, "/refused_activations/0/reason"), [Value::Null, "weak".into(), Value::Null]);
        assert_eq!(of(&devices, "/user"), [Value::from("ann"), Value::from("ben"), Value::Null]);
        assert_eq!(of(&devices, "/locations/0/state"), ["pending", "no-address", "no-address"]);
        assert_eq!(of(&devices, "/enrollment/kind"), [Value::Null, Value::Null, Value::from("machine")]);
    }

    /// `hq` has one address; `lab` is for the group `ops`, of which Eve, disabled, is one too.
    fn people_and_machines() -> (Store, Site) {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let locations = site.locations().cloned().map(|mut location| {
            match location.id {
                LocationId(1) => location.config.ipv4 = "10.77.1.0/30".parse().ok(),
                _ => location.config.groups = Some(["ops".to_owned()].into()),
            }
            location
        });
        let site = Site::new(site.config.clone(), site.instance, site.keys.clone(), locations);
        let filled = store.write_blocking(|tx| {
            let [ann, ben, eve] = ["ann", "ben", "eve"].map(|name| a_person(tx, name));
            let ops = tx.insert_group("ops")?;
            tx.add_member(ann, ops)?;
            tx.add_member(eve, ops)?;
            tx.set_disabled(eve, Some(at(1)))?;
            for (owner, seed) in [(ann, 1), (ben, 2)] {
                let key = PrivateKey::from_random([seed; 32]).public();
                tx.insert_device(DeviceOwner::User(owner), "laptop", Some(key), None, at(0))?;
            }
            let machine =
                tx.insert_device(DeviceOwner::Machine(LocationId(1)), "printer", None, None, at(0))?;
            let day = Duration::from_hours(24);
            for (subject, kind) in [
                (Subject::User(ann), EnrollmentKind::Activation),
                (Subject::User(ann), EnrollmentKind::Enrollment),
                (Subject::Machine(machine), EnrollmentKind::Machine),
            ] {
                issue_enrollment(tx, &site, subject, kind, None, day, at(2))?;
            }
            tx.audit("ann", Action::PasswordRefuse, "ann", Some("another Ann's"), at(-1))?;
            tx.audit("ben", Action::PasswordRefuse, "ben", Some("weak"), at(3))?;
            settle_all(tx, &site)
        });
        filled.unwrap();
        (store, site)
    }
}
