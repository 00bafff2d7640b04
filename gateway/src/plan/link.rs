//! What differs about an interface apart from its peers: key and port (`ports` says when), addresses, MTU, up or down,
//! routes.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::Step;
use crate::desired::DesiredInterface;
use crate::net::{AllowedIps, InterfaceName};
use crate::observed::ObservedInterface;

/// Whether key, port and firewall mark are as wanted.
pub(super) fn device_is(wanted: &DesiredInterface, found: &ObservedInterface) -> bool {
    found.listen_port == wanted.listen_port.get()
        && found.fwmark == 0
        && found.public_key == Some(wanted.private_key.public())
}

pub(super) fn set_device(name: &InterfaceName, wanted: &DesiredInterface) -> Step {
    Step::SetDevice {
        interface: name.clone(),
        private_key: wanted.private_key.clone(),
        listen_port: wanted.listen_port,
    }
}

/// Routes that go, among them those that another interface of ours needs; addresses, MTU, up or down, in this order.
pub(super) fn link(
    name: &InterfaceName,
    wanted: &DesiredInterface,
    found: &ObservedInterface,
    needed: &BTreeSet<IpNet>,
) -> Vec<Step> {
    let mut steps = routes_given_up(name, wanted, found, needed);
    steps.extend(addresses(name, wanted, found));
    if found.mtu != wanted.mtu.get() {
        steps.push(Step::SetMtu { interface: name.clone(), mtu: wanted.mtu });
    }
    if !found.up {
        steps.push(Step::SetLinkUp { interface: name.clone() });
    }
    steps
}

pub(super) fn add_addresses<'a>(
    name: &InterfaceName,
    addresses: impl Iterator<Item = &'a IpNet>,
) -> impl Iterator<Item = Step> {
    addresses.map(|address| Step::AddAddress { interface: name.clone(), address: *address })
}

/// New addresses come before old ones go, so that a subnet that grows is never without a route; except those
/// that cannot stand beside one that goes.
fn addresses(name: &InterfaceName, wanted: &DesiredInterface, found: &ObservedInterface) -> Vec<Step> {
    let removed: Vec<&IpNet> = found.addresses.difference(&wanted.addresses).collect();
    let added = wanted.addresses.difference(&found.addresses);
    let (after, before): (Vec<&IpNet>, Vec<&IpNet>) =
        added.partition(|address| removed.iter().any(|old| excludes(old, address)));
    let removals =
        removed.into_iter().map(|address| Step::RemoveAddress { interface: name.clone(), address: *address });
    add_addresses(name, before.into_iter())
        .chain(removals)
        .chain(add_addresses(name, after.into_iter()))
        .collect()
}

/// Whether `new` cannot be added while `old` is there. In the same IPv4 subnet it would be a secondary address,
/// which Linux takes away together with the primary one; and IPv6 takes an address once, whatever its prefix
/// length.
fn excludes(old: &IpNet, new: &IpNet) -> bool {
    match (old, new) {
        (IpNet::V4(old), IpNet::V4(new)) => old.trunc() == new.trunc(),
        (IpNet::V6(old), IpNet::V6(new)) => old.addr() == new.addr(),
        (IpNet::V4(_), IpNet::V6(_)) | (IpNet::V6(_), IpNet::V4(_)) => false,
    }
}

/// Routes to the subnets of addresses that were there already on a link that was up already: only these can be
/// missing. Any other comes from the kernel together with the address, or with the link when it comes up; adding
/// it as well would fail, or leave a double of another metric behind. Setting a link down takes its IPv6
/// addresses and routes with it, so a turn that sets it up again also adds the addresses, and if a route stays
/// missing the next turn sees that.
///
/// What is behind peers is routed by nobody else, and routes end with a link's being up.
pub(super) fn routes(
    name: &InterfaceName,
    wanted: &DesiredInterface,
    found: &ObservedInterface,
) -> Vec<Step> {
    if !found.up {
        return add_routes(name, wanted.routes.iter()).collect();
    }
    let mut missing: Vec<IpNet> = wanted
        .addresses
        .intersection(&found.addresses)
        .filter_map(connected_route)
        .filter(|subnet| !found.routes.contains(subnet))
        .collect();
    missing.extend(wanted.routes.difference(&found.routes));
    missing.dedup();
    add_routes(name, missing.iter()).collect()
}

pub(super) fn add_routes<'a>(
    name: &InterfaceName,
    destinations: impl Iterator<Item = &'a IpNet>,
) -> impl Iterator<Item = Step> {
    destinations.map(|destination| Step::AddRoute { interface: name.clone(), destination: *destination })
}

/// Routes to networks that were behind a peer and are behind none any more, and those that are `needed`. Others that somebody
/// added are let be.
fn routes_given_up(
    name: &InterfaceName,
    wanted: &DesiredInterface,
    found: &ObservedInterface,
    needed: &BTreeSet<IpNet>,
) -> Vec<Step> {
    let connected = |route: &IpNet| {
        let addresses = || wanted.addresses.iter().chain(&found.addresses);
        addresses().any(|address| connected_route(address) == Some(*route))
    };
    let is_given_up = |route: &&IpNet| {
        let held = |ips: &AllowedIps| ips.contains(route);
        let was_behind_one = || found.peers.values().any(|peer| held(&peer.allowed_ips));
        let is_behind_one = || wanted.peers.values().any(|peer| held(&peer.allowed_ips));
        !wanted.routes.contains(*route)
            && !connected(route)
            && (needed.contains(*route) || was_behind_one() && !is_behind_one())
    };
    let given_up = found.routes.iter().filter(is_given_up);
    given_up.map(|route| Step::RemoveRoute { interface: name.clone(), destination: *route }).collect()
}

/// The subnet the kernel routes to an interface with this address; an address that is its own subnet needs none.
pub(crate) fn connected_route(address: &IpNet) -> Option<IpNet> {
    (address.prefix_len() < address.max_prefix_len()).then(|| address.trunc())
}
