//! What exists, normalised so that it compares with what should: a zero preshared key and a zero keepalive are
//! absent, allowed IPs are masked and sorted. Counters and handshakes are not here (see [`crate::stats`]), so
//! that traffic never looks like a difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnet::IpNet;

use crate::key::{PresharedKey, PublicKey};
use crate::kind::BackendKind;
use crate::net::{AllowedIps, InterfaceName};

/// Everything of ours that exists, and which names are taken by others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The interfaces that carry our mark, by name.
    pub interfaces: BTreeMap<InterfaceName, ObservedInterface>,
    /// Names of links that are not ours: they are never touched.
    pub foreign: BTreeSet<InterfaceName>,
    /// Of those, the kernel's WireGuard links that carry nobody's mark: one of them that has the key of a desired
    /// interface is that interface, run by somebody else so far, and is adopted.
    pub unmarked: BTreeMap<InterfaceName, ObservedInterface>,
    /// What our nftables table says, as a fingerprint of the policies it was made from; `None` when it does
    /// not exist or somebody changed it.
    pub firewall: Option<FirewallFingerprint>,
    /// Follows from the peers; `OwnerIndex::default()` in a fresh observation.
    pub owners: OwnerIndex,
}

/// Who holds which allowed IP, by interface: made by [`Observed::index`], or when first needed, and kept by
/// [`Observed::after`], so that modelling one new peer among thousands looks at none of the others. Whoever changes
/// the peers of an observation in another way starts with a new one (`OwnerIndex::default()`).
#[derive(Clone, Default)]
pub struct OwnerIndex(pub(crate) BTreeMap<InterfaceName, BTreeMap<IpNet, PublicKey>>);

/// It follows from the peers, so it says nothing about whether two observations are the same.
impl PartialEq for OwnerIndex {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for OwnerIndex {}

impl fmt::Debug for OwnerIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerIndex")
    }
}

/// One interface of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedInterface {
    /// Where its WireGuard runs.
    pub backend: BackendKind,
    /// Whether the link is administratively up.
    pub up: bool,
    /// In bytes.
    pub mtu: u32,
    /// `None` before a key is set.
    pub public_key: Option<PublicKey>,
    /// 0 before one is set.
    pub listen_port: u16,
    /// 0 is none, which is what we want.
    pub fwmark: u32,
    /// With prefix lengths; link-local ones (`fe80::/10`), which the kernel may add itself, left out.
    pub addresses: BTreeSet<IpNet>,
    /// Destinations in the main table that leave through it, multicast and link-local ones left out.
    pub routes: BTreeSet<IpNet>,
    /// By public key.
    pub peers: BTreeMap<PublicKey, ObservedPeer>,
}

/// One peer.
#[derive(Clone, PartialEq, Eq)]
pub struct ObservedPeer {
    /// Masked and sorted.
    pub allowed_ips: AllowedIps,
    /// `None`: without one.
    pub preshared_key: Option<PresharedKey>,
    /// In seconds; `None`: off.
    pub keepalive: Option<u16>,
}

/// SHA-256 over the policies our nftables table was made from (see [`crate::Firewall::fingerprint`]).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FirewallFingerprint(pub [u8; 32]);

impl fmt::Debug for FirewallFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObservedPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObservedPeer")
            .field("allowed_ips", &self.allowed_ips)
            .field("has_preshared_key", &self.preshared_key.is_some())
            .field("keepalive", &self.keepalive)
            .finish()
    }
}
