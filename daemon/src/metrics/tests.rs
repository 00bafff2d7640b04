//! What a scrape says, and what it says the next time.

use std::collections::BTreeMap;
use std::sync::Arc;

use postern_gateway::{PeerStats, PrivateKey, PublicKey, StepKind};

use super::*;
use crate::applied::Applied;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::permit::settle_device;
use crate::gateway_view::Stats;
use crate::rules::certificate::Certificate;
use crate::rules::fact::Fact;
use crate::rules::ids::LocationId;
use crate::store::device::DeviceOwner;
use crate::store::{Store, StoreError};

/// Two locations and a device that is live on one of them.
fn a_snapshot(stats: Option<Stats>) -> Snapshot {
    let store = Store::in_memory().unwrap();
    let site = Arc::new(a_site(&store));
    let stored = store.write_blocking(|tx| {
        let ann = a_person(tx, "ann");
        let id = tx.insert_device(DeviceOwner::User(ann), "laptop", Some(key()), None, at(0))?;
        settle_device(tx, &site, &tx.device(id)?.unwrap())?;
        tx.set_live(id, LocationId(1), Some(at(1)))?;
        tx.happened(Fact::EnrollmentFinished);
        Stored::look(tx, &site)
    });
    Snapshot {
        now: at(1000),
        started_at: at(1),
        applied: Applied::default(),
        stats,
        facts: store.changes().facts(),
        certificate: Some(a_certificate()),
        speaks_tls: true,
        stored: Some(stored.unwrap().0),
    }
}

fn a_certificate() -> Certificate {
    let names = vec!["vpn.example.com".to_owned()];
    Certificate { names, issuer: "CN=Test".to_owned(), not_before: at(5), not_after: at(90) }
}

fn key() -> PublicKey {
    PrivateKey::from_random([9; 32]).public()
}

fn stats(last_handshake: u64, bytes: u64) -> Stats {
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(last_handshake);
    let peer = PeerStats { endpoint: None, last_handshake: Some(time), rx_bytes: bytes, tx_bytes: bytes * 2 };
    Stats::from([(LocationId(1), BTreeMap::from([(key(), peer)])), (LocationId(2), BTreeMap::new())])
}

/// The value of a metric with its labels, as it is written.
fn value<'a>(text: &'a str, name: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
}

#[test]
fn a_scrape_tells_of_every_location_what_the_database_and_wireguard_say() {
    let metrics = Metrics::default();
    let first = metrics.write(&a_snapshot(Some(stats(821, 100))));
    let later = metrics.write(&a_snapshot(Some(stats(819, 107))));
    for (text, name, expected) in [
        (&first, "postern_peers_configured{location=\"hq\"}", "1"),
        (&first, "postern_peers_live{location=\"hq\"}", "1"),
        (&first, "postern_peers_live{location=\"lab\"}", "0"),
        (&first, "postern_peers_pending{location=\"lab\"}", "1"),
        (&first, "postern_peers_connected{location=\"hq\"}", "1"),
        (&later, "postern_peers_connected{location=\"hq\"}", "0"),
        (&first, "postern_addresses{location=\"hq\"}", "253"),
        (&first, "postern_addresses_free{location=\"hq\"}", "252"),
        (&first, "postern_received_bytes_total{location=\"hq\"}", "0"),
        (&later, "postern_received_bytes_total{location=\"hq\"}", "7"),
        (&later, "postern_sent_bytes_total{location=\"hq\"}", "14"),
        (&first, "postern_location_failing{location=\"hq\"}", "1"),
        (&first, "postern_users{state=\"invited\"}", "1"),
        (&first, "postern_enrollments_total{outcome=\"finished\"}", "1"),
        (&first, "postern_enrollments_total{outcome=\"abandoned\"}", "0"),
        (&first, "postern_drift_repaired_total{kind=\"routes\"}", "0"),
        (&first, "postern_certificate_expiry_timestamp_seconds", "90.0"),
        (&first, "postern_certificate_start_timestamp_seconds", "5.0"),
        (&first, "postern_certificate_missing", "0"),
        (&first, "process_start_time_seconds", "1.0"),
    ] {
        assert_eq!(value(text, name), expected, "{name}");
    }
}

#[test]
fn what_cannot_be_asked_is_said_and_everything_else_is_told() {
    let text = Metrics::default().write(&Snapshot { stored: None, certificate: None, ..a_snapshot(None) });
    assert_eq!(value(&text, "postern_wireguard_statistics_up"), "0");
    assert_eq!(value(&text, "postern_database_up"), "0");
    assert!(value(&text, "process_resident_memory_bytes").parse::<u64>().unwrap() > 0);
    assert!(!text.contains("postern_certificate_expiry"), "there is none that could expire");
    assert_eq!(value(&text, "postern_certificate_missing"), "1");
    let behind_a_proxy = Snapshot { speaks_tls: false, certificate: None, ..a_snapshot(None) };
    assert_eq!(value(&Metrics::default().write(&behind_a_proxy), "postern_certificate_missing"), "0");
    let without_stats = Metrics::default().write(&a_snapshot(None));
    assert!(!without_stats.contains("postern_peers_connected{"), "nobody knows");
    assert_eq!(value(&without_stats, "postern_peers_configured{location=\"hq\"}"), "1");
}

#[test]
fn what_is_told_as_it_happens_is_counted() {
    let metrics = Metrics::default();
    metrics.answered(Route::of("/api/v1/enrollment/start"), 429);
    metrics.answered(Route::of("/api/v1/poll"), 200);
    metrics.answered(Route::of("/api/v1/poll"), 299);
    metrics.repaired(StepKind::Peers);
    metrics.turned(Turn::Peers, Duration::from_millis(3));
    metrics.live_after(Duration::from_millis(30));
    let text = metrics.write(&a_snapshot(None));
    for (name, expected) in [
        ("postern_http_requests_total{route=\"enrollment\",status=\"4xx\"}", "1"),
        ("postern_http_requests_total{route=\"poll\",status=\"2xx\"}", "2"),
        ("postern_http_requests_total{route=\"poll\",status=\"5xx\"}", "0"),
        ("postern_http_rate_limited_total{route=\"enrollment\"}", "1"),
        ("postern_http_rate_limited_total{route=\"poll\"}", "0"),
        ("postern_drift_repaired_total{kind=\"peers\"}", "1"),
        ("postern_reconcile_seconds_bucket{scope=\"peers\",le=\"0.0025\"}", "0"),
        ("postern_reconcile_seconds_bucket{scope=\"peers\",le=\"0.005\"}", "1"),
        ("postern_registration_to_live_seconds_count", "1"),
    ] {
        assert_eq!(value(&text, name), expected, "{name}");
    }
}

#[test]
fn a_new_peer_is_measured_until_the_handshake_that_a_scrape_finds() {
    let metrics = Metrics::default();
    let peer = (crate::rules::ids::DeviceId(1), LocationId(1));
    metrics.waits().registered(BTreeMap::from([(peer, at(100))]));
    metrics.waits().live(peer, key(), at(101));
    metrics.write(&a_snapshot(Some(stats(111, 0))));
    let text = metrics.write(&a_snapshot(Some(stats(999, 0))));
    assert_eq!(value(&text, "postern_live_to_handshake_seconds_sum"), "10.0");
    assert_eq!(value(&text, "postern_live_to_handshake_seconds_count"), "1");
}

#[test]
fn every_path_has_a_route_and_one_that_does_not_exist_is_no_route_of_its_own() {
    for (path, route) in [
        ("/api/v1/enrollment/create_device", Route::Enrollment),
        ("/api/v1/password-reset/start", Route::PasswordReset),
        ("/password-reset/new", Route::PasswordReset),
        ("/assets/app.js", Route::Asset),
        ("/api/v1/health-grpc", Route::Health),
        ("/sign-in", Route::Account),
        ("/me/device", Route::Account),
        ("/me", Route::Account),
        ("/metal", Route::Page),
        ("/enroll/device", Route::Page),
        ("/no/such/page", Route::Page),
    ] {
        assert_eq!(Route::of(path), route, "{path}");
    }
}

#[test]
fn what_was_rolled_back_did_not_happen() {
    let store = Store::in_memory().unwrap();
    for outcome in [Err(StoreError::Unreadable("thing")), Ok(())] {
        let is_committed = outcome.is_ok();
        let written = store.write_blocking(|tx| {
            tx.happened(Fact::DeviceRegistered);
            outcome
        });
        assert_eq!(written.is_ok(), is_committed);
    }
    assert_eq!(store.changes().facts(), BTreeMap::from([(Fact::DeviceRegistered, 1)]));
}
