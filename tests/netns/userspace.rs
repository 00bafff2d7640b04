//! WireGuard inside this process: two hosts in namespaces of their own reach each other through their tunnel.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use gotatun::device::{DeviceBuilder, Peer};
use gotatun::x25519;
use ipnet::IpNet;
use postern_gateway::backend::StepError;
use postern_gateway::backend::host::Host;
use postern_gateway::{
    Backend as _, BackendKind, Desired, DesiredInterface, DesiredPeer, ForwardPolicy, InterfaceName, Mtu,
    Outcome, Owner, Plan, PrivateKey, Scope, Step, apply, plan,
};
use support::Namespace;

#[test]
fn a_peer_shakes_hands_and_an_update_keeps_its_session() {
    if !support::capable() {
        return;
    }
    let (gateway, laptop) = (Namespace::new("gw"), Namespace::new("laptop"));
    gateway.sh(&format!("ip link add pgu0 type veth peer name pgu1 netns {}", laptop.name()));
    gateway.sh("ip addr add 192.0.2.1/24 dev pgu0; ip link set pgu0 up");
    laptop.sh("ip addr add 192.0.2.2/24 dev pgu1; ip link set pgu1 up");
    let mut desired = desired();
    laptop.within(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let _client = runtime.block_on(client());
        laptop.sh("ip addr add 10.77.0.2/24 dev pgul; ip link set pgul up");
        gateway.within(|| {
            let mut host = Host::new(Owner::of_instance("userspace-test")).unwrap();
            assert!(host.available().contains(&BackendKind::Userspace));
            assert!(turn(&mut host, &desired).1.is_complete());
            assert_eq!(turn(&mut host, &desired).0.steps, []);
            laptop.sh("ping -c 3 -i 0.2 -W 3 10.77.0.1");
            let before = host.stats(&name()).unwrap()[&laptop_key().public()];
            assert!(before.last_handshake.is_some() && before.rx_bytes > 0, "{before:?}");

            interface(&mut desired)
                .peers
                .insert(laptop_key().public(), peer(&["10.77.0.2/32", "10.78.0.0/24"]));
            assert!(turn(&mut host, &desired).1.is_complete());
            assert_eq!(turn(&mut host, &desired).0.steps, []);
            let after = host.stats(&name()).unwrap()[&laptop_key().public()];
            assert!(after.rx_bytes >= before.rx_bytes && after.last_handshake.is_some(), "{after:?}");
            laptop.sh("ping -c 2 -i 0.2 -W 1 10.77.0.1");

            interface(&mut desired).peers.clear();
            assert!(turn(&mut host, &desired).1.is_complete());
            assert!(!laptop.succeeds("ping -c 1 -W 1 10.77.0.1"));
            assert!(turn(&mut host, &Desired::default()).1.is_complete());
            assert!(!gateway.sh("ip -o link").contains("pgug"));
        });
    });
}

#[test]
fn the_interfaces_own_key_is_refused_as_a_peer_by_name() {
    if !support::capable() {
        return;
    }
    let gateway = Namespace::new("own");
    gateway.within(|| {
        let mut host = Host::new(Owner::of_instance("userspace-test")).unwrap();
        assert!(turn(&mut host, &desired()).1.is_complete());
        let own = gateway_key().public();
        let stranger = PrivateKey::from_random([9; 32]).public();
        let peers = vec![(own, peer(&["10.77.0.8/32"])), (stranger, peer(&["10.77.0.9/32"]))];
        let Err(StepError::Peers(refused)) = host.perform(&Step::AddPeers { interface: name(), peers })
        else {
            panic!("the interface's own key was taken")
        };
        assert_eq!(refused.keys().collect::<Vec<_>>(), [&own]);
        assert!(host.observe().unwrap().interfaces[&name()].peers.contains_key(&stranger));
    });
}

#[test]
fn a_port_that_is_taken_is_an_error_and_free_again_heals() {
    if !support::capable() {
        return;
    }
    let gateway = Namespace::new("port");
    gateway.within(|| {
        let mut host = Host::new(Owner::of_instance("userspace-test")).unwrap();
        let blocker = std::net::UdpSocket::bind("0.0.0.0:51820").unwrap();
        assert!(!turn(&mut host, &desired()).1.is_complete());
        drop(blocker);
        assert!(turn(&mut host, &desired()).1.is_complete());
        turn(&mut host, &desired());
        assert_eq!(turn(&mut host, &desired()).0.steps, []);
    });
}

#[test]
fn another_key_leaves_the_port_and_the_peers_as_they_are() {
    if !support::capable() {
        return;
    }
    let gateway = Namespace::new("key");
    gateway.within(|| {
        let mut host = Host::new(Owner::of_instance("userspace-test")).unwrap();
        let mut desired = desired();
        assert!(turn(&mut host, &desired).1.is_complete());
        // The old socket is closed at some moment after the new one is wanted: once proves nothing.
        for number in 20..60 {
            interface(&mut desired).private_key = PrivateKey::from_random([number; 32]);
            let outcome = turn(&mut host, &desired).1;
            assert_eq!(outcome.failure_of(&name()), None);
            assert_eq!(turn(&mut host, &desired).0.steps, []);
        }
    });
}

#[test]
fn a_route_of_another_link_is_not_overtaken_by_one_of_a_better_metric() {
    if !support::capable() {
        return;
    }
    let gateway = Namespace::new("metric");
    // As whatever sets a host's links up writes them.
    gateway.sh("ip tuntap add pgut mode tun; ip link set pgut up");
    gateway
        .sh("ip route add 192.168.5.0/24 dev pgut metric 100; ip -6 route add fd05::/64 dev pgut metric 100");
    gateway.within(|| {
        let mut host = Host::new(Owner::of_instance("userspace-test")).unwrap();
        let mut desired = desired();
        interface(&mut desired)
            .routes
            .extend(["192.168.5.0/24", "fd05::/64"].map(|text| text.parse::<IpNet>().unwrap()));
        for taken in ["192.168.5.0/24", "fd05::/64"] {
            let failure = turn(&mut host, &desired).1.failure_of(&name()).unwrap();
            let reason = format!("cannot route {taken} to pgug: it is routed to pgut, which is not changed");
            assert!(failure.starts_with(&reason), "{failure}");
            assert!(
                gateway
                    .sh("ip route show dev pgug; ip -6 route show dev pgug")
                    .lines()
                    .all(|route| !route.starts_with(taken))
            );
            gateway.sh(&format!("ip route del {taken} dev pgut"));
        }
        assert!(turn(&mut host, &desired).1.is_complete());
    });
}

#[test]
fn a_route_of_another_link_stays_its_own_and_ours_are_put_back() {
    if !support::capable() {
        return;
    }
    let gateway = Namespace::new("route");
    gateway.sh("ip tuntap add pgut mode tun; ip link set pgut up; ip route add 192.168.5.0/24 dev pgut");
    let routes = |link: &str| gateway.sh(&format!("ip route show dev {link}; ip -6 route show dev {link}"));
    gateway.within(|| {
        let mut host = Host::new(Owner::of_instance("userspace-test")).unwrap();
        let mut desired = desired();
        let [taken, free, v6] =
            ["192.168.5.0/24", "192.168.6.0/24", "fd05::/64"].map(|text| text.parse().unwrap());
        interface(&mut desired).routes.extend([taken, free, v6]);
        let outcome = turn(&mut host, &desired).1;
        let reason = "cannot route 192.168.5.0/24 to pgug: it is routed to pgut, which is not changed";
        assert_eq!(outcome.failure_of(&name()).as_deref(), Some(reason));
        assert!(!outcome.is_broken(&name()));
        assert!(routes("pgut").contains("192.168.5.0/24"));
        let ours = routes("pgug");
        assert!(
            ["192.168.6.0/24", "fd05::/64", "10.77.0.0/24"].iter().all(|route| ours.contains(route)),
            "{ours}"
        );
        assert_eq!(host.routes_elsewhere(&name()).unwrap().get(&taken).map(String::as_str), Some("pgut"));

        gateway.sh("ip route del 192.168.5.0/24 dev pgut; ip route del 192.168.6.0/24 dev pgug");
        assert!(turn(&mut host, &desired).1.is_complete());
        assert!(routes("pgug").contains("192.168.5.0/24") && routes("pgug").contains("192.168.6.0/24"));
        for destination in [free, v6] {
            host.perform(&Step::AddRoute { interface: name(), destination }).unwrap();
        }
        assert_eq!(turn(&mut host, &desired).0.steps, []);
        // One of ours that somebody wrote anew leads where it should.
        gateway.sh("ip route del 192.168.6.0/24; ip route add 192.168.6.0/24 dev pgug metric 7");
        assert_eq!(turn(&mut host, &desired).0.steps, []);
        interface(&mut desired).routes.clear();
        for destination in [taken, v6] {
            host.perform(&Step::RemoveRoute { interface: name(), destination }).unwrap();
            host.perform(&Step::RemoveRoute { interface: name(), destination }).unwrap();
        }
        assert!(!routes("pgug").contains("192.168.5.0/24") && !routes("pgug").contains("fd05::/64"));
    });
}

async fn client() -> gotatun::device::Device<gotatun::device::DefaultDeviceTransports> {
    let mut peer = Peer::new(x25519::PublicKey::from(*gateway_key().public().as_bytes()))
        .with_endpoint("192.0.2.1:51820".parse().unwrap());
    peer.allowed_ips = vec!["10.77.0.0/24".parse().unwrap()];
    let builder = DeviceBuilder::new().with_default_udp().create_tun("pgul").unwrap();
    let secret = x25519::StaticSecret::from(*laptop_key().expose_bytes());
    builder.with_private_key(secret).with_peer(peer).build().await.unwrap()
}

fn turn(host: &mut Host, desired: &Desired) -> (Plan, Outcome) {
    let mut observed = host.observe().unwrap();
    let plan = plan(desired, &observed, &Scope::Everything);
    let outcome = apply(host, &plan, &mut observed);
    (plan, outcome)
}

fn desired() -> Desired {
    let interface = DesiredInterface {
        backend: BackendKind::Userspace,
        private_key: gateway_key(),
        listen_port: 51820.try_into().unwrap(),
        mtu: Mtu::DEFAULT,
        addresses: BTreeSet::from(["10.77.0.1/24".parse().unwrap()]),
        peers: BTreeMap::from([(laptop_key().public(), peer(&["10.77.0.2/32"]))]),
        undecided: BTreeSet::new(),
        routes: BTreeSet::new(),
        policy: ForwardPolicy::default(),
    };
    Desired { interfaces: BTreeMap::from([(name(), interface)]) }
}

fn interface(desired: &mut Desired) -> &mut DesiredInterface {
    desired.interfaces.get_mut(&name()).unwrap()
}

fn peer(networks: &[&str]) -> DesiredPeer {
    let allowed_ips = networks.iter().map(|text| text.parse().unwrap()).collect();
    DesiredPeer { allowed_ips, preshared_key: None, dialled: None }
}

fn name() -> InterfaceName {
    "pgug".parse().unwrap()
}

fn gateway_key() -> PrivateKey {
    PrivateKey::from_random([3; 32])
}

fn laptop_key() -> PrivateKey {
    PrivateKey::from_random([5; 32])
}
