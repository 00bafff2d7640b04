//! The real daemon on the kernel's own WireGuard: tunnels outlive reload, stop and kill. Runs inside the virtual
//! machine of `tests/support/kernel-vm`. The device is enrolled over HTTP with the link of the first start, as the
//! desktop client does it.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use postern_gateway::PrivateKey;
use serde_json::{Value, json};

const GATEWAY: &str = "kd-gw";
const CLIENT: &str = "kd-client";

#[test]
fn reload_stop_and_kill_lose_no_packet_and_drift_is_repaired() {
    if !sh("ip link add kd-probe type wireguard 2>/dev/null && ip link del kd-probe && echo yes; true")
        .contains("yes")
    {
        let required = std::env::var("POSTERN_TEST_REQUIRE").unwrap_or_default();
        let here = std::env::var_os("KERNEL_VM").is_some();
        assert!(!here || !required.contains("kernel"), "kernel WireGuard is required and not there");
        eprintln!("SKIPPED: no kernel WireGuard here; `make test` runs this in a virtual machine");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    hosts();
    configuration(dir.path(), "");
    let mut daemon = start(dir.path());
    let config = enrolled(dir.path());
    let device = client_key().public().to_string();
    let live = inside(GATEWAY, "wg show wg-hq allowed-ips");
    assert!(live.contains(&device) && live.contains("10.77.1.2/32"), "answered, but not live: {live}");
    connect(dir.path(), &config);
    assert!(within("a tunnel", || answers("10.77.1.1") && answers("fd77:1::1")), "no tunnel");
    let before = sessions();

    let (sent, received) = pinging(dir.path(), || {
        configuration(dir.path(), "dns = [\"10.77.1.1\"]\nroutes = [\"198.51.100.0/24\"]");
        location(dir.path(), "lab", 2, "");
        sh(&format!("kill -HUP {}", daemon.id()));
        assert!(within("a new location", || link_is_there("wg-lab")));
        fs::remove_file(dir.path().join("locations.d/lab.toml")).unwrap();
        sh(&format!("kill -HUP {}", daemon.id()));
        assert!(within("no location", || !link_is_there("wg-lab")));
    });
    assert_eq!(sent, received, "a reload lost packets");
    for signal in ["TERM", "KILL"] {
        let (sent, received) = pinging(dir.path(), || {
            sh(&format!("kill -{signal} {}", daemon.id()));
            daemon.wait().unwrap();
            daemon = start(dir.path());
        });
        assert_eq!(sent, received, "packets were lost on {signal}");
    }
    assert_eq!(before, sessions(), "somebody had to shake hands again");

    for (harm, look, healthy) in [
        ("ip addr flush dev wg-hq", "ip -o addr show dev wg-hq", "10.77.1.1/24"),
        ("ip link set wg-hq down", "ip -o link show dev wg-hq", "UP"),
        ("ip route del 10.77.1.0/24 dev wg-hq", "ip route show dev wg-hq", "10.77.1.0/24"),
        ("nft flush ruleset", "nft list ruleset", "postern"),
        ("ip link del wg-hq", "wg show wg-hq peers", device.as_str()),
    ] {
        inside(GATEWAY, harm);
        assert!(within(harm, || inside(GATEWAY, look).contains(healthy)), "{harm}: not repaired");
    }
    sh(&format!("kill {}; ip netns del {GATEWAY}; ip netns del {CLIENT}", daemon.id()));
    daemon.wait().unwrap();
}

/// Two hosts joined by a cable.
fn hosts() {
    sh(&format!(
        "ip netns add {GATEWAY}; ip netns add {CLIENT}
         ip -n {GATEWAY} link set lo up; ip -n {CLIENT} link set lo up
         ip -n {GATEWAY} link add eth0 type veth peer name eth0 netns {CLIENT}
         ip -n {GATEWAY} addr add 192.0.2.1/24 dev eth0; ip -n {CLIENT} addr add 192.0.2.2/24 dev eth0
         ip -n {GATEWAY} link set eth0 up; ip -n {CLIENT} link set eth0 up"
    ));
}

fn configuration(dir: &Path, more: &str) {
    let text = "public_url = \"http://192.0.2.1:8080/\"\nstate_dir = \"state\"\nadmin_socket = \"admin.sock\"\n\
                locations_dir = \"locations.d\"\n[contact]\nname = \"Ada\"\nemail = \"ada@example.com\"\n\
                [gateway]\nbackend = \"kernel\"\nreconcile_interval = \"1s\"\n";
    fs::write(dir.join("postern.toml"), text).unwrap();
    location(dir, "hq", 1, more);
}

fn location(dir: &Path, name: &str, number: u8, more: &str) {
    fs::create_dir_all(dir.join("locations.d")).unwrap();
    let text = format!(
        "name = \"{name}\"\ninterface = \"wg-{name}\"\nlisten_port = 5182{number}\n\
         endpoint = \"192.0.2.1:5182{number}\"\nipv4 = \"10.77.{number}.0/24\"\nipv6 = \"fd77:{number}::/64\"\n{more}\n"
    );
    fs::write(dir.join(format!("locations.d/{name}.toml")), text).unwrap();
}

fn client_key() -> PrivateKey {
    PrivateKey::from_random([99; 32])
}

/// Enrolls the first administrator with one device; gives its one configuration.
fn enrolled(dir: &Path) -> Value {
    let said = || fs::read_to_string(dir.join("out")).unwrap();
    assert!(within("a token", || said().contains("token  ")));
    let token = said()
        .lines()
        .find_map(|line| line.trim().strip_prefix("token  ").map(|rest| rest.trim().to_owned()))
        .unwrap();
    let (cookie, _) = post("enrollment/start", "", &json!({"token": token}));
    let key = client_key().public().to_string();
    let (_, answer) = post("enrollment/create_device", &cookie, &json!({"name": "laptop", "pubkey": key}));
    post("enrollment/activate_user", &cookie, &json!({"password": "Correct-Horse-7"}));
    let Some([config]) = answer["configs"].as_array().map(Vec::as_slice) else { panic!("{answer}") };
    config.clone()
}

/// One call that must succeed; the cookie it set, whole, and its body.
fn post(path: &str, cookie: &str, body: &Value) -> (String, Value) {
    let body = body.to_string().replace('"', "\\\"");
    let answer = inside(
        GATEWAY,
        &format!(
            "curl -s -i -X POST -H \"Cookie: {cookie}\" -d \"{body}\" http://127.0.0.1:8080/api/v1/{path}"
        ),
    );
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {answer}"));
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    let lines = head.lines().map(|line| line.split_once(": ").unwrap_or_default());
    let cookie =
        lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).map(|(_, value)| value).next();
    (cookie.unwrap_or_default().to_owned(), serde_json::from_str(body).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "the daemon under test is a program")]
fn start(dir: &Path) -> Child {
    let binary = std::env::var("POSTERN_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_postern").to_owned());
    let log = fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
    let config = dir.join("postern.toml");
    let mut command = Command::new("ip");
    let out = fs::File::options().create(true).append(true).open(dir.join("out")).unwrap();
    command.args(["netns", "exec", GATEWAY, &binary, "run", "--config"]).arg(config).stdout(out).stderr(log);
    let daemon = command.spawn().unwrap();
    // The link may be there from before; only a running daemon answers.
    let started = within("the daemon", || {
        inside(GATEWAY, "curl -s http://127.0.0.1:8080/api/v1/health || true") == "alive"
            && link_is_there("wg-hq")
    });
    assert!(started, "{}", fs::read_to_string(dir.join("log")).unwrap());
    daemon
}

fn connect(dir: &Path, config: &Value) {
    let [gateway, allowed, endpoint] =
        ["pubkey", "allowed_ips", "endpoint"].map(|field| config[field].as_str().unwrap());
    let key = dir.join("client.key");
    fs::write(&key, client_key().to_base64().as_str()).unwrap();
    inside(
        CLIENT,
        &format!(
            "ip link add wg0 type wireguard
             wg set wg0 private-key {} peer {gateway} allowed-ips {allowed} endpoint {endpoint}
             ip addr add 10.77.1.2/24 dev wg0; ip addr add fd77:1::2/64 dev wg0; ip link set wg0 up",
            key.display()
        ),
    );
}

fn sessions() -> String {
    inside(GATEWAY, "wg show wg-hq latest-handshakes")
}

fn link_is_there(name: &str) -> bool {
    inside(GATEWAY, "ip -o link").contains(name)
}

fn answers(address: &str) -> bool {
    inside(CLIENT, &format!("ping -c1 -W2 {address} || true")).contains("1 received")
}

/// Pings the gateway every 20 ms while `work` runs; packets sent and answered.
fn pinging(dir: &Path, work: impl FnOnce()) -> (u32, u32) {
    let report = dir.join("ping");
    let pid = sh(&format!(
        "ip netns exec {CLIENT} ping -q -i 0.02 -W 5 10.77.1.1 >{} 2>&1 & echo $!",
        report.display()
    ));
    work();
    // The first turns of a daemon that just started belong to what must lose nothing.
    sleep(Duration::from_secs(3));
    sh(&format!("kill -INT {}; while kill -0 {} 2>/dev/null; do sleep 0.1; done", pid.trim(), pid.trim()));
    let report = fs::read_to_string(report).unwrap();
    let line = report.lines().find(|line| line.contains("packets transmitted")).unwrap();
    let mut numbers = line.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    let (sent, received) = (numbers.next().unwrap(), numbers.next().unwrap());
    assert!(sent > 20, "{report}");
    (sent, received)
}

/// Looks again and again, for as long as an emulated machine may take.
fn within(what: &str, done: impl Fn() -> bool) -> bool {
    let happened = (0..600).any(|_| {
        let is_done = done();
        if !is_done {
            sleep(Duration::from_millis(100));
        }
        is_done
    });
    if !happened {
        eprintln!("never happened: {what}");
    }
    happened
}

fn inside(host: &str, script: &str) -> String {
    sh(&format!("ip netns exec {host} sh -c '{script}'"))
}

#[expect(clippy::disallowed_methods, reason = "hosts are made and looked at with programs")]
fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
