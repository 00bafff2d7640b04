//! `/metrics`: what Prometheus reads, on a listener of its own. It changes nothing and needs no login, so it tells nothing of
//! single devices or users.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use postern_gateway::chain;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::kept_by_nobody;
use crate::app::App;
use crate::config::Tls;
use crate::gateway_view::GatewayView;
use crate::metrics::{CONTENT_TYPE, Snapshot, Stored};
use crate::store::{StoreError, Tx};

/// Prometheus waits ten seconds by default: what is known without the gateway must be told by then.
const STATS_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Scrape {
    app: App,
    view: GatewayView,
    /// One is answered after the other, however many ask: ten thousand peers are read each time.
    turn: Arc<Mutex<()>>,
}

/// The one page of the metrics' listener.
pub fn router(app: App, view: GatewayView) -> Router {
    let scrape = Scrape { app, view, turn: Arc::default() };
    Router::new()
        .route("/metrics", get(metrics))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found: the metrics are at /metrics\n") })
        .layer(map_response(kept_by_nobody))
        .with_state(scrape)
}

async fn metrics(State(scrape): State<Scrape>) -> Response {
    let _turn = scrape.turn.lock().await;
    let snapshot = scrape.snapshot().await;
    let metrics = Arc::clone(&scrape.app.metrics);
    match tokio::task::spawn_blocking(move || metrics.write(&snapshot)).await {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong; the log says what\n").into_response()
        }
    }
}

impl Scrape {
    /// Whatever cannot be asked is left out: the rest says that something is wrong.
    async fn snapshot(&self) -> Snapshot {
        let app = &self.app;
        let stats = timeout(STATS_WITHIN, self.view.stats()).await;
        let stats = stats.unwrap_or_else(|_| Err("the gateway is busy".to_owned()));
        let stats =
            stats.inspect_err(|error| tracing::warn!(error, "no WireGuard statistics for the metrics"));
        let site = app.site();
        let stored = app.store.read(move |tx: &Tx<'_>| Stored::look(tx, &site)).await;
        let stored = stored.inspect_err(|error: &StoreError| {
            tracing::warn!(error = chain(error), "the metrics lack what the database holds");
        });
        Snapshot {
            now: app.now(),
            started_at: app.started_at,
            applied: app.applied.borrow().clone(),
            stats: stats.ok(),
            certificate: app.presented.certificate(),
            speaks_tls: app.site().config.http.tls != Tls::Proxy,
            facts: app.store.changes().facts(),
            stored: stored.ok(),
        }
    }
}
