//! What differs about the peers of one interface.
//!
//! WireGuard moves an allowed IP silently to the last peer that claims it. Steps are therefore ordered so that
//! every allowed IP is given up before it is taken: removals, updates that give up, other updates, additions.
//! Two peers that exchange addresses are updated twice, first to what each keeps, then to what each gets. Peers whose
//! allowed IPs stay are updated without a word about these.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{Networks, Step};
use crate::desired::{DesiredInterface, DesiredPeer};
use crate::key::PublicKey;
use crate::net::{AllowedIps, InterfaceName};
use crate::observed::ObservedPeer;

type Found = BTreeMap<PublicKey, ObservedPeer>;

/// Steps for every peer of an interface.
pub(super) fn all(interface: &InterfaceName, wanted: &DesiredInterface, found: &Found) -> Vec<Step> {
    let mut difference = Difference::default();
    for (key, peer) in found.iter().filter(|(key, _)| !wanted.undecided.contains(key)) {
        difference.note(*key, wanted.peers.get(key), Some(peer));
    }
    for (key, peer) in &wanted.peers {
        if !found.contains_key(key) {
            difference.note(*key, Some(peer), None);
        }
    }
    difference.into_steps(interface)
}

/// Steps for these peers alone, at a cost that does not grow with the number of others.
pub(super) fn these(
    interface: &InterfaceName,
    wanted: Option<&DesiredInterface>,
    found: &Found,
    keys: &BTreeSet<PublicKey>,
) -> Vec<Step> {
    let mut difference = Difference::default();
    let is_decided = |key: &&PublicKey| wanted.is_none_or(|wanted| !wanted.undecided.contains(key));
    for key in keys.iter().filter(is_decided) {
        difference.note(*key, wanted.and_then(|wanted| wanted.peers.get(key)), found.get(key));
    }
    difference.into_steps(interface)
}

type Change<'a> = (PublicKey, &'a DesiredPeer, &'a ObservedPeer);

#[derive(Default)]
struct Difference<'a> {
    removed: Vec<PublicKey>,
    changed: Vec<Change<'a>>,
    added: Vec<(PublicKey, DesiredPeer)>,
}

impl<'a> Difference<'a> {
    fn note(&mut self, key: PublicKey, wanted: Option<&'a DesiredPeer>, found: Option<&'a ObservedPeer>) {
        match (wanted, found) {
            (None, None) => {}
            (None, Some(_)) => self.removed.push(key),
            (Some(wanted), None) => self.added.push((key, wanted.clone())),
            (Some(wanted), Some(found)) => {
                if !found.is(wanted) {
                    self.changed.push((key, wanted, found));
                }
            }
        }
    }

    fn into_steps(self, interface: &InterfaceName) -> Vec<Step> {
        let interface = || interface.clone();
        let is_kept = |(_, wanted, found): &Change<'_>| wanted.allowed_ips == found.allowed_ips;
        let (kept, moved): (Vec<_>, Vec<_>) = self.changed.into_iter().partition(is_kept);
        let kept = kept.into_iter().map(|(key, wanted, _)| (key, wanted.clone())).collect::<Updates>();
        let (giving, taking) = in_two_phases(&moved);
        let mut steps = Vec::new();
        if !self.removed.is_empty() {
            steps.push(Step::RemovePeers { interface: interface(), peers: self.removed });
        }
        let updates = [(giving, Networks::Replaced), (taking, Networks::Replaced), (kept, Networks::Kept)];
        for (peers, networks) in updates.into_iter().filter(|(peers, _)| !peers.is_empty()) {
            steps.push(Step::UpdatePeers { interface: interface(), peers, networks });
        }
        if !self.added.is_empty() {
            steps.push(Step::AddPeers { interface: interface(), peers: self.added });
        }
        steps
    }
}

type Updates = Vec<(PublicKey, DesiredPeer)>;

/// Updates that give up allowed IPs, and updates that take some or change nothing but a key or keepalive.
fn in_two_phases(changed: &[Change<'_>]) -> (Updates, Updates) {
    let taken: BTreeSet<IpNet> = changed
        .iter()
        .flat_map(|(_, wanted, found)| missing_from(&found.allowed_ips, &wanted.allowed_ips))
        .collect();
    let mut giving = Updates::new();
    let mut taking = Updates::new();
    for (key, wanted, found) in changed {
        let given = || missing_from(&wanted.allowed_ips, &found.allowed_ips);
        let gains = missing_from(&found.allowed_ips, &wanted.allowed_ips).next().is_some();
        if !gains && given().next().is_some() {
            giving.push((*key, (*wanted).clone()));
            continue;
        }
        if given().any(|network| taken.contains(&network)) {
            giving.push((*key, what_stays(wanted, found)));
        }
        taking.push((*key, (*wanted).clone()));
    }
    (giving, taking)
}

/// The networks of `b` that are not in `a`.
fn missing_from<'a>(a: &'a AllowedIps, b: &'a AllowedIps) -> impl Iterator<Item = IpNet> + 'a {
    b.iter().filter(|network| !a.contains(network))
}

fn what_stays(wanted: &DesiredPeer, found: &ObservedPeer) -> DesiredPeer {
    DesiredPeer {
        allowed_ips: found
            .allowed_ips
            .iter()
            .filter(|network| wanted.allowed_ips.contains(network))
            .collect(),
        preshared_key: wanted.preshared_key.clone(),
        dialled: wanted.dialled,
    }
}
