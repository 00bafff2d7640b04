//! What holds for every plan, tried on the pretend kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;
use crate::backend::Backend as _;
use crate::desired::{DesiredPeer, Dialled, ForwardPolicy};
use crate::key::{PresharedKey, PrivateKey};
use crate::net::{AllowedIps, Mtu};

const NAMES: [&str; 3] = ["wg-a", "wg-b", "wg-c"];
const KEYS: u8 = 5;

proptest! {
    #[test]
    fn applying_a_plan_reaches_what_is_desired((now, then) in a_change()) {
        let mut kernel = now;
        let outcome = reach(&mut kernel, &then);
        let found = kernel.observed();
        prop_assert_eq!(outcome.firewall_failed, None);
        prop_assert_eq!(outcome.peers_failed.len(), 0);
        prop_assert_eq!(outcome.interfaces_failed.keys().collect::<Vec<_>>(),
            found.foreign.iter().filter(|name| then.interfaces.contains_key(name)).collect::<Vec<_>>());
        prop_assert!(plan(&then, &found, &Scope::Everything).steps.is_empty());
        assert_is(&then, &found);
    }

    #[test]
    fn no_step_names_or_disturbs_an_unchanged_peer((now, then) in a_change()) {
        let mut kernel = now;
        let before = kernel.observed();
        let unchanged = unchanged(&before, &then);
        for step in plan(&then, &before, &Scope::Everything).steps {
            for key in keys_of(&step) {
                let named = (step.interface().unwrap().clone(), key);
                prop_assert!(!unchanged.contains(&named), "{}", step);
            }
            kernel.perform(&step).unwrap();
            let found = kernel.observed();
            for (name, key) in &unchanged {
                prop_assert_eq!(&of_anybody(&found)[name].peers[key], &of_anybody(&before)[name].peers[key]);
            }
        }
    }

    #[test]
    fn an_allowed_ip_is_given_up_before_it_is_taken((now, then) in a_change()) {
        let mut kernel = now;
        for step in plan(&then, &kernel.observed(), &Scope::Everything).steps {
            let Some(interface) = step.interface() else { continue };
            let found = kernel.observed();
            for (taker, network) in taken_by(&step) {
                let owner = found.interfaces[interface].peers.iter().find(|(_, peer)| peer.allowed_ips.contains(&network));
                prop_assert!(owner.is_none_or(|(owner, _)| *owner == taker), "{}", step);
            }
            kernel.perform(&step).unwrap();
        }
    }

    #[test]
    fn a_foreign_interface_is_in_no_step_unless_it_has_our_key((now, then) in a_change()) {
        let found = now.observed();
        let is_adopted = |name: &InterfaceName| {
            found.unmarked.get(name).is_some_and(|link| link.public_key == Some(then.interfaces[name].private_key.public()))
        };
        for step in plan(&then, &found, &Scope::Everything).steps {
            let is_ours = |name: &InterfaceName| !found.foreign.contains(name) || is_adopted(name);
            prop_assert!(step.interface().is_none_or(is_ours), "{}", step);
        }
    }

    #[test]
    fn only_an_interface_that_changes_its_port_leaves_it((now, then) in a_change()) {
        let found = now.observed();
        for step in plan(&then, &found, &Scope::Everything).steps {
            let Step::LeavePort { interface } = &step else { continue };
            let (before, after) = (of_anybody(&found)[interface], &then.interfaces[interface]);
            prop_assert_ne!(before.listen_port, after.listen_port.get());
            let takes = |other: &DesiredInterface| other.listen_port.get() == before.listen_port;
            prop_assert!(then.interfaces.values().any(takes), "{} for nobody", step);
        }
    }

    #[test]
    fn the_model_follows_the_kernel_step_by_step((now, then) in a_change()) {
        let mut kernel = now;
        let mut modelled = kernel.observed();
        for step in plan(&then, &modelled, &Scope::Everything).steps {
            kernel.perform(&step).unwrap();
            modelled.after(&step);
            prop_assert_eq!(&modelled, &kernel.observed(), "{}", step);
        }
    }

    #[test]
    fn the_model_follows_the_kernel_when_a_scoped_plan_takes_from_others(
        (now, then) in a_change(),
        keys in some_keys(),
        indexed in any::<bool>(),
    ) {
        let mut kernel = now;
        let mut modelled = kernel.observed();
        if indexed {
            modelled.index();
        }
        for step in plan(&then, &modelled, &Scope::Peers(keys)).steps {
            kernel.perform(&step).unwrap();
            modelled.after(&step);
            prop_assert_eq!(&modelled, &kernel.observed(), "{}", step);
        }
    }

    #[test]
    fn a_scoped_plan_does_to_its_peers_what_a_full_one_does(
        (now, then) in a_change(),
        keys in some_keys(),
    ) {
        let found = now.observed();
        let lasting = |name: &InterfaceName| {
            let wanted = then.interfaces.get(name).map(|interface| interface.backend);
            wanted.is_some() && found.interfaces.get(name).map(|interface| interface.backend) == wanted
        };
        let mut full = effects(&plan(&then, &found, &Scope::Everything));
        let mut scoped = effects(&plan(&then, &found, &Scope::Peers(keys.clone())));
        full.retain(|(name, key), _| lasting(name) && keys.contains(key));
        scoped.retain(|(name, _), _| lasting(name));
        prop_assert_eq!(full, scoped);
    }
}

/// A host, and what is to be reached there: no route that a link has which is nobody's of ours.
fn a_change() -> impl Strategy<Value = (MemoryBackend, Desired)> {
    (world(), a_desired()).prop_map(|(now, mut then)| {
        let unmarked = now.observed().unmarked;
        for interface in then.interfaces.values_mut() {
            interface.routes.retain(|route| !unmarked.values().any(|link| link.routes.contains(route)));
        }
        (now, then)
    })
}

/// A host on which something was reached and then disturbed.
fn world() -> impl Strategy<Value = MemoryBackend> {
    (a_desired(), prop::collection::vec(a_disturbance(), 0..3)).prop_map(|(before, disturbances)| {
        let mut kernel = MemoryBackend::default();
        assert!(reach(&mut kernel, &before).is_complete());
        for (what, interface, peer) in disturbances {
            disturb(&kernel, what, &name(interface), peer);
        }
        kernel
    })
}

fn a_disturbance() -> impl Strategy<Value = (u8, &'static str, u8)> {
    (0..8_u8, prop::sample::select(&NAMES[..]), 0..KEYS)
}

fn disturb(kernel: &MemoryBackend, what: u8, interface: &InterfaceName, peer: u8) {
    match what {
        0 => kernel.remove_peer(interface, &key(peer)),
        1 => kernel.flush_addresses(interface),
        2 => kernel.flush_routes(interface),
        3 => kernel.set_down(interface),
        4 => kernel.delete_link(interface),
        5 => kernel.drop_firewall(),
        6 => kernel.unmark(interface),
        _ => kernel.make_foreign(interface),
    }
}

fn a_desired() -> impl Strategy<Value = Desired> {
    let interfaces =
        NAMES.map(|text| prop::option::weighted(0.8, interface()).prop_map(move |found| (name(text), found)));
    // Each has its own port, often that of another before.
    let ports = Just([51820_u16, 51821, 51822, 51823]).prop_shuffle();
    (interfaces, ports).prop_map(|(all, ports)| {
        let present = all.into_iter().zip(ports);
        let mut routed = BTreeSet::new();
        let interfaces = present.filter_map(|((name, interface), port)| {
            let mut interface = at_port(port, interface?);
            // Nothing is routed to two.
            let own = |network: &IpNet| !routed.contains(&network.trunc());
            interface.addresses.retain(own);
            interface.routes.retain(own);
            routed
                .extend(interface.addresses.iter().map(IpNet::trunc).chain(interface.routes.iter().copied()));
            Some((name, interface))
        });
        Desired { interfaces: interfaces.collect() }
    })
}

fn interface() -> impl Strategy<Value = DesiredInterface> {
    let backend = prop_oneof![9 => Just(BackendKind::Kernel), 1 => Just(BackendKind::Userspace)];
    let v4 = subsequence(vec!["10.77.0.1/24", "10.77.0.2/24", "10.77.0.1/16", "10.78.0.1/32"], 0..=3);
    let v6 = prop::option::of(prop::sample::select(&["fd00:77::1/64", "fd00:77::1/48"][..]));
    let routes = subsequence(vec!["192.168.5.0/24", "10.77.0.10/32"], 0..=2);
    (backend, 1..3_u8, 1419..1421_u32, v4, v6, peers(), any::<bool>(), routes).prop_map(
        |(backend, seed, mtu, v4, v6, peers, masquerade, routes)| DesiredInterface {
            backend,
            private_key: PrivateKey::from_random([seed << 3; 32]),
            listen_port: 51820.try_into().unwrap(),
            mtu: Mtu::try_from(mtu).unwrap(),
            addresses: v4.into_iter().chain(v6).map(|text| text.parse().unwrap()).collect(),
            peers,
            undecided: BTreeSet::new(),
            routes: routes.into_iter().map(|text| text.parse().unwrap()).collect(),
            policy: ForwardPolicy { masquerade, ..ForwardPolicy::default() },
        },
    )
}

/// Some peers, and each of a few addresses with one of them or nobody.
fn peers() -> impl Strategy<Value = BTreeMap<PublicKey, DesiredPeer>> {
    let owners = prop::collection::vec(prop::option::weighted(0.8, 0..KEYS), 6);
    let preshared = prop::collection::vec(0..2_u8, usize::from(KEYS));
    (subsequence((0..KEYS).collect::<Vec<_>>(), 0..=usize::from(KEYS)), owners, preshared).prop_map(
        |(present, owners, preshared)| {
            let networks = |peer: u8| -> AllowedIps {
                let mine = owners.iter().enumerate().filter(|(_, owner)| **owner == Some(peer));
                mine.map(|(host, _)| format!("10.77.0.{}/32", host + 10).parse().unwrap()).collect()
            };
            let peer = |peer: u8| DesiredPeer {
                allowed_ips: networks(peer),
                preshared_key: PresharedKey::from_bytes([preshared[usize::from(peer)]; 32]),
                dialled: (peer == 1).then(|| Dialled {
                    endpoint: "192.0.2.1:51820".parse().unwrap(),
                    keepalive: NonZeroU16::new(u16::from(preshared[0])),
                }),
            };
            present.into_iter().map(|seed| (key(seed), peer(seed))).collect()
        },
    )
}

fn some_keys() -> impl Strategy<Value = BTreeSet<PublicKey>> {
    prop::collection::btree_set((0..KEYS).prop_map(key), 0..3)
}

fn assert_is(desired: &Desired, found: &Observed) {
    for (name, wanted) in desired.interfaces.iter().filter(|(name, _)| !found.foreign.contains(name)) {
        let interface = &found.interfaces[name];
        assert!(interface.up);
        assert_eq!(interface.backend, wanted.backend);
        assert_eq!(interface.mtu, wanted.mtu.get());
        assert_eq!(interface.listen_port, wanted.listen_port.get());
        assert_eq!(interface.public_key, Some(wanted.private_key.public()));
        assert_eq!(interface.addresses, wanted.addresses);
        let subnets =
            wanted.addresses.iter().filter(|address| address.prefix_len() < address.max_prefix_len());
        let routed: BTreeSet<IpNet> =
            subnets.map(IpNet::trunc).chain(wanted.routes.iter().copied()).collect();
        assert!(interface.routes.is_superset(&routed));
        assert!(interface.peers.keys().eq(wanted.peers.keys()));
        assert!(wanted.peers.iter().all(|(key, peer)| found.is_live(name, key, peer)));
    }
    assert!(found.interfaces.keys().all(|name| desired.interfaces.contains_key(name)));
}

fn unchanged(found: &Observed, desired: &Desired) -> BTreeSet<(InterfaceName, PublicKey)> {
    let lasting = desired.interfaces.iter().filter_map(|(name, wanted)| {
        let ours = found.interfaces.get(name).filter(|found| found.backend == wanted.backend);
        Some((name, wanted, ours.or_else(|| to_adopt(found, name, wanted))?))
    });
    lasting
        .flat_map(|(name, wanted, found)| {
            let same =
                wanted.peers.iter().filter(|(key, peer)| found.peers.get(key).is_some_and(|it| it.is(peer)));
            same.map(|(key, _)| (name.clone(), *key))
        })
        .collect()
}

/// Whoever's mark they carry.
fn of_anybody(observed: &Observed) -> BTreeMap<&InterfaceName, &ObservedInterface> {
    observed.interfaces.iter().chain(&observed.unmarked).collect()
}

fn keys_of(step: &Step) -> Vec<PublicKey> {
    removed(step).iter().chain(given(step).iter().map(|(key, _)| key)).copied().collect()
}

fn taken_by(step: &Step) -> Vec<(PublicKey, IpNet)> {
    let of_peer = |(key, peer): &(PublicKey, DesiredPeer)| {
        let key = *key;
        peer.allowed_ips.iter().map(|network| (key, network)).collect::<Vec<_>>()
    };
    given(step).iter().flat_map(of_peer).collect()
}

/// What each peer is in the end; `None`: gone.
fn effects(plan: &Plan) -> BTreeMap<(InterfaceName, PublicKey), Option<DesiredPeer>> {
    let mut effects = BTreeMap::new();
    for step in &plan.steps {
        let Some(interface) = step.interface() else { continue };
        effects.extend(removed(step).iter().map(|key| ((interface.clone(), *key), None)));
        effects.extend(given(step).iter().map(|(key, peer)| ((interface.clone(), *key), Some(peer.clone()))));
    }
    effects
}

fn removed(step: &Step) -> &[PublicKey] {
    if let Step::RemovePeers { peers, .. } = step { peers } else { &[] }
}

fn given(step: &Step) -> &[(PublicKey, DesiredPeer)] {
    if let Step::UpdatePeers { peers, .. } | Step::AddPeers { peers, .. } = step { peers } else { &[] }
}
