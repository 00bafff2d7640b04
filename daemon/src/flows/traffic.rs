//! Writes down what devices moved, out of counters of WireGuard that only know how much it was altogether.

use std::collections::BTreeMap;

use jiff::Timestamp;
use postern_gateway::PublicKey;

use crate::gateway_view::Stats;
use crate::rules::ids::LocationId;
use crate::rules::traffic::{Bytes, Hour};
use crate::store::{StoreError, Tx};

/// How the counters stood when they were last written down. Nothing, by default: what was counted before the first look is
/// of nobody knows when.
#[derive(Debug, Default)]
pub struct Meter(BTreeMap<LocationId, BTreeMap<PublicKey, Bytes>>);

/// A peer, and what it moved.
pub type Moved = ((LocationId, PublicKey), Bytes);

impl Meter {
    /// What was moved since the last look. A peer that was not there then began with nothing.
    pub fn moved(&self, stats: &Stats) -> Vec<Moved> {
        let mut moved = Vec::new();
        for (location, peers) in stats {
            let Some(known) = self.0.get(location) else { continue };
            for (key, peer) in peers {
                let now = Bytes { received: peer.rx_bytes, sent: peer.tx_bytes };
                let added = now.since(known.get(key).copied().unwrap_or_default());
                if added != Bytes::default() {
                    moved.push(((*location, *key), added));
                }
            }
        }
        moved
    }

    /// Remembers how the counters stand, once what was moved is written down.
    pub fn stands_at(&mut self, stats: &Stats) {
        for (location, peers) in stats {
            let peers = peers
                .iter()
                .map(|(key, peer)| (*key, Bytes { received: peer.rx_bytes, sent: peer.tx_bytes }));
            self.0.insert(*location, peers.collect());
        }
    }
}

/// Writes down what was moved, and forgets what is older than a day.
pub fn record(tx: &Tx<'_>, moved: &[Moved], now: Timestamp) -> Result<(), StoreError> {
    let hour = Hour::of(now);
    for (peer, bytes) in moved {
        tx.add_traffic(*peer, hour, *bytes)?;
    }
    tx.forget_traffic(hour)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use postern_gateway::{PeerStats, PrivateKey};

    use super::*;

    const HERE: LocationId = LocationId(1);

    fn key(number: u8) -> PublicKey {
        PrivateKey::from_random([number; 32]).public()
    }

    fn looked_at(peers: &[(u8, u64, u64)]) -> Stats {
        let of = |(number, rx_bytes, tx_bytes): &(u8, u64, u64)| {
            let (rx_bytes, tx_bytes) = (*rx_bytes, *tx_bytes);
            (key(*number), PeerStats { endpoint: None, last_handshake: None, rx_bytes, tx_bytes })
        };
        Stats::from([(HERE, peers.iter().map(of).collect())])
    }

    #[test]
    fn what_is_moved_between_two_looks_counts_through_restarts_of_either_side() {
        let mut meter = Meter::default();
        let mut told = Vec::new();
        for peers in [
            // Nobody knows since when.
            &[(1, 1000, 500)][..],
            &[(1, 1100, 500), (2, 10, 20)],
            &[(1, 1100, 500), (2, 10, 21)],
            // The interface was made again.
            &[(2, 5, 0), (1, 7, 0)],
        ] {
            let stats = looked_at(peers);
            let mut moved: Vec<_> = meter.moved(&stats).into_iter().map(|moved| moved.1).collect();
            moved.sort_by_key(|bytes| bytes.received);
            told.push(moved.into_iter().map(|bytes| (bytes.received, bytes.sent)).collect::<Vec<_>>());
            meter.stands_at(&stats);
        }
        assert_eq!(told, [vec![], vec![(10, 20), (100, 0)], vec![(0, 1)], vec![(5, 0), (7, 0)]]);
        assert!(meter.moved(&Stats::new()).is_empty(), "a location that does not answer loses nothing");
        assert_eq!(meter.moved(&looked_at(&[(1, 8, 0)])), [((HERE, key(1)), Bytes { received: 1, sent: 0 })]);
    }
}
