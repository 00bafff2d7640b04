//! `postern doctor` on a real host: each thing that keeps a gateway from working is broken, found, and mended as it says.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[path = "support/mail_tables.rs"]
mod mail_tables;
#[expect(dead_code, reason = "this suite has no clients")]
#[path = "../support/rig/mod.rs"]
mod rig;
#[expect(dead_code, reason = "mails are another suite's")]
#[path = "../story/mail/server.rs"]
mod server;

use std::fs;
use std::net::{TcpListener, UdpSocket};

use mail_tables::mail_tables;
use nix::sys::signal::Signal;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rig::Rig;
use rig::Wireguard::Userspace;
use rig::binary::postern;
use serde_json::Value;
use server::Server;

/// A gateway host with one location, on which nothing runs.
fn a_host() -> Option<Rig> {
    let rig = Rig::new(Userspace)?;
    rig.configure("");
    rig.locate("open", 1, "");
    Some(rig)
}

/// What the doctor finds, from within the host.
fn findings(rig: &Rig) -> Vec<Value> {
    let mut command = rig.gateway.program(&postern());
    command.arg("--config").arg(rig.path("postern.toml")).args(["doctor", "--json"]);
    let output = command.output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = told["findings"].as_array().unwrap().clone();
    let failures = found.iter().filter(|finding| finding["verdict"] == "failure").count();
    assert_eq!(output.status.code(), Some(i32::from(failures > 0)), "{told}");
    assert_eq!(told["healthy"], failures == 0);
    found
}

/// The findings of one check that are so, each with what mends it.
fn of(rig: &Rig, check: &str, verdict: &str) -> Vec<(String, String)> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let found =
        findings(rig).into_iter().filter(|found| found["check"] == check && found["verdict"] == verdict);
    found.map(|found| (text(&found, "says"), text(&found, "mend"))).collect()
}

#[test]
fn a_gateway_that_runs_well_has_nothing_to_mend() {
    let Some(mut rig) = a_host() else { return };
    assert!(of(&rig, "service", "failure")[0].0.contains("does not run"));
    rig.start();
    let failures: Vec<Value> =
        findings(&rig).into_iter().filter(|found| found["verdict"] == "failure").collect();
    assert_eq!(failures, Vec::<Value>::new());
    assert!(of(&rig, "ports", "ok").iter().any(|(says, _)| says == "UDP 51821 (open) is ours"));
    rig.end(Signal::SIGTERM);
    assert!(!of(&rig, "service", "failure").is_empty());
}

#[test]
fn forwarding_that_is_off_is_found_and_switched_on_as_it_says() {
    let Some(rig) = a_host() else { return };
    assert_eq!(of(&rig, "forwarding", "ok").len(), 1);
    rig.gateway.sh("sysctl -qw net.ipv4.ip_forward=0");
    let found = of(&rig, "forwarding", "failure");
    assert!(found.len() == 1 && found[0].0.starts_with("net.ipv4.ip_forward is off"), "{found:?}");
    // The file is this machine's, not the host's.
    rig.gateway.sh(found[0].1.split_once("&& ").unwrap().1);
    assert_eq!(of(&rig, "forwarding", "failure"), []);
}

#[test]
fn a_default_route_that_ends_with_forwarding_is_found_and_kept_as_it_says() {
    let Some(rig) = a_host() else { return };
    assert_eq!(of(&rig, "forwarding", "warning"), []);
    rig.gateway.sh("ip link add up.0 type veth peer name up1; ip link set up.0 up; ip link set up1 up");
    // As the kernel adds it when a router advertises itself: struct in6_rtmsg, which `ip` does not speak.
    rig.gateway.sh(
        "python3 -c 'import fcntl, socket, struct
link = socket.if_nametoindex(\"up.0\")
route = struct.pack(\"@32x16sIHHILIi\", socket.inet_pton(socket.AF_INET6, \"fe80::1\"), 0, 0, 0, 1024, 0, 0x00050003, link)
fcntl.ioctl(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), 0x890B, route)'",
    );
    let found = of(&rig, "forwarding", "warning");
    assert!(found.len() == 1 && found[0].0.contains("comes from a router on up.0"), "{found:?}");
    let name = ["--public-name", "vpn.example.com", "--tls", "proxy", "--contact-email", "ada@example.com"];
    let mut setup = rig.gateway.program(&postern());
    setup.arg("--config").arg(rig.path("postern.toml")).args(["setup", "--yes"]).args(name);
    let said = String::from_utf8(setup.output().unwrap().stderr).unwrap();
    assert!(said.contains("comes from a router on up.0"), "{said}");
    rig.gateway.sh(found[0].1.split_once("&& ").unwrap().1);
    assert_eq!(of(&rig, "forwarding", "warning"), []);
}

#[test]
fn a_foreign_firewall_that_drops_is_found_and_opened_as_it_says() {
    let Some(rig) = a_host() else { return };
    rig.locate("open", 1, "routes = [\"10.9.0.0/16\"]");
    assert_eq!(of(&rig, "firewall", "ok").len(), 1);
    rig.gateway.sh("nft 'table inet filter {
            chain input { type filter hook input priority 0; policy drop; ct state established accept; }
            chain forward { type filter hook forward priority 0; policy drop; }
        }'");
    let found = of(&rig, "firewall", "failure");
    for word in
        ["udp 51821", "tcp 8080", "what clients of pst-open send", "the answers to clients of pst-open"]
    {
        assert!(found.iter().any(|(says, _)| says.contains(word)), "{word}: {found:?}");
    }
    assert_eq!(of(&rig, "firewall", "ok"), [], "beside failures");
    for (_, mend) in &found {
        rig.gateway.sh(mend);
    }
    assert_eq!(of(&rig, "firewall", "failure"), []);
    assert_eq!(of(&rig, "firewall", "ok").len(), 1);
}

#[test]
fn a_port_that_another_program_has_is_found() {
    let Some(rig) = a_host() else { return };
    assert_eq!(of(&rig, "ports", "failure"), []);
    let text = fs::read_to_string(rig.path("postern.toml")).unwrap();
    fs::write(rig.path("postern.toml"), text.replace("\"192.0.2.1:8080\"", "\"0.0.0.0:8080\"")).unwrap();
    // Not on loopback.
    let taken = rig
        .gateway
        .enter(|| (UdpSocket::bind("0.0.0.0:51821").unwrap(), TcpListener::bind("192.0.2.1:8080").unwrap()));
    let found = of(&rig, "ports", "failure");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|(says, mend)| says.contains("taken") && mend.contains("ss -l")), "{found:?}");
    drop(taken);
    assert_eq!(of(&rig, "ports", "failure"), []);
}

#[test]
fn a_key_that_others_may_read_is_found_and_closed_as_it_says() {
    let Some(mut rig) = a_host() else { return };
    rig.start();
    rig.gateway.sh(&format!("chmod 644 {}", rig.path("state/keys/location-1.key").display()));
    let found = of(&rig, "secrets", "failure");
    assert!(found.len() == 1 && found[0].0.contains("location-1.key"), "{found:?}");
    rig.gateway.sh(&found[0].1);
    assert_eq!(of(&rig, "secrets", "failure"), []);
    rig.gateway.sh(&format!("chown 65534 {}", rig.path("state/keys/location-1.key").display()));
    let found = of(&rig, "secrets", "failure");
    assert!(found.len() == 1 && found[0].0.contains("does not belong"), "{found:?}");
    rig.gateway.sh(&found[0].1);
    assert_eq!(of(&rig, "secrets", "failure"), []);
}

#[test]
fn a_mail_server_that_refuses_us_is_found_and_nothing_is_sent() {
    let Some(rig) = a_host() else { return };
    assert_eq!(of(&rig, "mail", "warning").len(), 1);
    let inside = ["ip", "netns", "exec", rig.gateway.name()];
    let Some(server) = Server::start_through(&inside, "starttls refuse-login") else { return };
    rig.configure(&mail_tables(&server));
    let found = of(&rig, "mail", "failure");
    assert!(found.len() == 1 && found[0].0.contains("refuses the login"), "{found:?}");
    server.behave("starttls");
    assert_eq!(of(&rig, "mail", "ok").len(), 1);
    assert_eq!(server.mails().len(), 0);
}

#[test]
fn an_address_without_https_is_found_unless_it_is_this_computer() {
    let Some(rig) = a_host() else { return };
    let found = of(&rig, "certificate", "warning");
    assert!(found.len() == 1 && found[0].0.contains("applications refuse"), "{found:?}");
    assert!(found[0].1.contains("public_url"), "{found:?}");
    let text = fs::read_to_string(rig.path("postern.toml")).unwrap();
    fs::write(rig.path("postern.toml"), text.replace("http://192.0.2.1:8080", "http://localhost:8080"))
        .unwrap();
    assert_eq!(of(&rig, "certificate", "warning"), []);
}

#[test]
fn a_certificate_that_expired_or_is_for_another_host_is_found() {
    let Some(rig) = a_host() else { return };
    let text = fs::read_to_string(rig.path("postern.toml")).unwrap();
    let own = "[http]\ntls = \"files\"\ncertificate_file = \"c.pem\"\nkey_file = \"k.pem\"\n";
    let text = text.replace("http://192.0.2.1:8080", "https://vpn.example.com:8080").replace("[http]\n", own);
    fs::write(rig.path("postern.toml"), text).unwrap();
    let issue = |name: &str, last_year: i32| {
        let key = KeyPair::generate().unwrap();
        let mut wanted = CertificateParams::new(vec![name.to_owned()]).unwrap();
        wanted.not_before = date_time_ymd(2020, 1, 1);
        wanted.not_after = date_time_ymd(last_year, 1, 1);
        fs::write(rig.path("c.pem"), wanted.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(rig.path("k.pem"), key.serialize_pem()).unwrap();
        rig.gateway.sh(&format!("chmod 600 {}", rig.path("k.pem").display()));
    };
    issue("vpn.example.com", 2021);
    assert!(of(&rig, "certificate", "failure")[0].0.contains("expired"));
    issue("other.example.com", 2100);
    assert!(of(&rig, "certificate", "failure")[0].0.contains("not for vpn.example.com"));
    issue("vpn.example.com", 2100);
    assert_eq!(of(&rig, "certificate", "failure"), []);
    assert_eq!(of(&rig, "certificate", "ok").len(), 1);
}

#[test]
fn a_disk_that_is_full_is_found() {
    let Some(rig) = a_host() else { return };
    let state = rig.path("state");
    fs::create_dir(&state).unwrap();
    let mounted = Mounted::tmpfs(&state.display().to_string());
    assert_eq!(of(&rig, "disk", "failure"), []);
    fs::write(state.join("much"), vec![0; 30 * 1024 * 1024]).unwrap();
    assert_eq!(of(&rig, "disk", "failure").len(), 1);
    fs::remove_file(state.join("much")).unwrap();
    assert_eq!(of(&rig, "disk", "failure"), []);
    drop(mounted);
}

#[test]
fn whoever_is_not_root_is_told_what_could_not_be_looked_at() {
    let Some(mut rig) = a_host() else { return };
    rig.start();
    let mut command = rig.gateway.program("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(postern()).arg("--config").arg(rig.path("postern.toml")).arg("doctor");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for line in ["unseen   service", "unseen   firewall", "unseen   secrets"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert!(said.contains("mend: sudo postern doctor"), "{said}");
    assert!(output.status.success(), "{said}");
}

/// A small file system, gone when dropped.
struct Mounted(String);

impl Mounted {
    fn tmpfs(path: &str) -> Self {
        let mounted =
            rig::program("mount").args(["-t", "tmpfs", "-o", "size=40m", "none", path]).status().unwrap();
        assert!(mounted.success());
        Self(path.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What stays mounted is gone with the machine.
        let _ = rig::program("umount").arg(&self.0).status();
    }
}
