//! In which order interfaces that exist take their keys and ports. A port can be taken only once it is free, so whoever
//! leaves it goes first; of interfaces that exchange ports one leaves for a port of the kernel's choice.

use super::{Step, link};
use crate::desired::DesiredInterface;
use crate::net::InterfaceName;
use crate::observed::ObservedInterface;

/// An interface whose key, port or mark is not as wanted.
struct Waiting<'a> {
    name: &'a InterfaceName,
    wanted: &'a DesiredInterface,
    /// The port it has at this point of the plan.
    port: u16,
}

impl Waiting<'_> {
    /// Whether it will leave the port that `other` is to take.
    fn blocks(&self, other: &Self) -> bool {
        let port = other.wanted.listen_port.get();
        self.port == port && self.wanted.listen_port.get() != port
    }
}

/// Steps for the keys, ports and marks of interfaces that are there and stay.
pub(super) fn devices<'a>(
    lasting: impl Iterator<Item = (&'a InterfaceName, &'a DesiredInterface, &'a ObservedInterface)>,
) -> Vec<Step> {
    let mut waiting: Vec<Waiting<'_>> = lasting
        .filter(|(_, wanted, found)| !link::device_is(wanted, found))
        .map(|(name, wanted, found)| Waiting { name, wanted, port: found.listen_port })
        .collect();
    let mut steps = Vec::new();
    while !waiting.is_empty() {
        let is_free = |next: &Waiting<'_>| !waiting.iter().any(|other| other.blocks(next));
        if let Some(next) = waiting.iter().position(is_free) {
            let next = waiting.remove(next);
            steps.push(link::set_device(next.name, next.wanted));
            continue;
        }
        // Everybody waits for another, and a port is wanted by one alone: they stand in circles.
        let blocks = |one: &Waiting<'_>| waiting.iter().any(|other| one.blocks(other));
        let Some(leaving) = waiting.iter().position(blocks).and_then(|at| waiting.get_mut(at)) else { break };
        leaving.port = 0;
        steps.push(Step::LeavePort { interface: leaving.name.clone() });
    }
    steps
}
