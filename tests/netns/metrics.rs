//! What Prometheus reads of the real daemon: a device from its registration to its handshake, drift, and nothing on any
//! other listener. What it reads is as `promtool` wants it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[expect(dead_code, reason = "this suite pings nothing for long")]
#[path = "../support/rig/mod.rs"]
mod rig;

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use rig::Wireguard::Userspace;
use rig::{GATEWAY, Rig, eventually, program};

const METRICS: &str = "http://127.0.0.1:9586/metrics";

/// A gateway that lets Prometheus read it.
fn a_measured_gateway() -> Option<Rig> {
    if let Some(lacking) = rig::lacking_tools(&["promtool"]) {
        rig::skip("netns", &lacking);
        return None;
    }
    let mut rig = Rig::new(Userspace)?;
    rig.configure("[metrics]\nlisten = [\"127.0.0.1:9586\"]");
    rig.locate("open", 1, "");
    rig.start();
    Some(rig)
}

fn scraped(rig: &Rig) -> String {
    rig.gateway.sh(&format!("curl -sfm 20 {METRICS}"))
}

/// The value of a metric with its labels; NaN: it is not there.
fn value(text: &str, name: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.map_or(f64::NAN, |value| value.parse().unwrap())
}

fn promtool(arguments: &[&str], input: &str) {
    let mut command = program("promtool");
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success() && said[1].is_empty(), "{said:?}\n{input}");
}

#[test]
fn prometheus_reads_how_a_device_came_from_its_registration_to_its_handshake() {
    let Some(mut rig) = a_measured_gateway() else { return };
    let before = scraped(&rig);
    assert_eq!(value(&before, "postern_peers_configured{location=\"open\"}").to_bits(), 0f64.to_bits());
    let token = rig.invite("ann", &[]);
    let mut client = rig.client("ann");
    let configs = client.enroll(&token);
    let tunnel = client.connect(&configs[0]);
    eventually("a way through the tunnel", || client.host.reaches("10.77.1.1"));
    assert!(tunnel.handshake() > 0);
    let after = scraped(&rig);
    for (name, expected) in [
        ("postern_peers_live{location=\"open\"}", 1.0),
        ("postern_peers_connected{location=\"open\"}", 1.0),
        ("postern_location_failing{location=\"open\"}", 0.0),
        ("postern_enrollments_started_total", 1.0),
        ("postern_enrollments_total{outcome=\"finished\"}", 1.0),
        ("postern_devices_registered_total", 1.0),
        ("postern_registration_to_live_seconds_count", 1.0),
        ("postern_registration_to_live_seconds_bucket{le=\"10\"}", 1.0),
        ("postern_live_to_handshake_seconds_count", 1.0),
        ("postern_users{state=\"enrolled\"}", 1.0),
        ("postern_http_requests_total{route=\"enrollment\",status=\"2xx\"}", 3.0),
    ] {
        assert!((value(&after, name) - expected).abs() < 0.5, "{name} is not {expected} in\n{after}");
    }
    let received = "postern_received_bytes_total{location=\"open\"}";
    assert!(value(&after, received) > 100.0, "{after}");
    promtool(&["check", "metrics"], &after);
}

#[test]
fn drift_that_was_repaired_is_counted_by_what_it_was_about() {
    let Some(rig) = a_measured_gateway() else { return };
    rig.gateway.sh("ip addr flush dev pst-open");
    let addresses = "postern_drift_repaired_total{kind=\"addresses\"}";
    eventually("drift that is counted", || value(&scraped(&rig), addresses) > 0.0);
    assert!(value(&scraped(&rig), "postern_drift_repaired_total{kind=\"peers\"}").abs() < 0.5);
}

#[test]
fn the_metrics_are_nowhere_but_on_their_own_listener() {
    let Some(mut rig) = a_measured_gateway() else { return };
    let status = |url: &str| rig.gateway.look(&format!("curl -sm 5 -o /dev/null -w %{{http_code}} {url}"));
    assert_eq!(status(METRICS), "200");
    assert_eq!(status("http://127.0.0.1:9586/api/v1/health"), "404");
    assert_eq!(status(&format!("http://{GATEWAY}:8080/metrics")), "404");
    rig.end(nix::sys::signal::Signal::SIGTERM);
    let path = rig.path("postern.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("[metrics]\nlisten = [\"127.0.0.1:9586\"]", "")).unwrap();
    rig.start();
    let status = rig.gateway.look(&format!("curl -sm 5 -o /dev/null -w %{{http_code}} {METRICS} || true"));
    assert_eq!(status, "000", "nobody listens");
}
