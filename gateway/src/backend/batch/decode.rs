//! What the kernel says of a device. A peer may be split between messages: its later parts carry only its key and
//! more allowed IPs.

#![expect(clippy::wildcard_enum_match_arm, reason = "the kernel's attributes are many and not ours")]

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use netlink_packet_wireguard::{
    WireguardAllowedIp, WireguardAllowedIpAttr, WireguardAttribute, WireguardMessage, WireguardPeer,
    WireguardPeerAttribute, WireguardTimeSpec,
};

use crate::key::{PresharedKey, PublicKey};
use crate::observed::ObservedPeer;
use crate::stats::PeerStats;

/// A device, normalised.
#[derive(Default)]
pub(in crate::backend) struct Device {
    pub(in crate::backend) public_key: Option<PublicKey>,
    pub(in crate::backend) listen_port: u16,
    pub(in crate::backend) fwmark: u32,
    pub(in crate::backend) peers: BTreeMap<PublicKey, ObservedPeer>,
}

impl Device {
    pub(super) fn from_dump(messages: impl IntoIterator<Item = WireguardMessage>) -> Self {
        let mut device = Self::default();
        let mut parts: BTreeMap<PublicKey, Parts> = BTreeMap::new();
        for attribute in messages.into_iter().flat_map(|message| message.attributes) {
            match attribute {
                WireguardAttribute::PublicKey(bytes) => device.public_key = PublicKey::from_bytes(bytes).ok(),
                WireguardAttribute::ListenPort(port) => device.listen_port = port,
                WireguardAttribute::Fwmark(mark) => device.fwmark = mark,
                WireguardAttribute::Peers(peers) => {
                    for peer in peers {
                        gather(peer, &mut parts);
                    }
                }
                _ => {}
            }
        }
        device.peers = parts.into_iter().map(|(key, parts)| (key, parts.observed())).collect();
        device
    }
}

#[derive(Default)]
struct Parts {
    allowed_ips: Vec<IpNet>,
    preshared_key: Option<PresharedKey>,
    keepalive: Option<u16>,
}

impl Parts {
    fn observed(self) -> ObservedPeer {
        ObservedPeer {
            allowed_ips: self.allowed_ips.into_iter().collect(),
            preshared_key: self.preshared_key,
            keepalive: self.keepalive,
        }
    }
}

fn gather(peer: WireguardPeer, parts: &mut BTreeMap<PublicKey, Parts>) {
    let Some(key) = key_of(&peer) else { return };
    let part = parts.entry(key).or_default();
    for attribute in peer.0 {
        match attribute {
            WireguardPeerAttribute::PresharedKey(bytes) => {
                part.preshared_key = PresharedKey::from_bytes(bytes);
            }
            WireguardPeerAttribute::PersistentKeepalive(seconds) => {
                part.keepalive = Some(seconds).filter(|seconds| *seconds > 0);
            }
            WireguardPeerAttribute::AllowedIps(ips) => {
                part.allowed_ips.extend(ips.iter().filter_map(network));
            }
            _ => {}
        }
    }
}

pub(super) fn stats(messages: impl IntoIterator<Item = WireguardMessage>) -> BTreeMap<PublicKey, PeerStats> {
    let mut stats = BTreeMap::new();
    for attribute in messages.into_iter().flat_map(|message| message.attributes) {
        if let WireguardAttribute::Peers(peers) = attribute {
            stats.extend(peers.iter().filter_map(stats_of));
        }
    }
    stats
}

/// `None` for the later part of a split peer, which carries no counters.
fn stats_of(peer: &WireguardPeer) -> Option<(PublicKey, PeerStats)> {
    let mut stats = PeerStats { endpoint: None, last_handshake: None, rx_bytes: 0, tx_bytes: 0 };
    let mut counted = false;
    for attribute in &peer.0 {
        match attribute {
            WireguardPeerAttribute::Endpoint(endpoint) => stats.endpoint = Some(*endpoint),
            WireguardPeerAttribute::LastHandshake(time) => stats.last_handshake = handshake(time),
            WireguardPeerAttribute::RxBytes(bytes) => (stats.rx_bytes, counted) = (*bytes, true),
            WireguardPeerAttribute::TxBytes(bytes) => stats.tx_bytes = *bytes,
            _ => {}
        }
    }
    counted.then_some((key_of(peer)?, stats))
}

/// The epoch means "never".
fn handshake(time: &WireguardTimeSpec) -> Option<SystemTime> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let nanos = u32::try_from(time.nano_seconds).ok()?;
    (seconds > 0 || nanos > 0).then(|| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos))
}

fn key_of(peer: &WireguardPeer) -> Option<PublicKey> {
    peer.0.iter().find_map(|attribute| match attribute {
        WireguardPeerAttribute::PublicKey(bytes) => PublicKey::from_bytes(*bytes).ok(),
        _ => None,
    })
}

fn network(ip: &WireguardAllowedIp) -> Option<IpNet> {
    let mut address = None;
    let mut prefix = None;
    for attribute in &ip.0 {
        match attribute {
            WireguardAllowedIpAttr::IpAddr(ip) => address = Some(*ip),
            WireguardAllowedIpAttr::Cidr(length) => prefix = Some(*length),
            _ => {}
        }
    }
    IpNet::new(address?, prefix?).ok()
}
