//! The single things a backend can be asked to do.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;

use crate::desired::DesiredPeer;
use crate::firewall::Firewall;
use crate::key::{PrivateKey, PublicKey};
use crate::kind::BackendKind;
use crate::net::{InterfaceName, ListenPort, Mtu};

/// What becomes of the allowed IPs of peers that are updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Networks {
    /// They are as wanted already, and no packet finds them gone meanwhile.
    Kept,
    /// They are written anew.
    Replaced,
}

/// One thing to do.
#[derive(Clone, PartialEq, Eq)]
pub enum Step {
    /// Removes a link of ours; its peers are drained first (a kernel waits an RCU period for each otherwise).
    DeleteInterface {
        /// The link that goes.
        interface: InterfaceName,
    },
    /// Replaces our whole nftables table in one transaction; with no policies, removes it.
    ReplaceFirewall {
        /// What the table enforces afterwards.
        firewall: Firewall,
    },
    /// Puts our mark on a WireGuard link that carries nobody's. Nothing else about it changes.
    Adopt {
        /// A kernel link with the key of the interface of that name.
        interface: InterfaceName,
    },
    /// Makes the link, marked as ours, down.
    CreateInterface {
        /// Its name, which no link has.
        interface: InterfaceName,
        /// Where its WireGuard runs.
        backend: BackendKind,
        /// In bytes.
        mtu: Mtu,
    },
    /// Sets private key and listen port, and clears the firewall mark.
    SetDevice {
        /// An interface of ours.
        interface: InterfaceName,
        /// The location's own key.
        private_key: PrivateKey,
        /// The UDP port peers reach it at.
        listen_port: ListenPort,
    },
    /// Moves the interface to a port of the kernel's choice, for another interface that takes its own.
    LeavePort {
        /// An interface of ours.
        interface: InterfaceName,
    },
    /// Removes peers.
    RemovePeers {
        /// An interface of ours.
        interface: InterfaceName,
        /// In ascending order; one that is not there is no error.
        peers: Vec<PublicKey>,
    },
    /// Changes existing peers: keepalive and preshared key as given, allowed IPs as `networks` says. An allowed IP of
    /// another peer moves here. A peer that somebody else removed meanwhile may come back by it, as it is desired.
    UpdatePeers {
        /// An interface of ours.
        interface: InterfaceName,
        /// In ascending order of keys, with what each is to be afterwards.
        peers: Vec<(PublicKey, DesiredPeer)>,
        /// Whether any of them gets other allowed IPs.
        networks: Networks,
    },
    /// Adds new peers. An allowed IP of another peer moves here.
    AddPeers {
        /// An interface of ours.
        interface: InterfaceName,
        /// In ascending order of keys.
        peers: Vec<(PublicKey, DesiredPeer)>,
    },
    /// Takes an address off the link.
    RemoveAddress {
        /// An interface of ours.
        interface: InterfaceName,
        /// With the prefix length it has.
        address: IpNet,
    },
    /// Puts an address on the link.
    AddAddress {
        /// An interface of ours.
        interface: InterfaceName,
        /// With its subnet's prefix length; the kernel routes that subnet here while the link is up.
        address: IpNet,
    },
    /// Sets the link's MTU.
    SetMtu {
        /// An interface of ours.
        interface: InterfaceName,
        /// In bytes.
        mtu: Mtu,
    },
    /// Sets the link up.
    SetLinkUp {
        /// An interface of ours.
        interface: InterfaceName,
    },
    /// Adds a route to a subnet of the interface or a network behind its peers, in the main table; one that is there
    /// already is no error, unless it leads to another link: it is not taken from there.
    AddRoute {
        /// An interface of ours that is up.
        interface: InterfaceName,
        /// The network.
        destination: IpNet,
    },
    /// Removes such a route; one that is not there is no error.
    RemoveRoute {
        /// An interface of ours.
        interface: InterfaceName,
        /// The network.
        destination: IpNet,
    },
}

/// What a step is about, however it is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepKind {
    /// A link as a whole.
    Interface,
    /// Our nftables table.
    Firewall,
    /// Private key, port and mark.
    Device,
    /// Peers.
    Peers,
    /// Addresses of a link.
    Addresses,
    /// Whether a link is up, and its MTU.
    Link,
    /// Routes.
    Routes,
}

impl StepKind {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Interface,
        Self::Firewall,
        Self::Device,
        Self::Peers,
        Self::Addresses,
        Self::Link,
        Self::Routes,
    ];

    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Firewall => "firewall",
            Self::Device => "device",
            Self::Peers => "peers",
            Self::Addresses => "addresses",
            Self::Link => "link",
            Self::Routes => "routes",
        }
    }
}

impl Step {
    /// What it is about.
    pub fn kind(&self) -> StepKind {
        match self {
            Self::DeleteInterface { .. } | Self::Adopt { .. } | Self::CreateInterface { .. } => {
                StepKind::Interface
            }
            Self::ReplaceFirewall { .. } => StepKind::Firewall,
            Self::SetDevice { .. } | Self::LeavePort { .. } => StepKind::Device,
            Self::RemovePeers { .. } | Self::UpdatePeers { .. } | Self::AddPeers { .. } => StepKind::Peers,
            Self::RemoveAddress { .. } | Self::AddAddress { .. } => StepKind::Addresses,
            Self::SetMtu { .. } | Self::SetLinkUp { .. } => StepKind::Link,
            Self::AddRoute { .. } | Self::RemoveRoute { .. } => StepKind::Routes,
        }
    }

    /// The interface it is about; `None` for the firewall, which is about all of them.
    pub fn interface(&self) -> Option<&InterfaceName> {
        match self {
            Self::ReplaceFirewall { .. } => None,
            Self::DeleteInterface { interface }
            | Self::Adopt { interface }
            | Self::CreateInterface { interface, .. }
            | Self::SetDevice { interface, .. }
            | Self::LeavePort { interface }
            | Self::RemovePeers { interface, .. }
            | Self::UpdatePeers { interface, .. }
            | Self::AddPeers { interface, .. }
            | Self::RemoveAddress { interface, .. }
            | Self::AddAddress { interface, .. }
            | Self::SetMtu { interface, .. }
            | Self::SetLinkUp { interface }
            | Self::AddRoute { interface, .. }
            | Self::RemoveRoute { interface, .. } => Some(interface),
        }
    }

    /// The same step for all peers but these.
    pub(crate) fn without<V>(&self, refused: &BTreeMap<PublicKey, V>) -> Self {
        let mut rest = self.clone();
        match &mut rest {
            Self::RemovePeers { peers, .. } => peers.retain(|key| !refused.contains_key(key)),
            Self::UpdatePeers { peers, .. } | Self::AddPeers { peers, .. } => {
                peers.retain(|(key, _)| !refused.contains_key(key));
            }
            Self::DeleteInterface { .. }
            | Self::ReplaceFirewall { .. }
            | Self::Adopt { .. }
            | Self::CreateInterface { .. }
            | Self::SetDevice { .. }
            | Self::LeavePort { .. }
            | Self::RemoveAddress { .. }
            | Self::AddAddress { .. }
            | Self::SetMtu { .. }
            | Self::SetLinkUp { .. }
            | Self::AddRoute { .. }
            | Self::RemoveRoute { .. } => {}
        }
        rest
    }
}

impl fmt::Debug for Step {
    /// As in the diff; secrets are not in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
