//! What should exist, as plain values. Made from configuration and database by those who know them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;

use ipnet::IpNet;

use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::kind::BackendKind;
use crate::net::{AllowedIps, HostService, InterfaceName, ListenPort, Mtu};

/// Everything that should exist. An interface of ours that is not named here is to be removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// By name.
    pub interfaces: BTreeMap<InterfaceName, DesiredInterface>,
}

/// One WireGuard interface.
#[derive(Clone, PartialEq, Eq)]
pub struct DesiredInterface {
    /// Where its WireGuard runs.
    pub backend: BackendKind,
    /// The location's own key.
    pub private_key: PrivateKey,
    /// The UDP port peers reach it at.
    pub listen_port: ListenPort,
    /// In bytes.
    pub mtu: Mtu,
    /// The gateway's own addresses, each with its subnet's prefix length (`10.77.0.1/24`).
    pub addresses: BTreeSet<IpNet>,
    /// By public key; nobody else is a peer.
    pub peers: BTreeMap<PublicKey, DesiredPeer>,
    /// Peers of which nobody can say what they should be: those that are there stay as they are, and none is added.
    pub undecided: BTreeSet<PublicKey>,
    /// Networks behind its peers, routed to it besides the subnets of its addresses.
    pub routes: BTreeSet<IpNet>,
    /// What its peers may reach.
    pub policy: ForwardPolicy,
}

/// One peer. As a rule it calls the gateway, and has neither endpoint nor keepalive (see the crate's documentation).
#[derive(Clone, PartialEq, Eq)]
pub struct DesiredPeer {
    /// Its addresses.
    pub allowed_ips: AllowedIps,
    /// `None`: without one.
    pub preshared_key: Option<PresharedKey>,
    /// `None`: it calls the gateway.
    pub dialled: Option<Dialled>,
}

/// How the gateway calls a peer that stands at a known place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialled {
    /// Where it is when it is added. Peers roam, so another place than this is no difference later.
    pub endpoint: SocketAddr,
    /// Seconds between keepalives; `None`: none are sent.
    pub keepalive: Option<NonZeroU16>,
}

impl DesiredPeer {
    /// Seconds between keepalives; `None`: none are sent.
    pub fn keepalive(&self) -> Option<u16> {
        self.dialled.and_then(|dialled| dialled.keepalive).map(NonZeroU16::get)
    }
}

/// What the peers of an interface may reach besides pinging the gateway's own addresses: nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardPolicy {
    /// Networks behind the gateway.
    pub routes: BTreeSet<IpNet>,
    /// Services of the gateway host.
    pub host_services: BTreeSet<HostService>,
    /// Whether peers reach each other.
    pub client_to_client: bool,
    /// Networks behind peers, which peers that reach each other reach too.
    pub peer_networks: BTreeSet<IpNet>,
    /// Whether what leaves towards `routes` carries the gateway's address.
    pub masquerade: bool,
}

impl fmt::Debug for DesiredInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DesiredInterface")
            .field("backend", &self.backend)
            .field("public_key", &self.private_key.public())
            .field("listen_port", &self.listen_port)
            .field("mtu", &self.mtu)
            .field("addresses", &self.addresses)
            .field("peers", &self.peers)
            .field("undecided", &self.undecided)
            .field("routes", &self.routes)
            .field("policy", &self.policy)
            .finish()
    }
}

impl fmt::Debug for DesiredPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DesiredPeer")
            .field("allowed_ips", &self.allowed_ips)
            .field("has_preshared_key", &self.preshared_key.is_some())
            .field("dialled", &self.dialled)
            .finish()
    }
}
