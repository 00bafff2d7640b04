//! From a file through the database to a file again.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{a_site, at};
use crate::gateway_view::LinkState;
use crate::rules::wg_quick::tests::a_server;
use crate::rules::wg_quick::{Parsed, parse};
use crate::site::SiteLocation;
use crate::store::Store;

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
    let Ok(takeover) = judge(wish, parsed, &LinkState::Free, called) else { panic!() };
    let (seal, who) = (site.keys.seal.clone(), actor());
    let taken = store.write_blocking(|tx| {
        take_over(tx, &takeover, &seal, &|| [7; 32], (&who, at(1)))?;
        Ok::<_, Refusal>(tx.location_id("wg0")?)
    });
    let id = taken.unwrap_or_else(|refused| panic!("{refused}")).0;
    let mut config = site.locations().next().unwrap().config.clone();
    config.name = "wg0".to_owned();
    config.listen_port = server.listen_port.unwrap();
    config.mtu = server.mtu.unwrap();
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

#[test]
fn a_preshared_key_that_does_not_open_is_an_error_and_not_another_peer() {
    let store = Store::in_memory().unwrap();
    let server = WgQuick {
        private_key: postern_gateway::PrivateKey::from_random([99; 32]),
        addresses: vec!["10.8.0.1/24".parse().unwrap()],
        listen_port: 51_820.try_into().ok(),
        mtu: postern_gateway::Mtu::try_from(1420).ok(),
        peers: vec![WgPeer {
            name: None,
            public_key: postern_gateway::PrivateKey::from_random([1; 32]).public(),
            preshared_key: postern_gateway::PresharedKey::from_bytes([5; 32]),
            allowed_ips: Vec::new(),
            endpoint: None,
            keepalive: None,
        }],
    };
    let mut site = taken_over(&store, &server);
    let everything = postern_gateway::Scope::Everything;
    let peers = |site: &Site| {
        let (desired, _) = store.read_blocking(|tx| tx.desired(site, &everything))?;
        Ok::<_, StoreError>(desired.interfaces.values().map(|interface| interface.peers.len()).sum::<usize>())
    };
    assert_eq!(peers(&site).unwrap(), 1);
    site.keys.seal = SealKey::from_bytes([3; 32]);
    assert!(matches!(peers(&site), Err(StoreError::Unreadable(_))));
}
