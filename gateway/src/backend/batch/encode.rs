//! Peers as the kernel takes them. "Absent" means "leave as it is" to the kernel, so an update writes the zero
//! preshared key and the zero keepalive.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::wireguard_h as wg;
use crate::backend::netlink::Message;
use crate::desired::DesiredPeer;
use crate::key::PublicKey;

type Peer = (PublicKey, DesiredPeer);

/// A peer that is not there yet.
pub(super) fn addition(message: &mut Message, (key, peer): &Peer) {
    message.put(wg::peer::PUBLIC_KEY, key.as_bytes());
    message.put(wg::peer::FLAGS, &wg::peer::REPLACE_ALLOWED_IPS.to_ne_bytes());
    if let Some(preshared) = &peer.preshared_key {
        message.put(wg::peer::PRESHARED_KEY, preshared.expose_bytes());
    }
    if let Some(dialled) = &peer.dialled {
        endpoint(message, dialled.endpoint);
    }
    if let Some(seconds) = peer.keepalive() {
        message.put(wg::peer::KEEPALIVE, &seconds.to_ne_bytes());
    }
    allowed_ips(message, peer);
}

/// A peer that is there; one that is gone meanwhile stays gone.
pub(super) fn update(message: &mut Message, peer: &Peer) {
    keys(message, peer, wg::peer::UPDATE_ONLY | wg::peer::REPLACE_ALLOWED_IPS);
    allowed_ips(message, &peer.1);
}

/// The same of one whose allowed IPs are as they should be.
pub(super) fn update_of_keys(message: &mut Message, peer: &Peer) {
    keys(message, peer, wg::peer::UPDATE_ONLY);
}

fn keys(message: &mut Message, (key, peer): &Peer, flags: u32) {
    message.put(wg::peer::PUBLIC_KEY, key.as_bytes());
    message.put(wg::peer::FLAGS, &flags.to_ne_bytes());
    let none = [0; 32];
    let preshared = peer.preshared_key.as_ref().map_or(&none, |preshared| preshared.expose_bytes());
    message.put(wg::peer::PRESHARED_KEY, preshared);
    message.put(wg::peer::KEEPALIVE, &peer.keepalive().unwrap_or(0).to_ne_bytes());
}

/// A peer that goes.
pub(super) fn removal(message: &mut Message, key: &PublicKey) {
    message.put(wg::peer::PUBLIC_KEY, key.as_bytes());
    message.put(wg::peer::FLAGS, &wg::peer::REMOVE_ME.to_ne_bytes());
}

/// At most how many bytes a peer takes, its own header included.
pub(super) fn size((_, peer): &Peer) -> usize {
    132 + 44 * peer.allowed_ips.len()
}

/// The same of a removal.
pub(super) fn size_of_removal(_: &PublicKey) -> usize {
    48
}

fn allowed_ips(message: &mut Message, peer: &DesiredPeer) {
    message.nest(wg::peer::ALLOWED_IPS, |message| {
        for network in peer.allowed_ips.iter() {
            message.nest(0, |message| allowed_ip(message, network));
        }
    });
}

/// A `sockaddr_in` or `sockaddr_in6`: family, port, then what differs.
fn endpoint(message: &mut Message, endpoint: SocketAddr) {
    let port = endpoint.port().to_be_bytes();
    let bytes = match endpoint {
        SocketAddr::V4(at) => {
            [&wg::allowed_ip::V4.to_ne_bytes()[..], &port, &at.ip().octets(), &[0; 8]].concat()
        }
        SocketAddr::V6(at) => [
            &wg::allowed_ip::V6.to_ne_bytes()[..],
            &port,
            &at.flowinfo().to_be_bytes(),
            &at.ip().octets(),
            &at.scope_id().to_ne_bytes(),
        ]
        .concat(),
    };
    message.put(wg::peer::ENDPOINT, &bytes);
}

fn allowed_ip(message: &mut Message, network: IpNet) {
    match network.addr() {
        IpAddr::V4(ip) => {
            message.put(wg::allowed_ip::FAMILY, &wg::allowed_ip::V4.to_ne_bytes());
            message.put(wg::allowed_ip::ADDRESS, &ip.octets());
        }
        IpAddr::V6(ip) => {
            message.put(wg::allowed_ip::FAMILY, &wg::allowed_ip::V6.to_ne_bytes());
            message.put(wg::allowed_ip::ADDRESS, &ip.octets());
        }
    }
    message.put(wg::allowed_ip::PREFIX, &[network.prefix_len()]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::netlink::Attributes;
    use crate::fixtures::{called_at, key, peer, with_preshared_key};

    #[test]
    fn what_keeps_its_allowed_ips_is_told_nothing_of_them() {
        let peer = (key(1), with_preshared_key(peer(&["10.0.0.1/32"]), 7));
        let tags = |encode: fn(&mut Message, &Peer)| {
            let mut message = Message::new(0, [0; 4]);
            encode(&mut message, &peer);
            Attributes::within(message.attributes())
                .map(|(tag, bytes)| (tag, bytes.to_vec()))
                .collect::<Vec<_>>()
        };
        let kept = tags(update_of_keys);
        assert!(kept.iter().all(|(tag, _)| *tag != wg::peer::ALLOWED_IPS));
        assert!(kept.contains(&(wg::peer::FLAGS, wg::peer::UPDATE_ONLY.to_ne_bytes().to_vec())));
        assert!(kept.iter().any(|(tag, _)| *tag == wg::peer::PRESHARED_KEY));
        assert!(tags(update).iter().any(|(tag, _)| *tag == wg::peer::ALLOWED_IPS));
    }

    #[test]
    fn no_peer_is_larger_than_its_size_says() {
        for ips in [&[][..], &["10.0.0.1/32"], &["10.0.0.1/32", "fd00::1/128", "fd00::2/128"]] {
            let peer = (key(1), called_at("[2001:db8::1]:51820", with_preshared_key(peer(ips), 7)));
            for encode in [addition, update, update_of_keys] {
                let mut message = Message::new(0, [0; 4]);
                message.nest(0, |message| encode(message, &peer));
                assert!(message.attributes().len() <= size(&peer));
            }
        }
        let mut message = Message::new(0, [0; 4]);
        message.nest(0, |message| removal(message, &key(1)));
        assert!(message.attributes().len() <= size_of_removal(&key(1)));
    }
}
