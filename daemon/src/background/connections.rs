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
use crate::rules::connection::{IDLE, Running};
use crate::rules::ids::{DeviceId, LocationId};
use crate::store::StoreError;
use crate::store::connection::Connection;

/// However many connections there are, they are looked at no more often.
const SOONEST: u64 = 3;
/// However late they may be over, they are looked at as often: somebody may set the clock.
const LATEST: u64 = 15;

/// How exactly it is written down, in seconds, until when they were looked at.
const NOTED_EVERY: i64 = 60;

/// Looks at handshakes, and remembers the newest of each connection: an interface that is made anew knows of none.
struct Watched {
    since: i64,
    noted_at: i64,
    /// Whether it did: those that were there before it began were seen by nobody.
    has_looked: bool,
    handshakes: BTreeMap<(DeviceId, LocationId), i64>,
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
    fn since(now: Timestamp) -> Self {
        Self { since: now.as_second(), noted_at: i64::MIN, has_looked: false, handshakes: BTreeMap::new() }
    }

    /// Whoever was away for longer than a connection lasts takes none for alive that it does not see: its preshared key may be
    /// an old backup's.
    async fn begin(app: &App) -> Result<Self, String> {
        let until = app.store.read(|tx| {
            let until = tx.watched_until()?;
            Ok::<_, StoreError>(until)
        });
        let until = until.await.map_err(|error| chain(&error))?;
        let watched = Self::since(app.now());
        let was_away = until.filter(|until| watched.since.saturating_sub(*until) > IDLE);
        Ok(Self { since: was_away.unwrap_or(watched.since), ..watched })
    }

    async fn note(&mut self, app: &App) -> Result<(), String> {
        let now = app.now();
        if now.as_second().saturating_sub(self.noted_at) < NOTED_EVERY {
            return Ok(());
        }
        let noted = app.store.write(move |tx| tx.watch_connections(now)).await;
        noted.map_err(|error: StoreError| chain(&error))?;
        self.noted_at = now.as_second();
        Ok(())
    }

    /// Ends what is over; gives the seconds until something may be.
    async fn look(&mut self, app: &App, view: &GatewayView) -> Result<u64, String> {
        let connections = app.store.read(|tx| {
            let connections = tx.connections()?;
            Ok::<_, StoreError>(connections)
        });
        let connections = connections.await.map_err(|error| chain(&error))?;
        self.forget_all_but(&connections);
        if connections.is_empty() {
            return Ok(LATEST);
        }
        self.note(app).await?;
        let now = app.now();
        let stats = match self.soonest_end(&connections, now) {
            Some(end) if end <= now.as_second() || !self.has_looked => {
                let locations: BTreeSet<LocationId> =
                    connections.iter().map(|connection| connection.location).collect();
                view.stats_of(locations).await?
            }
            Some(_) | None => return Ok(self.wait(&connections, now)),
        };
        self.remember(&connections, &stats);
        self.has_looked = true;
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
    use std::time::SystemTime;

    use postern_gateway::{PeerStats, PrivateKey, PublicKey};

    use super::*;
    use crate::app::Clock;
    use crate::applied::Applied;
    use crate::fixtures::{a_person, a_site, at};
    use crate::gateway_view::GatewayQuestion;
    use crate::store::Store;
    use crate::store::device::DeviceOwner;

    const HQ: LocationId = LocationId(1);

    /// An app with a clock of seconds, in which so many devices connected to `hq` at second 1000.
    fn connected(devices: u8) -> (App, Arc<AtomicI64>) {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let made = store.write_blocking(|tx| {
            tx.ask_for_second_factor(&[HQ].into())?;
            let owner = DeviceOwner::User(a_person(tx, "ann"));
            for number in 0..devices {
                let id = tx.insert_device(owner, &format!("d{number}"), Some(key(number)), None, at(0))?;
                tx.connect(&tx.device(id)?.unwrap(), HQ, b"sealed", "boot", at(1000))?;
            }
            Ok::<_, StoreError>(())
        });
        made.unwrap();
        let clock = Arc::new(AtomicI64::new(1000));
        let read = Arc::clone(&clock);
        let of_app = Clock::from_fn(move || at(read.load(Ordering::Relaxed)));
        (App::new(store, site, watch::channel(Applied::default()).1, of_app), clock)
    }

    fn key(number: u8) -> PublicKey {
        PrivateKey::from_random([number + 60; 32]).public()
    }

    fn left(app: &App) -> usize {
        app.store.read_blocking(|tx| Ok::<_, StoreError>(tx.connections()?.len())).unwrap()
    }

    /// A gateway that says when each device shook hands last; 0: never. It counts how often it was asked.
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    fn a_gateway(handshakes: Vec<Arc<AtomicI64>>) -> (GatewayView, Arc<AtomicUsize>) {
        let (view, mut questions) = GatewayView::new();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Some(question) = questions.recv().await {
                let GatewayQuestion::StatsOf(locations, answer) = question else {
                    panic!("too much is asked")
                };
                assert_eq!(locations, [HQ].into());
                counted.fetch_add(1, Ordering::Relaxed);
                let peers = (0..).zip(&handshakes).map(|(number, at)| {
                    let second = u64::try_from(at.load(Ordering::Relaxed)).unwrap();
                    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
                    let last_handshake = (second > 0).then_some(time);
                    (key(number), PeerStats { last_handshake, endpoint: None, rx_bytes: 0, tx_bytes: 0 })
                });
                let _ = answer.send(Ok([(HQ, peers.collect())].into()));
            }
        });
        (view, asked)
    }

    #[tokio::test]
    async fn a_connection_ends_180_seconds_after_its_last_handshake_and_others_go_on() {
        let (app, clock) = connected(2);
        let handshakes = [0, 1100].map(|second| Arc::new(AtomicI64::new(second)));
        let (view, asked) = a_gateway(handshakes.to_vec());
        let mut watched = Watched::since(at(1000));
        assert_eq!(watched.look(&app, &view).await, Ok(LATEST));
        clock.store(1179, Ordering::Relaxed);
        assert_eq!(watched.look(&app, &view).await, Ok(SOONEST));
        assert_eq!((left(&app), asked.load(Ordering::Relaxed)), (2, 1), "nobody can be gone yet");
        clock.store(1180, Ordering::Relaxed);
        watched.look(&app, &view).await.unwrap();
        assert_eq!((left(&app), asked.load(Ordering::Relaxed)), (1, 2), "the first never shook hands");
        handshakes[1].store(1275, Ordering::Relaxed);
        clock.store(1280, Ordering::Relaxed);
        watched.look(&app, &view).await.unwrap();
        clock.store(1454, Ordering::Relaxed);
        assert_eq!(watched.look(&app, &view).await, Ok(SOONEST));
        assert_eq!(left(&app), 1);
        clock.store(1455, Ordering::Relaxed);
        watched.look(&app, &view).await.unwrap();
        assert_eq!(left(&app), 0);
    }

    #[tokio::test]
    async fn an_interface_made_anew_disconnects_nobody_who_was_seen_just_before() {
        let (app, clock) = connected(1);
        let handshake = Arc::new(AtomicI64::new(1900));
        let (view, _) = a_gateway(vec![Arc::clone(&handshake)]);
        let mut watched = Watched::since(at(1000));
        clock.store(1990, Ordering::Relaxed);
        watched.look(&app, &view).await.unwrap();
        handshake.store(0, Ordering::Relaxed);
        clock.store(2079, Ordering::Relaxed);
        watched.look(&app, &view).await.unwrap();
        assert_eq!(left(&app), 1);
        clock.store(2080, Ordering::Relaxed);
        watched.look(&app, &view).await.unwrap();
        assert_eq!(left(&app), 0);
    }

    #[tokio::test]
    async fn a_daemon_that_was_just_started_ends_nobodys_connection_before_it_looked() {
        let (app, clock) = connected(2);
        let (view, _) = a_gateway([4950, 0].map(|second| Arc::new(AtomicI64::new(second))).to_vec());
        clock.store(5000, Ordering::Relaxed);
        let mut watched = Watched::since(at(5000));
        watched.look(&app, &view).await.unwrap();
        assert_eq!(left(&app), 2);
        clock.store(5130, Ordering::Relaxed);
        watched.look(&app, &view).await.unwrap();
        assert_eq!(left(&app), 1, "the one that was seen");
        clock.store(5180, Ordering::Relaxed);
        watched.look(&app, &view).await.unwrap();
        assert_eq!(left(&app), 0, "the other never was");
    }

    #[tokio::test]
    async fn who_was_away_for_long_takes_nobody_for_connected_whom_it_does_not_see() {
        let (app, clock) = connected(2);
        let (view, _) = a_gateway([0, 8900].map(|second| Arc::new(AtomicI64::new(second))).to_vec());
        let mut before = Watched::begin(&app).await.unwrap();
        before.look(&app, &view).await.unwrap();
        for (away, left_then) in [(179, 2), (9000 - 1000, 1)] {
            clock.store(1000 + away, Ordering::Relaxed);
            let mut after = Watched::begin(&app).await.unwrap();
            after.noted_at = i64::MAX;
            after.look(&app, &view).await.unwrap();
            assert_eq!(left(&app), left_then, "away for {away} s");
        }
    }

    #[tokio::test]
    async fn a_gateway_that_cannot_be_asked_ends_nothing() {
        let (app, clock) = connected(1);
        let (view, questions) = GatewayView::new();
        drop(questions);
        clock.store(9000, Ordering::Relaxed);
        let mut watched = Watched::since(at(1000));
        assert!(watched.look(&app, &view).await.is_err());
        assert_eq!(left(&app), 1);
    }
}
