//! The real daemon while something it needs fails: what still works, that `postern status` tells, and that everything works
//! again, without a restart, once the fault is over. daemon/decisions/0016 has the table.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[expect(dead_code, reason = "kills at random are another suite's")]
#[path = "../support/crashes/mod.rs"]
mod crashes;
#[path = "faults/damage.rs"]
mod damage;
#[path = "../support/faults.rs"]
mod faults;
#[expect(dead_code, reason = "this suite has no tunnels")]
#[path = "../support/rig/mod.rs"]
mod rig;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Stdio};

use crashes::model::Deed;
use crashes::{Dice, Scene, Seed, all_ended};
use faults::{Disk, Faults, Place, Side};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use rig::Wireguard::Userspace;
use rig::{Rig, eventually, program};
use serde_json::{Value, json};

/// The daemon has more descriptors than that from its start on.
const FEW: &str = "10";

/// A running daemon with somebody's device, whose calls can be made to fail.
fn a_gateway() -> Option<(Scene, Faults)> {
    a_gateway_on(|_| {})
}

/// `prepare` comes before the first start.
fn a_gateway_on(prepare: impl FnOnce(&Rig)) -> Option<(Scene, Faults)> {
    let mut faults = None;
    let mut scene = Scene::new(Userspace, |rig| {
        prepare(rig);
        let made = Faults::new(rig.dir());
        let through = made.iter().flat_map(Faults::through).map(str::to_owned).collect();
        faults = made;
        through
    })?;
    assert!(scene.enrolls("somebody"));
    scene.check();
    Some((scene, faults?))
}

/// While the database cannot be written: nothing is changed, which is said and shown; everything that only reads, and every
/// tunnel, goes on. Afterwards everything works.
fn only_changes_stop(scene: &mut Scene, harm: impl FnOnce(&Scene), heal: impl FnOnce(&Scene), words: &str) {
    let before = scene.seen();
    harm(scene);
    let refused = || {
        let said = scene.rig.postern(&["group", "create", &format!("g{}", rand::random::<u32>())]);
        assert!(said.code == 0 || said.errors.contains("postern status"), "{said:?}");
        said.code != 0
    };
    eventually("a change that is refused", refused);
    let shown = scene.rig.order(&["status"]);
    assert!(shown.contains("nothing can be changed") && shown.contains(words), "{shown}");
    assert!(scene.rig.log().contains("the database cannot be written"));
    assert_eq!(scene.seen(), before);
    assert_eq!(scene.rig.order(&["plan"]).trim(), "nothing to change");
    let health = format!("curl -s http://{}:8080/api/v1/health", rig::GATEWAY);
    assert_eq!(scene.rig.gateway.look(&health), "alive");
    // What the kernel lost is put right all the same.
    scene.rig.gateway.sh("ip addr flush dev pst-open");
    let address = || scene.rig.gateway.look("ip -o addr show dev pst-open").contains("10.77.1.1");
    eventually("a repaired address", address);
    heal(scene);
    eventually("no complaint", || !scene.rig.order(&["status"]).contains("nothing can be changed"));
    assert!(scene.enrolls("somebody-else"));
    scene.check();
}

#[test]
fn a_full_disk_stops_changes_only() {
    let mut mounted = None;
    let on_a_small_disk = |rig: &Rig| mounted = Some(Disk::mount(&rig.path("state"), "2m"));
    let Some((mut scene, _faults)) = a_gateway_on(on_a_small_disk) else { return };
    let filler = |scene: &Scene| scene.rig.path("state/filler");
    let fill = |scene: &Scene| {
        let mut file = fs::File::create(filler(scene)).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    };
    only_changes_stop(&mut scene, fill, |scene| fs::remove_file(filler(scene)).unwrap(), "full");
    drop(scene);
    drop(mounted);
}

#[test]
fn a_disk_that_cannot_be_written_stops_changes_only() {
    for (error, places) in [
        (Errno::EROFS, &[Place::Write, Place::Sync, Place::Rename, Place::Remove][..]),
        (Errno::EIO, &[Place::Sync]),
    ] {
        let Some((mut scene, faults)) = a_gateway() else { return };
        let set = |error| places.iter().for_each(|place| faults.fail(*place, error));
        only_changes_stop(&mut scene, |_| set(Some(error)), |_| set(None), "disk I/O error");
    }
}

#[test]
fn a_database_that_somebody_holds_stops_changes_only() {
    let Some((mut scene, _faults)) = a_gateway() else { return };
    let path = scene.rig.path("state/postern.db");
    let holder = std::cell::RefCell::new(None);
    let hold = |_: &Scene| drop(holder.borrow_mut().replace(Holder::of(&path)));
    only_changes_stop(&mut scene, hold, |_| drop(holder.borrow_mut().take()), "locked");
}

#[test]
fn a_kernel_that_takes_nothing_is_told_of_and_tried_again() {
    for (error, only_changes) in
        [(Errno::ENOBUFS, true), (Errno::EPERM, true), (Errno::EBUSY, true), (Errno::ENOBUFS, false)]
    {
        let Some((mut scene, faults)) = a_gateway() else { return };
        faults.only_changes(only_changes);
        let set = |error| faults.fail(Place::Netlink, error);
        // The library of links tells nobody why its socket failed.
        let words = if only_changes { "location open: cannot set the MTU" } else { error.desc() };
        only_the_kernel_stays_behind(&mut scene, || set(Some(error)), || set(None), words);
    }
}

#[test]
fn a_kernel_that_does_not_answer_is_told_of_and_tried_again() {
    let Some((mut scene, faults)) = a_gateway() else { return };
    let lose = |is_lost| faults.lose(Place::Netlink, is_lost);
    only_the_kernel_stays_behind(&mut scene, || lose(true), || lose(false), "");
}

/// While the kernel takes nothing: what needs it is accepted, and visibly not done; nobody who enrolls is hindered.
fn only_the_kernel_stays_behind(scene: &mut Scene, harm: impl FnOnce(), heal: impl FnOnce(), words: &str) {
    harm();
    scene.rig.locate("open", 1, "mtu = 1380");
    let said = scene.rig.postern(&["reload"]);
    assert_eq!(said.code, 4, "{said:?}");
    let problems = || scene.rig.ask(&["status"])["problems"].clone();
    eventually("a complaint", || problems() != json!([]) && problems().to_string().contains(words));
    assert!(scene.enrolls("somebody-else"), "who enrolls meanwhile is not hindered");
    heal();
    let mtu = || scene.rig.gateway.look("ip link show pst-open").contains("mtu 1380");
    eventually("the change in force", mtu);
    scene.lanes[0].world.places.get_mut("open").unwrap().mtu = 1380;
    scene.check();
}

/// That it comes up once the module is there, `kernel_daemon` shows.
#[test]
fn without_wireguard_in_the_kernel_the_daemon_runs_and_says_what_to_do() {
    let Some(mut rig) = Rig::new(Userspace) else { return };
    let Some(faults) = Faults::new(rig.dir()) else { return };
    rig.configure("");
    rig.locate("open", 1, "");
    rig.locate("waiting", 2, "backend = \"kernel\"");
    faults.hide_wireguard(true);
    rig.launch(&faults.through());
    rig.answers();
    eventually("what to do", || rig.complains_of("waiting").contains("modprobe wireguard"));
    assert_eq!(rig.complains_of("open"), "");
    rig.reload_in_part();
}

#[test]
fn a_file_that_cannot_be_put_in_its_place_follows_later() {
    let Some((mut scene, faults)) = a_gateway() else { return };
    let written = || fs::read_to_string(scene.rig.path("locations.d/open.toml")).unwrap();
    faults.fail(Place::Rename, Some(Errno::EIO));
    let said = scene.rig.postern(&["location", "edit", "open", "--mtu", "1380"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.errors.contains("is in force, but") && said.errors.contains("open.toml"), "{said:?}");
    assert!(scene.rig.gateway.sh("ip link show pst-open").contains("mtu 1380"));
    assert!(written().contains("1420"));
    faults.fail(Place::Rename, None);
    scene.rig.reload();
    assert!(written().contains("1380"), "{}", written());
    scene.lanes[0].world.places.get_mut("open").unwrap().mtu = 1380;
    scene.check();
}

#[test]
fn without_descriptors_the_daemon_waits_for_some() {
    let Some((mut scene, _faults)) = a_gateway() else { return };
    let pid = scene.rig.pid();
    let limit = |soft: &str| {
        let limits = format!("--nofile={soft}:");
        assert!(program("prlimit").args(["--pid", &pid.to_string(), &limits]).status().unwrap().success());
    };
    let shown = program("prlimit")
        .args(["--pid", &pid.to_string(), "--nofile", "-o", "SOFT", "--noheadings"])
        .output();
    let usual = String::from_utf8(shown.unwrap().stdout).unwrap();
    limit(FEW);
    let health = format!("curl -s -m 2 http://{}:8080/api/v1/health", rig::GATEWAY);
    assert_eq!(scene.rig.gateway.look(&health), "", "somebody is let in all the same");
    limit(usual.trim());
    eventually("an answer", || scene.rig.postern(&["status"]).code == 0);
    assert!(scene.enrolls("somebody-else"));
    assert_eq!(scene.rig.pid(), pid);
    scene.check();
}

#[test]
fn a_clock_that_jumps_by_a_day_harms_nobody() {
    let Some((mut scene, faults)) = a_gateway() else { return };
    let guess = |scene: &Scene| {
        scene.rig.gateway.look(&format!(
            "curl -sm 5 -o /dev/null -w '%{{http_code}}' -H 'X-Forwarded-For: 198.51.100.99' -d '{{\"token\":\"x\"}}' \
             http://{}:8080/api/v1/enrollment/start",
            rig::GATEWAY
        ))
    };
    for (day, name) in [(1, "tomorrow"), (0, "today"), (-1, "yesterday"), (0, "again")] {
        faults.clock(day * 86_400);
        assert!(scene.enrolls(name));
        scene.check();
        // Whoever guessed too often, by whatever clock, waits no longer than by the right one.
        eventually("an answer to somebody who had guessed too often", || guess(&scene) == "401");
        eventually("somebody who guesses too often", || guess(&scene) == "429");
    }
}

#[test]
fn a_first_start_that_ends_at_any_call_is_made_up_for() {
    let Some((scene, faults)) = a_gateway() else { return };
    let mut rig = scene.rig;
    rig.end(Signal::SIGKILL);
    let afresh = |rig: &Rig| ["state", "mail"].map(|dir| fs::remove_dir_all(rig.path(dir)));
    all_ended(&rig);
    let _ = afresh(&rig);
    let calls = || Place::ALL.map(|place| faults.calls(place));
    let before = calls();
    rig.launch(&faults.through());
    rig.answers();
    let counts = calls().into_iter().zip(before).map(|(after, before)| after - before);
    let is_long = std::env::var_os("POSTERN_TEST_LONG").is_some();
    let seed = Seed::choose();
    let mut dice = Dice::new(seed.0);
    for (place, count) in Place::ALL.into_iter().zip(counts.collect::<Vec<_>>()) {
        let step = if is_long { 1 } else { usize::try_from(count / 3 + 1).unwrap() };
        let first = 1 + dice.below(step.try_into().unwrap());
        for number in (first..=count).step_by(step) {
            let side = if dice.below(2) == 0 { Side::Before } else { Side::After };
            rig.end(Signal::SIGKILL);
            all_ended(&rig);
            let _ = afresh(&rig);
            faults.die(place, side, number);
            rig.launch(&faults.through());
            rig.wait();
            all_ended(&rig);
            faults.live();
            rig.launch(&faults.through());
            rig.answers();
            let status = rig.ask(&["status"]);
            let problems = status["problems"].as_array().unwrap();
            // There is none in a new database.
            let expected = |problem: &Value| problem.as_str().unwrap().contains("no group \"staff\"");
            assert!(problems.iter().all(expected), "{place:?} {number} {side:?}: {problems:?}");
        }
    }
}

impl Scene {
    /// Whether somebody new gets a device and a password.
    fn enrolls(&mut self, name: &str) -> bool {
        let lane = &mut self.lanes[1];
        let name = format!("{}-{name}", lane.name);
        let deeds = [
            Deed::Invite(name.clone()),
            Deed::Open(name.clone()),
            Deed::Register(name.clone(), crashes::a_key()),
            Deed::SetPassword(name),
        ];
        self.rig.gateway.enter(|| deeds.into_iter().all(|deed| lane.perform(deed)))
    }
}

/// Another process that holds the database for itself, until it is dropped.
struct Holder(Child);

impl Holder {
    fn of(path: &Path) -> Self {
        let script = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute('BEGIN EXCLUSIVE')
print('held', flush=True)
sys.stdin.read()";
        let mut holder = program("python3");
        holder.args(["-c", script]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = holder.spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
