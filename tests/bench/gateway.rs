//! What our netlink costs, as ratios against `wg` in the same run, on the kernel's own WireGuard. `make bench` runs
//! this inside the virtual machine; absolute times there mean nothing.

#![expect(clippy::print_stdout, reason = "the table is the point")]
#![expect(clippy::unwrap_used, reason = "a benchmark whose world is broken measures nothing")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use postern_gateway::backend::host::Host;
use postern_gateway::{
    Backend, BackendKind, Desired, DesiredInterface, DesiredPeer, ForwardPolicy, InterfaceName, Mtu,
    Observed, Owner, PrivateKey, PublicKey, Scope, apply, plan,
};

const PEERS: u32 = 10_000;
const ROUNDS: usize = 5;

fn main() {
    if !wg(&["show"]) || !ip(&["link", "add", "pst-probe", "type", "wireguard"]) {
        let required = std::env::var("POSTERN_TEST_REQUIRE").unwrap_or_default();
        assert!(!required.contains("kernel"), "kernel WireGuard is required and not there");
        say("SKIPPED: no kernel WireGuard here; run `make bench`");
        return;
    }
    ip(&["link", "del", "pst-probe"]);
    let mut host = Host::new(Owner::of_instance("bench")).unwrap();
    let mut rows = vec![("operation", "ratio", "at most", "ours", "theirs")]
        .into_iter()
        .map(|(a, b, c, d, e)| [a, b, c, d, e].map(str::to_owned))
        .collect::<Vec<_>>();
    let full = desired(PEERS);
    let empty = desired(0);

    let boot = best(|| {
        clear(&mut host);
        timed(|| drop(turn(&mut host, &full)))
    });
    let file = configuration(&full);
    let setconf = best(|| {
        clear(&mut host);
        turn(&mut host, &empty);
        timed(|| assert!(wg(&["setconf", "wg-bench", &file])))
    });
    rows.push(row("boot with 10 000 peers / wg setconf", boot, setconf, 1.0));

    clear(&mut host);
    turn(&mut host, &full);
    let adopted = best(|| timed(|| drop(turn(&mut Host::new(Owner::of_instance("bench")).unwrap(), &full))));
    let syncconf = best(|| timed(|| assert!(wg(&["syncconf", "wg-bench", &file]))));
    rows.push(row("boot with all in place / wg syncconf", adopted, syncconf, 0.35));

    turn(&mut host, &full);
    let idle = best(|| timed(|| drop(turn(&mut host, &full))));
    let dump = best(|| timed(|| assert!(wg(&["show", "wg-bench", "dump"]))));
    rows.push(row("a turn with nothing to do / wg show dump", idle, dump, 1.5));

    let observed = turn(&mut host, &full);
    let beside_many = add_one(&mut host, observed);
    clear(&mut host);
    let observed = turn(&mut host, &empty);
    let alone = add_one(&mut host, observed);
    rows.push(row("add one peer beside 10 000 / to none", beside_many, alone, 1.2));
    clear(&mut host);
    let missed = rows.iter().filter(|[_, ratio, ..]| ratio.ends_with('!')).count();
    for [operation, ratio, limit, ours, theirs] in rows {
        say(&format!("{operation:<44} {ratio:>7} {limit:>8} {ours:>10} {theirs:>10}"));
    }
    assert_eq!(missed, 0, "limits missed (see !)");
}

/// One full turn; what is observed afterwards.
fn turn(host: &mut Host, desired: &Desired) -> Observed {
    let mut observed = host.observe().unwrap();
    let steps = plan(desired, &observed, &Scope::Everything);
    let outcome = apply(host, &steps, &mut observed);
    assert!(outcome.is_complete(), "{outcome:?}");
    observed
}

fn clear(host: &mut Host) {
    turn(host, &Desired::default());
}

/// The mean time of adding one peer more, many times, as the loop does it for a single device.
fn add_one(host: &mut Host, mut observed: Observed) -> Duration {
    const TIMES: u32 = 50;
    let spent: Duration = (1..=TIMES)
        .map(|number| {
            let (key, peer) = peer(PEERS + number);
            let mut desired = desired(0);
            desired.interfaces.values_mut().for_each(|interface| {
                interface.peers.insert(key, peer.clone());
            });
            let scope = Scope::Peers(BTreeSet::from([key]));
            timed(|| {
                let steps = plan(&desired, &observed, &scope);
                assert!(apply(host, &steps, &mut observed).is_complete());
            })
        })
        .sum();
    spent / TIMES
}

fn desired(peers: u32) -> Desired {
    let interface = DesiredInterface {
        backend: BackendKind::Kernel,
        private_key: PrivateKey::from_random([3; 32]),
        listen_port: 51_999.try_into().unwrap(),
        mtu: Mtu::DEFAULT,
        addresses: ["10.64.0.1/12", "fd64::1/64"].iter().map(|text| text.parse::<IpNet>().unwrap()).collect(),
        peers: (1..=peers).map(peer).collect(),
        policy: ForwardPolicy::default(),
    };
    let name: InterfaceName = "wg-bench".parse().unwrap();
    Desired { interfaces: [(name, interface)].into() }
}

fn peer(number: u32) -> (PublicKey, DesiredPeer) {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key[4] = 0x77;
    let v4 = Ipv4Addr::from_bits(u32::from_be_bytes([10, 64, 0, 0]) + number + 1);
    let v6 = Ipv6Addr::from_bits("fd64::".parse::<Ipv6Addr>().unwrap().to_bits() + u128::from(number) + 1);
    let allowed_ips = [IpNet::from(std::net::IpAddr::V4(v4)), IpNet::from(std::net::IpAddr::V6(v6))];
    let peer = DesiredPeer { allowed_ips: allowed_ips.into_iter().collect(), preshared_key: None };
    (PublicKey::from_bytes(key).unwrap(), peer)
}

/// The same as a file of `wg-quick`'s kind, private key included.
fn configuration(desired: &Desired) -> String {
    let interface = desired.interfaces.values().next().unwrap();
    let mut text = format!(
        "[Interface]\nPrivateKey = {}\nListenPort = {}\n",
        interface.private_key.to_base64().as_str(),
        interface.listen_port.get()
    );
    for (key, peer) in &interface.peers {
        let ips: Vec<String> = peer.allowed_ips.iter().map(|ip| ip.to_string()).collect();
        write!(text, "[Peer]\nPublicKey = {key}\nAllowedIPs = {}\n", ips.join(",")).unwrap();
    }
    let path = std::env::temp_dir().join("postern-bench.conf");
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

fn row(operation: &str, ours: Duration, theirs: Duration, limit: f64) -> [String; 5] {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    let verdict = if ratio <= limit { "" } else { " !" };
    [
        operation.to_owned(),
        format!("{ratio:.2}{verdict}"),
        format!("{limit:.2}"),
        format!("{ours:.1?}"),
        format!("{theirs:.1?}"),
    ]
}

fn best(mut measure: impl FnMut() -> Duration) -> Duration {
    (0..ROUNDS).map(|_| measure()).min().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn wg(arguments: &[&str]) -> bool {
    runs("wg", arguments)
}

fn ip(arguments: &[&str]) -> bool {
    runs("ip", arguments)
}

#[expect(clippy::disallowed_methods, reason = "the programs compared with")]
fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

fn say(text: &str) {
    println!("{text}");
}
