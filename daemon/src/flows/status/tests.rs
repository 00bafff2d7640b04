//! What is well and what is told.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use postern_gateway::{PrivateKey, Weakness};
use serde_json::Value;

use super::*;
use crate::applied::LocationState;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::permit::settle_device;
use crate::rules::action::Action;
use crate::store::Store;
use crate::store::device::DeviceOwner;

const NOW: i64 = 1_000_000;

/// The overview over a device of ann's on `hq` and `lab`, live where told.
fn seen(live: &[i64], applied: &Applied, work: impl Fn(&Tx<'_>)) -> Value {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let key = PrivateKey::from_random([9; 32]).public();
    let shown = store.write_blocking(|tx| {
        let ann = a_person(tx, "ann");
        let id = tx.insert_device(DeviceOwner::User(ann), "laptop", Some(key), None, at(0))?;
        settle_device(tx, &site, &tx.device(id)?.unwrap())?;
        for location in live {
            tx.set_live(id, LocationId(*location), Some(at(1)))?;
        }
        work(tx);
        let peer = PeerStats {
            endpoint: None,
            last_handshake: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(999_950)),
            rx_bytes: 1,
            tx_bytes: 1,
        };
        let stats = Stats::from([(LocationId(1), BTreeMap::from([(key, peer)]))]);
        let world = world(applied, stats, at(NOW - 60));
        status(tx, &site, &world, at(NOW))
    });
    serde_json::to_value(shown.unwrap().0).unwrap()
}

fn world(applied: &Applied, stats: Stats, started_at: Timestamp) -> World<'_> {
    World {
        applied,
        stats: Ok(stats),
        started_at,
        has_kernel_wireguard: false,
        certificate: None,
        certificate_trouble: None,
        store_trouble: None,
    }
}

fn well() -> Applied {
    let fine = || LocationState { peers: 1, ..LocationState::new(BackendKind::Kernel) };
    Applied { locations: [(LocationId(1), fine()), (LocationId(2), fine())].into(), ..Applied::default() }
}

#[test]
fn all_is_well_when_every_location_has_every_peer() {
    let status = seen(&[1, 2], &well(), |_| {});
    assert_eq!(status["healthy"], true, "{status}");
    assert_eq!(status["uptime_seconds"], 60);
    let hq = &status["locations"][0];
    assert_eq!((&hq["wanted_peers"], &hq["peers"], &hq["connected"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!(hq["last_handshake"], "1970-01-12T13:45:50Z");
    assert_eq!(status["locations"][1]["connected"], 0);
}

#[test]
fn a_device_that_a_location_has_not_taken_is_named() {
    let status = seen(&[1], &well(), |_| {});
    assert_eq!(status["healthy"], false);
    assert_eq!(
        status["pending"],
        serde_json::json!([{"device": "laptop", "username": "ann", "location": "lab"}])
    );
}

#[test]
fn a_device_that_waits_for_an_address_is_named() {
    let status = seen(&[1, 2], &well(), |tx| {
        let edge = tx.insert_device(DeviceOwner::Machine(LocationId(2)), "edge", None, None, at(0)).unwrap();
        tx.set_waiting(edge, &[LocationId(2)].into()).unwrap();
    });
    assert_eq!(
        status["waiting"],
        serde_json::json!([{"device": "edge", "username": null, "location": "lab"}])
    );
    assert_eq!(
        (&status["locations"][0]["waiting"], &status["locations"][1]["waiting"]),
        (&0.into(), &1.into())
    );
    assert_eq!(
        status["problems"],
        serde_json::json!([
            "location lab has no free address, devices that wait for one: 1; remove devices that are not needed, or give it \
             larger subnets"
        ])
    );
    assert_eq!(status["healthy"], false);
}

#[test]
fn what_this_host_cannot_do_is_a_note_and_what_is_tried_again_a_problem() {
    let told = |is_lasting| {
        let weakness = Some(Weakness { text: "no copy".to_owned(), is_lasting });
        let status = seen(&[1, 2], &Applied { weakness, ..well() }, |_| {});
        ["healthy", "problems", "notes"].map(|key| status[key].clone())
    };
    let json = serde_json::json!([[true, [], ["no copy"]], [false, ["no copy"], []]]);
    assert_eq!(serde_json::json!([told(true), told(false)]), json);
}

#[test]
fn a_failing_location_and_a_failing_loop_are_problems() {
    let mut applied = well();
    applied.failing = vec!["cannot list links".to_owned()];
    applied.locations.get_mut(&LocationId(2)).unwrap().failing = Some("the name is taken".to_owned());
    let status = seen(&[1, 2], &applied, |_| {});
    assert_eq!(
        status["problems"],
        serde_json::json!(["cannot list links", "location lab: the name is taken"])
    );
}

#[test]
fn a_refused_activation_is_told_for_a_day_or_until_the_password_is_set() {
    let refuse = |second: i64| {
        move |tx: &Tx<'_>| {
            tx.audit("ann", Action::PasswordRefuse, "ann", Some("too short"), at(second)).unwrap();
        }
    };
    let told = |status: &Value| status["problems"][0].as_str().unwrap_or_default().to_owned();
    assert_eq!(told(&seen(&[1, 2], &well(), refuse(NOW - 9))), "ann could not set a password: too short");
    assert_eq!(told(&seen(&[1, 2], &well(), refuse(NOW - REFUSALS_SECONDS - 1))), "");
    let afterwards = seen(&[1, 2], &well(), |tx| {
        refuse(NOW - 9)(tx);
        let ann = tx.user_by_name("ann").unwrap().unwrap();
        tx.activate_user(ann.id, "hash", None).unwrap();
    });
    assert_eq!(told(&afterwards), "");
}

#[test]
fn a_group_that_a_location_names_and_nobody_made_is_told() {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let naming = site.locations().cloned().map(|mut location| {
        location.config.groups = Some(["ops".to_owned()].into());
        location
    });
    let site = Site::new(site.config.clone(), site.instance, site.keys.clone(), naming);
    let told = || {
        let well = well();
        let world = world(&well, Stats::new(), at(0));
        let seen = store.read_blocking(|tx| status(tx, &site, &world, at(9))).unwrap();
        serde_json::to_value(seen).unwrap()["problems"].clone()
    };
    assert_eq!(
        told()[0],
        "location hq: there is no group \"ops\", nobody joins by it (postern group create ops)"
    );
    store.write_blocking(|tx| tx.insert_group("OPS").map(drop)).unwrap();
    assert_eq!(told(), serde_json::json!([]));
}
