//! Takes HTTP connections: so many in all and of one client, each for a bounded time. One too many is closed at once,
//! so that nobody can use up the descriptors the gateway needs for its turns. A TLS handshake is part of a connection's
//! time, and takes no other's. What is asked over a connection is the router's affair.

mod activity;
mod places;
mod whole;

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use postern_gateway::chain;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::limit::network_of;
use crate::app::App;
use crate::pulse::Pulse;
use crate::tls::presented::ACME_TLS;
use activity::Activity;
use places::{Place, Places, Visitor};
use whole::Whole;

/// Never more connections than this, however many descriptors there are.
const MOST_CONNECTIONS: usize = 4096;
/// More than any request here needs.
const MOST_HEAD_BYTES: u16 = 32 * 1024;
/// Requests at once over one connection; a page asks for fewer.
const MOST_STREAMS: u32 = 32;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Whoever came over https once does not come without it for a year.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
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
    tls: Option<TlsAcceptor>,
}

impl Http {
    /// Serves `router` with at most half of the `descriptors` this process may have.
    pub fn new(app: App, router: Router, descriptors: u64) -> Self {
        let most = usize::try_from(descriptors / 2).unwrap_or(MOST_CONNECTIONS).clamp(1, MOST_CONNECTIONS);
        Self { app, router, places: Places::new(most), tls: None }
    }

    /// The same places over TLS.
    #[must_use]
    pub fn over_tls(self, config: Arc<ServerConfig>) -> Self {
        Self { tls: Some(config.into()), ..self }
    }

    /// The same places for `router`, without TLS.
    #[must_use]
    pub fn in_the_clear(&self, router: Router) -> Self {
        Self { router, tls: None, ..self.clone() }
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
                        let visit = Visit { router: self.router.clone(), peer, _place: place, patience };
                        connections.spawn(visit.begin(stream, self.tls.clone(), stop.clone()));
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
        let (visitor, patience) = if site.config.http.trusted_proxies.iter().any(|net| net.contains(&address))
        {
            (Visitor::Proxy, WITH_PROXIES)
        } else {
            (Visitor::Client(network_of(address)), WITH_CLIENTS)
        };
        Some((self.places.take(visitor)?, patience))
    }
}

/// One connection.
struct Visit {
    router: Router,
    peer: SocketAddr,
    _place: Place,
    patience: Patience,
}

/// How a connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cover {
    Tls,
    Nothing,
}

impl Visit {
    async fn begin(self, stream: TcpStream, tls: Option<TlsAcceptor>, stop: watch::Receiver<bool>) {
        let Some(tls) = tls else { return self.in_http1(stream, Cover::Nothing, stop).await };
        // However a client ends its handshake is its own affair.
        let Ok(Ok(stream)) = timeout(HANDSHAKE, tls.accept(stream)).await else { return };
        match stream.get_ref().1.alpn_protocol() {
            // A proof is all that was asked for.
            Some(ACME_TLS) => {}
            Some(b"h2") => self.in_http2(stream, stop).await,
            Some(_) | None => self.in_http1(stream, Cover::Tls, stop).await,
        }
    }

    async fn in_http1<S>(self, stream: S, cover: Cover, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let answer = service_fn(|request| answer(self.router.clone(), self.peer, cover, request));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.patience.head);
        http.max_buf_size(MOST_HEAD_BYTES.into());
        let connection = http.serve_connection(TokioIo::new(stream), answer);
        // HTTP/1 itself ends what is silent.
        converse(connection, self.patience.whole, std::future::pending(), stop).await;
    }

    async fn in_http2<S>(self, stream: S, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let activity = Activity::default();
        let answer = service_fn(|request| {
            let under_way = activity.begin();
            let answer = answer(self.router.clone(), self.peer, Cover::Tls, request);
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        });
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new()).max_concurrent_streams(MOST_STREAMS);
        http.max_header_list_size(MOST_HEAD_BYTES.into());
        let connection = http.serve_connection(TokioIo::new(stream), answer);
        converse(connection, self.patience.whole, activity.silent_for(self.patience.head), stop).await;
    }
}

/// Answers until the client ends it, it took `whole`, it is `silent`, or the daemon stops.
pub(super) async fn converse<C>(
    connection: C,
    whole: Duration,
    silent: impl Future<Output = ()>,
    mut stop: watch::Receiver<bool>,
) where
    C: GracefulConnection,
{
    let mut connection = pin!(connection);
    tokio::select! {
        // However a client ends its connection is its own affair.
        _ = &mut connection => return,
        _ = timeout(whole, stop.wait_for(|stop| *stop)) => {}
        () = silent => {}
    }
    connection.as_mut().graceful_shutdown();
    // Who does not take the last answer goes without it.
    drop(timeout(LAST_ANSWER, connection).await);
}

async fn answer(
    router: Router,
    peer: SocketAddr,
    cover: Cover,
    request: hyper::Request<Incoming>,
) -> Result<Response, std::convert::Infallible> {
    let (head, body) = request.into_parts();
    let body = Whole::new(body);
    let mut request = Request::from_parts(head, Body::new(body.clone()));
    request.extensions_mut().insert(ConnectInfo(peer));
    // HTTP/2 names the host elsewhere.
    let host = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(host) = host {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    let mut answer = router.oneshot(request).await?;
    body.finish().await;
    if cover == Cover::Tls {
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    Ok(answer)
}

async fn after_failure(error: &io::Error) {
    let by_client = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::ConnectionRefused];
    if !by_client.contains(&error.kind()) {
        tracing::error!(error = chain(error), "cannot take HTTP connections; trying again");
        sleep(AFTER_FAILURE).await;
    }
}
