//! The daemon ends at any moment, and is started again: what was answered to is there, what was not is there as a whole
//! or not at all, and the gateway has exactly the peers there should be.

mod dice;
mod lane;
mod mails;
pub(crate) mod model;
mod talk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::rig::{Rig, Wireguard, eventually};
pub(crate) use dice::Dice;
pub(crate) use lane::{Lane, a_key};
use model::{CLOSED, STAFF, World};
use talk::Talk;

/// How many do things at once; the first one with locations.
const LANES: usize = 4;
/// A daemon answers fewer times before it is killed.
const MOST_ANSWERS: u32 = 16;
/// How long it lives after the last of these at most, in milliseconds: about a deed.
const LONGEST_DEED: u32 = 60;
/// From before the first file is read to after the first turn, in milliseconds.
const LONGEST_START: u32 = 250;

/// A daemon, and those who make it work.
pub(crate) struct Scene {
    pub(crate) rig: Rig,
    wireguard: Wireguard,
    pub(crate) lanes: Vec<Lane>,
    talk: Talk,
    /// What the daemon is started through.
    pub(crate) through: Vec<String>,
}

/// The seed of the environment, or another one each time. It is told when a test fails.
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    pub(crate) fn choose() -> Self {
        let given = std::env::var("POSTERN_TEST_SEED").ok();
        Self(given.map_or_else(rand::random, |text| text.parse().unwrap()))
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("POSTERN_TEST_SEED={} plays this again", self.0);
        }
    }
}

impl Scene {
    /// A started daemon with two locations: `open` for everybody, `hq` for the group.
    pub(crate) fn new(wireguard: Wireguard, through: impl FnOnce(&Rig) -> Vec<String>) -> Option<Self> {
        let rig = Rig::new(wireguard)?;
        rig.configure("reconcile_interval = \"1h\"\n\n[mail]\ndirectory = \"mail\"");
        let path = rig.path("postern.toml");
        let text = fs::read_to_string(&path).unwrap();
        let proxies = "[http]\ntrusted_proxies = [\"192.0.2.1/32\"]";
        fs::write(path, text.replace("[http]", proxies)).unwrap();
        rig.locate("open", 1, "mtu = 1420");
        rig.locate(CLOSED, 2, &format!("groups = [\"{STAFF}\"]"));
        let (through, talk) = (through(&rig), Talk::new(&rig.path("admin.sock")));
        let mut scene = Self { rig, wireguard, lanes: Vec::new(), talk, through };
        scene.start();
        scene.rig.order(&["group", "create", STAFF]);
        let places = scene.seen();
        for number in 0..LANES {
            let name = format!("lane{number}");
            let world = places.part(&name, number == 0);
            scene.lanes.push(Lane::new(&name, scene.talk.clone(), world));
        }
        Some(scene)
    }

    /// Starts the daemon, and returns when it answers.
    pub(crate) fn start(&mut self) {
        self.launch();
        self.rig.answers();
    }

    fn launch(&mut self) {
        all_ended(&self.rig);
        let through: Vec<&str> = self.through.iter().map(String::as_str).collect();
        self.rig.launch(&through);
    }

    /// Everybody works until the daemon is killed at a moment that the dice choose.
    pub(crate) fn works_until_killed(&mut self, dice: &mut Dice) {
        let (enough, rest) = (dice.below(MOST_ANSWERS), dice.below(LONGEST_DEED));
        let answers = AtomicU32::new(0);
        let each: Vec<Dice> = self.lanes.iter().map(|_| dice.split()).collect();
        std::thread::scope(|scope| {
            for (lane, mut dice) in self.lanes.iter_mut().zip(each) {
                let gateway = &self.rig.gateway;
                let answers = &answers;
                scope.spawn(move || gateway.enter(|| lane.work(&mut dice, answers)));
            }
            eventually("answers", || answers.load(Ordering::Relaxed) >= enough);
            std::thread::sleep(Duration::from_millis(rest.into()));
            self.rig.signal(Signal::SIGKILL);
        });
        self.rig.end(Signal::SIGKILL);
    }

    /// The same, perhaps a second time while it starts; then everything is looked at.
    pub(crate) fn killed_once(&mut self, dice: &mut Dice) {
        self.works_until_killed(dice);
        if dice.below(3) == 0 {
            self.launch();
            std::thread::sleep(Duration::from_millis(dice.below(LONGEST_START).into()));
            self.rig.end(Signal::SIGKILL);
        }
        self.start();
        self.check();
    }

    /// Everything that must be so after a start.
    pub(crate) fn check(&mut self) {
        self.settled();
        let seen = self.seen();
        for lane in &mut self.lanes {
            lane.resume(&seen);
        }
        let lanes: BTreeSet<&str> = self.lanes.iter().map(|lane| lane.name.as_str()).collect();
        let strangers = seen.people.keys().chain(seen.machines.keys());
        let is_known = |name: &str| name == "admin" || name.get(..5).is_some_and(|lane| lanes.contains(lane));
        assert_eq!(strangers.filter(|name| !is_known(name)).collect::<Vec<_>>(), [""; 0], "nobody made it");
        self.has_the_peers_of(&seen);
        let mails = mails::read(&self.rig.path("mail"));
        for lane in &self.lanes {
            mails.tell_whom_they_should(&seen.part(&lane.name, false), &lane.subjects);
            let receivers = mails.receivers(&lane.name);
            assert!(
                receivers.is_subset(&lane.subjects.invited),
                "got a mail without an invitation: {receivers:?}"
            );
        }
    }

    /// Waits until nothing is left to do.
    fn settled(&self) {
        eventually("a gateway and an outbox with nothing to do", || {
            let status = self.talk.look("/status");
            self.talk.look("/plan")["plan"] == "nothing to change"
                && status["pending"] == json!([])
                && status["mail"]["waiting"] == 0
                && status["problems"] == json!([])
        });
    }

    /// What the daemon says.
    pub(crate) fn seen(&self) -> World {
        let [users, devices, places] = ["/users", "/devices", "/locations"].map(|path| self.talk.look(path));
        World::seen(&users, &devices, &places)
    }

    /// Every interface has the keys it should have, each with its own addresses, and there is no other interface.
    fn has_the_peers_of(&self, seen: &World) {
        let links = self.rig.gateway.sh("ip -o link show | grep -o 'pst-[a-z]*' | sort -u");
        let wanted: BTreeSet<String> = seen.places.keys().map(|name| format!("pst-{name}")).collect();
        assert_eq!(links.lines().map(str::to_owned).collect::<BTreeSet<_>>(), wanted);
        let status = self.talk.look("/status");
        let addresses = self.addresses();
        for name in seen.places.keys() {
            let wanted = seen.peers(name);
            let locations = status["locations"].as_array().unwrap();
            let told = locations.iter().find(|location| location["name"] == **name).unwrap();
            assert_eq!(told["peers"], wanted.len(), "{name}: {told} {wanted:?}");
            let of_location = addresses.get(name).cloned().unwrap_or_default();
            assert_eq!(of_location.keys().cloned().collect::<BTreeSet<_>>(), wanted, "{name}");
            if self.wireguard == Wireguard::Kernel {
                assert_eq!(self.kernel_peers(name), of_location, "{name}");
            }
        }
    }

    /// Of each location: of each key, its addresses as WireGuard writes them. No two have the same.
    fn addresses(&self) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
        let mut found: BTreeMap<String, BTreeMap<_, _>> = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for device in self.talk.look("/devices").as_array().unwrap() {
            let Some(key) = device["public_key"].as_str() else { continue };
            for place in device["locations"].as_array().unwrap() {
                assert_eq!(place["state"], "live", "{device}");
                let written = |address: &Value, bits: u8| format!("{}/{bits}", address.as_str().unwrap());
                let own = BTreeSet::from([written(&place["ipv4"], 32), written(&place["ipv6"], 128)]);
                assert!(
                    own.iter().all(|address| taken.insert(address.clone())),
                    "{device}: an address twice"
                );
                let name = place["location"].as_str().unwrap().to_owned();
                found.entry(name).or_default().insert(key.to_owned(), own);
            }
        }
        found
    }

    /// What the kernel says of a location's interface.
    fn kernel_peers(&self, name: &str) -> BTreeMap<String, BTreeSet<String>> {
        let shown = self.rig.gateway.sh(&format!("wg show pst-{name} allowed-ips"));
        let peers = shown.lines().filter_map(|line| line.split_once('\t'));
        peers.map(|(key, ips)| (key.to_owned(), ips.split(' ').map(str::to_owned).collect())).collect()
    }

    /// The database is whole.
    pub(crate) fn is_whole(&self) {
        let script = "import sqlite3, sys; db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)
print(db.execute('PRAGMA integrity_check').fetchall(), db.execute('PRAGMA foreign_key_check').fetchall())";
        let path = self.rig.path("state/postern.db");
        let said = crate::rig::program("python3").args(["-c", script]).arg(path).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "[('ok',)] []", "{said:?}");
    }
}

/// Returns when nothing that a daemon started outlives it: a copy of its sockets may be in what it was about to start.
pub(crate) fn all_ended(rig: &Rig) {
    let running = format!("ip netns pids {}", rig.gateway.name());
    eventually("the end of all that ran", || {
        crate::rig::program("sh").args(["-c", &running]).output().unwrap().stdout.is_empty()
    });
}

/// Kills at random moments, one after the other; the seed decides what everybody does and when it ends.
pub(crate) fn a_daemon_killed_at_any_moment_keeps_its_word(wireguard: Wireguard, kills: usize) {
    let Some(mut scene) = Scene::new(wireguard, |_| Vec::new()) else { return };
    let seed = Seed::choose();
    let mut dice = Dice::new(seed.0);
    for _ in 0..kills {
        scene.killed_once(&mut dice);
    }
    scene.is_whole();
    let done: usize = scene.lanes.iter().map(|lane| lane.done).sum();
    eprintln!("{kills} kills among {done} deeds that were answered to");
    assert!(done > kills, "hardly anything was done");
}
