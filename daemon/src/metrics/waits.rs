//! Since when registered keys wait to be live, and live peers for their first handshake. Only keys that were registered
//! while the daemon ran are looked at; what never happens is forgotten for what comes later.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use postern_gateway::PublicKey;

use crate::gateway_view::Stats;
use crate::rules::ids::{DeviceId, LocationId};

/// Of each kind no more are remembered.
const MOST: usize = 8192;

/// What waits. Nothing, by default.
#[derive(Default)]
pub struct Waits {
    registered: BTreeMap<(DeviceId, LocationId), Timestamp>,
    live: BTreeMap<(LocationId, PublicKey), Timestamp>,
}

impl Waits {
    /// Keys were registered.
    pub fn registered(&mut self, keys: BTreeMap<(DeviceId, LocationId), Timestamp>) {
        self.registered.extend(keys);
        keep_newest(&mut self.registered);
    }

    /// A peer is live; how long its registration waited for that, if it is new.
    pub fn live(&mut self, peer: (DeviceId, LocationId), key: PublicKey, now: Timestamp) -> Option<Duration> {
        let since = self.registered.remove(&peer)?;
        self.live.insert((peer.1, key), now);
        keep_newest(&mut self.live);
        Some(between(since, now))
    }

    /// How long each new peer waited that has shaken hands.
    pub(super) fn shook_hands(&mut self, stats: &Stats) -> Vec<Duration> {
        let mut waited = Vec::new();
        self.live.retain(|(location, key), since| {
            let peer = stats.get(location).and_then(|peers| peers.get(key));
            let first = peer.and_then(|peer| Timestamp::try_from(peer.last_handshake?).ok());
            let Some(first) = first else { return true };
            waited.push(between(*since, first));
            false
        });
        waited
    }
}

/// A handshake may come before its peer is written down as live: that took no time.
fn between(since: Timestamp, until: Timestamp) -> Duration {
    until.duration_since(since).try_into().unwrap_or_default()
}

fn keep_newest<K: Ord + Copy>(waiting: &mut BTreeMap<K, Timestamp>) {
    if waiting.len() <= MOST {
        return;
    }
    // A quarter at once: it is not done again for each that comes.
    let mut times: Vec<Timestamp> = waiting.values().copied().collect();
    times.sort_unstable();
    let Some(oldest) = times.get(waiting.len() - MOST + MOST / 4).copied() else { return };
    waiting.retain(|_, since| *since > oldest);
}

#[cfg(test)]
mod tests {
    use postern_gateway::{PeerStats, PrivateKey};

    use super::*;
    use crate::fixtures::at;

    const PEER: (DeviceId, LocationId) = (DeviceId(1), LocationId(2));

    fn shaken(key: PublicKey, second: Option<u64>) -> Stats {
        let epoch = std::time::SystemTime::UNIX_EPOCH;
        let last_handshake = second.map(|second| epoch + Duration::from_secs(second));
        let stats = PeerStats { endpoint: None, last_handshake, rx_bytes: 0, tx_bytes: 0 };
        Stats::from([(PEER.1, BTreeMap::from([(key, stats)]))])
    }

    #[test]
    fn a_registered_key_is_measured_once_until_it_is_live_and_once_until_its_handshake() {
        let (mut waits, key) = (Waits::default(), PrivateKey::from_random([1; 32]).public());
        assert_eq!(waits.live(PEER, key, at(1)), None, "nobody registered it here");
        waits.registered(BTreeMap::from([(PEER, at(10))]));
        assert_eq!(waits.live(PEER, key, at(12)), Some(Duration::from_secs(2)));
        assert_eq!(waits.live(PEER, key, at(13)), None);
        assert_eq!(waits.shook_hands(&shaken(key, None)), [Duration::ZERO; 0]);
        assert_eq!(waits.shook_hands(&shaken(key, Some(42))), [Duration::from_secs(30)]);
        assert_eq!(waits.shook_hands(&shaken(key, Some(42))), [Duration::ZERO; 0]);
    }

    #[test]
    fn a_handshake_before_the_peer_was_written_down_took_no_time() {
        let (mut waits, key) = (Waits::default(), PrivateKey::from_random([1; 32]).public());
        waits.registered(BTreeMap::from([(PEER, at(10))]));
        waits.live(PEER, key, at(12));
        assert_eq!(waits.shook_hands(&shaken(key, Some(11))), [Duration::ZERO]);
    }

    #[test]
    fn what_waits_without_end_makes_room_for_what_comes() {
        let mut waits = Waits::default();
        for device in 0..20_000 {
            waits.registered(BTreeMap::from([((DeviceId(device), PEER.1), at(device))]));
            let recent = (DeviceId((device - 1000).max(0)), PEER.1);
            assert!(waits.registered.contains_key(&recent), "{device}");
            assert!(waits.registered.len() <= MOST);
        }
    }
}
