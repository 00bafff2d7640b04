//! What the kernel says of a device. A peer may be split between messages: its later part, which comes next, carries
//! only its key and more allowed IPs.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use ipnet::IpNet;

use super::wireguard_h as wg;
use crate::backend::netlink::{Attributes, number};
use crate::key::{PresharedKey, PublicKey};
use crate::net::AllowedIps;
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

/// A device of which not all messages were read.
#[derive(Default)]
pub(super) struct Gathered {
    device: Device,
    peers: Vec<(PublicKey, ObservedPeer)>,
    /// Kept from peer to peer, to save an allocation for each.
    networks: Vec<IpNet>,
}

impl Gathered {
    pub(super) fn take(&mut self, message: &Attributes<'_>) {
        for (kind, value) in message.clone() {
            match kind {
                wg::device::PUBLIC_KEY => self.device.public_key = public_key(value),
                wg::device::LISTEN_PORT => {
                    self.device.listen_port = number(value).map_or(0, u16::from_ne_bytes);
                }
                wg::device::FWMARK => self.device.fwmark = number(value).map_or(0, u32::from_ne_bytes),
                wg::device::PEERS => {
                    Attributes::within(value).for_each(|(_, peer)| self.take_peer(Attributes::within(peer)));
                }
                _ => {}
            }
        }
    }

    fn take_peer(&mut self, peer: Attributes<'_>) {
        let Some(key) = peer.find(wg::peer::PUBLIC_KEY).and_then(public_key) else { return };
        let (mut preshared_key, mut keepalive) = (None, None);
        self.networks.clear();
        for (kind, value) in peer {
            match kind {
                wg::peer::PRESHARED_KEY => preshared_key = number(value).and_then(PresharedKey::from_bytes),
                wg::peer::KEEPALIVE => {
                    keepalive = number(value).map(u16::from_ne_bytes).filter(|seconds| *seconds > 0);
                }
                wg::peer::ALLOWED_IPS => {
                    let networks = Attributes::within(value);
                    self.networks.extend(networks.filter_map(|(_, ip)| network(&Attributes::within(ip))));
                }
                _ => {}
            }
        }
        if let Some((_, first)) = self.peers.last_mut().filter(|(last, _)| *last == key) {
            first.allowed_ips = first.allowed_ips.iter().chain(self.networks.drain(..)).collect();
            return;
        }
        let allowed_ips = AllowedIps::of(&mut self.networks);
        self.peers.push((key, ObservedPeer { allowed_ips, preshared_key, keepalive }));
    }

    pub(super) fn into_device(self) -> Device {
        Device { peers: self.peers.into_iter().collect(), ..self.device }
    }
}

/// Gathers counters and handshakes. The later part of a split peer carries none.
pub(super) fn take_stats(stats: &mut BTreeMap<PublicKey, PeerStats>, message: &Attributes<'_>) {
    let Some(peers) = message.find(wg::device::PEERS) else { return };
    stats.extend(Attributes::within(peers).filter_map(|(_, peer)| stats_of(&Attributes::within(peer))));
}

fn stats_of(peer: &Attributes<'_>) -> Option<(PublicKey, PeerStats)> {
    let counter = |kind| peer.find(kind).and_then(number).map(u64::from_ne_bytes);
    let stats = PeerStats {
        rx_bytes: counter(wg::peer::RX_BYTES)?,
        tx_bytes: counter(wg::peer::TX_BYTES)?,
        endpoint: peer.find(wg::peer::ENDPOINT).and_then(endpoint),
        last_handshake: peer.find(wg::peer::LAST_HANDSHAKE).and_then(handshake),
    };
    Some((peer.find(wg::peer::PUBLIC_KEY).and_then(public_key)?, stats))
}

/// A device and its counters, out of the messages of two dumps.
#[cfg(feature = "fuzzed")]
pub(in crate::backend) fn read(messages: &[Attributes<'_>]) -> (Device, BTreeMap<PublicKey, PeerStats>) {
    let (mut gathered, mut stats) = (Gathered::default(), BTreeMap::new());
    for message in messages {
        gathered.take(message);
        take_stats(&mut stats, message);
    }
    (gathered.into_device(), stats)
}

/// A `timespec`; the epoch means "never".
fn handshake(value: &[u8]) -> Option<SystemTime> {
    let (seconds, rest) = value.split_first_chunk()?;
    let seconds = u64::try_from(i64::from_ne_bytes(*seconds)).ok()?;
    let nanos = u32::try_from(i64::from_ne_bytes(number(rest)?)).ok()?;
    (seconds > 0 || nanos > 0).then(|| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos))
}

/// A `sockaddr_in` or `sockaddr_in6`, which their lengths tell apart.
fn endpoint(value: &[u8]) -> Option<SocketAddr> {
    let (_family, rest) = value.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk()?;
    let ip = match value.len() {
        16 => IpAddr::V4(Ipv4Addr::from(*rest.first_chunk::<4>()?)),
        28 => IpAddr::V6(Ipv6Addr::from(*rest.get(4..)?.first_chunk::<16>()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

fn public_key(value: &[u8]) -> Option<PublicKey> {
    PublicKey::from_bytes(number(value)?).ok()
}

fn network(ip: &Attributes<'_>) -> Option<IpNet> {
    let address = ip.find(wg::allowed_ip::ADDRESS)?;
    let address = match address.len() {
        4 => IpAddr::from(number::<4>(address)?),
        16 => IpAddr::from(number::<16>(address)?),
        _ => return None,
    };
    let [prefix] = number(ip.find(wg::allowed_ip::PREFIX)?)?;
    IpNet::new(address, prefix).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::backend::batch::encode;
    use crate::backend::netlink::Message;
    use crate::desired::DesiredPeer;
    use crate::fixtures::{called_at, key, peer, with_preshared_key};

    /// As one message of the kernel's would be read.
    fn message(fill: impl FnOnce(&mut Message)) -> Vec<u8> {
        let mut message = Message::new(0, [0; 4]);
        fill(&mut message);
        message.attributes().to_vec()
    }

    fn of_peer(seed: u8, peer: &DesiredPeer) -> Vec<u8> {
        message(|message| {
            message.nest(wg::device::PEERS, |peers| {
                peers.nest(0, |attributes| encode::update(attributes, &(key(seed), peer.clone())));
            });
        })
    }

    fn read(messages: &[Vec<u8>]) -> Device {
        let mut gathered = Gathered::default();
        for message in messages {
            gathered.take(&Attributes::within(message));
        }
        gathered.into_device()
    }

    #[test]
    fn a_peer_is_read_as_it_is_written() {
        let wanted = called_at("192.0.2.1:51820", with_preshared_key(peer(&["10.0.0.9/32", "fd00::/64"]), 7));
        let device = read(&[of_peer(1, &wanted)]);
        assert!(device.peers[&key(1)].is(&wanted));
    }

    #[test]
    fn a_peer_split_between_messages_is_one() {
        let later = message(|message| {
            message.nest(wg::device::PEERS, |peers| {
                peers.nest(0, |attributes| encode::addition(attributes, &(key(1), peer(&["10.0.0.1/32"]))));
            });
        });
        let first = with_preshared_key(peer(&["10.0.0.2/32"]), 7);
        let device = read(&[of_peer(1, &first), later, of_peer(2, &peer(&[]))]);
        let whole = with_preshared_key(peer(&["10.0.0.1/32", "10.0.0.2/32"]), 7);
        assert!(device.peers[&key(1)].is(&whole));
        assert_eq!(device.peers.len(), 2);
    }

    proptest! {
        #[test]
        fn whatever_the_kernel_says_is_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let wanted = called_at("192.0.2.1:51820", with_preshared_key(peer(&["10.0.0.9/32", "fd00::/64"]), 7));
            let mut almost = of_peer(1, &wanted);
            for (at, byte) in changes {
                *at.get_mut(&mut almost) = byte;
            }
            almost.truncate(cut.index(almost.len() + 1));
            drop(read(&[bytes, almost.clone(), almost]));
        }
    }

    #[test]
    fn an_endpoint_is_read_in_both_families() {
        let v4 = [&[2, 0, 0xca, 0x6c, 192, 0, 2, 1][..], &[0; 8]].concat();
        assert_eq!(endpoint(&v4), Some("192.0.2.1:51820".parse().unwrap()));
        let mut v6 = [&[10, 0, 0xca, 0x6c][..], &[0; 24]].concat();
        v6[23] = 1;
        assert_eq!(endpoint(&v6), Some("[::1]:51820".parse().unwrap()));
        assert_eq!(endpoint(&v6[..20]), None);
    }

    #[test]
    fn an_endpoint_is_read_as_it_is_written() {
        for at in ["192.0.2.1:51820", "[2001:db8::1]:51821"] {
            let written = message(|message| {
                encode::addition(message, &(key(1), called_at(at, peer(&["10.0.0.9/32"]))));
            });
            let read = Attributes::within(&written).find(wg::peer::ENDPOINT).and_then(endpoint);
            assert_eq!(read, Some(at.parse().unwrap()));
        }
    }

    #[test]
    fn a_handshake_at_the_epoch_never_was() {
        assert_eq!(handshake(&[0; 16]), None);
        let time = [1_i64.to_ne_bytes(), 5_i64.to_ne_bytes()].concat();
        assert_eq!(handshake(&time), Some(SystemTime::UNIX_EPOCH + Duration::new(1, 5)));
    }
}
