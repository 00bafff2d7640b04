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
use crate::rules::connection::{Clocks, IDLE, Running};
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
        let running = known.filter_map(|connection| {
            let seen = self.seen.get(&(connection.device, connection.location))?;
            Some((*connection, self.running(seen)))
        });
        let over: Vec<_> = running.filter(|(_, running)| running.ends_at(0) <= 0).collect();
        if over.is_empty() {
            return Ok(());
        }
        tracing::info!(connections = over.len(), "over for want of handshakes");
        let now = app.now();
        let ended = app.store.write(move |tx| connect::end_idle(tx, over, now)).await;
        ended.map(drop).map_err(|error: StoreError| chain(&error))
    }

    fn running(&self, seen: &Seen) -> Running {
        Running { idle: self.clocks.steady.saturating_sub(seen.alive_at) }
    }

    /// In so many seconds.
    fn soonest_end(&self) -> i64 {
        self.seen.values().map(|seen| self.running(seen).ends_at(0)).min().unwrap_or(0)
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

    /// Looks, with no clock having been set since it last did.
    async fn look(watched: &mut Watched, app: &App, view: &GatewayView) -> Result<u64, String> {
        let passed = app.now().as_second() - watched.clocks.wall;
        watched.look(app, view, watched.clocks.steady + passed).await
    }

    #[tokio::test]
    async fn a_connection_ends_210_seconds_after_its_last_handshake_and_others_go_on() {
        let (app, clock) = connected(2);
        let handshakes = [0, 0].map(|second| Arc::new(AtomicI64::new(second)));
        let (view, asked) = a_gateway(handshakes.to_vec());
        let mut watched = Watched::since(at(1000));
        assert_eq!(look(&mut watched, &app, &view).await, Ok(LATEST));
        handshakes[1].store(1100, Ordering::Relaxed);
        clock.store(1209, Ordering::Relaxed);
        assert_eq!(look(&mut watched, &app, &view).await, Ok(SOONEST));
        assert_eq!((left(&app), asked.load(Ordering::Relaxed)), (2, 1), "nobody can be gone yet");
        clock.store(1210, Ordering::Relaxed);
        look(&mut watched, &app, &view).await.unwrap();
        assert_eq!((left(&app), asked.load(Ordering::Relaxed)), (1, 2), "the first never shook hands");
        handshakes[1].store(1275, Ordering::Relaxed);
        clock.store(1310, Ordering::Relaxed);
        look(&mut watched, &app, &view).await.unwrap();
        clock.store(1484, Ordering::Relaxed);
        assert_eq!(look(&mut watched, &app, &view).await, Ok(SOONEST));
        assert_eq!(left(&app), 1);
        clock.store(1485, Ordering::Relaxed);
        look(&mut watched, &app, &view).await.unwrap();
        assert_eq!(left(&app), 0);
    }

    /// One device shakes hands every 120 s until second 481, another did at second 1; at second 150 somebody sets the clock.
    #[tokio::test]
    async fn a_clock_that_is_set_ends_nobodys_connection_and_prolongs_none() {
        for jump in [0, 86_400, 200, 100, -100, -200, -900] {
            let (app, clock) = connected(2);
            let handshakes = [1001, 1001].map(|second| Arc::new(AtomicI64::new(second)));
            let (view, _) = a_gateway(handshakes.to_vec());
            let mut watched = Watched::since(at(1000));
            let wall = |steady| 1000 + steady + if steady < 150 { 0 } else { jump };
            let mut ended = Vec::new();
            for steady in (2..800).step_by(3) {
                clock.store(wall(steady), Ordering::Relaxed);
                let last = (1..=481).rev().step_by(120).find(|last| *last <= steady).unwrap();
                handshakes[0].store(wall(last), Ordering::Relaxed);
                let before = left(&app);
                watched.look(&app, &view, steady).await.unwrap();
                ended.extend((left(&app) < before).then_some(steady));
            }
            let [other, one] = *ended else { panic!("set by {jump} s: {ended:?}") };
            assert!((211..=214).contains(&other), "set by {jump} s: the silent one ended at {other}");
            assert!((691..=694).contains(&one), "set by {jump} s: the other ended at {one}");
        }
    }

    #[tokio::test]
    async fn a_daemon_that_starts_anew_after_the_clock_was_set_ends_nobodys_connection_for_that() {
        for jump in [86_400, -900] {
            let (app, clock) = connected(1);
            let (view, _) = a_gateway(vec![Arc::new(AtomicI64::new(1001))]);
            let mut before = Watched::begin(&app).await.unwrap();
            before.look(&app, &view, 2).await.unwrap();
            clock.fetch_add(5 + jump, Ordering::Relaxed);
            before.look(&app, &view, 7).await.unwrap();
            let mut after = Watched::begin(&app).await.unwrap();
            look(&mut after, &app, &view).await.unwrap();
            clock.fetch_add(209, Ordering::Relaxed);
            look(&mut after, &app, &view).await.unwrap();
            assert_eq!(left(&app), 1, "set by {jump} s");
            clock.fetch_add(1, Ordering::Relaxed);
            look(&mut after, &app, &view).await.unwrap();
            assert_eq!(left(&app), 0, "set by {jump} s: nobody shook hands since");
        }
    }

    #[tokio::test]
    async fn an_interface_made_anew_disconnects_nobody_who_was_seen_just_before() {
        let (app, clock) = connected(1);
        let handshake = Arc::new(AtomicI64::new(1900));
        let (view, _) = a_gateway(vec![Arc::clone(&handshake)]);
        let mut watched = Watched::since(at(1000));
        clock.store(1990, Ordering::Relaxed);
        look(&mut watched, &app, &view).await.unwrap();
        handshake.store(0, Ordering::Relaxed);
        clock.store(2109, Ordering::Relaxed);
        look(&mut watched, &app, &view).await.unwrap();
        assert_eq!(left(&app), 1);
        clock.store(2110, Ordering::Relaxed);
        look(&mut watched, &app, &view).await.unwrap();
        assert_eq!(left(&app), 0);
    }

    #[tokio::test]
    async fn a_daemon_that_was_just_started_ends_nobodys_connection_before_it_looked() {
        let (app, clock) = connected(2);
        let (view, _) = a_gateway([4950, 0].map(|second| Arc::new(AtomicI64::new(second))).to_vec());
        clock.store(5000, Ordering::Relaxed);
        let mut watched = Watched::since(at(5000));
        look(&mut watched, &app, &view).await.unwrap();
        assert_eq!(left(&app), 2);
        clock.store(5160, Ordering::Relaxed);
        look(&mut watched, &app, &view).await.unwrap();
        assert_eq!(left(&app), 1, "the one that was seen");
        clock.store(5210, Ordering::Relaxed);
        look(&mut watched, &app, &view).await.unwrap();
        assert_eq!(left(&app), 0, "the other never was");
    }

    #[tokio::test]
    async fn whoever_connects_anew_has_another_210_seconds_to_shake_hands() {
        let (app, clock) = connected(1);
        let (view, _) = a_gateway(vec![Arc::new(AtomicI64::new(1001))]);
        let mut watched = Watched::since(at(1000));
        for second in [1002, 1150, 1165, 1212, 1359] {
            clock.store(second, Ordering::Relaxed);
            if second == 1165 {
                let again = app.store.write_blocking(|tx| {
                    let device = tx.device(DeviceId(1))?.unwrap();
                    tx.connect(&device, HQ, b"sealed", "boot", at(1160))
                });
                again.unwrap();
            }
            look(&mut watched, &app, &view).await.unwrap();
            assert_eq!(left(&app), 1, "at {second}");
        }
        clock.store(1370, Ordering::Relaxed);
        look(&mut watched, &app, &view).await.unwrap();
        assert_eq!(left(&app), 0);
    }

    #[tokio::test]
    async fn who_was_away_for_long_takes_nobody_for_connected_whom_it_does_not_see() {
        let (app, clock) = connected(2);
        let (view, _) = a_gateway([0, 8900].map(|second| Arc::new(AtomicI64::new(second))).to_vec());
        let mut before = Watched::begin(&app).await.unwrap();
        look(&mut before, &app, &view).await.unwrap();
        for (away, left_then) in [(210, 2), (9000 - 1000, 1)] {
            clock.store(1000 + away, Ordering::Relaxed);
            let mut after = Watched::begin(&app).await.unwrap();
            after.noted_at = i64::MAX;
            look(&mut after, &app, &view).await.unwrap();
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
        assert!(look(&mut watched, &app, &view).await.is_err());
        assert_eq!(left(&app), 1);
    }
}
