//! Peers as the kernel takes them. "Absent" means "leave as it is" to the kernel, so an update writes the zero
//! preshared key and the zero keepalive.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::Emitable as _;
use netlink_packet_wireguard::{
    WireguardAddressFamily, WireguardAllowedIp, WireguardAllowedIpAttr, WireguardPeer,
    WireguardPeerAttribute, WireguardPeerFlags,
};

use crate::desired::DesiredPeer;
use crate::key::PublicKey;

/// A peer that is not there yet.
pub(super) fn addition(key: &PublicKey, peer: &DesiredPeer) -> WireguardPeer {
    let mut attributes = vec![
        WireguardPeerAttribute::PublicKey(*key.as_bytes()),
        WireguardPeerAttribute::Flags(WireguardPeerFlags::ReplaceAllowedIps),
    ];
    if let Some(preshared) = &peer.preshared_key {
        attributes.push(WireguardPeerAttribute::PresharedKey(*preshared.expose_bytes()));
    }
    attributes.push(allowed_ips(peer));
    WireguardPeer(attributes)
}

/// A peer that is there; one that is gone meanwhile stays gone.
pub(super) fn update(key: &PublicKey, peer: &DesiredPeer) -> WireguardPeer {
    let preshared = peer.preshared_key.as_ref().map_or([0; 32], |preshared| *preshared.expose_bytes());
    WireguardPeer(vec![
        WireguardPeerAttribute::PublicKey(*key.as_bytes()),
        WireguardPeerAttribute::Flags(WireguardPeerFlags::UpdateOnly | WireguardPeerFlags::ReplaceAllowedIps),
        WireguardPeerAttribute::PresharedKey(preshared),
        WireguardPeerAttribute::PersistentKeepalive(0),
        allowed_ips(peer),
    ])
}

/// A peer that goes.
pub(super) fn removal(key: &PublicKey) -> WireguardPeer {
    WireguardPeer(vec![
        WireguardPeerAttribute::PublicKey(*key.as_bytes()),
        WireguardPeerAttribute::Flags(WireguardPeerFlags::RemoveMe),
    ])
}

/// Bytes in a message, headers included.
pub(super) fn size(peer: &WireguardPeer) -> usize {
    4 + peer.0.as_slice().buffer_len()
}

fn allowed_ips(peer: &DesiredPeer) -> WireguardPeerAttribute {
    WireguardPeerAttribute::AllowedIps(peer.allowed_ips.iter().map(allowed_ip).collect())
}

fn allowed_ip(network: IpNet) -> WireguardAllowedIp {
    let family = match network.addr() {
        IpAddr::V4(_) => WireguardAddressFamily::Ipv4,
        IpAddr::V6(_) => WireguardAddressFamily::Ipv6,
    };
    WireguardAllowedIp(vec![
        WireguardAllowedIpAttr::Family(family),
        WireguardAllowedIpAttr::IpAddr(network.addr()),
        WireguardAllowedIpAttr::Cidr(network.prefix_len()),
    ])
}
