//! Takes HTTP connections: so many in all and of one client, each for a bounded time. One too many is closed at once,
//! so that nobody can use up the descriptors the gateway needs for its turns. What is asked over a connection is the
//! router's affair.

mod places;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use postern_gateway::chain;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use super::limit::network_of;
use crate::app::App;
use crate::pulse::Pulse;
use places::{Place, Places, Visitor};

/// Never more connections than this, however many descriptors there are.
const MOST_CONNECTIONS: usize = 4096;
/// More than any request here needs.
const MOST_HEAD_BYTES: usize = 32 * 1024;
/// How long an answer under way may take when its connection is to end.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// The pause after no connection could be taken.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How long a connection may take for what.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// From its start, or from its last answer, until the head of the next request is there.
    head: Duration,
    /// For all its requests; it ends with the answer under way then, or without it if that is not taken.
    whole: Duration,
}

const WITH_CLIENTS: Patience = Patience { head: Duration::from_secs(10), whole: Duration::from_mins(5) };
/// A proxy sends heads at once and keeps connections for later; one that ended just then costs somebody an answer.
const WITH_PROXIES: Patience = Patience { head: Duration::from_mins(10), whole: Duration::from_hours(24) };

/// What all listeners share. Clones are cheap.
#[derive(Clone)]
pub struct Http {
    app: App,
    router: Router,
    places: Places,
}

impl Http {
    /// Serves `router` with at most half of the `descriptors` this process may have.
    pub fn new(app: App, router: Router, descriptors: u64) -> Self {
        let most = usize::try_from(descriptors / 2).unwrap_or(MOST_CONNECTIONS).clamp(1, MOST_CONNECTIONS);
        Self { app, router, places: Places::new(most) }
    }

    /// Takes connections until `stop` turns true; what is being answered then is finished. Dropping it ends them all.
    pub async fn serve(self, listener: TcpListener, mut pulse: Pulse, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        loop {
            // What an arm has not taken is still there the next time.
            let taken = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                Some(_) = connections.join_next() => continue,
                taken = pulse.while_waiting(listener.accept()) => taken,
            };
            match taken {
                Ok((stream, peer)) => {
                    if let Some((place, patience)) = self.admit(peer) {
                        let (router, stop) = (self.router.clone(), stop.clone());
                        connections.spawn(converse(router, stream, peer, place, patience, stop));
                    }
                }
                Err(error) => after_failure(&error).await,
            }
        }
        drop(listener);
        while connections.join_next().await.is_some() {}
    }

    fn admit(&self, peer: SocketAddr) -> Option<(Place, Patience)> {
        let (site, address) = (self.app.site(), peer.ip().to_canonical());
        let (visitor, patience) = if site.config.trusted_proxies.iter().any(|net| net.contains(&address)) {
            (Visitor::Proxy, WITH_PROXIES)
        } else {
            (Visitor::Client(network_of(address)), WITH_CLIENTS)
        };
        Some((self.places.take(visitor)?, patience))
    }
}

async fn converse(
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    _place: Place,
    patience: Patience,
    mut stop: watch::Receiver<bool>,
) {
    let answer = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(MOST_HEAD_BYTES);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        // However a client ends its connection is its own affair.
        _ = &mut connection => return,
        _ = timeout(patience.whole, stop.wait_for(|stop| *stop)) => {}
    }
    connection.as_mut().graceful_shutdown();
    // Who does not take the last answer goes without it.
    drop(timeout(LAST_ANSWER, connection).await);
}

async fn after_failure(error: &io::Error) {
    let by_client = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::ConnectionRefused];
    if !by_client.contains(&error.kind()) {
        tracing::error!(error = chain(error), "cannot take HTTP connections; trying again");
        sleep(AFTER_FAILURE).await;
    }
}
