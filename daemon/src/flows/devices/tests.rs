//! Finding, renaming and removing devices; machines.

use super::*;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::enroll::open;
use crate::rules::token::TokenHash;
use crate::store::Store;

/// `ann` and `bob`, each with a `laptop`, and a machine `edge`: numbers 1, 2 and 3.
fn three_devices() -> (Store, Site) {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    store
        .write_blocking(|tx| {
            for (name, number) in [("ann", 1), ("bob", 2)] {
                let user = a_person(tx, name);
                let key = postern_gateway::PrivateKey::from_random([number; 32]).public();
                let id = tx.insert_device(DeviceOwner::User(user), "laptop", Some(key), None, at(0))?;
                settle_device(tx, &site, &tx.device(id)?.unwrap())?;
            }
            add_machine(tx, &site, &root(), &machine("edge", "HQ"), &Terms::default(), at(0)).map(|_| ())
        })
        .unwrap();
    (store, site)
}

fn root() -> Actor {
    Actor { name: "unix:root".to_owned(), account: None }
}

fn machine(name: &str, location: &str) -> NewMachine {
    NewMachine { name: name.to_owned(), location: location.to_owned() }
}

fn found(store: &Store, wanted: &str) -> Result<i64, Refusal> {
    store.read_blocking(|tx| find(tx, wanted)).map(|device| device.id.0)
}

fn add(store: &Store, site: &Site, name: &str, location: &str) -> Result<MachineToken, Refusal> {
    let new = machine(name, location);
    store
        .write_blocking(|tx| add_machine(tx, site, &root(), &new, &Terms::default(), at(1)))
        .map(|done| done.0)
}

#[test]
fn devices_are_found_by_name_by_owner_and_name_and_by_number() {
    let (store, _) = three_devices();
    for (wanted, number) in [("EDGE", 3), ("ann/Laptop", 1), ("BOB/laptop", 2), ("2", 2), ("#1", 1)] {
        assert_eq!(found(&store, wanted).unwrap(), number, "{wanted}");
    }
    assert!(matches!(found(&store, "laptop"), Err(Refusal::AmbiguousDevice(_))));
    for wanted in ["phone", "carol/laptop", "ann/edge", "9", "#9", "#", ""] {
        assert!(matches!(found(&store, wanted), Err(Refusal::UnknownDevice(_))), "{wanted}");
    }
}

#[test]
fn a_name_that_is_another_devices_number_is_ambiguous_and_a_sign_decides() {
    let (store, _) = three_devices();
    store.write_blocking(|tx| rename(tx, &root(), "edge", "1", at(1))).unwrap();
    assert!(matches!(found(&store, "1"), Err(Refusal::AmbiguousDevice(_))));
    assert_eq!((found(&store, "#1").unwrap(), found(&store, "#3").unwrap()), (1, 3));
}

#[test]
fn a_name_is_taken_once_by_each_owner() {
    let (store, site) = three_devices();
    add(&store, &site, "laptop", "hq").unwrap();
    let renamed = |wanted: &str, name: &str| {
        store.write_blocking(|tx| rename(tx, &root(), wanted, name, at(1))).map(|done| done.0.name)
    };
    assert!(matches!(renamed("edge", "LAPTOP"), Err(Refusal::DeviceTaken(_))));
    assert_eq!(renamed("ann/laptop", " Ann's ").unwrap(), "Ann's");
    assert!(matches!(renamed("edge", ""), Err(Refusal::Value { .. })));
    assert!(matches!(add(&store, &site, "Edge", "hq"), Err(Refusal::DeviceTaken(_))));
}

#[test]
fn a_machine_is_added_with_an_address_and_a_token_that_opens_its_session() {
    let (store, site) = three_devices();
    let issued = add(&store, &site, "build", "LAB").unwrap();
    assert_eq!((issued.location.as_str(), issued.url.as_str()), ("lab", "https://vpn.example.com/"));
    assert_eq!(issued.expires_at, 1 + 24 * 3600);
    let held = store.read_blocking(|tx| tx.addresses_of(issued.id)).unwrap();
    assert_eq!(held.len(), 1);
    let opened = store.write_blocking(|tx| open(tx, &site, &issued.token, TokenHash([1; 32]), at(2)));
    assert!(opened.is_ok());
}

#[test]
fn an_unknown_location_and_an_exhausted_one_are_named_and_nothing_is_stored() {
    let (store, site) = three_devices();
    assert!(
        matches!(add(&store, &site, "build", "moon"), Err(Refusal::UnknownLocation(name)) if name == "moon")
    );
    let tiny = site.locations().map(|location| {
        let mut location = location.clone();
        location.config.ipv4 = "10.77.9.0/30".parse().ok();
        location
    });
    let tiny = Site::new(site.config.clone(), site.instance, site.keys.clone(), tiny);
    assert!(matches!(add(&store, &tiny, "build", "hq"), Err(Refusal::PoolExhausted(name)) if name == "hq"));
    assert!(matches!(found(&store, "build"), Err(Refusal::UnknownDevice(_))));
}

#[test]
fn a_fresh_token_replaces_the_unused_one_and_is_for_machines_only() {
    let (store, site) = three_devices();
    let first = add(&store, &site, "build", "lab").unwrap();
    let again = |wanted: &str| {
        store
            .write_blocking(|tx| reissue(tx, &site, &root(), wanted, &Terms::default(), at(2)))
            .map(|done| done.0)
    };
    let second = again("build").unwrap();
    let known =
        |token: &Token| store.read_blocking(|tx| tx.enrollment_by_token(token.hash())).unwrap().is_some();
    assert_eq!((known(&first.token), known(&second.token)), (false, true));
    assert!(matches!(again("ann/laptop"), Err(Refusal::NotMachine(_))));
}

#[test]
fn a_removed_machine_leaves_its_address_to_the_next() {
    let (store, site) = three_devices();
    let tiny = site.locations().map(|location| {
        let mut location = location.clone();
        location.config.ipv4 = "10.77.9.0/29".parse().ok();
        location
    });
    let tiny = Site::new(site.config.clone(), site.instance, site.keys.clone(), tiny);
    for name in ["one", "two"] {
        add(&store, &tiny, name, "hq").unwrap();
    }
    assert!(matches!(add(&store, &tiny, "three", "hq"), Err(Refusal::PoolExhausted(_))));
    store.write_blocking(|tx| remove(tx, &tiny, &root(), "one", at(1))).unwrap();
    assert!(add(&store, &tiny, "three", "hq").is_ok());
}

#[test]
fn a_removed_device_is_gone_from_every_location() {
    let (store, site) = three_devices();
    let removed = store.write_blocking(|tx| remove(tx, &site, &root(), "ann/laptop", at(1))).unwrap().0;
    assert_eq!(removed.locations, ["hq", "lab"]);
    assert_eq!(removed.device.user.as_deref(), Some("ann"));
    assert!(matches!(found(&store, "ann/laptop"), Err(Refusal::UnknownDevice(_))));
}
