//! Changing, disabling, enabling and removing accounts.

use std::time::Duration;

use super::*;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::enroll::open;
use crate::flows::issue::issue_enrollment;
use crate::rules::enrollment::EnrollmentKind;
use crate::rules::enrollment::Subject;
use crate::rules::ids::UserId;
use crate::rules::token::{Token, TokenHash};
use crate::store::Store;
use crate::store::device::DeviceOwner;

/// A store with the administrator `ada` and the user `ann`, who has a device on both locations.
fn ada_and_ann() -> (Store, Site, UserId) {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let made = store.write_blocking(|tx| {
        let ada = a_person(tx, "ada");
        tx.update_user(&User { is_admin: true, ..tx.user(ada)?.unwrap() })?;
        let ann = a_person(tx, "ann");
        let key = postern_gateway::PrivateKey::from_random([7; 32]).public();
        tx.insert_device(DeviceOwner::User(ann), "laptop", Some(key), None, at(0))?;
        settle_user(tx, &site, ann)?;
        Ok::<_, Refusal>(ann)
    });
    (store, site, made.unwrap().0)
}

fn root() -> Actor {
    Actor { name: "unix:root".to_owned(), account: None }
}

fn invited(store: &Store, site: &Site, user: UserId) -> Token {
    let day = Duration::from_hours(24);
    let issued = store.write_blocking(|tx| {
        issue_enrollment(tx, site, Subject::User(user), EnrollmentKind::Enrollment, None, day, at(0))
    });
    issued.unwrap().0.1
}

fn addresses(store: &Store, user: UserId) -> Vec<String> {
    let held = store.read_blocking(|tx| {
        let mut held = Vec::new();
        for device in tx.devices_of(user)? {
            held.extend(tx.addresses_of(device.id)?);
        }
        Ok::<_, Refusal>(held)
    });
    held.unwrap().iter().flat_map(|held| held.addresses.iter().map(|ip| ip.to_string())).collect()
}

fn change(store: &Store, username: &str, wanted: &Edit) -> Result<Edited, Refusal> {
    let site = a_site(store);
    store.write_blocking(|tx| edit(tx, &site, &root(), username, wanted, at(5))).map(|done| done.0)
}

fn demotion() -> Edit {
    Edit { is_admin: Some(false), ..Edit::default() }
}

#[test]
fn only_what_is_given_changes_and_the_audit_log_names_it() {
    let (store, _, ann) = ada_and_ann();
    let wanted = Edit {
        email: Some("ann@example.org".to_owned()),
        last_name: Some("Example".to_owned()),
        ..Edit::default()
    };
    let edited = change(&store, "ANN", &wanted).unwrap();
    assert_eq!(edited, Edited { username: "ann".to_owned(), changed: vec!["email"] });
    let (user, log) =
        store.read_blocking(|tx| Ok::<_, Refusal>((tx.user(ann)?.unwrap(), tx.audit_since(0, 9)?))).unwrap();
    assert_eq!((user.email.as_str(), user.first_name.as_str()), ("ann@example.org", "Ann"));
    assert_eq!((log[0].action.as_str(), log[0].detail.as_deref()), ("user.edit", Some("email")));
}

#[test]
fn nothing_given_and_what_others_have_is_refused() {
    let (store, ..) = ada_and_ann();
    assert!(matches!(change(&store, "ann", &Edit::default()), Err(Refusal::NothingToChange)));
    let username = Edit { username: Some("Ada".to_owned()), ..Edit::default() };
    assert!(matches!(change(&store, "ann", &username), Err(Refusal::UsernameTaken(_))));
    let email = Edit { email: Some("ADA@example.com".to_owned()), ..Edit::default() };
    assert!(matches!(change(&store, "ann", &email), Err(Refusal::EmailTaken(_))));
    let phone = Edit { phone: Some("none".to_owned()), ..Edit::default() };
    assert!(matches!(change(&store, "ann", &phone), Err(Refusal::Value { .. })));
    assert!(matches!(change(&store, "bob", &phone), Err(Refusal::UnknownUser(_))));
}

#[test]
fn a_unix_account_is_one_administrators_and_goes_with_the_role() {
    let (store, _, ann) = ada_and_ann();
    let mapped = Edit { unix_account: Some(UnixAccount::Uid(1000)), ..Edit::default() };
    assert!(matches!(change(&store, "ann", &mapped), Err(Refusal::NotAdministrator(_))));
    change(&store, "ada", &mapped).unwrap();
    let both = Edit { is_admin: Some(true), ..mapped.clone() };
    assert!(matches!(change(&store, "ann", &both), Err(Refusal::UidTaken(1000))));
    change(&store, "ada", &Edit { unix_account: Some(UnixAccount::Unmapped), ..Edit::default() }).unwrap();
    change(&store, "ann", &both).unwrap();
    assert_eq!(change(&store, "ann", &demotion()).unwrap().changed, ["admin", "unix_uid"]);
    assert_eq!(store.read_blocking(|tx| tx.user(ann)).unwrap().unwrap().unix_uid, None);
}

#[test]
fn the_last_active_administrator_is_neither_demoted_nor_disabled_nor_removed() {
    let (store, site, ann) = ada_and_ann();
    // A disabled administrator does not count.
    store
        .write_blocking(|tx| {
            tx.update_user(&User { is_admin: true, ..tx.user(ann)?.unwrap() })?;
            disable(tx, &site, &root(), "ann", at(1))
        })
        .unwrap();
    let is_last = |refused: Refusal| matches!(refused, Refusal::LastAdministrator(name) if name == "ada");
    assert!(is_last(change(&store, "ada", &demotion()).unwrap_err()));
    let refused = store.write_blocking(|tx| disable(tx, &site, &root(), "ada", at(2)).map(|_| ()));
    assert!(is_last(refused.unwrap_err()));
    let refused = store.write_blocking(|tx| remove(tx, &site, &root(), "ada", at(2)).map(|_| ()));
    assert!(is_last(refused.unwrap_err()));
    store.write_blocking(|tx| enable(tx, &site, &root(), "ann", at(3))).unwrap();
    change(&store, "ada", &demotion()).unwrap();
}

#[test]
fn disabling_ends_sessions_withdraws_tokens_and_frees_addresses() {
    let (store, site, ann) = ada_and_ann();
    let started = invited(&store, &site, ann);
    let cookie = TokenHash([1; 32]);
    store.write_blocking(|tx| open(tx, &site, &started, cookie, at(1)).map(|_| ())).unwrap();
    let unused = invited(&store, &site, ann);
    let done = store.write_blocking(|tx| disable(tx, &site, &root(), "ann", at(2))).unwrap().0;
    assert!(!done.already);
    assert_eq!(addresses(&store, ann), Vec::<String>::new());
    let left = store.read_blocking(|tx| {
        let session = tx.enrollment_by_session(cookie)?.is_some();
        Ok::<_, Refusal>((session, tx.enrollment_by_token(unused.hash())?.is_some()))
    });
    assert_eq!(left.unwrap(), (false, false));
    let again = store.write_blocking(|tx| disable(tx, &site, &root(), "ann", at(3))).unwrap().0;
    assert!(again.already);
}

#[test]
fn enabling_gives_the_same_addresses_back_while_they_are_free() {
    let (store, site, ann) = ada_and_ann();
    let before = addresses(&store, ann);
    assert_eq!(before.len(), 4);
    store.write_blocking(|tx| disable(tx, &site, &root(), "ann", at(1))).unwrap();
    store.write_blocking(|tx| enable(tx, &site, &root(), "ann", at(2))).unwrap();
    assert_eq!(addresses(&store, ann), before);
}

#[test]
fn removing_takes_everything_along_and_says_what() {
    let (store, site, ann) = ada_and_ann();
    let token = invited(&store, &site, ann);
    store
        .write_blocking(|tx| {
            let group = tx.insert_group("ops")?;
            tx.add_member(ann, group)
        })
        .unwrap();
    let removed = store.write_blocking(|tx| remove(tx, &site, &root(), "ann", at(1))).unwrap().0;
    let laptop =
        RemovedDevice { name: "laptop".to_owned(), locations: vec!["hq".to_owned(), "lab".to_owned()] };
    assert_eq!((removed.devices, removed.groups), (vec![laptop], vec!["ops".to_owned()]));
    let left = store.read_blocking(|tx| {
        let token = tx.enrollment_by_token(token.hash())?.is_some();
        Ok::<_, Refusal>((tx.devices()?.len(), tx.addresses()?.len(), token))
    });
    assert_eq!(left.unwrap(), (0, 0, false));
}
