//! Every step of an enrollment, and every refusal.

use std::time::Duration;

use postern_gateway::PrivateKey;

use super::*;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::client_config;
use crate::flows::issue::issue_enrollment;
use crate::flows::permit::settle_all;
use crate::rules::action::Action;
use crate::rules::enrollment::EnrollmentKind;
use crate::rules::ids::LocationId;
use crate::rules::token::TokenKind;
use crate::store::Store;
use crate::store::device::DeviceOwner;

const DAY: Duration = Duration::from_hours(24);

/// A store in which `ann` holds a token issued at second 0.
fn invited() -> (Store, Site, Token) {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let issued = store.write_blocking(|tx| {
        let ann = a_person(tx, "ann");
        issue_enrollment(tx, &site, Subject::User(ann), EnrollmentKind::Enrollment, None, DAY, at(0))
    });
    let token = issued.unwrap().0.1;
    (store, site, token)
}

fn cookie(number: u8) -> TokenHash {
    TokenHash([number; 32])
}

fn key(number: u8) -> String {
    PrivateKey::from_random([number + 50; 32]).public().to_string()
}

fn start(store: &Store, site: &Site, token: &Token, number: u8, second: i64) -> Result<i64, EnrollError> {
    store
        .write_blocking(|tx| Ok(open(tx, site, token, cookie(number), at(second))?.deadline))
        .map(|done| done.0)
}

fn register(
    store: &Store,
    site: &Site,
    number: u8,
    name: &str,
    key: &str,
    second: i64,
) -> Result<Device, EnrollError> {
    let done = store.write_blocking(|tx| {
        let session = session(tx, cookie(number), at(second))?;
        create_device(tx, site, &session, name, key, at(second)).map(|registered| registered.device)
    });
    done.map(|done| done.0)
}

fn set_password(store: &Store, number: u8, second: i64) -> Result<(), EnrollError> {
    let site = a_site(store);
    let done = store.write_blocking(|tx| {
        let session = session(tx, cookie(number), at(second))?;
        activate(tx, &site, &session, "$argon2id$…", "+48 123", at(second))
    });
    done.map(|done| done.0)
}

#[test]
fn starting_again_keeps_the_deadline_and_gives_another_good_cookie() {
    let (store, site, token) = invited();
    assert_eq!(start(&store, &site, &token, 1, 10).unwrap(), 610);
    assert_eq!(start(&store, &site, &token, 2, 300).unwrap(), 610);
    for number in [1, 2] {
        assert!(store.read_blocking(|tx| session(tx, cookie(number), at(609)).map(|_| ())).is_ok());
        assert!(store.read_blocking(|tx| session(tx, cookie(number), at(610)).map(|_| ())).is_err());
    }
}

#[test]
fn a_spent_an_expired_and_an_unknown_token_are_refused_each_in_its_words() {
    let (store, site, token) = invited();
    let unknown = Token::presented("neverissued");
    assert!(matches!(start(&store, &site, &unknown, 1, 10), Err(EnrollError::InvalidToken)));
    assert!(matches!(start(&store, &site, &token, 1, 86_400), Err(EnrollError::TokenExpired)));
    start(&store, &site, &token, 1, 10).unwrap();
    assert!(matches!(start(&store, &site, &token, 2, 610), Err(EnrollError::InvalidToken)));
    assert!(matches!(start(&store, &site, &token, 3, 86_400), Err(EnrollError::TokenExpired)));
}

#[test]
fn a_session_started_in_time_runs_on_past_the_tokens_expiry() {
    let (store, site, token) = invited();
    start(&store, &site, &token, 1, 86_399).unwrap();
    assert_eq!(start(&store, &site, &token, 2, 86_500).unwrap(), 86_999);
}

#[test]
fn once_the_password_is_set_the_token_opens_nothing_but_the_session_goes_on() {
    let (store, site, token) = invited();
    start(&store, &site, &token, 1, 10).unwrap();
    set_password(&store, 1, 20).unwrap();
    assert!(matches!(start(&store, &site, &token, 2, 30), Err(EnrollError::InvalidToken)));
    assert!(register(&store, &site, 1, "laptop", &key(1), 30).is_ok());
    assert!(matches!(set_password(&store, 1, 40), Err(EnrollError::AlreadyActive)));
}

#[test]
fn a_device_gets_one_address_of_each_family_on_every_location() {
    let (store, site, token) = invited();
    start(&store, &site, &token, 1, 10).unwrap();
    let device = register(&store, &site, 1, "laptop", &key(1), 20).unwrap();
    let held = store.read_blocking(|tx| tx.addresses_of(device.id)).unwrap();
    let shown: Vec<String> =
        held.iter().flat_map(|held| held.addresses.iter().map(|ip| ip.to_string())).collect();
    assert_eq!(shown, ["10.77.1.2", "fd77:1::2", "10.77.2.2", "fd77:2::2"]);
}

#[test]
fn names_and_keys_are_taken_once() {
    let (store, site, token) = invited();
    start(&store, &site, &token, 1, 10).unwrap();
    register(&store, &site, 1, "Laptop", &key(1), 20).unwrap();
    assert!(matches!(register(&store, &site, 1, "laptop", &key(2), 21), Err(EnrollError::DeviceTaken)));
    assert!(matches!(register(&store, &site, 1, "phone", &key(1), 22), Err(EnrollError::KeyTaken)));
    let own = site.location(LocationId(1)).unwrap().public_key.to_string();
    assert!(matches!(register(&store, &site, 1, "phone", &own, 23), Err(EnrollError::LocationKey)));
    assert!(matches!(register(&store, &site, 1, "phone", "AAAA", 24), Err(EnrollError::Key(_))));
}

#[test]
fn device_names_are_the_same_whatever_their_case_in_any_script() {
    let (store, site, token) = invited();
    start(&store, &site, &token, 1, 10).unwrap();
    register(&store, &site, 1, "Größe", &key(1), 20).unwrap();
    assert!(matches!(register(&store, &site, 1, "GRÖSSE", &key(2), 21), Err(EnrollError::DeviceTaken)));
    let other = register(&store, &site, 1, "Ελλάς", &key(2), 22).unwrap();
    let renamed = store.write_blocking(|tx| tx.rename_device(other.id, "gRÖßE"));
    assert!(renamed.unwrap_err().is_conflict());
    store.write_blocking(|tx| tx.rename_device(other.id, "ελλάς")).unwrap();
}

#[test]
fn a_session_registers_no_more_devices_than_the_configuration_says() {
    let (store, site, token) = invited();
    start(&store, &site, &token, 1, 10).unwrap();
    for number in 1..=3 {
        register(&store, &site, 1, &format!("device {number}"), &key(number), 20).unwrap();
    }
    assert!(matches!(register(&store, &site, 1, "one more", &key(4), 21), Err(EnrollError::TooManyDevices)));
}

#[test]
fn without_a_location_nothing_is_stored() {
    let (store, site, token) = invited();
    let nowhere = Site::new(site.config.clone(), site.instance, site.keys.clone(), []);
    start(&store, &site, &token, 1, 10).unwrap();
    assert!(matches!(register(&store, &nowhere, 1, "laptop", &key(1), 20), Err(EnrollError::NoLocation)));
    let stored = store.read_blocking(|tx| tx.device_by_key(key(1).parse().unwrap())).unwrap();
    assert!(stored.is_none());
}

#[test]
fn the_command_line_client_is_told_what_it_needs() {
    let (store, site, token) = invited();
    start(&store, &site, &token, 1, 10).unwrap();
    assert!(matches!(register(&store, &site, 1, "", &key(1), 20), Err(EnrollError::UnfinishedPerson)));
    set_password(&store, 1, 30).unwrap();
    assert!(matches!(register(&store, &site, 1, "", &key(1), 40), Err(EnrollError::NeedsDeviceToken)));
}

#[test]
fn a_nameless_device_stays_on_the_one_location_it_began_with() {
    let (store, site, token) = invited();
    let hq = Site::new(
        site.config.clone(),
        site.instance,
        site.keys.clone(),
        site.location(LocationId(1)).cloned(),
    );
    start(&store, &hq, &token, 1, 10).unwrap();
    set_password(&store, 1, 20).unwrap();
    let device = register(&store, &hq, 1, "", &key(1), 30).unwrap();
    assert_eq!(device.name, "device-1");
    store.write_blocking(|tx| settle_all(tx, &site)).unwrap();
    let held = |store: &Store| store.read_blocking(|tx| tx.addresses_of(device.id)).unwrap();
    assert_eq!(held(&store).iter().map(|held| held.location).collect::<Vec<_>>(), [LocationId(1)]);
    let lab = Site::new(
        site.config.clone(),
        site.instance,
        site.keys.clone(),
        site.location(LocationId(2)).cloned(),
    );
    store.write_blocking(|tx| settle_all(tx, &lab)).unwrap();
    assert!(held(&store).is_empty(), "another location does not take the place of its own");
    let device = store.read_blocking(|tx| tx.device(device.id)).unwrap().unwrap();
    let polling = site.keys.token.derive(TokenKind::Polling, device.id.0, device.polling_generation);
    let polled = store.read_blocking(|tx| client_config::poll(tx, &lab, &polling));
    assert!(matches!(polled, Err(EnrollError::NothingToPoll)));
}

#[test]
fn a_phone_number_out_of_the_rules_does_not_cost_the_password() {
    let (store, site, token) = invited();
    start(&store, &site, &token, 1, 10).unwrap();
    let done = store.write_blocking(|tx| {
        let session = session(tx, cookie(1), at(20))?;
        activate(tx, &site, &session, "$argon2id$…", "call me", at(20))
    });
    done.unwrap();
    let ann = store.read_blocking(|tx| tx.user_by_name("ann")).unwrap().unwrap();
    assert!(ann.password_hash.is_some());
    assert_eq!(ann.phone, None);
    let audited = store.read_blocking(|tx| tx.audit_since(0, 9)).unwrap();
    assert!(audited.iter().any(|entry| entry.action == Action::PhoneRefuse.name()));
}

#[test]
fn a_machine_gets_its_key_and_its_one_location_whatever_name_is_sent() {
    let (store, site, _) = invited();
    let issued = store.write_blocking(|tx| {
        let owner = DeviceOwner::Machine(LocationId(2));
        let machine = tx.insert_device(owner, "edge", None, None, at(0))?;
        issue_enrollment(tx, &site, Subject::Machine(machine), EnrollmentKind::Machine, None, DAY, at(0))
    });
    start(&store, &site, &issued.unwrap().0.1, 1, 10).unwrap();
    let device = register(&store, &site, 1, "", &key(1), 20).unwrap();
    assert_eq!(device.name, "edge");
    let held = store.read_blocking(|tx| tx.addresses_of(device.id)).unwrap();
    assert_eq!(held.iter().map(|held| held.location).collect::<Vec<_>>(), [LocationId(2)]);
    assert!(register(&store, &site, 1, "", &key(2), 30).is_ok(), "its key can be replaced");
}

#[test]
fn a_key_is_found_by_its_owner_only() {
    let (store, site, token) = invited();
    start(&store, &site, &token, 1, 10).unwrap();
    register(&store, &site, 1, "laptop", &key(1), 20).unwrap();
    let other = store.write_blocking(|tx| {
        let bob = a_person(tx, "bob");
        issue_enrollment(tx, &site, Subject::User(bob), EnrollmentKind::Activation, None, DAY, at(0))
    });
    start(&store, &site, &other.unwrap().0.1, 2, 10).unwrap();
    let look = |number: u8, key: String| {
        let found = store.write_blocking(|tx| {
            let session = session(tx, cookie(number), at(30))?;
            device_of_key(tx, &site, &session, &key, at(30)).map(|found| found.polling)
        });
        found.map(|found| found.0)
    };
    assert!(matches!(look(2, key(1)), Err(EnrollError::NotYours)));
    assert!(matches!(look(1, key(9)), Err(EnrollError::UnknownDevice)));
    let polling = look(1, key(1)).unwrap();
    assert!(store.read_blocking(|tx| device_to_poll(tx, &polling).map(|_| ())).is_ok());
    look(1, key(1)).unwrap();
    let old = store.read_blocking(|tx| device_to_poll(tx, &polling).map(|_| ()));
    assert!(matches!(old, Err(EnrollError::UnknownPollingToken)), "a renewed token replaces the old one");
}

#[test]
fn a_password_set_in_one_session_withdraws_every_other_enrollment_token() {
    let (store, site, token) = invited();
    start(&store, &site, &token, 1, 10).unwrap();
    let other = store.write_blocking(|tx| {
        let ann = tx.user_by_name("ann")?.unwrap().id;
        issue_enrollment(tx, &site, Subject::User(ann), EnrollmentKind::Enrollment, None, DAY, at(20))
    });
    let other = other.unwrap().0.1;
    set_password(&store, 1, 30).unwrap();
    assert!(matches!(start(&store, &site, &other, 2, 40), Err(EnrollError::InvalidToken)));
}
