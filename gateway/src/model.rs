//! What an observation becomes by a step, purely: it lets many small turns follow one observation.
//!
//! Not modelled: that Linux may take secondary addresses away with their primary one. The next observation
//! shows that.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::desired::DesiredPeer;
use crate::key::PublicKey;
use crate::kind::BackendKind;
use crate::net::{AllowedIps, InterfaceName};
use crate::observed::{Observed, ObservedInterface, ObservedPeer};
use crate::plan::{Step, connected_route};

impl ObservedPeer {
    /// Whether nothing about it is to be changed.
    pub fn is(&self, wanted: &DesiredPeer) -> bool {
        self.keepalive == wanted.keepalive()
            && self.allowed_ips == wanted.allowed_ips
            && self.preshared_key == wanted.preshared_key
    }
}

impl Observed {
    /// Whether this peer is on this interface exactly as wanted, and the link is up.
    pub fn is_live(&self, interface: &InterfaceName, key: &PublicKey, wanted: &DesiredPeer) -> bool {
        self.interfaces
            .get(interface)
            .is_some_and(|found| found.up && found.peers.get(key).is_some_and(|peer| peer.is(wanted)))
    }

    /// Makes the index of who holds which allowed IP, where there is none: once for each observation, at a time when
    /// nobody waits, so that no change of single peers has to.
    pub fn index(&mut self) {
        for (name, found) in &self.interfaces {
            self.owners.0.entry(name.clone()).or_insert_with(|| owners_of(&found.peers));
        }
    }

    /// Becomes what will be observed once `step` is done. For one peer the cost grows with the logarithm of the
    /// number of peers, given an index.
    pub fn after(&mut self, step: &Step) {
        match step {
            Step::ReplaceFirewall { firewall } => {
                self.firewall = (!firewall.is_empty()).then(|| firewall.fingerprint());
            }
            Step::DeleteInterface { interface } => {
                self.interfaces.remove(interface);
                self.owners.0.remove(interface);
            }
            Step::Adopt { interface } => self.adopt(interface),
            Step::CreateInterface { interface, backend, mtu } => {
                let made = ObservedInterface::made(*backend, mtu.get());
                self.interfaces.insert(interface.clone(), made);
                self.owners.0.remove(interface);
            }
            Step::RemovePeers { interface, peers } => {
                self.with_owners(interface, |held| peers.iter().for_each(|key| held.remove(key)));
            }
            Step::UpdatePeers { interface, peers, .. } => {
                self.with_owners(interface, |held| peers.iter().for_each(|peer| held.update(peer)));
            }
            Step::AddPeers { interface, peers } => {
                self.with_owners(interface, |held| held.put_all(peers));
            }
            Step::SetDevice { interface, .. }
            | Step::LeavePort { interface }
            | Step::RemoveAddress { interface, .. }
            | Step::AddAddress { interface, .. }
            | Step::SetMtu { interface, .. }
            | Step::SetLinkUp { interface }
            | Step::AddRoute { interface, .. }
            | Step::RemoveRoute { interface, .. } => {
                if let Some(found) = self.interfaces.get_mut(interface) {
                    found.after(step);
                }
            }
        }
    }

    fn adopt(&mut self, interface: &InterfaceName) {
        self.foreign.remove(interface);
        if let Some(found) = self.unmarked.remove(interface) {
            self.interfaces.insert(interface.clone(), found);
            self.owners.0.remove(interface);
        }
    }

    fn with_owners(&mut self, interface: &InterfaceName, change: impl FnOnce(&mut Held<'_>)) {
        let Some(found) = self.interfaces.get_mut(interface) else { return };
        let owners = self.owners.0.entry(interface.clone()).or_insert_with(|| owners_of(&found.peers));
        change(&mut Held { peers: &mut found.peers, owners });
    }
}

fn owners_of(peers: &BTreeMap<PublicKey, ObservedPeer>) -> BTreeMap<IpNet, PublicKey> {
    let holds = |key: PublicKey| move |network| (network, key);
    peers.iter().flat_map(|(key, peer)| peer.allowed_ips.iter().map(holds(*key))).collect()
}

impl ObservedInterface {
    fn made(backend: BackendKind, mtu: u32) -> Self {
        Self {
            backend,
            up: false,
            mtu,
            public_key: None,
            listen_port: 0,
            fwmark: 0,
            addresses: BTreeSet::new(),
            routes: BTreeSet::new(),
            peers: BTreeMap::new(),
        }
    }

    fn after(&mut self, step: &Step) {
        match step {
            Step::SetDevice { private_key, listen_port, .. } => {
                self.public_key = Some(private_key.public());
                self.listen_port = listen_port.get();
                self.fwmark = 0;
            }
            // Which one is not known, and none is wanted.
            Step::LeavePort { .. } => self.listen_port = 0,
            Step::RemoveAddress { address, .. } => {
                self.addresses.remove(address);
                let route = connected_route(address);
                if let Some(route) =
                    route.filter(|_| self.addresses.iter().all(|left| connected_route(left) != route))
                {
                    self.routes.remove(&route);
                }
            }
            Step::AddAddress { address, .. } => {
                self.addresses.insert(*address);
                self.routes.extend(connected_route(address).filter(|_| self.up));
            }
            Step::SetMtu { mtu, .. } => self.mtu = mtu.get(),
            Step::SetLinkUp { .. } => {
                self.up = true;
                self.routes.extend(self.addresses.iter().filter_map(connected_route));
            }
            Step::AddRoute { destination, .. } => {
                self.routes.insert(*destination);
            }
            Step::RemoveRoute { destination, .. } => {
                self.routes.remove(destination);
            }
            Step::DeleteInterface { .. }
            | Step::ReplaceFirewall { .. }
            | Step::Adopt { .. }
            | Step::CreateInterface { .. }
            | Step::RemovePeers { .. }
            | Step::UpdatePeers { .. }
            | Step::AddPeers { .. } => {}
        }
    }
}

/// The peers of one interface and what they hold.
struct Held<'a> {
    peers: &'a mut BTreeMap<PublicKey, ObservedPeer>,
    owners: &'a mut BTreeMap<IpNet, PublicKey>,
}

impl Held<'_> {
    fn remove(&mut self, key: &PublicKey) {
        let Some(peer) = self.peers.remove(key) else { return };
        for network in peer.allowed_ips.iter() {
            if self.owners.get(&network) == Some(key) {
                self.owners.remove(&network);
            }
        }
    }

    fn update(&mut self, peer: &(PublicKey, DesiredPeer)) {
        if self.peers.contains_key(&peer.0) {
            self.put(peer);
        }
    }

    fn put_all(&mut self, added: &[(PublicKey, DesiredPeer)]) {
        if self.peers.is_empty() {
            // An interface that was just made gets thousands: they are put in order at once.
            let peers = added.iter().map(|(key, wanted)| (*key, made(wanted))).collect();
            let owners = owners_of(&peers);
            if owners.len() == peers.values().map(|peer| peer.allowed_ips.len()).sum::<usize>() {
                (*self.peers, *self.owners) = (peers, owners);
                return;
            }
        }
        for peer in added {
            self.put(peer);
        }
    }

    fn put(&mut self, (key, wanted): &(PublicKey, DesiredPeer)) {
        self.remove(key);
        for network in wanted.allowed_ips.iter() {
            if let Some(loser) =
                self.owners.insert(network, *key).and_then(|loser| self.peers.get_mut(&loser))
            {
                loser.allowed_ips = without(&loser.allowed_ips, &network);
            }
        }
        self.peers.insert(*key, made(wanted));
    }
}

fn made(wanted: &DesiredPeer) -> ObservedPeer {
    ObservedPeer {
        allowed_ips: wanted.allowed_ips.clone(),
        preshared_key: wanted.preshared_key.clone(),
        keepalive: wanted.keepalive(),
    }
}

fn without(allowed_ips: &AllowedIps, gone: &IpNet) -> AllowedIps {
    allowed_ips.iter().filter(|network| network != gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{key, name, peer};

    /// What peers of an interface hold after each of these was added, in as many steps.
    fn held_after(steps: &[&[(u8, &str)]]) -> Vec<usize> {
        let mut observed = Observed::default();
        let found = ObservedInterface::made(BackendKind::Kernel, 1420);
        observed.interfaces.insert(name("wg-hq"), found);
        for added in steps {
            let peers = added.iter().map(|(seed, network)| (key(*seed), peer(&[network]))).collect();
            observed.after(&Step::AddPeers { interface: name("wg-hq"), peers });
        }
        observed.interfaces[&name("wg-hq")].peers.values().map(|peer| peer.allowed_ips.len()).collect()
    }

    #[test]
    fn an_allowed_ip_is_with_the_last_peer_that_claims_it() {
        assert_eq!(held_after(&[&[(1, "10.77.0.2/32"), (2, "10.77.0.3/32")]]), [1, 1]);
        assert_eq!(held_after(&[&[(1, "10.77.0.2/32"), (2, "10.77.0.2/32")]]), [0, 1]);
        assert_eq!(held_after(&[&[(1, "10.77.0.2/32")], &[(2, "10.77.0.2/32")]]), [0, 1]);
    }
}
