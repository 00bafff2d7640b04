//! A location that asks for a second factor: whose peer exists only while they are connected, with a preshared key that really
//! comes and goes on the kernel's interface.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::rig::Wireguard::Kernel;
use crate::rig::ping::Pings;
use crate::rig::{Client, Rig, eventually};
use crate::scenes::{connects, of, somebody};

/// `closed` (10.77.2.0/24) asks for a second factor, `open` does not. Nothing but notifications makes it look at the kernel.
fn a_guarded_site() -> Option<Rig> {
    let mut rig = Rig::new(Kernel)?;
    rig.configure("reconcile_interval = \"1h\"\n\n[mail]\ndirectory = \"mail\"");
    rig.locate("open", 1, "");
    rig.locate("closed", 2, "second_factor = true");
    rig.start();
    Some(rig)
}

/// Begins to connect by mail; the token and the code.
fn begin(rig: &Rig, client: &Client, config: &Value) -> (String, String) {
    let before = codes(rig).len();
    let body = json!({ "method": 1, "pubkey": client.key(), "location_id": config["network_id"] });
    let begun = client.call("client-mfa/start", "", &body);
    assert_eq!(begun.status, 200, "{begun:?}");
    eventually("a mail with a code", || codes(rig).len() > before);
    (begun.body["token"].as_str().unwrap().to_owned(), codes(rig).pop().unwrap())
}

/// The codes of all mails, oldest first.
fn codes(rig: &Rig) -> Vec<String> {
    let Ok(mails) = fs::read_dir(rig.path("mail")) else { return Vec::new() };
    let mut mails: Vec<_> = mails
        .map(|mail| mail.unwrap().path())
        .filter(|mail| mail.extension().is_some_and(|e| e == "eml"))
        .collect();
    mails.sort_by_key(|mail| fs::metadata(mail).unwrap().modified().unwrap());
    let subjects = mails.into_iter().filter_map(|mail| {
        let text = fs::read_to_string(mail).unwrap();
        let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "))?.to_owned();
        let code = subject.get(..6)?.to_owned();
        code.chars().all(|c| c.is_ascii_digit()).then_some(code)
    });
    subjects.collect()
}

fn finish(client: &Client, token: &str, code: &str) -> (u16, Value) {
    let answer = client.call("client-mfa/finish", "", &json!({ "token": token, "code": code }));
    (answer.status, answer.body)
}

/// Connects; the preshared key.
fn give_second_factor(rig: &Rig, client: &Client, config: &Value) -> String {
    let (token, code) = begin(rig, client, config);
    let (status, body) = finish(client, &token, &code);
    assert_eq!(status, 200, "{body}");
    body["preshared_key"].as_str().unwrap().to_owned()
}

/// What the interface of `closed` has for a client: its preshared key; `None`: no peer.
fn peer(rig: &Rig, client: &Client) -> Option<String> {
    let shown = rig.gateway.sh("wg show pst-closed preshared-keys");
    let (_, preshared_key) =
        shown.lines().filter_map(|line| line.split_once('\t')).find(|(key, _)| *key == client.key())?;
    Some(preshared_key.to_owned())
}

/// Gives a client's tunnel to `closed` a preshared key.
fn set_key(rig: &Rig, client: &Client, interface: &str, config: &Value, preshared_key: &str) {
    let file = rig.path("psk-of-client");
    fs::write(&file, preshared_key).unwrap();
    let gateway = config["pubkey"].as_str().unwrap();
    client.host.sh(&format!("wg set {interface} peer {gateway} preshared-key {}", file.display()));
}

/// When the gateway and a client of `closed` shook hands last, in Unix seconds; 0: never.
fn handshake(rig: &Rig, client: &Client) -> i64 {
    let shown = rig.gateway.sh("wg show pst-closed latest-handshakes");
    let of_client =
        shown.lines().filter_map(|line| line.split_once('\t')).find(|(key, _)| *key == client.key());
    of_client.map_or(0, |(_, second)| second.parse().unwrap())
}

/// Tries as long as two of WireGuard's attempts take, and neither side has a handshake.
fn is_kept_out(rig: &Rig, client: &Client, config: &Value, preshared_key: Option<&str>, when: &str) {
    let tunnel = client.connect(config);
    if let Some(key) = preshared_key {
        set_key(rig, client, &tunnel.interface, config, key);
    }
    for _ in 0..2 {
        assert!(!client.host.reaches("10.77.2.1"), "{when}");
        client.host.look("ping -c 3 -i 1 -W 2 10.77.2.1");
        assert_eq!(
            (tunnel.handshake(), handshake(rig, client)),
            (0, 0),
            "{when}: a handshake without the key"
        );
    }
}

#[test]
fn a_peer_and_its_preshared_key_come_with_the_second_factor_and_go_with_the_connection() {
    let Some(mut rig) = a_guarded_site() else { return };
    let (ann, configs) = somebody(&mut rig, "ann", &[]);
    let closed = of(&configs, "closed").clone();
    assert_eq!((&closed["location_mfa_mode"], &closed["mfa_enabled"]), (&json!(2), &json!(true)));
    let wrong = "d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25nd3I=";

    // Before: there is no peer, with a key or without.
    assert_eq!(peer(&rig, &ann), None);
    is_kept_out(&rig, &ann, &closed, None, "before");
    let (token, code) = begin(&rig, &ann, &closed);
    assert_eq!(finish(&ann, &token, "000000x").0, 401);
    assert_eq!(peer(&rig, &ann), None);
    is_kept_out(&rig, &ann, &closed, Some(wrong), "begun");

    // The answer says that it is there, so it is.
    let (status, body) = finish(&ann, &token, &code);
    let preshared_key =
        body["preshared_key"].as_str().unwrap_or_else(|| panic!("{status} {body}")).to_owned();
    assert_eq!(peer(&rig, &ann).as_deref(), Some(preshared_key.as_str()));

    // During: only who has the key gets in.
    is_kept_out(&rig, &ann, &closed, None, "during, without");
    is_kept_out(&rig, &ann, &closed, Some(wrong), "during, with another");
    let tunnel = ann.connect(&closed);
    set_key(&rig, &ann, &tunnel.interface, &closed, &preshared_key);
    connects(&ann, 2);
    survives(&mut rig, &ann, &preshared_key);
    drop(tunnel);

    goes_after_210_seconds(&rig, &ann, &preshared_key);
    is_kept_out(&rig, &ann, &closed, Some(&preshared_key), "after");
    is_kept_out(&rig, &ann, &closed, None, "after, without");

    // Another connection has another key, and ends with the account.
    let another = give_second_factor(&rig, &ann, &closed);
    assert_ne!(another, preshared_key);
    assert_eq!(peer(&rig, &ann).as_deref(), Some(another.as_str()));
    is_kept_out(&rig, &ann, &closed, Some(&preshared_key), "with the key of an earlier connection");
    let tunnel = ann.connect(&closed);
    set_key(&rig, &ann, &tunnel.interface, &closed, &another);
    connects(&ann, 2);
    rig.order(&["user", "disable", "ann"]);
    assert_eq!(peer(&rig, &ann), None, "disabled: the peer is gone when the command returns");
    assert!(!ann.host.reaches("10.77.2.1"));
}

/// Nobody shakes hands any more, and 210 s after the last time the peer is gone, whatever somebody does to the clock meanwhile.
#[expect(clippy::disallowed_methods, reason = "a clock that nobody sets")]
fn goes_after_210_seconds(rig: &Rig, ann: &Client, preshared_key: &str) {
    let (begun, set_out) = (Instant::now(), clock(rig));
    let age = set_out - handshake(rig, ann);
    for day in [86_400, -86_400, 0] {
        let passed = i64::try_from(begun.elapsed().as_secs()).unwrap();
        set_clock(rig, set_out + day + passed);
        // It looks at the clocks every 15 s.
        sleep(Duration::from_secs(20));
        assert_eq!(peer(rig, ann).as_deref(), Some(preshared_key), "set by {day} s");
    }
    sleep(Duration::from_secs(u64::try_from(190 - age).unwrap_or(0)).saturating_sub(begun.elapsed()));
    eventually("the end of the connection", || peer(rig, ann).is_none());
    let idle = u64::try_from(age).unwrap() + begun.elapsed().as_secs();
    assert!(idle >= 208, "over after {idle} s");
}

/// A stop, a crash and a reload: no packet is lost, and the peer stays what it is.
fn survives(rig: &mut Rig, ann: &Client, preshared_key: &str) {
    let interruptions: [fn(&mut Rig); 3] = [
        |rig| {
            assert!(rig.end(Signal::SIGTERM).success());
            rig.start();
        },
        |rig| {
            rig.end(Signal::SIGKILL);
            rig.start();
        },
        |rig| {
            rig.locate("open", 1, "dns = [\"10.77.1.1\"]");
            rig.reload();
        },
    ];
    for interrupt in interruptions {
        let handshakes = rig.gateway.sh("wg show pst-closed latest-handshakes");
        let pings = Pings::start(&ann.host, "10.77.2.1");
        interrupt(rig);
        assert_eq!(pings.lost(), Vec::<u32>::new());
        assert_eq!(peer(rig, ann).as_deref(), Some(preshared_key));
        assert_eq!(rig.gateway.sh("wg show pst-closed latest-handshakes"), handshakes);
    }
}

/// This machine's clock, in Unix seconds.
fn clock(rig: &Rig) -> i64 {
    rig.gateway.sh("date +%s").trim().parse().unwrap()
}

/// Sets this machine's clock, which is a virtual one's, to a Unix second.
fn set_clock(rig: &Rig, second: i64) {
    assert!(std::env::var_os("KERNEL_VM").is_some());
    rig.gateway.sh(&format!("date -s @{second}"));
}
