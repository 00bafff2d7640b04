//! From what should exist and what does exist to the steps between, purely.
//!
//! The order of steps is part of the meaning: interfaces go, and ports are left, before others take them; the firewall
//! stands before a link comes up; and what gives up an allowed IP comes before what takes it, because WireGuard
//! silently moves an allowed IP from one peer to another. Routes are added last of all, when every other interface has
//! given up its own: no interface takes one from another.

use std::collections::BTreeSet;

use crate::desired::{Desired, DesiredInterface};
use crate::firewall::Firewall;
use crate::key::PublicKey;
use crate::net::InterfaceName;
use crate::observed::{Observed, ObservedInterface};
pub(crate) use link::connected_route;
pub use step::{Networks, Step, StepKind};

mod link;
mod peers;
mod ports;
mod show;
mod step;
#[cfg(test)]
mod tests;

/// How much of the world a turn looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything: boot, reload, drift.
    Everything,
    /// Only these peers, on whichever interface they are or should be; `Desired` need hold no others. No
    /// interface is created, changed or removed.
    Peers(BTreeSet<PublicKey>),
}

/// The steps from an observation to what is desired, in order, and what cannot be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they are to be done.
    pub steps: Vec<Step>,
    /// Desired interfaces whose name is taken by a link that is not ours. They get no steps and no rules.
    pub conflicts: BTreeSet<InterfaceName>,
}

/// The steps from `observed` to `desired` within `scope`. An unchanged peer is in no step; with nothing to do
/// the plan is empty.
pub fn plan(desired: &Desired, observed: &Observed, scope: &Scope) -> Plan {
    let is_conflict = |(name, wanted): &(&InterfaceName, &DesiredInterface)| {
        observed.foreign.contains(*name) && to_adopt(observed, name, wanted).is_none()
    };
    let conflicts = desired.interfaces.iter().filter(is_conflict).map(|(name, _)| name.clone()).collect();
    let steps = match scope {
        Scope::Everything => everything(desired, observed, &conflicts),
        Scope::Peers(keys) => only_peers(desired, observed, keys),
    };
    Plan { steps, conflicts }
}

fn everything(desired: &Desired, observed: &Observed, conflicts: &BTreeSet<InterfaceName>) -> Vec<Step> {
    let wanted = || desired.interfaces.iter().filter(|(name, _)| !conflicts.contains(name));
    let mut steps = deletions(desired, observed);
    steps.extend(firewall(desired, observed, conflicts));
    steps.extend(
        wanted()
            .filter(|(name, interface)| to_adopt(observed, name, interface).is_some())
            .map(|(name, _)| Step::Adopt { interface: name.clone() }),
    );
    let lasting = |name, interface: &DesiredInterface| {
        let ours = observed.interfaces.get(name).filter(|found| found.backend == interface.backend);
        ours.or_else(|| to_adopt(observed, name, interface))
    };
    steps.extend(ports::devices(
        wanted().filter_map(|(name, interface)| Some((name, interface, lasting(name, interface)?))),
    ));
    let needed = wanted().flat_map(|(_, interface)| interface.routes.iter().copied()).collect();
    let mut routes = Vec::new();
    for (name, interface) in wanted() {
        if let Some(found) = lasting(name, interface) {
            steps.extend(peers::all(name, interface, &found.peers));
            steps.extend(link::link(name, interface, found, &needed));
            routes.extend(link::routes(name, interface, found));
        } else {
            steps.extend(creation(name, interface));
            routes.extend(link::add_routes(name, interface.routes.iter()));
        }
    }
    steps.extend(routes);
    steps
}

/// Links of ours that nobody wants, or that must be made anew because their WireGuard is to run elsewhere.
fn deletions(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let kept = |name: &InterfaceName| desired.interfaces.get(name).map(|interface| interface.backend);
    observed
        .interfaces
        .iter()
        .filter(|(name, found)| kept(name) != Some(found.backend))
        .map(|(name, _)| Step::DeleteInterface { interface: name.clone() })
        .collect()
}

fn firewall(desired: &Desired, observed: &Observed, conflicts: &BTreeSet<InterfaceName>) -> Option<Step> {
    let firewall = Firewall::of(desired, conflicts);
    let fingerprint = (!firewall.is_empty()).then(|| firewall.fingerprint());
    (fingerprint != observed.firewall).then_some(Step::ReplaceFirewall { firewall })
}

/// A link that nobody marked and that is this interface already: it has its key.
fn to_adopt<'a>(
    observed: &'a Observed,
    name: &InterfaceName,
    wanted: &DesiredInterface,
) -> Option<&'a ObservedInterface> {
    let is_it = |found: &&ObservedInterface| {
        found.backend == wanted.backend && found.public_key == Some(wanted.private_key.public())
    };
    observed.unmarked.get(name).filter(is_it)
}

/// Routes to the addresses' subnets are not among them: the kernel makes those when the link comes up.
fn creation(name: &InterfaceName, interface: &DesiredInterface) -> Vec<Step> {
    let mut steps = vec![
        Step::CreateInterface { interface: name.clone(), backend: interface.backend, mtu: interface.mtu },
        link::set_device(name, interface),
    ];
    let peers: Vec<_> = interface.peers.iter().map(|(key, peer)| (*key, peer.clone())).collect();
    if !peers.is_empty() {
        steps.push(Step::AddPeers { interface: name.clone(), peers });
    }
    steps.extend(link::add_addresses(name, interface.addresses.iter()));
    steps.push(Step::SetLinkUp { interface: name.clone() });
    steps
}

/// A key that is not desired on an interface of ours is removed from it, whether or not the interface itself
/// is desired: somebody lost access, and the rest can wait for a whole turn.
fn only_peers(desired: &Desired, observed: &Observed, keys: &BTreeSet<PublicKey>) -> Vec<Step> {
    let steps = |(name, found)| peers::these(name, desired.interfaces.get(name), found, keys);
    observed.interfaces.iter().map(|(name, found)| (name, &found.peers)).flat_map(steps).collect()
}
