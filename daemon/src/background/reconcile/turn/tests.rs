//! The loop's turns against a pretend kernel and a real database.

use postern_gateway::backend::memory::MemoryBackend;
use postern_gateway::{PrivateKey, PublicKey};
use tokio::sync::watch;

use super::*;
use crate::app::Clock;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::permit::settle_all;
use crate::rules::ids::DeviceId;
use crate::store::Store;
use crate::store::device::DeviceOwner;

#[test]
fn a_committed_device_is_live_after_one_turn_over_no_more_than_itself() {
    let (mut world, kernel, app) = world();
    world.turn(Cause::Boot);
    kernel.take_written();
    let device = register(&app, 1);
    let applied = world.turn(Cause::Commit);
    assert_eq!(applied.revision, app.store.changes().take().0);
    assert!(
        app.store
            .read_blocking(|tx| tx.addresses_of(device))
            .unwrap()
            .iter()
            .all(|held| held.live_since.is_some())
    );
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
    let drifted: Vec<u64> = applied.locations.values().map(|location| location.drift_repaired).collect();
    assert_eq!(drifted, [1, 0]);
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
    let live = |app: &App| -> Vec<bool> {
        let held = app.store.read_blocking(|tx| tx.addresses_of(device)).unwrap();
        held.iter().map(|held| held.live_since.is_some()).collect()
    };
    assert_eq!(live(&app), [false, true]);
    kernel.remove_foreign(&"wg-hq".parse().unwrap());
    let applied = world.turn(Cause::Clock);
    assert!(applied.locations.values().all(|location| location.failing.is_none()));
    assert_eq!(live(&app), [true, true]);
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
