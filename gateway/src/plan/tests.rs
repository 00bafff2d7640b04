//! Plans as diffs: each drift alone, and the orders that keep tunnels and routes alive.

use super::*;
use crate::backend::memory::MemoryBackend;
use crate::fixtures::{
    an_interface, at_port, called_at, desired, key, name, peer, reach, with_preshared_key,
};
use crate::key::PrivateKey;
use crate::kind::BackendKind;

mod properties;

/// What a plan for `then` says on a host where `now` was reached.
fn shown(now: &Desired, then: &Desired, disturb: impl FnOnce(&MemoryBackend)) -> String {
    let mut kernel = MemoryBackend::default();
    assert!(reach(&mut kernel, now).is_complete());
    disturb(&kernel);
    plan(then, &kernel.observed(), &Scope::Everything).to_string()
}

fn one_of_each_peer() -> Desired {
    let psk = with_preshared_key(peer(&["10.77.0.3/32"]), 9);
    desired([("wg-hq", an_interface([(key(1), peer(&["10.77.0.2/32", "fd00:77::2/128"])), (key(2), psk)]))])
}

#[test]
fn a_first_plan_makes_the_firewall_then_the_interface_then_sets_it_up() {
    insta::assert_snapshot!(shown(&Desired::default(), &one_of_each_peer(), |_| {}), @r"
    firewall: ~ table for wg-hq
    wg-hq: + interface (kernel, MTU 1420)
    wg-hq: ~ public key E75P6uryBMf9M1j8nAByGIHRdCeBKCJ+xnTzf3/pe20=, port 51820
    wg-hq: + peer CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws= 10.77.0.2/32,fd00:77::2/128
    wg-hq: + peer DAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw= 10.77.0.3/32 with a preshared key
    wg-hq: + address 10.77.0.1/24
    wg-hq: + address fd00:77::1/64
    wg-hq: ~ up
    ");
}

#[test]
fn what_exists_as_desired_needs_nothing() {
    assert_eq!(shown(&one_of_each_peer(), &one_of_each_peer(), |_| {}), "nothing to change");
}

#[test]
fn nothing_desired_removes_interface_and_table() {
    insta::assert_snapshot!(shown(&one_of_each_peer(), &Desired::default(), |_| {}), @r"
    wg-hq: - interface
    firewall: - table
    ");
}

#[test]
fn each_drift_is_repaired_by_what_it_takes_and_no_more() {
    let hq = name("wg-hq");
    let repair = |disturb: fn(&MemoryBackend, &InterfaceName)| {
        shown(&one_of_each_peer(), &one_of_each_peer(), |kernel| disturb(kernel, &hq))
    };
    assert_eq!(repair(|kernel, _| kernel.drop_firewall()), "firewall: ~ table for wg-hq");
    assert_eq!(repair(MemoryBackend::set_down), "wg-hq: + address fd00:77::1/64\nwg-hq: ~ up");
    assert_eq!(
        repair(MemoryBackend::flush_routes),
        "wg-hq: + route 10.77.0.0/24\nwg-hq: + route fd00:77::/64"
    );
    assert_eq!(
        repair(MemoryBackend::flush_addresses),
        "wg-hq: + address 10.77.0.1/24\nwg-hq: + address fd00:77::1/64"
    );
    assert_eq!(
        repair(|kernel, hq| kernel.remove_peer(hq, &key(1))),
        format!("wg-hq: + peer {} 10.77.0.2/32,fd00:77::2/128", key(1))
    );
}

#[test]
fn a_peer_that_nobody_can_decide_about_stays_as_it_is_and_is_not_added() {
    let mut then = one_of_each_peer();
    let hq = then.interfaces.get_mut(&name("wg-hq")).unwrap();
    hq.peers.remove(&key(2));
    hq.undecided.insert(key(2));
    assert_eq!(shown(&one_of_each_peer(), &then, |_| {}), "nothing to change");
    let gone = |kernel: &MemoryBackend| kernel.remove_peer(&name("wg-hq"), &key(2));
    assert_eq!(shown(&one_of_each_peer(), &then, gone), "nothing to change");
    let mut kernel = MemoryBackend::default();
    reach(&mut kernel, &one_of_each_peer());
    let only = Scope::Peers(BTreeSet::from([key(2)]));
    assert_eq!(plan(&then, &kernel.observed(), &only).to_string(), "nothing to change");
}

#[test]
fn a_peer_whose_allowed_ips_stay_is_updated_without_writing_them() {
    let mut kernel = MemoryBackend::default();
    reach(&mut kernel, &one_of_each_peer());
    let mut then = one_of_each_peer();
    let hq = then.interfaces.get_mut(&name("wg-hq")).unwrap();
    hq.peers.insert(key(1), peer(&["10.77.0.4/32"]));
    hq.peers.insert(key(2), peer(&["10.77.0.3/32"]));
    let steps = plan(&then, &kernel.observed(), &Scope::Everything).steps;
    let updated = |step: &Step| {
        let Step::UpdatePeers { peers, networks, .. } = step else { return None };
        Some((peers[0].0, *networks))
    };
    let updated: Vec<_> = steps.iter().filter_map(updated).collect();
    assert_eq!(updated, [(key(1), Networks::Replaced), (key(2), Networks::Kept)]);
    assert!(reach(&mut kernel, &then).is_complete());
    assert!(kernel.observed().is_live(&name("wg-hq"), &key(2), &peer(&["10.77.0.3/32"])));
}

#[test]
fn a_name_taken_by_somebody_else_is_left_alone_and_gets_no_rules() {
    let taken = |kernel: &MemoryBackend| kernel.make_foreign(&name("wg-hq"));
    let both = desired([("wg-hq", an_interface([])), ("wg-lab", an_interface([]))]);
    insta::assert_snapshot!(shown(&Desired::default(), &both, taken), @r"
    wg-hq: ! left alone, a link of this name is not postern's
    firewall: ~ table for wg-lab
    wg-lab: + interface (kernel, MTU 1420)
    wg-lab: ~ public key E75P6uryBMf9M1j8nAByGIHRdCeBKCJ+xnTzf3/pe20=, port 51820
    wg-lab: + address 10.77.0.1/24
    wg-lab: + address fd00:77::1/64
    wg-lab: ~ up
    ");
}

#[test]
fn a_link_without_a_mark_that_has_the_key_is_taken_over_as_it_is() {
    let unmark = |kernel: &MemoryBackend| kernel.unmark(&name("wg-hq"));
    insta::assert_snapshot!(shown(&one_of_each_peer(), &one_of_each_peer(), unmark), @r"
    firewall: ~ table for wg-hq
    wg-hq: ~ taken over as it is, it has this location's key
    ");
}

#[test]
fn a_link_without_a_mark_and_with_another_key_is_left_alone() {
    let unmark = |kernel: &MemoryBackend| kernel.unmark(&name("wg-hq"));
    let mut other = one_of_each_peer();
    other
        .interfaces
        .values_mut()
        .for_each(|interface| interface.private_key = PrivateKey::from_random([9; 32]));
    insta::assert_snapshot!(shown(&one_of_each_peer(), &other, unmark), @"wg-hq: ! left alone, a link of this name is not postern's");
}

#[test]
fn a_network_behind_a_peer_is_routed_while_the_peer_is_there() {
    let behind = |networks: &[&str]| {
        let mut hq = an_interface([(key(1), called_at("192.0.2.7:51820", peer(networks)))]);
        hq.routes = networks.iter().map(|text| text.parse().unwrap()).collect();
        desired([("wg-hq", hq)])
    };
    let (one, other) = (behind(&["192.168.5.0/24"]), behind(&["192.168.6.0/24"]));
    insta::assert_snapshot!(shown(&one, &other, |_| {}), @r"
    wg-hq: ~ peer CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws= 192.168.6.0/24, called at 192.0.2.7:51820
    wg-hq: - route 192.168.5.0/24
    wg-hq: + route 192.168.6.0/24
    ");
    insta::assert_snapshot!(shown(&one, &one, |kernel| kernel.set_down(&name("wg-hq"))), @r"
    wg-hq: + address fd00:77::1/64
    wg-hq: ~ up
    wg-hq: + route 192.168.5.0/24
    ");
}

#[test]
fn two_peers_that_exchange_addresses_give_up_before_they_take() {
    let holding = |one: &str, two: &str| {
        desired([("wg-hq", an_interface([(key(1), peer(&[one])), (key(2), peer(&["10.77.0.9/32", two]))]))])
    };
    let then = holding("10.77.0.3/32", "10.77.0.2/32");
    insta::assert_snapshot!(shown(&holding("10.77.0.2/32", "10.77.0.3/32"), &then, |_| {}), @r"
    wg-hq: ~ peer CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws= nothing
    wg-hq: ~ peer DAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw= 10.77.0.9/32
    wg-hq: ~ peer CwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCwsLCws= 10.77.0.3/32
    wg-hq: ~ peer DAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw= 10.77.0.2/32,10.77.0.9/32
    ");
}

#[test]
fn a_subnet_that_grows_is_never_without_a_route() {
    let mut then = one_of_each_peer();
    for interface in then.interfaces.values_mut() {
        interface.addresses = ["10.77.0.1/16", "fd00:77::1/48"].map(|text| text.parse().unwrap()).into();
    }
    insta::assert_snapshot!(shown(&one_of_each_peer(), &then, |_| {}), @r"
    firewall: ~ table for wg-hq
    wg-hq: + address 10.77.0.1/16
    wg-hq: - address 10.77.0.1/24
    wg-hq: - address fd00:77::1/64
    wg-hq: + address fd00:77::1/48
    ");
}

#[test]
fn another_address_in_the_same_subnet_waits_until_the_old_one_is_gone() {
    let mut then = one_of_each_peer();
    for interface in then.interfaces.values_mut() {
        interface.addresses = ["10.77.0.254/24", "fd00:77::1/64"].map(|text| text.parse().unwrap()).into();
    }
    insta::assert_snapshot!(shown(&one_of_each_peer(), &then, |_| {}), @r"
    firewall: ~ table for wg-hq
    wg-hq: - address 10.77.0.1/24
    wg-hq: + address 10.77.0.254/24
    ");
}

fn at_ports(ports: [u16; 3]) -> Desired {
    let [a, b, c] = ports.map(|port| at_port(port, an_interface([])));
    desired([("wg-a", a), ("wg-b", b), ("wg-c", c)])
}

#[test]
fn a_port_is_taken_once_it_is_free() {
    let steps = shown(&at_ports([1, 2, 3]), &at_ports([2, 3, 4]), |_| {});
    let ports: Vec<_> = steps.lines().map(|line| line.replace(&gateway_key(), "KEY")).collect();
    assert_eq!(
        ports,
        [
            "wg-c: ~ public key KEY, port 4",
            "wg-b: ~ public key KEY, port 3",
            "wg-a: ~ public key KEY, port 2"
        ]
    );
}

#[test]
fn of_interfaces_that_exchange_ports_one_leaves_first() {
    let swapped = shown(&at_ports([1, 2, 3]), &at_ports([2, 1, 3]), |_| {});
    assert_eq!(
        swapped.replace(&gateway_key(), "KEY"),
        "wg-a: ~ any port, another takes its own\n\
         wg-b: ~ public key KEY, port 1\n\
         wg-a: ~ public key KEY, port 2"
    );
}

#[test]
fn an_interface_outside_the_exchange_keeps_its_port() {
    let steps = shown(&at_ports([1, 2, 3]), &at_ports([4, 3, 2]), |_| {});
    assert_eq!(steps.matches("any port").count(), 1, "{steps}");
    assert!(!steps.contains("wg-a: ~ any port"), "{steps}");
}

fn gateway_key() -> String {
    an_interface([]).private_key.public().to_string()
}

#[test]
fn another_backend_makes_the_interface_anew() {
    let mut then = desired([("wg-hq", an_interface([]))]);
    let now = then.clone();
    for interface in then.interfaces.values_mut() {
        interface.backend = BackendKind::Userspace;
    }
    let steps = shown(&now, &then, |_| {});
    assert!(steps.starts_with("wg-hq: - interface\nwg-hq: + interface (userspace, MTU 1420)"), "{steps}");
}

#[test]
fn one_touched_peer_is_all_a_scoped_plan_looks_at() {
    let mut kernel = MemoryBackend::default();
    reach(&mut kernel, &one_of_each_peer());
    kernel.drop_firewall();
    let one = desired([("wg-hq", an_interface([(key(3), peer(&["10.77.0.4/32"]))]))]);
    let plan = plan(&one, &kernel.observed(), &Scope::Peers([key(2), key(3)].into()));
    insta::assert_snapshot!(plan, @r"
    wg-hq: - peer DAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw=
    wg-hq: + peer DQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0= 10.77.0.4/32
    ");
}

#[test]
fn a_peer_that_lost_access_leaves_an_interface_that_nobody_wants() {
    let mut kernel = MemoryBackend::default();
    reach(&mut kernel, &one_of_each_peer());
    let plan = plan(&Desired::default(), &kernel.observed(), &Scope::Peers([key(1)].into()));
    assert_eq!(plan.to_string(), format!("wg-hq: - peer {}", key(1)));
}

#[test]
fn a_diff_shows_no_secret() {
    let shown = shown(&Desired::default(), &one_of_each_peer(), |_| {});
    let private_key = an_interface([]).private_key.to_base64();
    assert!(!shown.contains(private_key.as_str()));
    assert!(!shown.contains("CQkJCQ"), "the preshared key");
}
