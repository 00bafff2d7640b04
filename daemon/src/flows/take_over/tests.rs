//! From a file through the database to a file again.

use std::collections::BTreeMap;

use postern_gateway::DesiredInterface;
use proptest::prelude::*;

use super::*;
use crate::fixtures::{a_site, at};
use crate::gateway_view::{LinkState, Surroundings};
use crate::rules::wg_quick::tests::a_server;
use crate::rules::wg_quick::{Parsed, parse};
use crate::site::SiteLocation;
use crate::store::{Store, StoreError};

proptest! {
    #[test]
    fn a_server_that_was_taken_over_is_written_again_as_it_was(server in a_server()) {
        let mut server = server;
        server.mtu = server.mtu.or(postern_gateway::Mtu::try_from(1400).ok());
        // A peer without a name gets one of its key.
        for peer in &mut server.peers {
            peer.name.get_or_insert_with(|| format!("peer {}", &peer.public_key.to_string()[..8]));
        }
        let store = Store::in_memory().unwrap();
        let site = taken_over(&store, &server);
        let who = actor();
        let text = store.write_blocking(|tx| export(tx, &site, "wg0", (&who, at(2)))).unwrap().0;
        let Ok(Parsed { server: read, .. }) = parse(&text) else { panic!("{}", text.as_str()) };
        prop_assert!(read == server, "{}\n{}", text.as_str(), render(&server).as_str());
    }
}

fn actor() -> Actor {
    Actor { name: "unix:root".to_owned(), account: None }
}

/// The site after `server` was taken over into `wg0`.
fn taken_over(store: &Store, server: &WgQuick) -> Site {
    let site = a_site(store);
    let called = |endpoint: &String| (endpoint.clone(), "192.0.2.1:51820".parse().unwrap());
    let called =
        server.peers.iter().filter_map(|peer| peer.endpoint.as_ref()).map(called).collect::<BTreeMap<_, _>>();
    let wish = Wish {
        name: "wg0".to_owned(),
        interface: "wg0".to_owned(),
        endpoint: "vpn.example.com".to_owned(),
        keys: LocationKeys::default(),
    };
    let parsed = Parsed { server: server.clone(), left_out: Vec::new() };
    let host = Surroundings { link: LinkState::Free, routes_elsewhere: BTreeMap::new() };
    let Ok(takeover) = judge(wish, parsed, &host, called) else { panic!() };
    let (takeovers, who) = ([takeover], actor());
    let taken = store.write_blocking(|tx| {
        take_over(tx, &site, &takeovers, &|| [7; 32], (&who, at(1)))?;
        Ok::<_, Refusal>(tx.location_id("wg0")?)
    });
    let id = taken.unwrap_or_else(|refused| panic!("{refused}")).0;
    let mut config = site.locations().next().unwrap().config.clone();
    config.name = "wg0".to_owned();
    config.interface = "wg0".parse().unwrap();
    config.listen_port = server.listen_port.unwrap();
    config.mtu = server.mtu.unwrap();
    let [takeover] = &takeovers;
    config.ipv4 = takeover.keys.ipv4.as_ref().map(|subnet| subnet.parse().unwrap());
    config.ipv6 = takeover.keys.ipv6.as_ref().map(|subnet| subnet.parse().unwrap());
    let wg0 = SiteLocation::new(id, config, server.private_key.clone(), postern_gateway::BackendKind::Kernel);
    let locations: Vec<SiteLocation> = site.locations().cloned().chain([wg0]).collect();
    Site::new(site.config.clone(), site.instance, site.keys.clone(), locations)
}

#[test]
fn namesakes_are_told_apart_and_no_name_is_too_long() {
    let store = Store::in_memory().unwrap();
    let peer = |seed: u8| WgPeer {
        name: Some("a".repeat(64)),
        public_key: postern_gateway::PrivateKey::from_random([seed; 32]).public(),
        preshared_key: None,
        allowed_ips: vec![format!("10.8.0.{seed}/32").parse().unwrap()],
        endpoint: None,
        keepalive: None,
    };
    let server = WgQuick {
        private_key: postern_gateway::PrivateKey::from_random([99; 32]),
        addresses: vec!["10.8.0.1/24".parse().unwrap()],
        listen_port: 51_820.try_into().ok(),
        mtu: postern_gateway::Mtu::try_from(1420).ok(),
        peers: vec![peer(10), peer(20)],
    };
    taken_over(&store, &server);
    let devices = store.read_blocking(|tx| {
        let devices = tx.devices()?;
        Ok::<_, StoreError>(devices)
    });
    let names: Vec<String> = devices.unwrap().into_iter().map(|device| device.name).collect();
    assert_eq!(names, ["a".repeat(64), format!("{} (2)", "a".repeat(60))]);
}

/// With a preshared key each.
fn a_server_of(seeds: &[u8]) -> WgQuick {
    let peer = |seed: &u8| WgPeer {
        name: None,
        public_key: postern_gateway::PrivateKey::from_random([*seed; 32]).public(),
        preshared_key: postern_gateway::PresharedKey::from_bytes([5; 32]),
        allowed_ips: vec![format!("10.8.0.{seed}/32").parse().unwrap()],
        endpoint: None,
        keepalive: None,
    };
    WgQuick {
        private_key: postern_gateway::PrivateKey::from_random([99; 32]),
        addresses: vec!["10.8.0.1/24".parse().unwrap()],
        listen_port: 51_820.try_into().ok(),
        mtu: postern_gateway::Mtu::try_from(1420).ok(),
        peers: seeds.iter().map(peer).collect(),
    }
}

#[test]
fn a_preshared_key_that_does_not_open_concerns_its_peer_alone() {
    let store = Store::in_memory().unwrap();
    a_site(&store);
    // The first of all.
    let damaged = store.write_blocking(|tx| {
        crate::fixtures::a_sealed_place(tx);
        Ok::<_, StoreError>(())
    });
    damaged.unwrap();
    let mut site = taken_over(&store, &a_server_of(&[10]));
    let peers = |site: &Site| {
        let everything = postern_gateway::Scope::Everything;
        let desired = store.read_blocking(|tx| tx.desired(site, &everything)).unwrap().0;
        let of = |interface: DesiredInterface| (interface.peers.len(), interface.undecided.len());
        desired.interfaces.into_values().map(of).collect::<Vec<_>>()
    };
    assert_eq!(peers(&site), [(0, 1), (0, 0), (1, 0)]);
    let opens = |site: &Site| store.read_blocking(|tx| tx.opens_what_is_sealed(&site.keys.seal)).unwrap();
    assert!(opens(&site), "the key is the right one all the same");
    site.keys.seal = SealKey::from_bytes([3; 32]);
    assert_eq!(peers(&site), [(0, 1), (0, 0), (0, 1)], "no peer is set up without its key");
    assert!(!opens(&site));
}

#[test]
fn a_place_of_its_own_counts_as_what_it_is() {
    let store = Store::in_memory().unwrap();
    let mut server = a_server_of(&[10, 20]);
    server.peers[1].allowed_ips = vec!["192.168.5.0/24".parse().unwrap()];
    let site = taken_over(&store, &server);
    let wg0 = site.location_named("wg0").unwrap();
    let view = store.read_blocking(|tx| {
        super::super::locations::view(tx, wg0, &crate::applied::Applied::default(), &BTreeMap::new())
    });
    let view = serde_json::to_value(view.unwrap()).unwrap();
    assert_eq!((&view["devices"], &view["free_addresses"]), (&2.into(), &252.into()));

    let given = store.write_blocking(|tx| {
        let ann = crate::fixtures::a_person(tx, "ann");
        let device = tx.device_by_key(server.peers[0].public_key)?.unwrap();
        tx.give_device(device.id, DeviceOwner::User(ann))?;
        tx.set_live(device.id, wg0.id, Some(at(2)))?;
        assert!(tx.has_live_device(ann)?);
        let named = |device| super::super::devices::location_names(tx, &site, device);
        assert_eq!(named(&device)?, ["wg0"]);
        tx.grant_fixed_place(&device, wg0.id, crate::store::fixed::Granted::No)?;
        assert_eq!(named(&device)?, Vec::<String>::new());
        tx.has_live_device(ann)
    });
    assert!(!given.unwrap().0);
}

/// What [`judge`] says of `a_server_of(&[10])` on such a host.
fn judged(host: &Surroundings, change: impl FnOnce(&mut WgQuick)) -> Result<Vec<String>, Vec<String>> {
    let mut server = a_server_of(&[10]);
    change(&mut server);
    let wish = Wish {
        name: "wg0".to_owned(),
        interface: "wg0".to_owned(),
        endpoint: "vpn.example.com".to_owned(),
        keys: LocationKeys::default(),
    };
    let called = BTreeMap::from([("vpn.example.com:1".to_owned(), "192.0.2.1:1".parse().unwrap())]);
    match judge(wish, Parsed { server, left_out: Vec::new() }, host, called) {
        Ok(takeover) => Ok(takeover.changes),
        Err(Refusal::Takeover(problems)) => Err(problems),
        Err(other) => panic!("{other}"),
    }
}

fn running(fwmark: u32) -> LinkState {
    LinkState::Unmarked(Box::new(postern_gateway::ObservedInterface {
        backend: postern_gateway::BackendKind::Kernel,
        up: true,
        mtu: 1420,
        public_key: Some(a_server_of(&[]).private_key.public()),
        listen_port: 51_820,
        fwmark,
        addresses: ["10.8.0.1/24".parse().unwrap()].into(),
        routes: ["10.8.0.0/24".parse().unwrap()].into(),
        peers: BTreeMap::new(),
    }))
}

#[test]
fn a_firewall_mark_that_rules_may_depend_on_is_not_cleared() {
    let host = |fwmark| Surroundings { link: running(fwmark), routes_elsewhere: BTreeMap::new() };
    assert!(judged(&host(0), |_| {}).is_ok());
    let problems = judged(&host(0xca6c), |_| {}).unwrap_err();
    assert!(problems[0].starts_with("wg0 runs with the firewall mark 0xca6c"), "{problems:?}");
}

#[test]
fn what_is_routed_to_another_link_is_not_taken_from_it() {
    let host = |link, network: &str| Surroundings {
        link,
        routes_elsewhere: BTreeMap::from([(network.parse().unwrap(), "eth0".to_owned())]),
    };
    let behind = |server: &mut WgQuick| server.peers[0].allowed_ips.push("192.168.5.0/24".parse().unwrap());
    let said = |network: &str| {
        Err(vec![format!("{network} is routed to eth0 on this host: take it out of one of the two")])
    };
    assert_eq!(judged(&host(LinkState::Free, "192.168.5.0/24"), behind), said("192.168.5.0/24"));
    assert_eq!(judged(&host(LinkState::Free, "10.8.0.0/24"), |_| {}), said("10.8.0.0/24"));
    let there = running(0);
    assert!(judged(&host(there, "10.8.0.0/24"), |_| {}).is_ok(), "it is routed to both already");
    let wider = host(LinkState::Free, "192.168.0.0/16");
    assert!(judged(&wider, behind).is_ok(), "the narrower route is another");
}

#[test]
fn that_a_name_is_looked_up_once_is_told() {
    let host = Surroundings { link: LinkState::Free, routes_elsewhere: BTreeMap::new() };
    let called = |server: &mut WgQuick| server.peers[0].endpoint = Some("vpn.example.com:1".to_owned());
    let told = "endpoint vpn.example.com:1: its name is looked up this once, and kept as 192.0.2.1:1";
    assert!(judged(&host, called).unwrap().contains(&told.to_owned()));
}

#[test]
fn machines_of_a_former_location_are_not_let_in_again() {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let host = Surroundings { link: LinkState::Free, routes_elsewhere: BTreeMap::new() };
    let import = |seeds: &[u8]| {
        let wish = Wish {
            name: "wg0".to_owned(),
            interface: "wg0".to_owned(),
            endpoint: "vpn.example.com".to_owned(),
            keys: LocationKeys::default(),
        };
        let parsed = Parsed { server: a_server_of(seeds), left_out: Vec::new() };
        let takeover = judge(wish, parsed, &host, BTreeMap::new()).unwrap_or_else(|error| panic!("{error}"));
        let taken =
            store.write_blocking(|tx| take_over(tx, &site, &[takeover], &|| [7; 32], (&actor(), at(1))));
        taken.map(|(peers, _)| peers[0].len()).map_err(|refused| refused.to_string())
    };
    assert_eq!(import(&[10, 20]), Ok(2));
    assert_eq!(import(&[20, 10, 30]), Ok(3), "it was committed and never managed");
    let refused = import(&[30, 40]).unwrap_err();
    assert!(refused.starts_with("machines of a former location \"wg0\" are still there: peer "), "{refused}");
}
