//! Groups, and the places that go with membership.

use std::collections::BTreeSet;

use super::*;
use crate::fixtures::{a_person, a_site, at};
use crate::store::Store;
use crate::store::device::DeviceOwner;

/// `ann` with a device, a group `Ops`, and a location `lab` that only `ops` may join.
fn ann_and_ops() -> (Store, Site) {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let restricted = site.locations().map(|location| {
        let mut location = location.clone();
        location.config.groups = (location.config.name == "lab").then(|| BTreeSet::from(["ops".to_owned()]));
        location
    });
    let site = Site::new(site.config.clone(), site.instance, site.keys.clone(), restricted);
    store
        .write_blocking(|tx| {
            create(tx, &root(), "Ops", at(0))?;
            let ann = a_person(tx, "ann");
            let key = postern_gateway::PrivateKey::from_random([7; 32]).public();
            tx.insert_device(DeviceOwner::User(ann), "laptop", Some(key), None, at(0))?;
            Ok(settle_user(tx, &site, ann)?)
        })
        .map_err(|refused: Refusal| refused.to_string())
        .unwrap();
    (store, site)
}

fn root() -> Actor {
    Actor { name: "unix:root".to_owned(), account: None }
}

fn places(store: &Store, site: &Site) -> Vec<String> {
    let named = store.read_blocking(|tx| {
        let held = tx.addresses()?.into_iter().map(|held| site.location(held.location).unwrap());
        Ok::<_, Refusal>(held.map(|location| location.config.name.clone()).collect())
    });
    named.unwrap()
}

#[test]
fn membership_gives_and_takes_places() {
    let (store, site) = ann_and_ops();
    assert_eq!(places(&store, &site), ["hq"]);
    let add = || store.write_blocking(|tx| add_user(tx, &site, &root(), "OPS", "ann", at(1))).unwrap().0;
    let expected = Membership { group: "Ops".to_owned(), username: "ann".to_owned(), already: false };
    assert_eq!(add(), expected);
    assert_eq!(places(&store, &site), ["hq", "lab"]);
    assert!(add().already);
    let remove =
        || store.write_blocking(|tx| remove_user(tx, &site, &root(), "ops", "ann", at(2))).unwrap().0;
    assert!(!remove().already);
    assert_eq!(places(&store, &site), ["hq"]);
    assert!(remove().already);
    let log = store.read_blocking(|tx| tx.audit_since(1, 9)).unwrap();
    assert_eq!(log.len(), 2, "what changes nothing is not written down: {log:?}");
}

#[test]
fn a_group_that_a_location_names_stays() {
    let (store, site) = ann_and_ops();
    let refused = store.write_blocking(|tx| remove(tx, &site, &root(), "ops", at(1)).map(|_| ()));
    assert!(
        matches!(refused, Err(Refusal::GroupInUse { group, location }) if group == "Ops" && location == "lab")
    );
}

#[test]
fn removing_a_group_says_who_was_in_it() {
    let (store, site) = ann_and_ops();
    let removed = store.write_blocking(|tx| {
        create(tx, &root(), "dev", at(1))?;
        add_user(tx, &site, &root(), "dev", "ann", at(1))?;
        remove(tx, &site, &root(), "dev", at(1))
    });
    assert_eq!(removed.unwrap().0, Removed { group: "dev".to_owned(), members: vec!["ann".to_owned()] });
    let left = store.read_blocking(|tx| Ok::<_, Refusal>(tx.group_by_name("dev")?.is_some()));
    assert!(!left.unwrap());
}

#[test]
fn a_groups_name_is_taken_once_and_keeps_to_its_rules() {
    let (store, _) = ann_and_ops();
    let made = |name: &str| store.write_blocking(|tx| create(tx, &root(), name, at(1)).map(|_| ()));
    assert!(matches!(made("oPS"), Err(Refusal::GroupTaken(_))));
    assert!(matches!(made("o ps"), Err(Refusal::Value { .. })));
}

#[test]
fn unknown_groups_and_users_are_named() {
    let (store, site) = ann_and_ops();
    let add = |group: &str, user: &str| {
        store.write_blocking(|tx| add_user(tx, &site, &root(), group, user, at(1)).map(|_| ()))
    };
    assert!(matches!(add("dev", "ann"), Err(Refusal::UnknownGroup(group)) if group == "dev"));
    assert!(matches!(add("ops", "bob"), Err(Refusal::UnknownUser(user)) if user == "bob"));
}
