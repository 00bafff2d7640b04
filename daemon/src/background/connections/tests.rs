//! Connections under clocks that are set, and gateways that do not answer.

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
            let GatewayQuestion::StatsOf(locations, answer) = question else { panic!("too much is asked") };
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
    let told = app.store.read_blocking(|tx| tx.audit_of(crate::rules::action::Action::ConnectionEnd, 9));
    let told: Vec<_> =
        told.unwrap().into_iter().map(|entry| (entry.actor, entry.object, entry.detail)).collect();
    let detail = Some("hq, no handshake for 210 s".to_owned());
    assert_eq!(told, [("postern".to_owned(), "ann/d0".to_owned(), detail)]);
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
