//! Takes the steps of a plan, one after the other, and says how far that went.
//!
//! Nothing is retried or undone here: what failed differs from what is desired, so the next turn plans it again.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use ipnet::IpNet;

use crate::backend::{Backend, StepError};
use crate::key::PublicKey;
use crate::net::InterfaceName;
use crate::observed::Observed;
use crate::plan::{Plan, Step};

#[cfg(test)]
mod tests;

/// What became of a plan. Failures are told with all their causes, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Interfaces of which a whole step failed, or that are not ours; but for removals of peers, their later steps
    /// were left out.
    pub interfaces_failed: BTreeMap<InterfaceName, String>,
    /// Single peers that were refused.
    pub peers_failed: BTreeMap<(InterfaceName, PublicKey), String>,
    /// Routes that could not be added, as another link has them; everything else goes on without.
    pub routes_failed: BTreeMap<(InterfaceName, IpNet), String>,
    /// Why the firewall could not be replaced. Then no link was made or set up, and without an older one no peer added.
    pub firewall_failed: Option<String>,
    /// How many steps were done, those with refused peers included.
    pub steps_done: usize,
    /// How many steps were done on each interface.
    pub changed: BTreeMap<InterfaceName, usize>,
}

impl Outcome {
    /// Whether everything was done.
    pub fn is_complete(&self) -> bool {
        self.interfaces_failed.is_empty()
            && self.peers_failed.is_empty()
            && self.routes_failed.is_empty()
            && self.firewall_failed.is_none()
    }

    /// Whether nothing on this interface can be relied upon.
    pub fn is_broken(&self, interface: &InterfaceName) -> bool {
        self.interfaces_failed.contains_key(interface)
    }

    /// What went wrong with an interface, any of its peers or its routes.
    pub fn failure_of(&self, interface: &InterfaceName) -> Option<String> {
        if let Some(failure) = self.interfaces_failed.get(interface) {
            return Some(failure.clone());
        }
        let others = |more: usize, what| match more {
            0 => String::new(),
            more => format!(" (and {more} more {what})"),
        };
        let mut refused = self.peers_failed.iter().filter(|((name, _), _)| name == interface);
        let peer = refused
            .next()
            .map(|((_, key), reason)| format!("peer {key}: {reason}{}", others(refused.count(), "peers")));
        let mut refused = self.routes_failed.iter().filter(|((name, _), _)| name == interface);
        let route =
            refused.next().map(|(_, reason)| format!("{reason}{}", others(refused.count(), "routes")));
        let both: Vec<String> = peer.into_iter().chain(route).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    /// What kept a peer from becoming what it was planned to be on an interface.
    pub fn failure_of_peer(&self, interface: &InterfaceName, key: &PublicKey) -> Option<&str> {
        let whole = self.interfaces_failed.get(interface);
        whole.or_else(|| self.peers_failed.get(&(interface.clone(), *key))).map(String::as_str)
    }

    /// Why the firewall does not stand as desired.
    pub fn firewall_failure(&self) -> Option<String> {
        self.firewall_failed.clone()
    }

    fn conflicts(names: &BTreeSet<InterfaceName>) -> Self {
        let told = |name: &InterfaceName| {
            let text = format!(
                "{name} exists and is not postern's: rename the location's interface or remove the link"
            );
            (name.clone(), text)
        };
        Self { interfaces_failed: names.iter().map(told).collect(), ..Self::default() }
    }

    fn done(&mut self, step: &Step) {
        self.steps_done += 1;
        if let Some(interface) = step.interface() {
            *self.changed.entry(interface.clone()).or_default() += 1;
        }
    }

    fn failed(&mut self, step: &Step, text: String) {
        if let Step::AddRoute { interface, destination } = step {
            self.routes_failed.insert((interface.clone(), *destination), text);
            return;
        }
        match step.interface() {
            // What failed first is the cause.
            Some(interface) => drop(self.interfaces_failed.entry(interface.clone()).or_insert(text)),
            None => self.firewall_failed = Some(text),
        }
    }

    /// Why a step must not be tried.
    fn withheld(&self, step: &Step, observed: &Observed) -> Option<String> {
        let reason = match (step, &self.firewall_failed) {
            (Step::Adopt { .. } | Step::CreateInterface { .. } | Step::SetLinkUp { .. }, Some(reason)) => {
                reason
            }
            // An older table that stands is as closed to a further peer as it is to the others.
            (Step::AddPeers { .. }, reason) if observed.firewall.is_none() => {
                reason.as_deref().unwrap_or("the nftables table is not there")
            }
            _ => return None,
        };
        Some(format!("stays closed until the firewall stands: {reason}"))
    }

    /// Records that a step was not tried. Peers that are there already go on without the new ones.
    fn withhold(&mut self, step: &Step, text: String) {
        let Step::AddPeers { interface, peers } = step else { return self.failed(step, text) };
        let told = peers.iter().map(|(key, _)| ((interface.clone(), *key), text.clone()));
        self.peers_failed.extend(told);
    }
}

/// Performs the steps of `plan` in order and lets `observed` follow what was done. After a step that failed as
/// a whole the other steps for its interface are left out, except that peers are removed all the same: who lost access
/// must not keep it because a port is taken. A route that cannot be added keeps nothing else from being done. Other
/// interfaces go on. Without its firewall no link is made or set up,
/// and without any nftables table no peer is added.
pub fn apply(backend: &mut dyn Backend, plan: &Plan, observed: &mut Observed) -> Outcome {
    let mut outcome = Outcome::conflicts(&plan.conflicts);
    for step in &plan.steps {
        let is_broken = step.interface().is_some_and(|interface| outcome.is_broken(interface));
        if is_broken && !matches!(step, Step::RemovePeers { .. }) {
            continue;
        }
        if let Some(reason) = outcome.withheld(step, observed) {
            outcome.withhold(step, reason);
            continue;
        }
        match backend.perform(step) {
            Ok(()) => {
                observed.after(step);
                outcome.done(step);
            }
            Err(StepError::Whole(error)) => outcome.failed(step, chain(&error)),
            Err(StepError::Peers(refused)) => {
                observed.after(&step.without(&refused));
                outcome.done(step);
                let Some(interface) = step.interface() else { continue };
                let told = refused.iter().map(|(key, error)| ((interface.clone(), *key), chain(error)));
                outcome.peers_failed.extend(told);
            }
        }
    }
    outcome
}

/// An error and all its causes, as one line: `cannot add peers of wg-hq: no buffer space available`.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
