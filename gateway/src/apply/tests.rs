//! `apply` on the pretend kernel: what fails stays with its interface, and what was done is counted.

use super::*;
use crate::backend::BackendError;
use crate::backend::memory::MemoryBackend;
use crate::desired::Desired;
use crate::fixtures::{an_interface, at_port, desired, key, name, peer, reach};
use crate::plan::{Scope, plan};

fn two_interfaces() -> Desired {
    let peers = || [(key(1), peer(&["10.77.0.2/32"])), (key(2), peer(&["10.77.0.3/32"]))];
    desired([("wg-hq", an_interface(peers())), ("wg-lab", at_port(51821, an_interface(peers())))])
}

#[test]
fn a_broken_interface_is_left_after_its_first_failure_and_others_go_on() {
    let mut kernel = MemoryBackend::default();
    kernel.break_interface(&name("wg-hq"));
    let outcome = reach(&mut kernel, &two_interfaces());
    let tried = kernel.take_written();
    assert_eq!(tried.iter().filter(|step| step.interface() == Some(&name("wg-hq"))).count(), 1);
    assert!(outcome.is_broken(&name("wg-hq")) && !outcome.is_broken(&name("wg-lab")));
    assert!(kernel.observed().interfaces[&name("wg-lab")].up);
}

#[test]
fn who_lost_access_loses_it_on_an_interface_whose_port_is_taken_too() {
    let mut kernel = MemoryBackend::default();
    reach(&mut kernel, &two_interfaces());
    let mut wanted = two_interfaces();
    let left = an_interface([(key(1), peer(&["10.77.0.2/32"])), (key(3), peer(&["10.77.0.4/32"]))]);
    wanted.interfaces.insert(name("wg-hq"), at_port(51821, left));
    let outcome = reach(&mut kernel, &wanted);
    let hq = name("wg-hq");
    assert_eq!(kernel.observed().interfaces[&hq].peers.keys().collect::<Vec<_>>(), [&key(1)]);
    assert!(outcome.failure_of(&hq).is_some_and(|reason| reason.contains("address in use")), "{outcome:?}");
}

#[test]
fn without_its_firewall_no_link_is_made_or_set_up() {
    let mut kernel = MemoryBackend::default();
    reach(&mut kernel, &desired([("wg-hq", an_interface([]))]));
    kernel.set_down(&name("wg-hq"));
    kernel.drop_firewall();
    kernel.refuse_firewall();
    let outcome = reach(&mut kernel, &two_interfaces());
    let found = kernel.observed();
    assert!(!found.interfaces[&name("wg-hq")].up);
    assert!(!found.interfaces.contains_key(&name("wg-lab")));
    let reason = "cannot replace the nftables table: permission denied";
    assert_eq!(outcome.firewall_failure().as_deref(), Some(reason));
    let closed = format!("stays closed until the firewall stands: {reason}");
    assert_eq!(outcome.failure_of(&name("wg-hq")), Some(closed.clone()));
    assert_eq!(outcome.failure_of(&name("wg-lab")), Some(closed));
}

#[test]
fn without_any_table_no_peer_is_added_and_those_that_are_there_stay() {
    let mut kernel = MemoryBackend::default();
    reach(&mut kernel, &desired([("wg-hq", an_interface([(key(1), peer(&["10.77.0.2/32"]))]))]));
    kernel.drop_firewall();
    kernel.refuse_firewall();
    let wanted = desired([("wg-hq", two_interfaces().interfaces[&name("wg-hq")].clone())]);
    let outcome = reach(&mut kernel, &wanted);
    let hq = name("wg-hq");
    assert_eq!(kernel.observed().interfaces[&hq].peers.keys().collect::<Vec<_>>(), [&key(1)]);
    assert!(!outcome.is_broken(&hq) && outcome.failure_of_peer(&hq, &key(1)).is_none());
    let reason =
        "stays closed until the firewall stands: cannot replace the nftables table: permission denied";
    assert_eq!(outcome.failure_of_peer(&hq, &key(2)), Some(reason));
    kernel.heal();
    assert!(reach(&mut kernel, &wanted).is_complete());
    assert_eq!(kernel.observed().interfaces[&hq].peers.len(), 2);
}

#[test]
fn while_an_older_table_stands_peers_are_added() {
    let mut kernel = MemoryBackend::default();
    reach(&mut kernel, &desired([("wg-hq", an_interface([]))]));
    kernel.refuse_firewall();
    let outcome = reach(&mut kernel, &two_interfaces());
    assert_eq!(kernel.observed().interfaces[&name("wg-hq")].peers.len(), 2);
    assert!(outcome.firewall_failure().is_some() && outcome.is_broken(&name("wg-lab")));
}

#[test]
fn a_refused_peer_is_told_and_the_others_are_live() {
    let mut kernel = MemoryBackend::default();
    kernel.refuse_peer(key(2));
    let mut observed = kernel.observed();
    let wanted = two_interfaces();
    let outcome = apply(&mut kernel.clone(), &plan(&wanted, &observed, &Scope::Everything), &mut observed);
    let hq = name("wg-hq");
    let live = |seed| observed.is_live(&hq, &key(seed), &wanted.interfaces[&hq].peers[&key(seed)]);
    assert!(live(1) && !live(2));
    assert_eq!(observed, kernel.observed());
    assert_eq!(outcome.failure_of_peer(&hq, &key(1)), None);
    let reason = format!("cannot write peer {}: permission denied", key(2));
    assert_eq!(outcome.failure_of_peer(&hq, &key(2)), Some(reason.as_str()));
    assert_eq!(outcome.failure_of(&hq), Some(format!("peer {}: {reason}", key(2))));
    kernel.heal();
    assert!(reach(&mut kernel, &wanted).is_complete());
}

#[test]
fn a_name_taken_by_somebody_else_fails_with_what_to_do() {
    let mut kernel = MemoryBackend::default();
    kernel.make_foreign(&name("wg-hq"));
    let outcome = reach(&mut kernel, &two_interfaces());
    assert_eq!(
        outcome.failure_of(&name("wg-hq")).as_deref(),
        Some("wg-hq exists and is not postern's: rename the location's interface or remove the link")
    );
    assert!(outcome.interfaces_failed.len() == 1 && kernel.observed().interfaces.len() == 1);
}

#[test]
fn a_route_of_another_link_is_not_taken_and_everything_else_goes_on() {
    let mut kernel = MemoryBackend::default();
    let [office, branch] = ["192.168.5.0/24", "192.168.6.0/24"].map(|text| text.parse().unwrap());
    kernel.route_elsewhere(office, "eth0");
    let mut wanted = two_interfaces();
    wanted.interfaces.get_mut(&name("wg-hq")).unwrap().routes.extend([office, branch]);
    let outcome = reach(&mut kernel, &wanted);
    let hq = name("wg-hq");
    let reason = "cannot wg-hq: + route 192.168.5.0/24: it is routed to eth0, which is not changed";
    assert_eq!(outcome.failure_of(&hq).as_deref(), Some(reason));
    assert!(!outcome.is_complete() && !outcome.is_broken(&hq), "its peers are live");
    assert_eq!(outcome.failure_of(&name("wg-lab")), None);
    let routes = || kernel.observed().interfaces[&hq].routes.clone();
    assert!(routes().contains(&branch) && !routes().contains(&office));
    kernel.unroute_elsewhere(&office);
    assert!(reach(&mut kernel.clone(), &wanted).is_complete());
    assert!(routes().contains(&office));
}

#[test]
fn a_network_moves_from_one_interface_to_another_in_one_turn() {
    let network = "192.168.5.0/24".parse().unwrap();
    let behind = |holder: &str| {
        let mut wanted = two_interfaces();
        let interface = wanted.interfaces.get_mut(&name(holder)).unwrap();
        interface.routes.insert(network);
        interface.peers.insert(key(3), peer(&["192.168.5.0/24"]));
        wanted
    };
    let mut kernel = MemoryBackend::default();
    for holder in ["wg-lab", "wg-hq", "wg-lab"] {
        // Who it was behind may be gone before.
        kernel.remove_peer(&name("wg-hq"), &key(3));
        let outcome = reach(&mut kernel, &behind(holder));
        assert_eq!(
            outcome,
            Outcome {
                steps_done: outcome.steps_done,
                changed: outcome.changed.clone(),
                ..Outcome::default()
            }
        );
        let observed = kernel.observed();
        let routed = |interface: &str| observed.interfaces[&name(interface)].routes.contains(&network);
        assert!(["wg-hq", "wg-lab"].iter().all(|interface| routed(interface) == (*interface == holder)));
    }
}

#[test]
fn what_was_done_is_counted() {
    let mut kernel = MemoryBackend::default();
    let outcome = reach(&mut kernel, &two_interfaces());
    assert_eq!(outcome.changed, BTreeMap::from([(name("wg-hq"), 6), (name("wg-lab"), 6)]));
    assert_eq!(outcome.steps_done, 13);
    assert_eq!(kernel.take_written().len(), 13);
    assert_eq!(reach(&mut kernel, &two_interfaces()), Outcome::default());
    assert!(kernel.take_written().is_empty());
}

#[test]
fn an_error_is_told_with_all_its_causes() {
    let inner = BackendError::new("send", "no buffer space");
    assert_eq!(
        chain(&BackendError::new("add peers", inner)),
        "cannot add peers: cannot send: no buffer space"
    );
}
