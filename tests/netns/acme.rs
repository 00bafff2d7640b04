//! The real daemon and a real ACME server, Pebble, that looks for its proofs by really connecting.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[path = "https/authority.rs"]
mod authority;
#[path = "https/pebble.rs"]
mod pebble;
#[expect(dead_code, reason = "this suite has no tunnels")]
#[path = "../support/rig/mod.rs"]
mod rig;
#[expect(dead_code, reason = "this suite asks little of who visits")]
#[path = "https/visitor.rs"]
mod visitor;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use pebble::Pebble;
use rig::Wireguard::Userspace;
use rig::{GATEWAY, Rig, eventually};
use serde_json::{Value, json};

/// What the gateway is called.
const NAME: &str = "vpn.example.com";

/// A gateway host that is to ask an authority, and no daemon; `redirect` are the addresses for plain http.
fn a_host(redirect: &str) -> Option<(Rig, Pebble)> {
    let mut rig = Rig::new(Userspace)?;
    if let Some(lacking) = rig::lacking_tools(&["pebble", "openssl"]) {
        rig::skip("netns", &lacking);
        return None;
    }
    let pebble = Pebble::new(rig.host("authority"));
    rig.configure("");
    let path = rig.path("postern.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(&format!("http://{GATEWAY}:8080/"), &format!("https://{NAME}/"));
    let listen = format!(
        "tls = \"acme\"\nlisten = [\"{GATEWAY}:443\"]\nredirect_listen = [{redirect}]\n\n[http.acme]\n\
         directory = \"{}\"\nca_file = \"{}\"\n",
        pebble::DIRECTORY,
        pebble.authority().display()
    );
    fs::write(path, text.replace(&format!("listen = [\"{GATEWAY}:8080\"]"), &listen)).unwrap();
    rig.locate("open", 1, "");
    Some((rig, pebble))
}

fn port_80() -> String {
    format!("\"{GATEWAY}:80\"")
}

fn https(rig: &Rig) -> Value {
    rig.ask(&["status"])["https"].clone()
}

/// Waits for the first certificate, and lets the daemon try again meanwhile.
fn obtains(rig: &Rig) {
    eventually("a certificate", || {
        let said = rig.postern(&["status", "--json"]);
        let status: Value = serde_json::from_str(&said.out).unwrap_or_default();
        if status["https"]["failure"].is_string() {
            rig.postern(&["reload"]);
        }
        status["https"]["issuer"].is_string()
    });
}

fn runs_without_certificate(rig: &Rig) {
    eventually("a daemon", || rig.postern(&["plan"]).code == 0);
}

#[test]
fn the_first_certificate_is_proven_on_port_80_and_kept_for_the_daemon_alone() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.start(&[]);
    rig.launch(&[]);
    obtains(&rig);
    assert!(rig.log().contains("way=Http") && !rig.log().contains("way=TlsAlpn"), "{}", rig.log());
    let visitor = pebble.visitor(&mut rig);
    assert_eq!(visitor.curl(&format!("https://{NAME}/api/v1/health")), "alive");
    assert_eq!((https(&rig)["source"].clone(), https(&rig)["names"].clone()), (json!("acme"), json!([NAME])));
    assert_eq!(rig.ask(&["status"])["healthy"], json!(true));
    for (name, mode) in [("acme", 0o700), ("acme/account.json", 0o600), ("acme/certificate.pem", 0o600)] {
        let found = fs::metadata(rig.path("state").join(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
    assert!(!rig.log().contains("PRIVATE"), "{}", rig.log());
}

#[test]
fn without_a_listener_on_port_80_it_is_proven_on_port_443() {
    let Some((mut rig, mut pebble)) = a_host("") else { return };
    pebble.start(&[]);
    rig.launch(&[]);
    obtains(&rig);
    assert!(rig.log().contains("way=TlsAlpn") && !rig.log().contains("way=Http"), "{}", rig.log());
    let visitor = pebble.visitor(&mut rig);
    assert_eq!(visitor.curl(&format!("https://{NAME}/api/v1/health")), "alive");
    // Nobody but an authority speaks that, and only while it looks.
    let said = visitor.shakes_hands("-alpn acme-tls/1");
    assert!(said.contains("alert"), "{said}");
}

#[test]
fn a_certificate_is_renewed_in_time_with_the_account_there_is() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.valid_for(45);
    pebble.start(&[]);
    rig.launch(&[]);
    obtains(&rig);
    let account = || fs::read(rig.path("state/acme/account.json")).unwrap();
    let (first, account_before) = (https(&rig)["not_after"].clone(), account());
    eventually("another certificate", || https(&rig)["not_after"] != first);
    assert_eq!(https(&rig)["failure"], Value::Null);
    assert_eq!(account(), account_before);
}

#[test]
fn while_there_is_no_authority_the_rest_runs_and_it_is_asked_seldom() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    rig.launch(&[]);
    runs_without_certificate(&rig);
    eventually("the trouble in the status", || https(&rig)["failure"].is_string());
    assert_eq!(rig.complains_of("open"), "");
    let problems = rig.ask(&["status"])["problems"].to_string();
    assert!(problems.contains("there is no certificate yet"), "{problems}");
    assert_eq!(rig.log().matches("asking for a certificate").count(), 1, "{}", rig.log());
    pebble.start(&[]);
    obtains(&rig);
    assert_eq!(https(&rig)["failure"], Value::Null);
    // What was obtained outlives daemon and authority.
    pebble.stop();
    let shown = https(&rig)["not_after"].clone();
    rig.end(Signal::SIGKILL);
    rig.launch(&[]);
    runs_without_certificate(&rig);
    assert_eq!(https(&rig)["not_after"], shown);
}

#[test]
fn an_authority_that_forgot_the_account_gets_another() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.start(&[]);
    rig.launch(&[]);
    obtains(&rig);
    rig.end(Signal::SIGTERM);
    // Pebble keeps nothing.
    pebble.stop();
    pebble.start(&[]);
    fs::remove_file(rig.path("state/acme/certificate.pem")).unwrap();
    let before = fs::read(rig.path("state/acme/account.json")).unwrap();
    rig.launch(&[]);
    runs_without_certificate(&rig);
    obtains(&rig);
    assert_ne!(fs::read(rig.path("state/acme/account.json")).unwrap(), before);
}

#[test]
fn an_authority_that_refuses_good_nonces_is_asked_again() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.start(&[("PEBBLE_WFE_NONCEREJECT", "25")]);
    rig.launch(&[]);
    runs_without_certificate(&rig);
    obtains(&rig);
}

#[test]
fn a_name_that_leads_elsewhere_is_told_with_what_the_authority_says() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.name_leads_to("192.0.2.99");
    pebble.start(&[]);
    rig.launch(&[]);
    runs_without_certificate(&rig);
    let failure = || https(&rig)["failure"].as_str().unwrap_or_default().to_owned();
    eventually("the trouble in the status", || failure().contains("does the name lead here"));
    assert!(failure().contains("HTTP-01, on port 80"), "{}", failure());
}
