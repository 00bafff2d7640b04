//! The loop's turns against a pretend kernel and a real database.

use std::collections::BTreeSet;

use postern_gateway::backend::memory::MemoryBackend;
use postern_gateway::{BackendKind, Mtu, PrivateKey, PublicKey};
use tokio::sync::watch;

use super::*;
use crate::app::Clock;
use crate::config::{BackendChoice, ClientVersions, Config, Contact, Enrollment, Location, Mail};
use crate::flows::permit::settle_all;
use crate::rules::ids::DeviceId;
use crate::rules::token::TokenKey;
use crate::site::SiteLocation;
use crate::store::Store;
use crate::store::account::NewUser;
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
    let (ids, _) = store
        .write_blocking(|tx| Ok::<_, StoreError>([tx.location_id("hq")?, tx.location_id("lab")?]))
        .unwrap();
    let locations = ids.into_iter().zip([("hq", 1), ("lab", 2)]).map(|(id, (name, number))| {
        SiteLocation::new(
            id,
            location(name, number),
            PrivateKey::from_random([number; 32]),
            BackendKind::Kernel,
        )
    });
    let site = Site::new(config(), uuid::Uuid::nil(), TokenKey::from_bytes([1; 32]), locations);
    let (_, applied) = watch::channel(Applied::default());
    let clock = Clock::from_fn(|| jiff::Timestamp::from_second(1_795_465_400).unwrap());
    let app = App::new(store, site, applied, clock);
    let kernel = MemoryBackend::default();
    (World::new(app.clone(), Box::new(kernel.clone())), kernel, app)
}

fn register(app: &App, number: u8) -> DeviceId {
    let (site, now) = (app.site(), app.now());
    let registered = app.store.write_blocking(|tx| {
        let user = tx.insert_user(
            &NewUser {
                username: format!("user{number}"),
                first_name: "Ann".to_owned(),
                last_name: "Example".to_owned(),
                email: format!("user{number}@example.com"),
                phone: None,
                is_admin: false,
            },
            now,
        )?;
        let device = tx.insert_device(DeviceOwner::User(user), "laptop", Some(key(number)), None, now)?;
        settle_all(tx, &site)?;
        Ok::<_, StoreError>(device)
    });
    registered.unwrap().0
}

fn key(number: u8) -> PublicKey {
    PrivateKey::from_random([number + 100; 32]).public()
}

fn location(name: &str, number: u8) -> Location {
    Location {
        name: name.to_owned(),
        interface: format!("wg-{name}").parse().unwrap(),
        listen_port: (51_820 + u16::from(number)).try_into().unwrap(),
        endpoint: format!("vpn.example.com:{}", 51_820 + u16::from(number)),
        ipv4: format!("10.77.{number}.0/24").parse().ok(),
        ipv6: format!("fd77:{number}::/64").parse().ok(),
        dns: Vec::new(),
        routes: Vec::new(),
        mtu: Mtu::DEFAULT,
        keepalive: 25,
        groups: None::<BTreeSet<String>>,
        masquerade: true,
        client_to_client: false,
        host_services: BTreeSet::new(),
        backend: None,
    }
}

fn config() -> Config {
    let minute = std::time::Duration::from_mins(1);
    Config {
        instance_name: "Example".to_owned(),
        public_url: "https://vpn.example.com/".to_owned(),
        state_dir: "state".into(),
        admin_socket: "admin.sock".into(),
        locations_dir: "locations.d".into(),
        listen: Vec::new(),
        trusted_proxies: Vec::new(),
        contact: Contact { name: "Ada".to_owned(), email: "ada@example.com".to_owned(), phone: None },
        mail: Mail { from: "postern@example.com".to_owned(), directory: None },
        enrollment: Enrollment {
            token_ttl: 24 * 60 * minute,
            session_ttl: 10 * minute,
            devices_per_session: 3,
            final_message: String::new(),
            welcome_subject: String::new(),
        },
        backend: BackendChoice::Auto,
        reconcile_interval: minute / 2,
        client_versions: ClientVersions { core: "2.1.0".to_owned(), component: "2.1.0".to_owned() },
        locations: BTreeMap::new(),
    }
}
