//! What should happen, as short as it can be said: maps and sets in memory, no database, no addresses, no loop. It is
//! written from the protocol and the issue, not from the code.

#[path = "places.rs"]
mod places;

use std::collections::{BTreeMap, BTreeSet};

use crate::{Door, LOCATIONS, NAMES, Step};

pub(crate) struct Model {
    now: i64,
    doors: [Door; 3],
    people: BTreeMap<usize, Person>,
    devices: BTreeMap<usize, Device>,
    tokens: Vec<Token>,
    /// Token, and the how manieth session of it.
    sessions: Vec<(usize, usize)>,
    /// Device, and the how manieth polling token of it.
    polling: Vec<(usize, usize)>,
    held: BTreeSet<(usize, usize)>,
    waiting: Vec<(usize, usize)>,
    made: usize,
}

#[derive(Default, Clone, Copy, PartialEq)]
struct Person {
    has_password: bool,
    is_disabled: bool,
    is_member: bool,
}

#[derive(Clone)]
struct Device {
    owner: Owner,
    name: String,
    key: Option<u8>,
    only: Option<usize>,
    registered_with: Option<usize>,
    generation: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Owner {
    Person(usize),
    /// The location.
    Machine(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum Subject {
    Person(usize),
    /// The device.
    Machine(usize),
}

struct Token {
    of: Subject,
    is_invitation: bool,
    expires: i64,
    deadline: Option<i64>,
    is_used_up: bool,
    is_gone: bool,
    starts: usize,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            doors: [Door::Everybody, Door::Everybody, Door::Nobody],
            people: BTreeMap::new(),
            devices: BTreeMap::new(),
            tokens: Vec::new(),
            sessions: Vec::new(),
            polling: Vec::new(),
            held: BTreeSet::new(),
            waiting: Vec::new(),
            made: 0,
        }
    }

    /// Interface and key of every peer there should be.
    pub(crate) fn peers(&self) -> BTreeSet<(String, u8)> {
        let with_keys =
            self.held.iter().filter_map(|(location, device)| Some((location, self.devices[device].key?)));
        with_keys.map(|(location, key)| (LOCATIONS[*location].to_owned(), key)).collect()
    }

    /// Does a step and says how it is answered.
    pub(crate) fn take(&mut self, step: &Step) -> String {
        let status = match step {
            Step::Invite(who) => self.invite(*who),
            Step::Reinvite(who) => self.issue_to(*who, true),
            Step::ActivateClient(who) => self.issue_to(*who, false),
            Step::AddMachine { name, location } => self.add_machine(*name, *location),
            Step::Open(token) => self.open(*token),
            Step::Register { session, name, key } => return self.register(*session, NAMES[*name], *key),
            Step::SetPassword(session) => self.set_password(*session),
            Step::Fetch { session, key } => return self.fetch(*session, *key),
            Step::Poll(token) => return self.poll(*token),
            Step::Pass(seconds) => self.pass(*seconds),
            Step::RemoveDevice(number) => self.remove_device(*number),
            Step::Join(who) => self.change(*who, |person| person.is_member = true),
            Step::Leave(who) => self.change(*who, |person| person.is_member = false),
            Step::Disable(who) => self.disable(*who),
            Step::Enable(who) => self.change(*who, |person| person.is_disabled = false),
            Step::Reload(doors) => {
                self.doors = *doors;
                self.devices.keys().copied().collect::<Vec<_>>().into_iter().for_each(|id| self.settle(id));
                200
            }
            Step::Restart => 200,
        };
        status.to_string()
    }

    fn invite(&mut self, who: usize) -> u16 {
        if self.people.contains_key(&who) {
            return 409;
        }
        self.people.insert(who, Person::default());
        self.issue(Subject::Person(who), true);
        200
    }

    fn issue_to(&mut self, who: usize, is_invitation: bool) -> u16 {
        match self.people.get(&who) {
            Some(person) if !person.is_disabled && person.has_password != is_invitation => {
                self.issue(Subject::Person(who), is_invitation);
                200
            }
            Some(_) | None => 409,
        }
    }

    fn issue(&mut self, of: Subject, is_invitation: bool) {
        self.withdraw_unused(of);
        let expires = self.now + 86_400;
        self.tokens.push(Token {
            of,
            is_invitation,
            expires,
            deadline: None,
            is_used_up: false,
            is_gone: false,
            starts: 0,
        });
    }

    fn withdraw_unused(&mut self, of: Subject) {
        self.tokens.iter_mut().filter(|t| t.of == of && t.deadline.is_none()).for_each(|t| t.is_gone = true);
    }

    fn add_machine(&mut self, name: usize, location: usize) -> u16 {
        let name = format!("machine-{name}");
        let is_taken = self.devices.values().any(|d| matches!(d.owner, Owner::Machine(_)) && d.name == name);
        if is_taken || self.doors[location] == Door::Gone || !self.has_room(location) {
            return 409;
        }
        let id = self.add(Device {
            owner: Owner::Machine(location),
            name,
            key: None,
            only: None,
            registered_with: None,
            generation: 0,
        });
        self.settle(id);
        self.issue(Subject::Machine(id), false);
        200
    }

    fn open(&mut self, token: usize) -> u16 {
        let Some(number) = nth(token, self.tokens.len()) else { return 401 };
        let (person, now) = (self.person_of(self.tokens[number].of), self.now);
        let (is_disabled, has_password) =
            person.map_or((false, false), |person| (person.is_disabled, person.has_password));
        let token = &mut self.tokens[number];
        let is_over = token.deadline.map_or(now >= token.expires, |deadline| now >= deadline);
        if token.is_gone {
            return 401;
        }
        if is_disabled {
            return 403;
        }
        if is_over || token.is_used_up || (token.is_invitation && has_password) {
            return 401;
        }
        token.deadline.get_or_insert(now + 600);
        token.starts += 1;
        self.sessions.push((number, token.starts));
        200
    }

    /// The token whose session is open, or why there is none.
    fn session(&self, session: usize) -> Result<usize, u16> {
        let (number, start) = self.sessions[nth(session, self.sessions.len()).ok_or(401u16)?];
        let token = &self.tokens[number];
        let is_open = token.deadline.is_some_and(|deadline| self.now < deadline) && token.starts - start < 16;
        if token.is_gone || !is_open {
            return Err(401);
        }
        if self.person_of(token.of).is_some_and(|person| person.is_disabled) {
            return Err(400);
        }
        Ok(number)
    }

    fn register(&mut self, session: usize, name: &str, key: u8) -> String {
        let token = match self.session(session) {
            Ok(token) => token,
            Err(status) => return status.to_string(),
        };
        let of = self.tokens[token].of;
        let is_taken = self.devices.iter().any(|(id, d)| d.key == Some(key) && of != Subject::Machine(*id));
        if is_taken {
            return "400".to_owned();
        }
        let registered = match of {
            Subject::Machine(id) => Ok(id),
            Subject::Person(who) => self.new_device(token, who, name),
        };
        let id = match registered {
            Ok(id) => id,
            Err(status) => return status.to_string(),
        };
        self.settle(id);
        if self.places(id).is_empty() {
            if of != Subject::Machine(id) {
                self.forget(id);
            }
            return "409".to_owned();
        }
        self.devices.get_mut(&id).unwrap().key = Some(key);
        self.renew_polling(id);
        format!("200 {:?}", self.places(id))
    }

    fn new_device(&mut self, token: usize, who: usize, name: &str) -> Result<usize, u16> {
        let person = self.people[&who];
        let locations: Vec<_> = (0..3).filter(|location| self.admits(*location, person)).collect();
        let registered = self.devices.values().filter(|d| d.registered_with == Some(token)).count();
        let (name, only) = match (locations.as_slice(), name) {
            ([], _) => return Err(409),
            _ if registered >= 3 => return Err(403),
            ([one], "") if person.has_password => (self.free_name(who), Some(*one)),
            (_, "") => return Err(400),
            (_, name) => (name.to_owned(), None),
        };
        if self.has_device_called(who, &name) {
            return Err(409);
        }
        let owner = Owner::Person(who);
        Ok(self.add(Device { owner, name, key: None, only, registered_with: Some(token), generation: 0 }))
    }

    fn free_name(&self, who: usize) -> String {
        (1..100).map(|n| format!("device-{n}")).find(|name| !self.has_device_called(who, name)).unwrap()
    }

    fn has_device_called(&self, who: usize, name: &str) -> bool {
        let same = |other: &str| other.to_lowercase() == name.to_lowercase();
        self.devices.values().any(|d| d.owner == Owner::Person(who) && same(&d.name))
    }

    fn set_password(&mut self, session: usize) -> u16 {
        let token = match self.session(session) {
            Ok(token) => token,
            Err(status) => return status,
        };
        let Subject::Person(who) = self.tokens[token].of else { return 403 };
        let person = self.people.get_mut(&who).unwrap();
        if person.has_password {
            return 400;
        }
        person.has_password = true;
        self.tokens[token].is_used_up = true;
        200
    }

    fn fetch(&mut self, session: usize, key: u8) -> String {
        let token = match self.session(session) {
            Ok(token) => token,
            Err(status) => return status.to_string(),
        };
        let Some((id, device)) = self.devices.iter().find(|(_, d)| d.key == Some(key)) else {
            return "404".to_owned();
        };
        let id = *id;
        let is_theirs = match self.tokens[token].of {
            Subject::Person(who) => device.owner == Owner::Person(who),
            Subject::Machine(machine) => machine == id,
        };
        if !is_theirs {
            return "401".to_owned();
        }
        self.renew_polling(id);
        format!("200 {:?}", self.places(id))
    }

    fn poll(&self, token: usize) -> String {
        let Some(number) = nth(token, self.polling.len()) else { return "403".to_owned() };
        let (id, generation) = self.polling[number];
        match self.devices.get(&id) {
            Some(device) if device.generation == generation => {
                let takes_one = device.only.is_some() || matches!(device.owner, Owner::Machine(_));
                match self.places(id) {
                    places if places.is_empty() && takes_one => "403".to_owned(),
                    places => format!("200 {places:?}"),
                }
            }
            Some(_) | None => "403".to_owned(),
        }
    }

    fn pass(&mut self, seconds: i64) -> u16 {
        self.now += seconds;
        for number in 0..self.tokens.len() {
            if self.tokens[number].deadline.is_some_and(|deadline| self.now >= deadline) {
                self.abandon(number);
            }
        }
        for (_, id) in self.waiting.clone() {
            self.settle(id);
        }
        200
    }

    /// A session ends: what it registered goes, unless its user has a password.
    fn abandon(&mut self, token: usize) {
        if self.person_of(self.tokens[token].of).is_some_and(|person| !person.has_password) {
            let of_it = self.devices.iter().filter(|(_, d)| d.registered_with == Some(token));
            of_it.map(|(id, _)| *id).collect::<Vec<_>>().into_iter().for_each(|id| self.forget(id));
        }
    }

    fn remove_device(&mut self, number: usize) -> u16 {
        let Some(number) = nth(number, self.devices.len()) else { return 409 };
        let id = *self.devices.keys().nth(number).unwrap();
        self.forget(id);
        200
    }

    fn disable(&mut self, who: usize) -> u16 {
        if self.people.get(&who).is_none_or(|person| person.is_disabled) {
            return self.change(who, |_| {});
        }
        for number in 0..self.tokens.len() {
            let token = &mut self.tokens[number];
            if token.of == Subject::Person(who) && token.deadline.is_some_and(|d| self.now < d) {
                token.deadline = Some(self.now);
                self.abandon(number);
            }
        }
        self.withdraw_unused(Subject::Person(who));
        self.change(who, |person| person.is_disabled = true)
    }

    fn change(&mut self, who: usize, change: impl FnOnce(&mut Person)) -> u16 {
        let Some(person) = self.people.get_mut(&who) else { return 409 };
        let before = *person;
        change(person);
        if *person == before {
            return 200;
        }
        let mut theirs: Vec<_> = self
            .devices
            .iter()
            .filter(|(_, d)| d.owner == Owner::Person(who))
            .map(|(id, d)| (d.name.to_lowercase(), *id))
            .collect();
        theirs.sort();
        for (_, id) in theirs {
            self.settle(id);
        }
        200
    }

    fn renew_polling(&mut self, id: usize) {
        let device = self.devices.get_mut(&id).unwrap();
        device.generation += 1;
        self.polling.push((id, device.generation));
    }

    fn person_of(&self, of: Subject) -> Option<&Person> {
        match of {
            Subject::Person(who) => self.people.get(&who),
            Subject::Machine(_) => None,
        }
    }
}

/// Chooses among `count` things, the latest first; `None`: there is none.
pub(crate) fn nth(number: usize, count: usize) -> Option<usize> {
    number.checked_rem(count).map(|back| count - 1 - back)
}
