//! The fourth loop: asks WireGuard every few minutes what was moved, and writes it down in one transaction. What is moved
//! between the last look and the end of the daemon is told by nobody; a picture of a day does without.

use std::time::Duration;

use postern_gateway::chain;
use tokio::sync::watch;

use crate::app::App;
use crate::flows::traffic::{Meter, record};
use crate::gateway_view::GatewayView;
use crate::pulse::Pulse;
use crate::rules::traffic::Hour;
use crate::store::StoreError;

/// Far less than an hour, and so seldom that ten thousand peers cost nothing.
const INTERVAL: Duration = Duration::from_mins(5);

/// Runs until `shutdown` turns true.
pub async fn run(app: App, view: GatewayView, mut pulse: Pulse, mut shutdown: watch::Receiver<bool>) {
    let (mut meter, mut written) = (Meter::default(), None);
    loop {
        pulse.while_waiting(look(&app, &view, &mut meter, &mut written)).await;
        let stopped = shutdown.wait_for(|stop| *stop);
        if pulse.while_waiting(tokio::time::timeout(INTERVAL, stopped)).await.is_ok() {
            return;
        }
    }
}

/// Looks once. What cannot be written is written at the next look.
async fn look(app: &App, view: &GatewayView, meter: &mut Meter, written: &mut Option<Hour>) {
    let stats = match view.stats().await {
        Ok(stats) => stats,
        Err(reason) => {
            tracing::debug!(reason, "WireGuard was not asked what was moved");
            return;
        }
    };
    let (moved, now) = (meter.moved(&stats), app.now());
    // What is old goes, whether something was moved or not.
    if !moved.is_empty() || *written != Some(Hour::of(now)) {
        let recorded = app.store.write(move |tx| record(tx, &moved, now)).await;
        if let Err::<_, StoreError>(error) = recorded {
            tracing::warn!(error = chain(&error), "what devices moved could not be written down");
            return;
        }
        *written = Some(Hour::of(now));
    }
    meter.stands_at(&stats);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use postern_gateway::{PeerStats, PrivateKey};

    use super::*;
    use crate::app::Clock;
    use crate::applied::Applied;
    use crate::fixtures::{a_person, a_site, at};
    use crate::gateway_view::{GatewayQuestion, Stats};
    use crate::rules::traffic::Bytes;
    use crate::store::Store;
    use crate::store::device::DeviceOwner;

    #[tokio::test]
    async fn what_is_moved_is_written_into_its_hour_and_goes_after_a_day() {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let place = site.locations().next().unwrap().id;
        let key = PrivateKey::from_random([7; 32]).public();
        let made = store.write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            Ok::<_, StoreError>((
                ann,
                tx.insert_device(DeviceOwner::User(ann), "laptop", Some(key), None, at(0))?,
            ))
        });
        let (ann, device) = made.unwrap().0;
        let clock = Arc::new(AtomicI64::new(0));
        let read = Arc::clone(&clock);
        let clock_of_app = Clock::from_fn(move || at(read.load(Ordering::Relaxed)));
        let app = App::new(store, site, watch::channel(Applied::default()).1, clock_of_app);
        let (view, mut questions) = GatewayView::new();
        let (mut meter, mut written) = (Meter::default(), None);
        let mut looks = async |hour: i64, rx_bytes: Option<u64>| {
            clock.store(hour * 3600, Ordering::Relaxed);
            let answered = async {
                let Some(GatewayQuestion::Stats(answer)) = questions.recv().await else { return };
                let peer =
                    |rx_bytes| PeerStats { endpoint: None, last_handshake: None, rx_bytes, tx_bytes: 1 };
                let stats = rx_bytes.map(|bytes| Stats::from([(place, [(key, peer(bytes))].into())]));
                answer.send(stats.ok_or_else(|| "busy".to_owned())).unwrap();
            };
            tokio::join!(answered, look(&app, &view, &mut meter, &mut written));
            let day = app.store.read_blocking(|tx| tx.traffic_of(ann, Hour(hour))).unwrap();
            day.get(&(device, place)).map(|day| day.total().received)
        };
        assert_eq!(looks(100, Some(1000)).await, None);
        assert_eq!(looks(100, Some(1100)).await, Some(100));
        assert_eq!(looks(100, None).await, Some(100));
        assert_eq!(looks(101, Some(1150)).await, Some(150));
        assert_eq!(looks(124, Some(1150)).await, Some(50), "the first hour is a day ago");
        assert_eq!(looks(130, Some(1150)).await, None);
        assert_eq!(Bytes::default().total(), 0);
        let left = app.store.read_blocking(|tx| tx.traffic_of(ann, Hour(101))).unwrap();
        assert!(left.is_empty(), "and is nowhere any more: {left:?}");
    }
}
