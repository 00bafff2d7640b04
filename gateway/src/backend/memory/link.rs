//! One pretend WireGuard link.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use ipnet::IpNet;

use super::error;
use crate::backend::StepError;
use crate::desired::{DesiredInterface, DesiredPeer};
use crate::key::{PresharedKey, PublicKey};
use crate::kind::BackendKind;
use crate::observed::{ObservedInterface, ObservedPeer};
use crate::plan::Step;

pub(super) struct Link {
    backend: BackendKind,
    up: bool,
    mtu: u32,
    public_key: Option<PublicKey>,
    pub(super) listen_port: u16,
    addresses: BTreeSet<IpNet>,
    pub(super) routes: BTreeSet<IpNet>,
    pub(super) peers: BTreeMap<PublicKey, (Option<PresharedKey>, Option<u16>)>,
    /// WireGuard's own table: an allowed IP leads to one peer.
    owners: BTreeMap<IpNet, PublicKey>,
}

impl Link {
    pub(super) fn new(backend: BackendKind, mtu: u32) -> Self {
        Self {
            backend,
            up: false,
            mtu,
            public_key: None,
            listen_port: 0,
            addresses: BTreeSet::new(),
            routes: BTreeSet::new(),
            peers: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    /// One that is as this, up.
    pub(super) fn running(interface: &DesiredInterface) -> Self {
        let mut link = Self::new(interface.backend, interface.mtu.get());
        link.public_key = Some(interface.private_key.public());
        link.listen_port = interface.listen_port.get();
        link.addresses.clone_from(&interface.addresses);
        interface.peers.iter().for_each(|(key, peer)| link.put_peer(*key, peer));
        link.up = true;
        link.connect();
        link.routes.extend(&interface.routes);
        link
    }

    pub(super) fn observe(&self) -> ObservedInterface {
        let mut networks: BTreeMap<PublicKey, Vec<IpNet>> = BTreeMap::new();
        for (network, key) in &self.owners {
            networks.entry(*key).or_default().push(*network);
        }
        let peer =
            |key: &PublicKey, preshared_key: &Option<PresharedKey>, keepalive: Option<u16>| ObservedPeer {
                allowed_ips: networks.get(key).into_iter().flatten().copied().collect(),
                preshared_key: preshared_key.clone(),
                keepalive,
            };
        ObservedInterface {
            backend: self.backend,
            up: self.up,
            mtu: self.mtu,
            public_key: self.public_key,
            listen_port: self.listen_port,
            fwmark: 0,
            addresses: self.addresses.clone(),
            routes: self.routes.clone(),
            peers: self
                .peers
                .iter()
                .map(|(key, (preshared, keepalive))| (*key, peer(key, preshared, *keepalive)))
                .collect(),
        }
    }

    pub(super) fn perform(&mut self, step: &Step, refused: &BTreeSet<PublicKey>) -> Result<(), StepError> {
        match step {
            Step::SetDevice { private_key, listen_port, .. } => {
                self.public_key = Some(private_key.public());
                self.listen_port = listen_port.get();
            }
            Step::LeavePort { .. } => self.listen_port = 0,
            Step::SetMtu { mtu, .. } => self.mtu = mtu.get(),
            Step::SetLinkUp { .. } => {
                self.up = true;
                self.connect();
            }
            Step::RemovePeers { peers, .. } => {
                accepted(peers, refused, |key| key).for_each(|key| self.remove_peer(key));
                return refusals(peers.iter(), refused);
            }
            Step::UpdatePeers { peers, .. } => {
                let known = accepted(peers, refused, |(key, _)| key);
                known.for_each(|(key, peer)| self.update_peer(*key, peer));
                return refusals(peers.iter().map(|(key, _)| key), refused);
            }
            Step::AddPeers { peers, .. } => {
                accepted(peers, refused, |(key, _)| key).for_each(|(key, peer)| self.put_peer(*key, peer));
                return refusals(peers.iter().map(|(key, _)| key), refused);
            }
            Step::RemoveAddress { .. }
            | Step::AddAddress { .. }
            | Step::AddRoute { .. }
            | Step::RemoveRoute { .. } => return self.route(step),
            Step::DeleteInterface { .. }
            | Step::ReplaceFirewall { .. }
            | Step::Adopt { .. }
            | Step::CreateInterface { .. } => {
                return Err(error(&step.to_string(), io::ErrorKind::Unsupported).into());
            }
        }
        Ok(())
    }

    /// Addresses and routes, as strict as Linux.
    fn route(&mut self, step: &Step) -> Result<(), StepError> {
        let refused = |kind| Err(error(&step.to_string(), kind).into());
        match step {
            Step::RemoveAddress { address, .. } => {
                if !self.addresses.remove(address) {
                    return refused(io::ErrorKind::AddrNotAvailable);
                }
                let subnet = address.trunc();
                if !self.addresses.iter().any(|left| left.trunc() == subnet) {
                    self.routes.remove(&subnet);
                }
            }
            Step::AddAddress { address, .. } => {
                if !self.addresses.insert(*address) {
                    return refused(io::ErrorKind::AlreadyExists);
                }
                self.connect_to(*address);
            }
            Step::AddRoute { destination, .. } => {
                if !self.up {
                    return refused(io::ErrorKind::NetworkDown);
                }
                self.routes.insert(*destination);
            }
            Step::RemoveRoute { destination, .. } => {
                self.routes.remove(destination);
            }
            Step::DeleteInterface { .. }
            | Step::ReplaceFirewall { .. }
            | Step::Adopt { .. }
            | Step::CreateInterface { .. }
            | Step::SetDevice { .. }
            | Step::LeavePort { .. }
            | Step::RemovePeers { .. }
            | Step::UpdatePeers { .. }
            | Step::AddPeers { .. }
            | Step::SetMtu { .. }
            | Step::SetLinkUp { .. } => return refused(io::ErrorKind::Unsupported),
        }
        Ok(())
    }

    pub(super) fn flush_addresses(&mut self) {
        self.addresses.clear();
        self.routes.clear();
    }

    pub(super) fn set_down(&mut self) {
        self.up = false;
        self.routes.clear();
        self.addresses.retain(|address| matches!(address, IpNet::V4(_)));
    }

    pub(super) fn remove_peer(&mut self, key: &PublicKey) {
        self.peers.remove(key);
        self.owners.retain(|_, owner| owner != key);
    }

    fn update_peer(&mut self, key: PublicKey, peer: &DesiredPeer) {
        if self.peers.contains_key(&key) {
            self.put_peer(key, peer);
        }
    }

    fn put_peer(&mut self, key: PublicKey, peer: &DesiredPeer) {
        if self.peers.insert(key, (peer.preshared_key.clone(), peer.keepalive())).is_some() {
            self.owners.retain(|_, owner| *owner != key);
        }
        self.owners.extend(peer.allowed_ips.iter().map(|network| (network, key)));
    }

    fn connect(&mut self) {
        for address in self.addresses.clone() {
            self.connect_to(address);
        }
    }

    fn connect_to(&mut self, address: IpNet) {
        if self.up && address.prefix_len() < address.max_prefix_len() {
            self.routes.insert(address.trunc());
        }
    }
}

fn accepted<'a, T>(
    peers: &'a [T],
    refused: &'a BTreeSet<PublicKey>,
    key: impl Fn(&T) -> &PublicKey + 'a,
) -> impl Iterator<Item = &'a T> {
    peers.iter().filter(move |peer| !refused.contains(key(peer)))
}

fn refusals<'a>(
    peers: impl Iterator<Item = &'a PublicKey>,
    refused: &BTreeSet<PublicKey>,
) -> Result<(), StepError> {
    let told: BTreeMap<_, _> = peers
        .filter(|key| refused.contains(key))
        .map(|key| (*key, error(&format!("write peer {key}"), io::ErrorKind::PermissionDenied)))
        .collect();
    if told.is_empty() { Ok(()) } else { Err(StepError::Peers(told)) }
}
