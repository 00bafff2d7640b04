//! The loop's turns against a pretend kernel and a real database.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use ipnet::IpNet;
use postern_gateway::backend::StepError;
use postern_gateway::backend::memory::MemoryBackend;
use postern_gateway::{BackendError, BackendKind, PeerStats, PrivateKey, PublicKey, Step};
use tokio::sync::watch;

use super::*;
use crate::app::Clock;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::permit::settle_all;
use crate::rules::ids::{DeviceId, LocationId};
use crate::rules::seal::Sealed;
use crate::store::Store;
use crate::store::device::DeviceOwner;

mod connected;

#[test]
fn a_committed_device_is_live_after_one_turn_over_no_more_than_itself() {
    let (mut world, kernel, app) = world();
    world.turn(Cause::Boot);
    kernel.take_written();
    let device = register(&app, 1);
    let applied = world.turn(Cause::Commit);
    assert_eq!(applied.revision, app.store.changes().take().0);
    assert_eq!(live(&app, device), [true, true]);
    let written = kernel.take_written();
    assert_eq!(written.len(), 2, "one step for each location: {written:?}");
}

#[test]
fn a_turn_with_nothing_to_do_writes_nothing() {
    let (mut world, kernel, app) = world();
    register(&app, 1);
    world.turn(Cause::Boot);
    kernel.take_written();
    let applied = world.turn(Cause::Clock);
    assert_eq!(kernel.take_written(), []);
    assert!(applied.locations.values().all(|location| location.drift_repaired == 0 && location.peers == 1));
}

#[test]
fn a_peer_removed_from_outside_comes_back_and_is_counted_as_drift() {
    let (mut world, kernel, app) = world();
    register(&app, 1);
    world.turn(Cause::Boot);
    kernel.remove_peer(&"wg-hq".parse().unwrap(), &key(1));
    let applied = world.turn(Cause::Clock);
    assert_eq!(repaired(&applied), [1, 0]);
    assert_eq!(applied.locations.values().map(|location| location.peers).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn what_was_committed_before_the_clock_struck_is_no_drift() {
    let (mut world, _, app) = world();
    world.turn(Cause::Boot);
    register(&app, 1);
    let applied = world.turn(Cause::Clock);
    assert!(applied.locations.values().all(|location| location.drift_repaired == 0 && location.peers == 1));
}

#[test]
fn a_location_whose_name_is_taken_fails_alone_and_recovers() {
    let (mut world, kernel, app) = world();
    kernel.make_foreign(&"wg-hq".parse().unwrap());
    let device = register(&app, 1);
    let applied = world.turn(Cause::Boot);
    let failing: Vec<bool> = applied.locations.values().map(|location| location.failing.is_some()).collect();
    assert_eq!(failing, [true, false]);
    assert_eq!(live(&app, device), [false, true]);
    kernel.remove_foreign(&"wg-hq".parse().unwrap());
    let applied = world.turn(Cause::Clock);
    assert!(applied.locations.values().all(|location| location.failing.is_none()));
    assert_eq!(live(&app, device), [true, true]);
}

#[test]
fn a_peer_whose_preshared_key_does_not_open_stays_as_it_is_and_all_others_are_live() {
    let (mut world, kernel, app) = world();
    let (hq, lab) = ("wg-hq".parse().unwrap(), "wg-lab".parse().unwrap());
    let (owner, location) = (DeviceOwner::Machine(LocationId(1)), LocationId(1));
    let sealed = app.site().keys.seal.seal(Sealed::PresharedKey(DeviceId(1), location), &[9; 32], [4; 32]);
    let make = app.store.write_blocking(|tx| {
        let device = tx.device(tx.insert_device(owner, "branch", Some(key(1)), None, at(0))?)?.unwrap();
        tx.insert_fixed_place(&device, location, &["10.77.1.9/32".parse().unwrap()], Some(&sealed), None)
    });
    make.unwrap();
    world.turn(Cause::Boot);
    let before = kernel.observed().interfaces[&hq].peers.clone();
    let damage = app.store.write_blocking(|tx| {
        let device = tx.device(DeviceId(1))?.unwrap();
        tx.forget_slots(location)?;
        tx.insert_fixed_place(&device, location, &["10.77.1.9/32".parse().unwrap()], Some(b"damaged"), None)
    });
    damage.unwrap();
    register(&app, 2);
    let applied = world.turn(Cause::Commit);
    let observed = kernel.observed();
    assert_eq!(observed.interfaces[&hq].peers[&key(1)], before[&key(1)]);
    assert!([&hq, &lab].iter().all(|name| observed.interfaces[*name].peers.contains_key(&key(2))));
    let failing: Vec<_> = applied.locations.values().map(|location| location.failing.clone()).collect();
    let told = format!("peer {}: its preshared key in the database does not open", key(1));
    assert!(
        failing[0].as_ref().is_some_and(|why| why.starts_with(&told)) && failing[1].is_none(),
        "{failing:?}"
    );
    kernel.remove_peer(&hq, &key(1));
    world.turn(Cause::Clock);
    assert!(!kernel.observed().interfaces[&hq].peers.contains_key(&key(1)), "never without its key");
}

#[test]
fn the_handshakes_of_a_location_are_seen_while_another_cannot_be_asked() {
    let (mut world, kernel, app) = world();
    register(&app, 1);
    world.turn(Cause::Boot);
    kernel.delete_link(&"wg-hq".parse().unwrap());
    let (answer, mut answered) = tokio::sync::oneshot::channel();
    world.answer(GatewayQuestion::StatsOf([LocationId(1), LocationId(2)].into(), answer));
    let stats = answered.try_recv().unwrap().unwrap();
    assert_eq!(stats.keys().collect::<Vec<_>>(), [&LocationId(2)]);
}

#[test]
fn an_observation_that_fails_is_told_and_tried_again() {
    let (mut world, kernel, app) = world();
    kernel.refuse_observation();
    register(&app, 1);
    assert_eq!(world.turn(Cause::Boot).failing.len(), 1);
    kernel.heal();
    let applied = world.turn(Cause::Clock);
    assert!(applied.failing.is_empty());
    assert!(applied.locations.values().all(|location| location.peers == 1));
}

#[test]
fn a_firewall_that_does_not_stand_is_told_until_it_does_and_never_as_repaired() {
    let (mut world, kernel, app) = world();
    world.turn(Cause::Boot);
    kernel.drop_firewall();
    kernel.refuse_firewall();
    let told = |applied: &Applied| (applied.failing.len(), applied.firewall_drift_repaired);
    assert_eq!(told(&world.turn(Cause::Notification)), (1, 0));
    assert_eq!(told(&world.turn(Cause::Clock)), (1, 0));
    register(&app, 1);
    assert_eq!(told(&world.turn(Cause::Commit)), (1, 0), "a device mends no firewall");
    kernel.heal();
    assert_eq!(told(&world.turn(Cause::Clock)).0, 0);
    assert!(kernel.observed().firewall.is_some());
}

#[test]
fn a_device_without_a_firewall_is_pending_until_there_is_one() {
    let (mut world, kernel, app) = world();
    let first = register(&app, 1);
    world.turn(Cause::Boot);
    kernel.drop_firewall();
    kernel.refuse_firewall();
    world.turn(Cause::Notification);
    let second = register(&app, 2);
    let applied = world.turn(Cause::Commit);
    assert_eq!((live(&app, first), live(&app, second)), (vec![true, true], vec![false, false]));
    let told =
        |location: &LocationState| location.failing.as_ref().is_some_and(|why| why.contains("firewall"));
    assert!(applied.locations.values().all(told), "{applied:?}");
    kernel.heal();
    world.turn(Cause::Clock);
    assert_eq!(live(&app, second), [true, true]);
}

#[test]
fn a_repair_that_fails_is_not_counted() {
    let (mut world, kernel, _) = world();
    world.turn(Cause::Boot);
    kernel.flush_addresses(&hq());
    kernel.break_interface(&hq());
    let applied = world.turn(Cause::Notification);
    assert_eq!(repaired(&applied), [0, 0]);
    assert!(applied.locations.values().next().unwrap().failing.is_some());
}

#[test]
fn drift_beside_a_failing_location_is_counted_with_its_own_diff() {
    let (mut world, kernel, _) = world();
    kernel.make_foreign(&lab());
    world.turn(Cause::Boot);
    kernel.flush_addresses(&hq());
    kernel.drop_firewall();
    let applied = world.turn(Cause::Notification);
    assert_eq!((repaired(&applied), applied.firewall_drift_repaired), (vec![1, 0], 1));
    let diff = applied.locations.values().next().unwrap().last_drift.clone().unwrap();
    assert_eq!(diff, "wg-hq: + address 10.77.1.1/24\nwg-hq: + address fd77:1::1/64");
}

#[test]
fn what_a_location_needs_to_recover_is_no_drift() {
    let (mut world, kernel, _) = world();
    kernel.make_foreign(&lab());
    world.turn(Cause::Boot);
    kernel.remove_foreign(&lab());
    let applied = world.turn(Cause::Notification);
    assert!(applied.locations.values().all(|location| location.failing.is_none()));
    assert_eq!((repaired(&applied), applied.firewall_drift_repaired), (vec![0, 0], 0));
}

#[test]
fn a_device_registered_beside_a_failing_location_needs_no_look_at_everything() {
    let (mut world, kernel, app) = world();
    kernel.make_foreign(&lab());
    world.turn(Cause::Boot);
    kernel.refuse_observation();
    let device = register(&app, 1);
    let applied = world.turn(Cause::Commit);
    assert_eq!(applied.failing, [""; 0]);
    assert_eq!(live(&app, device), [true, false]);
    let failing: Vec<bool> = applied.locations.values().map(|location| location.failing.is_some()).collect();
    assert_eq!(failing, [false, true]);
}

#[test]
fn a_peer_on_an_interface_that_is_not_mended_yet_is_not_live() {
    let (mut world, kernel, app) = world();
    world.turn(Cause::Boot);
    kernel.flush_addresses(&hq());
    kernel.break_interface(&hq());
    world.turn(Cause::Notification);
    kernel.heal();
    let device = register(&app, 1);
    let applied = world.turn(Cause::Commit);
    assert!(applied.locations.values().next().unwrap().failing.is_some());
    assert_eq!(live(&app, device), [false, true]);
    world.turn(Cause::Clock);
    assert_eq!(live(&app, device), [true, true]);
}

#[test]
fn what_is_committed_while_the_kernel_is_looked_at_is_no_drift() {
    let (_, kernel, app) = world();
    let meddled = Meddled { kernel, app: app.clone(), looks: 0 };
    let mut world = World::new(app.clone(), Box::new(meddled));
    world.turn(Cause::Boot);
    let applied = world.turn(Cause::Notification);
    assert_eq!(applied.locations.values().map(|location| location.peers).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(repaired(&applied), [0, 0]);
}

#[test]
fn a_failure_is_logged_when_it_begins_and_when_it_ends() {
    let (mut world, kernel, _) = world();
    kernel.make_foreign(&hq());
    kernel.refuse_firewall();
    let (begun, _) = logged(|| world.turn(Cause::Boot));
    assert!(begun.contains("ERROR") && begun.contains("location.name=\"hq\""), "{begun}");
    assert!(begun.contains("wg-hq exists and is not postern's"), "{begun}");
    assert!(begun.contains("cannot replace the nftables table: permission denied"), "{begun}");
    let (again, _) = logged(|| world.turn(Cause::Clock));
    assert_eq!(again, "");
    kernel.heal();
    kernel.remove_foreign(&hq());
    let (ended, _) = logged(|| world.turn(Cause::Clock));
    let lines = ended.lines().filter(|line| line.contains("INFO")).count();
    // Both locations, and the gateway as a whole.
    assert_eq!((lines, ended.contains("ERROR")), (3, false), "{ended}");
}

#[test]
fn asking_for_the_plan_changes_nothing() {
    let (mut world, kernel, app) = world();
    register(&app, 1);
    let (answer, mut answered) = tokio::sync::oneshot::channel();
    world.answer(GatewayQuestion::Plan(answer));
    let plan = answered.try_recv().unwrap().unwrap();
    assert!(plan.contains("wg-hq") && plan.contains(&key(1).to_string()), "{plan}");
    assert_eq!(kernel.take_written(), []);
}

fn world() -> (World, MemoryBackend, App) {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let (_, applied) = watch::channel(Applied::default());
    let clock = Clock::from_fn(|| at(1_795_465_400));
    let app = App::new(store, site, applied, clock);
    let kernel = MemoryBackend::default();
    (World::new(app.clone(), Box::new(kernel.clone())), kernel, app)
}

fn register(app: &App, number: u8) -> DeviceId {
    let (site, now) = (app.site(), app.now());
    let registered = app.store.write_blocking(|tx| {
        let user = a_person(tx, &format!("user{number}"));
        let device = tx.insert_device(DeviceOwner::User(user), "laptop", Some(key(number)), None, now)?;
        settle_all(tx, &site)?;
        Ok::<_, StoreError>(device)
    });
    registered.unwrap().0
}

fn key(number: u8) -> PublicKey {
    PrivateKey::from_random([number + 100; 32]).public()
}

fn hq() -> InterfaceName {
    "wg-hq".parse().unwrap()
}

fn lab() -> InterfaceName {
    "wg-lab".parse().unwrap()
}

/// Whether a device is live, by location.
fn live(app: &App, device: DeviceId) -> Vec<bool> {
    let held = app.store.read_blocking(|tx| tx.addresses_of(device)).unwrap();
    held.iter().map(|held| held.live_since.is_some()).collect()
}

fn repaired(applied: &Applied) -> Vec<u64> {
    applied.locations.values().map(|location| location.drift_repaired).collect()
}

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Each thread's own lines.
struct Mine;

impl Write for Mine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What this thread logs meanwhile, from INFO up. Everybody's lines are heard: what a test beside this one logs first
/// would otherwise count as wanted by nobody.
fn logged<T>(work: impl FnOnce() -> T) -> (String, T) {
    static LISTENING: Once = Once::new();
    LISTENING.call_once(|| {
        let listener = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Mine).finish();
        tracing::subscriber::set_global_default(listener).unwrap();
        tracing::callsite::rebuild_interest_cache();
    });
    LINES.take();
    let value = work();
    (String::from_utf8(LINES.take()).unwrap(), value)
}

/// A kernel during whose second observation a device is registered.
struct Meddled {
    kernel: MemoryBackend,
    app: App,
    looks: u8,
}

impl Backend for Meddled {
    fn available(&mut self) -> Vec<BackendKind> {
        self.kernel.available()
    }

    fn observe(&mut self) -> Result<Observed, BackendError> {
        self.looks += 1;
        if self.looks == 2 {
            register(&self.app, 1);
        }
        self.kernel.observe()
    }

    fn routes_elsewhere(
        &mut self,
        interface: &InterfaceName,
    ) -> Result<BTreeMap<IpNet, String>, BackendError> {
        self.kernel.routes_elsewhere(interface)
    }

    fn perform(&mut self, step: &Step) -> Result<(), StepError> {
        self.kernel.perform(step)
    }

    fn stats(&mut self, interface: &InterfaceName) -> Result<BTreeMap<PublicKey, PeerStats>, BackendError> {
        self.kernel.stats(interface)
    }
}
