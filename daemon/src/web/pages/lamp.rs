//! Whether a device is ready at the gateway, and whether it has connected. WireGuard is asked at most once a second, however
//! many pages look.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::gateway_view::{GatewayView, Stats, is_connected};
use crate::store::address::Held;
use crate::store::device::Device;

/// How long an answer is good.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// A page would rather show what it knew than wait longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// How far a device has come in one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lit {
    /// The gateway does not have it.
    Pending,
    /// The gateway waits for it.
    Ready,
    /// It shook hands a moment ago.
    Connected,
}

/// Asks the gateway. Clones share what it said.
#[derive(Clone)]
pub(super) struct Lamp {
    view: GatewayView,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    stats: Arc<Stats>,
    asked_at: Option<Timestamp>,
}

impl Lit {
    /// As scripts and style sheets know it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Connected => "connected",
        }
    }

    /// Of `device` where it holds an address, by what WireGuard counts.
    pub(super) fn of(device: &Device, held: &Held, stats: &Stats, now: Timestamp) -> Self {
        let Some(_) = held.live_since else { return Self::Pending };
        let peer = device.public_key.and_then(|key| stats.get(&held.location)?.get(&key));
        if peer.is_some_and(|peer| is_connected(peer, now)) { Self::Connected } else { Self::Ready }
    }
}

impl Lamp {
    pub(super) fn new(view: GatewayView) -> Self {
        Self { view, known: Arc::default() }
    }

    /// What WireGuard counts, a second old at most; what it last said when it does not answer.
    pub(super) async fn stats(&self, now: Timestamp) -> Arc<Stats> {
        // Whoever comes while one asks waits for that answer.
        let mut known = self.known.lock().await;
        let is_fresh =
            known.asked_at.is_some_and(|asked_at| now.duration_since(asked_at).unsigned_abs() < FRESH_FOR);
        if !is_fresh {
            if let Ok(Ok(stats)) = tokio::time::timeout(PATIENCE, self.view.stats()).await {
                known.stats = Arc::new(stats);
            }
            known.asked_at = Some(now);
        }
        Arc::clone(&known.stats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;
    use crate::gateway_view::GatewayQuestion;

    #[tokio::test]
    async fn the_gateway_is_asked_once_a_second_however_many_look() {
        let (view, mut questions) = GatewayView::new();
        let lamp = Lamp::new(view);
        let gateway = async {
            let mut asked = 0;
            while let Some(GatewayQuestion::Stats(answer)) = questions.recv().await {
                asked += 1;
                answer.send(Ok(Stats::new())).unwrap();
            }
            asked
        };
        let looks = async move {
            tokio::join!(lamp.stats(at(0)), lamp.stats(at(0)), lamp.stats(at(0)));
            lamp.stats(at(1)).await;
        };
        assert_eq!(tokio::join!(gateway, looks).0, 2);
    }
}
