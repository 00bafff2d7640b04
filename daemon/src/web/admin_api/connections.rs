//! Takes the connections of the command line: so many at once, each with so much time to ask. One too many is closed, so that
//! nobody who may connect uses up the descriptors that everything else needs.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use postern_gateway::chain;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::caller::Caller;
use crate::web::listener::converse;

/// More at once than administrators and their scripts need.
const MOST_CONNECTIONS: usize = 64;
/// From the start of a connection, or its last answer, until the head of the next request is there.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// For all requests of a connection: a backup may take long.
const WHOLE: Duration = Duration::from_hours(24);
/// The pause after no connection could be taken.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Answers until `stop` turns true; what is being answered then is finished. Dropping it ends all connections.
pub async fn serve(listener: UnixListener, router: Router, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut is_full = false;
    loop {
        let taken = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            taken = listener.accept() => taken,
        };
        while connections.try_join_next().is_some() {}
        match taken {
            Ok(_) if connections.len() >= MOST_CONNECTIONS => {
                if !is_full {
                    tracing::warn!(
                        "{MOST_CONNECTIONS} commands ask at once: further ones are sent away until some have their answer"
                    );
                }
                is_full = true;
            }
            Ok((stream, _)) => {
                is_full = false;
                connections.spawn(answer(stream, router.clone(), stop.clone()));
            }
            Err(error) => after_failure(&error).await,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn answer(stream: UnixStream, router: Router, stop: watch::Receiver<bool>) {
    let caller = Caller::of(&stream);
    let answer = service_fn(|request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(caller));
        router.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    let connection = http.serve_connection(TokioIo::new(stream), answer);
    // HTTP/1 itself ends what is silent.
    converse(connection, WHOLE, std::future::pending(), stop).await;
}

async fn after_failure(error: &io::Error) {
    tracing::error!(error = chain(error), "cannot take connections of the command line; trying again");
    tokio::time::sleep(AFTER_FAILURE).await;
}
