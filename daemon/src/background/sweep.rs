//! The third loop: ends what has expired and tries again where a pool was exhausted. Everything it does is a flow.

use std::time::Duration;

use tokio::sync::watch;

use crate::app::App;
use crate::flows::sweep;
use crate::pulse::Pulse;
use crate::store::StoreError;

/// Sessions last minutes; nobody waits for this.
const INTERVAL: Duration = Duration::from_secs(15);

/// Runs until `shutdown` turns true.
pub async fn run(app: App, mut pulse: Pulse, mut shutdown: watch::Receiver<bool>) {
    loop {
        let stopped = shutdown.wait_for(|stop| *stop);
        if pulse.while_waiting(tokio::time::timeout(INTERVAL, stopped)).await.is_ok() {
            return;
        }
        // What follows says why not.
        let _ = app.store.try_again().await;
        let (sweeper, now) = (app.clone(), app.now());
        let swept = app.store.write(move |tx| sweep::sweep(tx, &sweeper.site(), now));
        if let Err::<_, StoreError>(error) = swept.await {
            tracing::error!(
                error = postern_gateway::chain(&error),
                "cannot end expired sessions; trying again"
            );
        }
    }
}
