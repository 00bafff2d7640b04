//! The gateway against the kernel's own WireGuard, with `wg`, `ip` and defguard's reader as independent witnesses.
//! Runs inside the virtual machine of `tests/support/kernel-vm`.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::process::Command;

use defguard_wireguard_rs::{Kernel, WGApi, WireguardInterfaceApi as _};
use ipnet::IpNet;
use postern_gateway::backend::host::Host;
use postern_gateway::{
    Backend as _, BackendKind, Desired, DesiredInterface, DesiredPeer, Dialled, ForwardPolicy, InterfaceName,
    Mtu, Outcome, Owner, Plan, PresharedKey, PrivateKey, PublicKey, Scope, Step, apply, plan,
};

#[test]
fn an_interface_becomes_what_is_desired_and_then_nothing_is_left_to_do() {
    let Some(mut host) = host("k1") else { return };
    let desired = desired("k1", 1, 3);
    let (_, outcome) = turn(&mut host, &desired);
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(turn(&mut host, &desired).0.steps, []);
    let seen = witness("k1");
    let interface = only(&desired);
    assert_eq!(seen.listen_port, 50_001);
    assert_eq!(seen.peers.len(), 3);
    for (key, peer) in &interface.peers {
        let theirs = seen.peers.iter().find(|(other, _)| other.to_string() == key.to_string()).unwrap().1;
        let ips: BTreeSet<String> = theirs.allowed_ips.iter().map(ToString::to_string).collect();
        assert_eq!(ips, peer.allowed_ips.iter().map(|ip| ip.to_string()).collect(), "{ips:?}");
    }
    for (command, shown) in [
        ("ip -o addr show dev k1", "10.1.0.1/16"),
        ("ip -o addr show dev k1", "fd01::1/64"),
        ("ip route show dev k1", "10.1.0.0/16"),
        ("ip -o link show dev k1", "mtu 1400"),
    ] {
        assert!(sh(command).contains(shown), "{command}: {}", sh(command));
    }
    clear(host);
    assert!(!sh("ip -o link").contains("k1"));
}

#[test]
fn whatever_is_broken_from_outside_is_put_right_by_one_turn_that_touches_no_other_peer() {
    let Some(mut host) = host("k2") else { return };
    let desired = desired("k2", 2, 3);
    turn(&mut host, &desired);
    let first = *only(&desired).peers.keys().next().unwrap();
    let stranger = PrivateKey::from_random([201; 32]).public();
    for harm in [
        format!("wg set k2 peer {first} remove"),
        format!("wg set k2 peer {first} allowed-ips 10.99.0.1/32"),
        format!("wg set k2 peer {first} persistent-keepalive 25"),
        format!("wg genpsk >/tmp/k2.psk; wg set k2 peer {first} preshared-key /tmp/k2.psk"),
        format!("wg set k2 peer {stranger} allowed-ips 10.99.0.2/32"),
        "wg set k2 listen-port 50999 fwmark 7".to_owned(),
        "ip addr flush dev k2".to_owned(),
        "ip addr add 10.99.0.9/24 dev k2".to_owned(),
        "ip link set k2 mtu 1300".to_owned(),
        "ip route del 10.2.0.0/16 dev k2".to_owned(),
        "ip link set k2 down".to_owned(),
        "nft flush ruleset".to_owned(),
        "ip link del k2".to_owned(),
    ] {
        sh(&harm);
        let (steps, outcome) = turn(&mut host, &desired);
        assert!(!steps.steps.is_empty(), "{harm}: not noticed");
        assert!(outcome.is_complete(), "{harm}: {outcome:?}");
        // What setting a link down takes along is seen once it is up again.
        turn(&mut host, &desired);
        assert_eq!(turn(&mut host, &desired).0.steps, [], "{harm}: not settled");
    }
    clear(host);
}

#[test]
fn thousands_of_peers_are_read_back_whole_and_deleted_without_waiting() {
    let Some(mut host) = host("k3") else { return };
    let peers = if std::env::var_os("POSTERN_TEST_LONG").is_some() { 10_000 } else { 3_000 };
    let desired = desired("k3", 3, peers);
    assert!(turn(&mut host, &desired).1.is_complete());
    let observed = host.observe().unwrap();
    let seen = &observed.interfaces[&name("k3")].peers;
    assert_eq!(seen.len(), usize::try_from(peers).unwrap());
    for (key, peer) in &only(&desired).peers {
        assert_eq!(seen[key].allowed_ips, peer.allowed_ips);
    }
    assert_eq!(witness("k3").peers.len(), seen.len());
    clear(host);
}

#[test]
fn a_preshared_key_is_set_and_taken_away_again() {
    let Some(mut host) = host("k4") else { return };
    let mut desired = desired("k4", 4, 1);
    turn(&mut host, &desired);
    for preshared in [PresharedKey::from_bytes([7; 32]), None] {
        let interface = desired.interfaces.values_mut().next().unwrap();
        interface.peers.values_mut().for_each(|peer| peer.preshared_key = preshared.clone());
        assert_eq!(turn(&mut host, &desired).0.steps.len(), 1);
        assert_eq!(turn(&mut host, &desired).0.steps, []);
        let shown = sh("wg show k4 preshared-keys");
        assert_eq!(shown.contains("(none)"), preshared.is_none(), "{shown}");
    }
    clear(host);
}

#[test]
fn a_foreign_interface_of_the_same_name_is_never_touched() {
    let Some(mut host) = host("k5") else { return };
    sh("ip link add k5 type wireguard; ip addr add 192.0.2.1/24 dev k5");
    let before = sh("ip -d addr show dev k5; wg show k5");
    let desired = desired("k5", 5, 2);
    let (_, outcome) = turn(&mut host, &desired);
    assert!(outcome.is_broken(&name("k5")));
    turn(&mut host, &Desired::default());
    assert_eq!(before, sh("ip -d addr show dev k5; wg show k5"));
    sh("ip link del k5");
}

#[test]
fn what_wg_quick_set_up_is_taken_over_without_a_change_to_any_peer() {
    let Some(mut host) = host("k14") else { return };
    let mut desired = desired("k14", 14, 2);
    let interface = desired.interfaces.values_mut().next().unwrap();
    let (key, mut called) = peer(14, 3);
    called.preshared_key = PresharedKey::from_bytes([7; 32]);
    called.allowed_ips = called.allowed_ips.iter().chain(["192.168.5.0/24".parse().unwrap()]).collect();
    let endpoint = "192.0.2.9:51820".parse().unwrap();
    called.dialled = Some(Dialled { endpoint, keepalive: NonZeroU16::new(25) });
    interface.peers.insert(key, called);
    interface.routes.insert("192.168.5.0/24".parse().unwrap());
    turn(&mut host, &desired);
    assert_eq!(turn(&mut host, &desired).0.steps, [], "endpoint, keepalive and route are read as written");
    sh("ip link set k14 alias ''");
    let shown = || sh("ip -o addr show dev k14; ip route show dev k14; wg showconf k14");
    let before = shown();
    assert!(
        before.contains("Endpoint = 192.0.2.9:51820") && before.contains("PersistentKeepalive = 25"),
        "{before}"
    );
    let (plan, outcome) = turn(&mut host, &desired);
    assert!(outcome.is_complete(), "{outcome:?}");
    assert_eq!(plan.steps, [Step::Adopt { interface: name("k14") }]);
    assert_eq!(turn(&mut host, &desired).0.steps, []);
    assert_eq!(shown(), before);
    only_mut(&mut desired).peers.remove(&key);
    only_mut(&mut desired).routes.clear();
    turn(&mut host, &desired);
    assert!(!sh("ip route show dev k14").contains("192.168.5.0"));
    assert_eq!(turn(&mut host, &desired).0.steps, []);
    clear(host);
}

fn only_mut(desired: &mut Desired) -> &mut DesiredInterface {
    desired.interfaces.values_mut().next().unwrap()
}

#[test]
fn an_allowed_ip_that_two_peers_exchange_ends_where_it_belongs() {
    let Some(mut host) = host("k6") else { return };
    let mut desired = desired("k6", 6, 2);
    turn(&mut host, &desired);
    let interface = desired.interfaces.values_mut().next().unwrap();
    let keys: Vec<PublicKey> = interface.peers.keys().copied().collect();
    let swapped: Vec<DesiredPeer> = keys.iter().rev().map(|key| interface.peers[key].clone()).collect();
    interface.peers = keys.into_iter().zip(swapped).collect();
    turn(&mut host, &desired);
    assert_eq!(turn(&mut host, &desired).0.steps, []);
    clear(host);
}

#[test]
fn an_interfaces_own_key_is_refused_by_name_and_the_others_are_taken() {
    let Some(mut host) = host("k7") else { return };
    let mut desired = desired("k7", 7, 2);
    let interface = desired.interfaces.values_mut().next().unwrap();
    let own = interface.private_key.public();
    interface.peers.insert(own, peer(7, 3).1);
    // As the first thing said of the interface, and again to one that is there.
    for _ in 0..2 {
        let (_, outcome) = turn(&mut host, &desired);
        let reason = outcome.failure_of_peer(&name("k7"), &own).unwrap();
        assert!(reason.contains("own key"), "{reason}");
        assert_eq!(outcome.peers_failed.len(), 1, "{outcome:?}");
        assert_eq!(host.observe().unwrap().interfaces[&name("k7")].peers.len(), 2);
    }
    clear(host);
}

#[test]
fn a_link_gets_its_name_only_after_one_that_says_whose_it_is() {
    let Some(mut host) = host("k8") else { return };
    sh("ip -o monitor link >/tmp/k8.links 2>&1 & echo $! >/tmp/k8.pid");
    // It is listening once it has told of a link that comes and goes.
    let listens = (0..200).any(|_| {
        sh("ip link add k8-probe type dummy; ip link del k8-probe; sleep 0.05");
        sh("cat /tmp/k8.links").contains("k8-probe")
    });
    assert!(listens);
    turn(&mut host, &desired("k8", 8, 1));
    let told = (0..200).any(|_| sh("sleep 0.05; cat /tmp/k8.links").contains(": k8:"));
    sh("kill $(cat /tmp/k8.pid)");
    let links = sh("cat /tmp/k8.links");
    assert!(told, "{links}");
    let named = links.lines().find(|line| line.contains(": k8:")).unwrap();
    let (index, _) = named.split_once(": ").unwrap();
    let made = links.lines().find(|line| line.starts_with(&format!("{index}: "))).unwrap();
    assert!(made.contains(": pst-"), "{links}");
    assert!(sh("ip -o link show k8").contains("alias postern:k8"));
    clear(host);
}

#[test]
fn a_link_that_a_crash_left_unfinished_is_removed() {
    let Some(mut host) = host("k9") else { return };
    sh("ip -o monitor link >/tmp/k9.links 2>&1 & echo $! >/tmp/k9.pid; sleep 0.5");
    turn(&mut host, &desired("k9", 9, 1));
    let named =
        |line: &str| line.split(": ").nth(1).filter(|name| name.starts_with("pst-")).map(str::to_owned);
    let unfinished = (0..200).find_map(|_| sh("sleep 0.05; cat /tmp/k9.links").lines().find_map(named));
    sh("kill $(cat /tmp/k9.pid)");
    let unfinished = unfinished.unwrap();
    for wanted in [desired("k9", 9, 1), desired("k9b", 9, 1)] {
        sh(&format!("ip link add {unfinished} type wireguard"));
        assert!(turn(&mut host, &wanted).1.is_complete());
        assert!(!sh("ip -o link").contains(&unfinished));
    }
    // Even one that no observation has shown.
    sh(&format!("ip link add {unfinished} type wireguard"));
    let (interface, backend, mtu) = (name("k9c"), BackendKind::Kernel, Mtu::DEFAULT);
    host.perform(&Step::CreateInterface { interface, backend, mtu }).unwrap();
    assert!(!sh("ip -o link").contains(&unfinished));
    clear(host);
}

#[test]
fn interfaces_that_exchange_ports_have_them_after_one_turn() {
    let Some(mut host) = host("k10") else { return };
    let with_ports = |ports: [u16; 3]| {
        let mut all = Desired::default();
        for (number, port) in (10..).zip(ports) {
            let mut one = desired(&format!("k10-{number}"), number, 1);
            one.interfaces.values_mut().for_each(|found| found.listen_port = port.try_into().unwrap());
            all.interfaces.extend(one.interfaces);
        }
        all
    };
    turn(&mut host, &with_ports([50_101, 50_102, 50_103]));
    for ports in [[50_102, 50_101, 50_103], [50_101, 50_103, 50_102], [50_103, 50_102, 50_104]] {
        let (plan, outcome) = turn(&mut host, &with_ports(ports));
        assert!(outcome.is_complete(), "{plan}: {outcome:?}");
        assert_eq!(turn(&mut host, &with_ports(ports)).0.steps, []);
        let shown = sh("wg show all listen-port");
        assert!(ports.iter().all(|port| shown.contains(&port.to_string())), "{shown}");
    }
    clear(host);
}

/// A single peer is said by a library, many by our own: both must mean the same.
#[test]
fn peers_said_one_by_one_become_what_peers_said_together_become() {
    let Some(mut host) = host("k11") else { return };
    let (alone, together) = (name("k11"), name("k12"));
    let mut all = desired("k11", 11, 0);
    all.interfaces.extend(desired("k12", 12, 0).interfaces);
    let three: BTreeMap<_, _> = (1..=3).map(|number| peer(11, number)).collect();
    let moved = three.keys().copied().zip((4..=6).map(|number| peer(11, number).1)).collect();
    let spoil =
        "wg genpsk >/tmp/k11.psk; wg set $i peer $p persistent-keepalive 25 preshared-key /tmp/k11.psk";
    for (harm, wanted) in [("true", &three), (spoil, &three), ("true", &moved), ("true", &BTreeMap::new())] {
        sh(&format!("i=k12; for p in $(wg show $i peers); do {harm}; done"));
        all.interfaces.get_mut(&together).unwrap().peers.clone_from(wanted);
        for key in three.keys() {
            sh(&format!("i=k11; p={key}; {harm}"));
            let peers = &mut all.interfaces.get_mut(&alone).unwrap().peers;
            peers.remove(key);
            peers.extend(wanted.get(key).map(|peer| (*key, peer.clone())));
            let (plan, outcome) = turn(&mut host, &all);
            assert!(outcome.is_complete(), "{plan}: {outcome:?}");
        }
        let [alone, together] = ["k11", "k12"].map(|name| sh(&format!("wg show {name} dump | tail -n +2")));
        assert_eq!(alone, together);
        assert_eq!(alone.lines().count(), wanted.len());
        assert_eq!(turn(&mut host, &all).0.steps, []);
    }
    clear(host);
}

fn host(owner: &str) -> Option<Host> {
    let mut host = Host::new(Owner::of_instance(owner)).unwrap();
    if host.available().contains(&BackendKind::Kernel) {
        return Some(host);
    }
    let required = std::env::var("POSTERN_TEST_REQUIRE").unwrap_or_default();
    let here = std::env::var_os("KERNEL_VM").is_some();
    assert!(!here || !required.contains("kernel"), "kernel WireGuard is required and not there");
    eprintln!("SKIPPED: no kernel WireGuard here; `make test` runs this in a virtual machine");
    None
}

fn turn(host: &mut Host, desired: &Desired) -> (Plan, Outcome) {
    let mut observed = host.observe().unwrap();
    let steps = plan(desired, &observed, &Scope::Everything);
    let outcome = apply(host, &steps, &mut observed);
    (steps, outcome)
}

fn clear(mut host: Host) {
    assert!(turn(&mut host, &Desired::default()).1.is_complete());
}

fn only(desired: &Desired) -> &DesiredInterface {
    desired.interfaces.values().next().unwrap()
}

fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

fn desired(interface: &str, number: u8, peers: u32) -> Desired {
    let desired = DesiredInterface {
        backend: BackendKind::Kernel,
        private_key: PrivateKey::from_random([number; 32]),
        listen_port: (50_000 + u16::from(number)).try_into().unwrap(),
        mtu: Mtu::try_from(1400).unwrap(),
        addresses: [format!("10.{number}.0.1/16"), format!("fd{number:02x}::1/64")]
            .iter()
            .map(|text| text.parse::<IpNet>().unwrap())
            .collect(),
        peers: (1..=peers).map(|peer| self::peer(number, peer)).collect(),
        undecided: BTreeSet::new(),
        routes: BTreeSet::new(),
        policy: ForwardPolicy::default(),
    };
    Desired { interfaces: [(name(interface), desired)].into() }
}

fn peer(net: u8, number: u32) -> (PublicKey, DesiredPeer) {
    let mut key = [net; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    let v4 = Ipv4Addr::from_bits(u32::from_be_bytes([10, net, 0, 1]) + number);
    let v6: Ipv6Addr = format!("fd{net:02x}::1").parse().unwrap();
    let v6 = Ipv6Addr::from_bits(v6.to_bits() + u128::from(number));
    let allowed_ips = [IpNet::from(std::net::IpAddr::V4(v4)), IpNet::from(std::net::IpAddr::V6(v6))];
    let peer =
        DesiredPeer { allowed_ips: allowed_ips.into_iter().collect(), preshared_key: None, dialled: None };
    (PublicKey::from_bytes(key).unwrap(), peer)
}

fn witness(interface: &str) -> defguard_wireguard_rs::host::Host {
    WGApi::<Kernel>::new(interface.to_owned()).unwrap().read_interface_data().unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the witnesses are programs")]
fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
