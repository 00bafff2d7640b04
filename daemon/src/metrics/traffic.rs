//! Bytes by location, as counters that only grow: WireGuard counts by peer and forgets with the peer, so what each peer
//! added since the last look is summed up.

use std::collections::BTreeMap;

use postern_gateway::PublicKey;

use crate::gateway_view::Stats;
use crate::rules::ids::LocationId;

/// Bytes both ways.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bytes {
    /// From the peers.
    pub(super) received: u64,
    /// To the peers.
    pub(super) sent: u64,
}

#[derive(Default)]
struct Counted {
    total: Bytes,
    last: BTreeMap<PublicKey, Bytes>,
}

/// What was counted since the first look. Nothing, by default.
#[derive(Default)]
pub(super) struct Traffic(BTreeMap<LocationId, Counted>);

impl Traffic {
    /// Adds what came since the last look. What peers had counted before the first one is not ours to tell.
    pub(super) fn count(&mut self, stats: &Stats) {
        for (location, peers) in stats {
            let now: BTreeMap<_, _> = peers
                .iter()
                .map(|(key, stats)| (*key, Bytes { received: stats.rx_bytes, sent: stats.tx_bytes }))
                .collect();
            if let Some(known) = self.0.get_mut(location) {
                for (key, bytes) in &now {
                    let before = known.last.get(key).copied().unwrap_or_default();
                    known.total.received += added(before.received, bytes.received);
                    known.total.sent += added(before.sent, bytes.sent);
                }
                known.last = now;
            } else {
                self.0.insert(*location, Counted { total: Bytes::default(), last: now });
            }
        }
    }

    /// Of one location.
    pub(super) fn of(&self, location: LocationId) -> Bytes {
        self.0.get(&location).map_or(Bytes::default(), |counted| counted.total)
    }
}

/// A counter that is lower than before began again.
fn added(before: u64, now: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use postern_gateway::{PeerStats, PrivateKey};

    use super::*;

    const HERE: LocationId = LocationId(1);

    fn looked_at(peers: &[(u8, u64, u64)]) -> Stats {
        let of = |(number, rx_bytes, tx_bytes): &(u8, u64, u64)| {
            let key = PrivateKey::from_random([*number; 32]).public();
            let (rx_bytes, tx_bytes) = (*rx_bytes, *tx_bytes);
            (key, PeerStats { endpoint: None, last_handshake: None, rx_bytes, tx_bytes })
        };
        Stats::from([(HERE, peers.iter().map(of).collect())])
    }

    #[test]
    fn bytes_of_a_location_never_shrink_whichever_peers_come_and_go() {
        let mut traffic = Traffic::default();
        let mut told = Vec::new();
        for peers in [
            &[(1, 1000, 500)][..],
            &[(1, 1100, 500), (2, 10, 20)],
            &[(2, 10, 21)],
            // Its interface was made again.
            &[(2, 5, 0), (1, 7, 0)],
        ] {
            traffic.count(&looked_at(peers));
            told.push((traffic.of(HERE).received, traffic.of(HERE).sent));
        }
        assert_eq!(told, [(0, 0), (110, 20), (110, 21), (122, 21)]);
    }
}
