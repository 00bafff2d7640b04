//! What there should be, and what a deed makes of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The location that is there or not.
pub(crate) const EXTRA: &str = "extra";
/// The location for members of the group.
pub(crate) const CLOSED: &str = "hq";
/// The group.
pub(crate) const STAFF: &str = "staff";

/// Users, machines and locations, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct World {
    pub(crate) people: BTreeMap<String, Person>,
    pub(crate) machines: BTreeMap<String, Machine>,
    pub(crate) places: BTreeMap<String, Place>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) enrolled: bool,
    pub(crate) disabled: bool,
    pub(crate) staff: bool,
    /// The key of the one device.
    pub(crate) key: Option<String>,
}

/// A machine of the location `open`, or of `extra`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) place: String,
    pub(crate) key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) mtu: u64,
    /// `None`: another than before.
    pub(crate) key: Option<String>,
}

/// What somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Invite(String),
    /// Another link, for who has none that is known here.
    Reinvite(String),
    /// A session begins: of a person or a machine.
    Open(String),
    Register(String, String),
    SetPassword(String),
    RemoveDevice(String),
    Disable(String),
    Enable(String),
    RemoveUser(String),
    Join(String),
    Leave(String),
    AddMachine(String, String),
    Reissue(String),
    RemoveMachine(String),
    SetMtu(String, u64),
    RotateKey(String),
    AddPlace,
    /// With its machines.
    RemovePlace,
}

impl World {
    /// What it is once a deed is done.
    pub(crate) fn after(&self, deed: &Deed) -> Self {
        let mut after = self.clone();
        after.take(deed);
        after
    }

    fn take(&mut self, deed: &Deed) {
        match deed {
            Deed::Invite(name) => drop(self.people.insert(name.clone(), Person::default())),
            Deed::Reinvite(_) | Deed::Open(_) | Deed::Reissue(_) => {}
            Deed::Register(name, key) => match self.machines.get_mut(name) {
                Some(machine) => machine.key = Some(key.clone()),
                None => self.person(name).key = Some(key.clone()),
            },
            Deed::SetPassword(name) => self.person(name).enrolled = true,
            Deed::RemoveDevice(name) => self.person(name).key = None,
            Deed::Disable(name) => self.person(name).disabled = true,
            Deed::Enable(name) => self.person(name).disabled = false,
            Deed::RemoveUser(name) => drop(self.people.remove(name)),
            Deed::Join(name) => self.person(name).staff = true,
            Deed::Leave(name) => self.person(name).staff = false,
            Deed::AddMachine(name, place) => {
                self.machines.insert(name.clone(), Machine { place: place.clone(), key: None });
            }
            Deed::RemoveMachine(name) => drop(self.machines.remove(name)),
            Deed::SetMtu(name, mtu) => self.place(name).mtu = *mtu,
            Deed::RotateKey(name) => self.place(name).key = None,
            Deed::AddPlace => drop(self.places.insert(EXTRA.to_owned(), Place { mtu: 1420, key: None })),
            Deed::RemovePlace => {
                self.places.remove(EXTRA);
                self.machines.retain(|_, machine| machine.place != EXTRA);
            }
        }
    }

    fn person(&mut self, name: &str) -> &mut Person {
        self.people.get_mut(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    fn place(&mut self, name: &str) -> &mut Place {
        self.places.get_mut(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The part whose names begin so, and the locations if they are asked for.
    pub(crate) fn part(&self, lane: &str, places: bool) -> Self {
        let mut part = self.clone();
        part.people.retain(|name, _| name.starts_with(lane));
        part.machines.retain(|name, _| name.starts_with(lane));
        if !places {
            part.places.clear();
        }
        part
    }

    /// Whether this, which was seen, is what was expected.
    pub(crate) fn is(&self, expected: &Self) -> bool {
        let mut expected = expected.clone();
        for (name, place) in &mut expected.places {
            if place.key.is_none() {
                place.key = self.places.get(name).and_then(|seen| seen.key.clone());
            }
        }
        *self == expected
    }

    /// The keys that a location's interface should have.
    pub(crate) fn peers(&self, place: &str) -> BTreeSet<String> {
        let may = |person: &&Person| !person.disabled && (place != CLOSED || person.staff);
        let people = self.people.values().filter(may).filter_map(|person| person.key.clone());
        let machines = self.machines.values().filter(|machine| machine.place == place);
        people.chain(machines.filter_map(|machine| machine.key.clone())).collect()
    }

    /// What the daemon says of itself: `/users`, `/devices` and `/locations`.
    pub(crate) fn seen(users: &Value, devices: &Value, places: &Value) -> Self {
        let mut world = Self::default();
        for user in users.as_array().unwrap() {
            let groups = user["groups"].as_array().unwrap();
            let devices = user["devices"].as_array().unwrap();
            assert!(devices.len() <= 1, "{user}");
            let person = Person {
                enrolled: user["enrolled"].as_bool().unwrap(),
                disabled: user["disabled"].as_bool().unwrap(),
                staff: groups.iter().any(|group| group == STAFF),
                key: devices.first().and_then(|device| text(&device["public_key"])),
            };
            world.people.insert(text(&user["username"]).unwrap(), person);
        }
        for device in devices.as_array().unwrap() {
            if device["machine"] == true {
                // What has no location any more is nowhere.
                let place = text(&device["locations"][0]["location"]).unwrap_or_default();
                let machine = Machine { place, key: text(&device["public_key"]) };
                world.machines.insert(text(&device["name"]).unwrap(), machine);
            }
        }
        for place in places.as_array().unwrap() {
            let known = Place { mtu: place["mtu"].as_u64().unwrap(), key: text(&place["public_key"]) };
            world.places.insert(text(&place["name"]).unwrap(), known);
        }
        world
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
