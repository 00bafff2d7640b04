//! Ends connections that are over: clients do not say when they disconnect, so handshakes are looked at. Locations that ask for
//! no second factor are not; nor is anything as long as nobody's connection can be over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use postern_gateway::chain;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::app::App;
use crate::flows::connect;
use crate::gateway_view::{GatewayView, Stats};
use crate::pulse::Pulse;
use crate::rules::connection::{Clocks, IDLE, left};
use crate::rules::ids::{DeviceId, LocationId};
use crate::store::StoreError;
use crate::store::connection::Connection;

/// However many connections there are, they are looked at no more often.
const SOONEST: u64 = 3;
/// However late they may be over, the clocks are looked at as often: somebody may set one.
const LATEST: u64 = 15;

/// How exactly it is written down, in seconds, until when they were looked at.
const NOTED_EVERY: i64 = 60;

/// Looks at handshakes, and remembers the newest of each connection: an interface that is made anew knows of none.
struct Watched {
    clocks: Clocks,
    /// Whether nobody looked for longer than a connection lasts. Then none counts as alive that is not seen: its preshared key
    /// may be an old backup's.
    was_away: bool,
    /// Whether it did look: those that were there before it began were seen by nobody.
    has_looked: bool,
    /// By the steady clock.
    noted_at: i64,
    seen: BTreeMap<(DeviceId, LocationId), Seen>,
}

/// What was seen of a connection.
struct Seen {
    begun_at: i64,
    /// The newest handshake, as the kernel tells it: by the host's clock of that moment.
    handshake: Option<i64>,
    /// When that was, or the beginning, by the steady clock.
    alive_at: i64,
}

/// Runs until `shutdown` turns true.
pub async fn run(app: App, view: GatewayView, mut pulse: Pulse, mut shutdown: watch::Receiver<bool>) {
    let mut watched = match Watched::begin(&app).await {
        Ok(watched) => watched,
        Err(error) => {
            tracing::error!(error, "connections count as watched from now on");
            Watched::since(app.now())
        }
    };
    let begun = Instant::now();
    let mut wait = SOONEST;
    loop {
        let stopped = shutdown.wait_for(|stop| *stop);
        if pulse.while_waiting(tokio::time::timeout(Duration::from_secs(wait), stopped)).await.is_ok() {
            return;
        }
        let steady = i64::try_from(begun.elapsed().as_secs()).unwrap_or(i64::MAX);
        wait = match watched.look(&app, &view, steady).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(error, "cannot see which connections are over; trying again");
                SOONEST
            }
        };
    }
}

impl Watched {
    /// The steady clock begins here.
    fn since(now: Timestamp) -> Self {
        Self {
            clocks: Clocks::begin(now.as_second(), 0),
            was_away: false,
            has_looked: false,
            noted_at: i64::MIN,
            seen: BTreeMap::new(),
        }
    }

    async fn begin(app: &App) -> Result<Self, String> {
        let until = app.store.read(|tx| {
            let until = tx.watched_until()?;
            Ok::<_, StoreError>(until)
        });
        let until = until.await.map_err(|error| chain(&error))?;
        let watched = Self::since(app.now());
        let was_away = until.is_some_and(|until| watched.clocks.wall.saturating_sub(until) > IDLE);
        Ok(Self { was_away, ..watched })
    }

    async fn note(&mut self, app: &App) -> Result<(), String> {
        let is_noted = self.clocks.steady.saturating_sub(self.noted_at) < NOTED_EVERY;
        // Whoever looks next goes by the clock as it is now.
        if is_noted && !self.clocks.were_set() {
            return Ok(());
        }
        let now = app.now();
        let noted = app.store.write(move |tx| tx.watch_connections(now)).await;
        noted.map_err(|error: StoreError| chain(&error))?;
        self.noted_at = self.clocks.steady;
        Ok(())
    }

    /// Ends what is over, `steady` seconds after the beginning; gives the seconds until something may be.
    async fn look(&mut self, app: &App, view: &GatewayView, steady: i64) -> Result<u64, String> {
        let before = self.clocks.steady;
        self.clocks = self.clocks.later(app.now().as_second(), steady);
        let connections = app.store.read(|tx| {
            let connections = tx.connections()?;
            Ok::<_, StoreError>(connections)
        });
        let connections = connections.await.map_err(|error| chain(&error))?;
        self.meet(&connections, before);
        if connections.is_empty() {
            self.has_looked = true;
            return Ok(LATEST);
        }
        self.note(app).await?;
        if self.has_looked && self.soonest_end() > 0 {
            return Ok(self.wait());
        }
        let locations: BTreeSet<LocationId> =
            connections.iter().map(|connection| connection.location).collect();
        let stats = view.stats_of(locations).await?;
        self.remember(&connections, &stats);
        self.has_looked = true;
        self.end(app, &connections, &stats).await?;
        Ok(self.wait())
    }

    async fn end(&self, app: &App, connections: &[Connection], stats: &Stats) -> Result<(), String> {
        let known = connections.iter().filter(|connection| stats.contains_key(&connection.location));
        let is_over = |connection: &&Connection| {
            self.seen.get(&(connection.device, connection.location)).is_some_and(|seen| self.left(seen) <= 0)
        };
        let over: Vec<_> = known.filter(is_over).copied().collect();
        if over.is_empty() {
            return Ok(());
        }
        tracing::info!(connections = over.len(), "over for want of handshakes");
        let (ending, now) = (app.clone(), app.now());
        let ended = app.store.write(move |tx| connect::end_idle(tx, &ending.site(), &over, now)).await;
        ended.map(drop).map_err(|error: StoreError| chain(&error))
    }

    /// For so many seconds it still is one.
    fn left(&self, seen: &Seen) -> i64 {
        left(self.clocks.steady.saturating_sub(seen.alive_at))
    }

    /// In so many seconds.
    fn soonest_end(&self) -> i64 {
        self.seen.values().map(|seen| self.left(seen)).min().unwrap_or(0)
    }

    fn wait(&self) -> u64 {
        u64::try_from(self.soonest_end()).unwrap_or(0).clamp(SOONEST, LATEST)
    }

    /// Forgets all others; whoever was not there `before`, when it looked last, began since.
    fn meet(&mut self, connections: &[Connection], before: i64) {
        let mut known = std::mem::take(&mut self.seen);
        for connection in connections {
            let place = (connection.device, connection.location);
            let begun_at = connection.begun_at;
            let seen = match known.remove(&place) {
                Some(seen) if seen.begun_at == begun_at => seen,
                earlier => Seen {
                    begun_at,
                    // The kernel goes on telling it.
                    handshake: earlier.and_then(|seen| seen.handshake),
                    alive_at: match (self.has_looked, self.was_away) {
                        (true, _) => self.clocks.when(begun_at, before),
                        (false, true) => self.clocks.when(begun_at, i64::MIN),
                        (false, false) => self.clocks.steady,
                    },
                },
            };
            self.seen.insert(place, seen);
        }
    }

    /// The first time the host's clock has to be believed: as far as it does not end anything, unless nobody looked for long.
    fn remember(&mut self, connections: &[Connection], stats: &Stats) {
        for connection in connections {
            let peer = stats.get(&connection.location).and_then(|peers| peers.get(&connection.key));
            let handshake = peer.and_then(|peer| Timestamp::try_from(peer.last_handshake?).ok());
            let Some(handshake) = handshake.map(Timestamp::as_second) else { continue };
            let place = (connection.device, connection.location);
            let Some(seen) = self.seen.get_mut(&place).filter(|seen| seen.handshake != Some(handshake))
            else {
                continue;
            };
            seen.handshake = Some(handshake);
            let (dated, earliest) = match (self.has_looked, self.was_away) {
                (true, _) => (handshake, seen.alive_at),
                (false, true) => (handshake.max(seen.begun_at), i64::MIN),
                (false, false) => (handshake.max(seen.begun_at), self.clocks.steady - IDLE + 1),
            };
            seen.alive_at = self.clocks.when(dated, earliest);
        }
    }
}

#[cfg(test)]
mod tests;
