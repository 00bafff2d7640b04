//! What our netlink costs, as ratios against `wg` in the same run, on the kernel's own WireGuard. `make bench` runs
//! this inside the virtual machine; absolute times there mean nothing.

#![expect(clippy::print_stdout, reason = "the table is the point")]
#![expect(clippy::unwrap_used, reason = "a benchmark whose world is broken measures nothing")]

#[expect(dead_code, reason = "amounts are the daemon's")]
mod table;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use postern_gateway::backend::host::Host;
use postern_gateway::{
    Backend, BackendKind, Desired, DesiredInterface, DesiredPeer, ForwardPolicy, Mtu, Observed, Owner,
    PrivateKey, PublicKey, Scope, apply, plan,
};
use table::{Table, has_kernel_wireguard, runs};

const PEERS: u32 = 10_000;
/// Where thousands of peers are written, and where they are read.
const WRITING_ROUNDS: usize = 9;
const READING_ROUNDS: usize = 15;
const ADDITIONS: u32 = 400;

fn main() {
    if !has_kernel_wireguard() {
        return;
    }
    let mut table = Table::new();
    against_wg(&mut table);
    one_more(&mut table);
    table.conclude();
}

fn against_wg(table: &mut Table) {
    let mut host = host("bench");
    let (full, empty) = (desired("wg-bench", PEERS), desired("wg-bench", 0));
    let file = configuration(&full);

    let boot = best(
        WRITING_ROUNDS,
        &mut host,
        |host| {
            clear(host);
            timed(|| drop(turn(host, &full)))
        },
        |host| {
            clear(host);
            turn(host, &empty);
            timed(|| assert!(wg(&["setconf", "wg-bench", &file])))
        },
    );
    table.ratio("boot with 10 000 peers / wg setconf", boot, 1.0);

    clear(&mut host);
    turn(&mut host, &full);
    let adopted = best(
        READING_ROUNDS,
        &mut host,
        |_| timed(|| assert_whole(&turn(&mut self::host("bench"), &full))),
        |_| timed(|| assert!(wg(&["syncconf", "wg-bench", &file]))),
    );
    table.ratio("boot with all in place / wg syncconf", adopted, 0.35);

    let idle = best(
        READING_ROUNDS,
        &mut host,
        |host| timed(|| assert_whole(&turn(host, &full))),
        |_| timed(|| assert!(wg(&["show", "wg-bench", "dump"]))),
    );
    table.ratio("a turn with nothing to do / wg show dump", idle, 1.5);
    clear(&mut host);
}

/// Adds a peer, and removes it again, in turns beside many others and to an interface that has none.
fn one_more(table: &mut Table) {
    let mut places = [("wg-many", PEERS), ("wg-none", 0)].map(|(name, peers)| {
        let mut host = host(name);
        let observed = turn(&mut host, &desired(name, peers));
        (host, observed, desired(name, 0), Vec::new())
    });
    for number in 1..=ADDITIONS {
        let (key, peer) = peer(PEERS + number);
        let scope = Scope::Peers(BTreeSet::from([key]));
        for (host, observed, desired, times) in &mut places {
            let wanted = desired.clone();
            desired.interfaces.values_mut().for_each(|found| drop(found.peers.insert(key, peer.clone())));
            times.push(timed(|| reach(host, desired, &scope, observed)));
            *desired = wanted;
            reach(host, desired, &scope, observed);
        }
    }
    let [many, none] = places.map(|(mut host, _, _, mut times)| {
        clear(&mut host);
        times.sort_unstable();
        *times.get(times.len() / 2).unwrap()
    });
    table.ratio("add one peer beside 10 000 / to none", (many, none), 1.2);
}

fn host(owner: &str) -> Host {
    Host::new(Owner::of_instance(owner)).unwrap()
}

/// One full turn as the loop takes it, with what it prepares for the next; what is observed afterwards.
fn turn(host: &mut Host, desired: &Desired) -> Observed {
    let mut observed = host.observe().unwrap();
    reach(host, desired, &Scope::Everything, &mut observed);
    observed.index();
    observed
}

/// A turn must have seen what it is compared for.
fn assert_whole(observed: &Observed) {
    let seen: usize = observed.interfaces.values().map(|found| found.peers.len()).sum();
    assert_eq!(seen, usize::try_from(PEERS).unwrap());
}

fn reach(host: &mut Host, desired: &Desired, scope: &Scope, observed: &mut Observed) {
    let outcome = apply(host, &plan(desired, observed, scope), observed);
    assert!(outcome.is_complete(), "{outcome:?}");
}

fn clear(host: &mut Host) {
    turn(host, &Desired::default());
}

fn desired(name: &str, peers: u32) -> Desired {
    let interface = DesiredInterface {
        backend: BackendKind::Kernel,
        private_key: PrivateKey::from_random([3; 32]),
        listen_port: (51_990 + u16::from(name == "wg-none")).try_into().unwrap(),
        mtu: Mtu::DEFAULT,
        addresses: ["10.64.0.1/12", "fd64::1/64"].iter().map(|text| text.parse::<IpNet>().unwrap()).collect(),
        peers: (1..=peers).map(peer).collect(),
        undecided: BTreeSet::new(),
        routes: BTreeSet::new(),
        policy: ForwardPolicy::default(),
    };
    Desired { interfaces: [(name.parse().unwrap(), interface)].into() }
}

fn peer(number: u32) -> (PublicKey, DesiredPeer) {
    let mut key = [0; 32];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key[4] = 0x77;
    let v4 = Ipv4Addr::from_bits(u32::from_be_bytes([10, 64, 0, 0]) + number + 1);
    let v6 = Ipv6Addr::from_bits("fd64::".parse::<Ipv6Addr>().unwrap().to_bits() + u128::from(number) + 1);
    let allowed_ips = [IpNet::from(std::net::IpAddr::V4(v4)), IpNet::from(std::net::IpAddr::V6(v6))];
    let peer =
        DesiredPeer { allowed_ips: allowed_ips.into_iter().collect(), preshared_key: None, dialled: None };
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

/// The best of many rounds of both, in turns: what else the machine does slows both.
fn best(
    rounds: usize,
    host: &mut Host,
    mut ours: impl FnMut(&mut Host) -> Duration,
    mut theirs: impl FnMut(&mut Host) -> Duration,
) -> (Duration, Duration) {
    let times: Vec<_> = (0..rounds).map(|_| (ours(host), theirs(host))).collect();
    let ours = times.iter().map(|(ours, _)| *ours).min();
    let theirs = times.iter().map(|(_, theirs)| *theirs).min();
    (ours.unwrap(), theirs.unwrap())
}

fn timed(work: impl FnOnce()) -> Duration {
    table::timed(work).0
}

fn wg(arguments: &[&str]) -> bool {
    runs("wg", arguments)
}
