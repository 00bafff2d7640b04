//! Devices come and go, and have a place where their owners may be: first come, first served.

use super::{Device, Model, Owner, Person, Subject};
use crate::{Door, LOCATIONS};

/// How many devices fit into each location.
const ROOM: [usize; 3] = [200, 2, 200];

impl Model {
    pub(super) fn add(&mut self, device: Device) -> usize {
        self.made += 1;
        self.devices.insert(self.made, device);
        self.made
    }

    pub(super) fn forget(&mut self, id: usize) {
        self.devices.remove(&id);
        self.held.retain(|(_, device)| *device != id);
        self.waiting.retain(|(_, device)| *device != id);
        self.tokens.iter_mut().filter(|t| t.of == Subject::Machine(id)).for_each(|t| t.is_gone = true);
    }

    /// A device gets a place wherever it may be and there is room, and loses it elsewhere.
    pub(super) fn settle(&mut self, id: usize) {
        for location in 0..3 {
            let place = (location, id);
            if !self.may_be(location, &self.devices[&id]) {
                self.held.remove(&place);
                self.waiting.retain(|waiting| *waiting != place);
            } else if !self.held.contains(&place) {
                if self.has_room(location) {
                    self.held.insert(place);
                    self.waiting.retain(|waiting| *waiting != place);
                } else if !self.waiting.contains(&place) {
                    self.waiting.push(place);
                }
            }
        }
    }

    pub(super) fn may_be(&self, location: usize, device: &Device) -> bool {
        match device.owner {
            Owner::Machine(own) => own == location && self.doors[location] != Door::Gone,
            Owner::Person(who) => {
                self.admits(location, self.people[&who]) && device.only.is_none_or(|only| only == location)
            }
        }
    }

    pub(super) fn admits(&self, location: usize, person: Person) -> bool {
        !person.is_disabled
            && match self.doors[location] {
                Door::Gone | Door::Nobody => false,
                Door::Everybody => true,
                Door::Members => person.is_member,
            }
    }

    pub(super) fn has_room(&self, location: usize) -> bool {
        self.held.iter().filter(|(of, _)| *of == location).count() < ROOM[location]
    }

    pub(super) fn places(&self, id: usize) -> Vec<&'static str> {
        (0..3).filter(|location| self.held.contains(&(*location, id))).map(|at| LOCATIONS[at]).collect()
    }
}
