//! Somebody who does one thing after the other to users, machines and, if they are the one, locations that nobody else
//! touches, and knows what was answered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use postern_gateway::PrivateKey;
use serde_json::{Value, json};

use super::dice::Dice;
use super::mails::Subjects;
use super::model::{Deed, EXTRA, STAFF, World};
use super::talk::{Answer, Talk};
use crate::rig::GATEWAY;

/// The interface's name is the location's with this before it, as in the rig's own.
const EXTRA_KEYS: (&str, u16) = ("pst-extra", 51830);

pub(crate) struct Lane {
    /// What all its names begin with.
    pub(crate) name: String,
    /// Whether locations are its affair.
    pub(crate) has_places: bool,
    /// What was answered to.
    pub(crate) world: World,
    /// What was not.
    pub(crate) pending: Option<Deed>,
    talk: Talk,
    tokens: BTreeMap<String, String>,
    cookies: BTreeMap<String, String>,
    made: u32,
    /// Deeds that were answered to.
    pub(crate) done: usize,
    /// Of whom mails speak.
    pub(crate) subjects: Subjects,
}

impl Lane {
    pub(crate) fn new(name: &str, talk: Talk, world: World) -> Self {
        Self {
            name: name.to_owned(),
            has_places: !world.places.is_empty(),
            world,
            pending: None,
            talk,
            tokens: BTreeMap::new(),
            cookies: BTreeMap::new(),
            made: 0,
            done: 0,
            subjects: Subjects::default(),
        }
    }

    /// Does what the dice say until no answer comes; counts the answers.
    pub(crate) fn work(&mut self, dice: &mut Dice, answers: &AtomicU32) {
        while self.pending.is_none() {
            let deed = self.choose(dice);
            self.perform(deed);
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Does it; `false`: no answer came.
    pub(crate) fn perform(&mut self, deed: Deed) -> bool {
        self.subjects.note(&deed);
        if let Some(answer) = self.ask(&deed) {
            assert_eq!(answer.status, 200, "{deed:?}: {answer:?}");
            self.world = self.world.after(&deed);
            self.remember(&deed, &answer);
            self.done += 1;
        } else {
            self.pending = Some(deed);
        }
        self.pending.is_none()
    }

    /// Takes what is there for what it is: everything answered to, and of what was not, all or nothing.
    pub(crate) fn resume(&mut self, seen: &World) {
        let seen = seen.part(&self.name, self.has_places);
        let done = self.pending.take().map(|deed| (self.world.after(&deed), deed));
        match done {
            _ if seen.is(&self.world) => {}
            Some((after, _)) if seen.is(&after) => {}
            Some((_, deed)) => panic!("{deed:?} is half done: {seen:#?}\nbefore it: {:#?}", self.world),
            None => panic!("what was answered to is not there: {seen:#?}\nexpected: {:#?}", self.world),
        }
        self.world = seen;
        let world = &self.world;
        let is_there = |name: &String| world.people.contains_key(name) || world.machines.contains_key(name);
        self.tokens.retain(|name, _| is_there(name));
        self.cookies.retain(|name, _| is_there(name));
    }

    fn choose(&mut self, dice: &mut Dice) -> Deed {
        let mut deeds = Vec::new();
        if self.world.people.len() < 5 {
            deeds.push(Deed::Invite(format!("{}-person-{}", self.name, self.made)));
        }
        if self.world.machines.len() < 2 {
            deeds.push(Deed::AddMachine(format!("{}-machine-{}", self.name, self.made), "open".to_owned()));
        }
        for (name, person) in &self.world.people {
            deeds.extend(match (person.disabled, person.enrolled, &person.key) {
                (true, ..) => vec![Deed::Enable(name.clone())],
                (false, false, key) => vec![self.step_of(name, key.is_some()); 4],
                (false, true, Some(_)) => vec![Deed::RemoveDevice(name.clone()), Deed::Disable(name.clone())],
                (false, true, None) => vec![Deed::RemoveUser(name.clone()); 2],
            });
            let (join, leave) = (Deed::Join(name.clone()), Deed::Leave(name.clone()));
            deeds.push(if person.staff { leave } else { join });
        }
        for name in self.world.machines.keys() {
            deeds.extend(vec![self.step_of(name, false); 2]);
            deeds.push(Deed::RemoveMachine(name.clone()));
        }
        if self.has_places {
            deeds = vec![
                Deed::SetMtu("open".to_owned(), u64::from(1300 + dice.below(100))),
                Deed::RotateKey("open".to_owned()),
                match self.world.places.contains_key(EXTRA) {
                    true if self.world.machines.is_empty() => {
                        Deed::AddMachine(format!("{}-machine-{}", self.name, self.made), EXTRA.to_owned())
                    }
                    true => Deed::RemovePlace,
                    false => Deed::AddPlace,
                },
            ];
        }
        self.made += 1;
        deeds.swap_remove(dice.below(u32::try_from(deeds.len()).unwrap()).try_into().unwrap())
    }

    /// What comes next on the way from a link to a device and a password.
    fn step_of(&self, name: &str, has_device: bool) -> Deed {
        let name = name.to_owned();
        let is_machine = self.world.machines.contains_key(&name);
        match (self.tokens.contains_key(&name), self.cookies.contains_key(&name)) {
            (_, true) if has_device => Deed::SetPassword(name),
            (_, true) => Deed::Register(name, a_key()),
            (true, false) => Deed::Open(name),
            (false, false) if is_machine => Deed::Reissue(name),
            (false, false) => Deed::Reinvite(name),
        }
    }

    fn ask(&self, deed: &Deed) -> Option<Answer> {
        let admin = |method: &str, path: String, body: Value| self.talk.admin(method, &path, &body);
        let nothing = || json!({});
        let client = |name: &str, path: &str, body: Value| {
            let cookie = self.cookies.get(name).map_or("", String::as_str);
            Talk::client(path, cookie, &an_address(), &body)
        };
        match deed {
            Deed::Invite(name) => admin("POST", "/users".to_owned(), guest(name)),
            Deed::Reinvite(name) => admin("POST", format!("/users/{name}/reinvite"), nothing()),
            Deed::Open(name) => client(name, "enrollment/start", json!({ "token": self.tokens[name] })),
            Deed::Register(name, key) => {
                client(name, "enrollment/create_device", json!({ "name": "laptop", "pubkey": key }))
            }
            Deed::SetPassword(name) => {
                client(name, "enrollment/activate_user", json!({ "password": "Correct-Horse-7" }))
            }
            Deed::RemoveDevice(name) => admin("DELETE", format!("/devices/{name}%2Flaptop"), nothing()),
            Deed::Disable(name) => admin("POST", format!("/users/{name}/disable"), nothing()),
            Deed::Enable(name) => admin("POST", format!("/users/{name}/enable"), nothing()),
            Deed::RemoveUser(name) => admin("DELETE", format!("/users/{name}"), nothing()),
            Deed::Join(name) => admin("PUT", format!("/groups/{STAFF}/members/{name}"), nothing()),
            Deed::Leave(name) => admin("DELETE", format!("/groups/{STAFF}/members/{name}"), nothing()),
            Deed::AddMachine(name, place) => {
                let body = json!({ "name": name, "location": place, "terms": {} });
                admin("POST", "/devices".to_owned(), body)
            }
            Deed::Reissue(name) => admin("POST", format!("/devices/{name}/reissue"), nothing()),
            Deed::RemoveMachine(name) => admin("DELETE", format!("/devices/{name}"), nothing()),
            Deed::SetMtu(place, mtu) => {
                admin("PATCH", format!("/locations/{place}"), json!({ "keys": { "mtu": mtu } }))
            }
            Deed::RotateKey(place) => admin("POST", format!("/locations/{place}/rotate-key"), nothing()),
            Deed::AddPlace => admin("POST", "/locations".to_owned(), extra()),
            Deed::RemovePlace => admin("DELETE", format!("/locations/{EXTRA}"), json!({ "force": true })),
        }
    }

    fn remember(&mut self, deed: &Deed, answer: &Answer) {
        let key = || answer.body["location"]["public_key"].as_str().map(str::to_owned);
        match deed {
            Deed::Invite(name) | Deed::Reinvite(name) | Deed::AddMachine(name, _) | Deed::Reissue(name) => {
                self.cookies.remove(name);
                self.tokens.insert(name.clone(), answer.body["token"].as_str().unwrap().to_owned());
            }
            Deed::Open(name) => drop(self.cookies.insert(name.clone(), answer.cookie.clone())),
            Deed::Register(name, _) if self.world.machines.contains_key(name) => {
                self.cookies.remove(name);
                self.tokens.remove(name);
            }
            Deed::SetPassword(name) => {
                self.cookies.remove(name);
                self.tokens.remove(name);
            }
            Deed::RotateKey(name) => self.world.places.get_mut(name).unwrap().key = key(),
            Deed::AddPlace => self.world.places.get_mut(EXTRA).unwrap().key = key(),
            Deed::Register(..)
            | Deed::RemoveDevice(_)
            | Deed::Disable(_)
            | Deed::Enable(_)
            | Deed::RemoveUser(_)
            | Deed::Join(_)
            | Deed::Leave(_)
            | Deed::RemoveMachine(_)
            | Deed::SetMtu(..)
            | Deed::RemovePlace => {}
        }
    }
}

fn guest(name: &str) -> Value {
    json!({
        "username": name, "first_name": "A", "last_name": "B", "email": format!("{name}@example.com"), "delivery": {},
    })
}

fn extra() -> Value {
    let (interface, port) = EXTRA_KEYS;
    json!({
        "name": EXTRA,
        "endpoint": format!("{GATEWAY}:{port}"),
        "keys": { "interface": interface, "listen_port": port, "ipv4": "10.77.30.0/24", "ipv6": "fd77:30::/64" },
    })
}

/// A public key that nobody has.
pub(crate) fn a_key() -> String {
    PrivateKey::from_random(rand::random()).public().to_string()
}

/// An address that asked for nothing yet.
fn an_address() -> String {
    let [a, b, c, ..] = rand::random::<[u8; 32]>();
    format!("10.{a}.{b}.{c}")
}
