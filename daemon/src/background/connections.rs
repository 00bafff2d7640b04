//! Ends connections that are over: clients do not say when they disconnect, so handshakes are looked at. Locations that ask for
//! no second factor are not; nor is anything as long as nobody's connection can be over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use postern_gateway::chain;
use tokio::sync::watch;

use crate::app::App;
use crate::flows::connect;
use crate::gateway_view::{GatewayView, Stats};
use crate::pulse::Pulse;
use crate::rules::connection::Running;
use crate::rules::ids::{DeviceId, LocationId};
use crate::store::StoreError;
use crate::store::connection::Connection;

/// However many connections there are, they are looked at no more often.
const SOONEST: u64 = 3;
/// However late they may be over, they are looked at as often: somebody may set the clock.
const LATEST: u64 = 15;

/// Looks at handshakes, and remembers the newest of each connection: an interface that is made anew knows of none.
struct Watched {
    since: i64,
    handshakes: BTreeMap<(DeviceId, LocationId), i64>,
}

/// Runs until `shutdown` turns true.
pub async fn run(app: App, view: GatewayView, mut pulse: Pulse, mut shutdown: watch::Receiver<bool>) {
    let mut watched = Watched { since: app.now().as_second(), handshakes: BTreeMap::new() };
    let mut wait = SOONEST;
    loop {
        let stopped = shutdown.wait_for(|stop| *stop);
        if pulse.while_waiting(tokio::time::timeout(Duration::from_secs(wait), stopped)).await.is_ok() {
            return;
        }
        wait = match watched.look(&app, &view).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(error, "cannot see which connections are over; trying again");
                SOONEST
            }
        };
    }
}

impl Watched {
    /// Ends what is over; gives the seconds until something may be.
    async fn look(&mut self, app: &App, view: &GatewayView) -> Result<u64, String> {
        let connections = app.store.read(|tx| tx.connections()).await.map_err(|error| chain(&error))?;
        self.forget_all_but(&connections);
        if connections.is_empty() {
            return Ok(LATEST);
        }
        let now = app.now();
        let stats = match self.soonest_end(&connections, now) {
            Some(end) if end <= now.as_second() => {
                let locations: BTreeSet<LocationId> =
                    connections.iter().map(|connection| connection.location).collect();
                view.stats_of(locations).await?
            }
            Some(_) | None => return Ok(self.wait(&connections, now)),
        };
        self.remember(&connections, &stats);
        let known = connections.iter().filter(|connection| stats.contains_key(&connection.location));
        let over: Vec<(Connection, Running)> = known
            .map(|connection| (*connection, self.running(connection)))
            .filter(|(_, running)| running.ends_at(now.as_second()) <= now.as_second())
            .collect();
        if !over.is_empty() {
            tracing::info!(connections = over.len(), "over for want of handshakes");
            let ended = app.store.write(move |tx| connect::end_idle(tx, over, now)).await;
            ended.map_err(|error: StoreError| chain(&error))?;
        }
        Ok(self.wait(&connections, now))
    }

    fn running(&self, connection: &Connection) -> Running {
        let last_handshake = self.handshakes.get(&(connection.device, connection.location)).copied();
        Running { begun_at: connection.begun_at, watched_since: self.since, last_handshake }
    }

    fn soonest_end(&self, connections: &[Connection], now: Timestamp) -> Option<i64> {
        connections.iter().map(|connection| self.running(connection).ends_at(now.as_second())).min()
    }

    fn wait(&self, connections: &[Connection], now: Timestamp) -> u64 {
        let left = self.soonest_end(connections, now).map_or(0, |end| end - now.as_second());
        u64::try_from(left).unwrap_or(0).clamp(SOONEST, LATEST)
    }

    fn remember(&mut self, connections: &[Connection], stats: &Stats) {
        for connection in connections {
            let peer = stats.get(&connection.location).and_then(|peers| peers.get(&connection.key));
            let handshake = peer.and_then(|peer| Timestamp::try_from(peer.last_handshake?).ok());
            if let Some(handshake) = handshake {
                let place = (connection.device, connection.location);
                self.handshakes.insert(place, handshake.as_second());
            }
        }
    }

    fn forget_all_but(&mut self, connections: &[Connection]) {
        let kept: BTreeSet<_> =
            connections.iter().map(|connection| (connection.device, connection.location)).collect();
        self.handshakes.retain(|place, _| kept.contains(place));
    }
}
