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
    rig.configure(
        "reconcile_interval = \"1h\"\n\n[mail]\ndirectory = \"mail\"\n\n[security]\nsecond_factor = \"required\"",
    );
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

/// Somebody who sets an authenticator app up while enrolling, and what it computes codes from.
fn with_app(rig: &mut Rig, username: &str) -> (Client, Value, Vec<u8>) {
    let mut client = rig.client(username);
    let (token, now) = (rig.invite(username, &[]), clock(rig));
    let mut secret = Vec::new();
    let configs = client.enroll_with(&token, |client, cookie| {
        let call = |step: &str, body: &Value| {
            let answer = client.call(&format!("enrollment/register-mfa/code/{step}"), cookie, body);
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.body
        };
        let begun = call("start", &json!({ "method": "Totp" }));
        secret = base32(begun["totp_secret"].as_str().unwrap());
        call("finish", &json!({ "method": "Totp", "code": app_code(&secret, now) }));
    });
    let closed = of(&configs, "closed").clone();
    (client, closed, secret)
}

/// RFC 4648, without padding.
fn base32(text: &str) -> Vec<u8> {
    let value = |letter: u8| if letter.is_ascii_digit() { letter - b'2' + 26 } else { letter - b'A' };
    let bits: Vec<u8> =
        text.bytes().flat_map(|letter| (0..5).rev().map(move |bit| (value(letter) >> bit) & 1)).collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| (sum << 1) | bit)).collect()
}

/// What an authenticator app shows at a Unix second.
fn app_code(secret: &[u8], second: i64) -> String {
    let app = totp_rs::Builder::new().with_secret(secret.to_vec()).build_noncompliant();
    app.generate(second.try_into().unwrap()).to_string()
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
    let ben = with_app(&mut rig, "ben");

    // The answer says that the peer is there, so it is.
    let preshared_key = give_second_factor(&rig, &ann, &closed);
    assert_eq!(peer(&rig, &ann).as_deref(), Some(preshared_key.as_str()));
    let tunnel = ann.connect(&closed);
    set_key(&rig, &ann, &tunnel.interface, &closed, &preshared_key);
    connects(&ann, 2);
    survives(&mut rig, &ann, &preshared_key);
    drop(tunnel);

    goes_after_210_seconds(&rig, &ann, &preshared_key, || only_who_gave_it_gets_in(&rig, &ben));
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

/// With an authenticator app: before the second factor is given, when it is wrong, and while there is a connection.
fn only_who_gave_it_gets_in(rig: &Rig, (ben, closed, secret): &(Client, Value, Vec<u8>)) {
    let wrong = "d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9uZ3dyb25nd3I=";
    let begin = |method: i64| {
        let body = json!({ "method": method, "pubkey": ben.key(), "location_id": closed["network_id"] });
        ben.call("client-mfa/start", "", &body)
    };
    // Before: there is no peer, with a key or without.
    assert_eq!(peer(rig, ben), None);
    is_kept_out(rig, ben, closed, None, "before");
    assert_eq!(begin(1).status, 400, "a mailed code is no way around the app");
    let begun = begin(0);
    let token = begun.body["token"].as_str().unwrap_or_else(|| panic!("{begun:?}"));
    assert_eq!(finish(ben, token, "000000x").0, 401);
    assert_eq!(peer(rig, ben), None);
    is_kept_out(rig, ben, closed, Some(wrong), "begun");

    let (status, body) = finish(ben, token, &app_code(secret, clock(rig)));
    let preshared_key = body["preshared_key"].as_str().unwrap_or_else(|| panic!("{status} {body}"));
    assert_eq!(peer(rig, ben).as_deref(), Some(preshared_key));
    is_kept_out(rig, ben, closed, None, "during, without");
    is_kept_out(rig, ben, closed, Some(wrong), "during, with another");
    let tunnel = ben.connect(closed);
    set_key(rig, ben, &tunnel.interface, closed, preshared_key);
    connects(ben, 2);
}

/// Nobody shakes hands any more, and 210 s after the last time the peer is gone, whatever somebody does to the clock meanwhile, and
/// whatever else happens after that.
#[expect(clippy::disallowed_methods, reason = "a clock that nobody sets")]
fn goes_after_210_seconds(rig: &Rig, ann: &Client, preshared_key: &str, meanwhile: impl FnOnce()) {
    let (begun, set_out) = (Instant::now(), clock(rig));
    let age = set_out - handshake(rig, ann);
    for day in [86_400, -86_400, 0] {
        let passed = i64::try_from(begun.elapsed().as_secs()).unwrap();
        set_clock(rig, set_out + day + passed);
        // It looks at the clocks every 15 s.
        sleep(Duration::from_secs(20));
        assert_eq!(peer(rig, ann).as_deref(), Some(preshared_key), "set by {day} s");
    }
    meanwhile();
    assert_eq!(peer(rig, ann).as_deref(), Some(preshared_key), "the others took too long");
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
