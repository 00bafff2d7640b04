//! The TCP listeners: bound one by one, then given their door. Who binds them does not matter to the doors.

use std::net::{SocketAddr, TcpListener as Bound};
use std::sync::Arc;

use postern_gateway::chain;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::App;
use super::descriptors;
use super::parts::Parts;
use super::run::RunError;
use crate::background::{acme, own_files};
use crate::config::Tls;
use crate::gateway_view::GatewayView;
use crate::web::listener::Http;
use crate::web::{self, redirect};

/// What is behind a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Pages and client API, over TLS unless a proxy speaks it.
    Main,
    /// Plain http that is sent to the main door.
    Redirect,
}

/// A bound listener and its door.
pub(super) struct Listener {
    pub(super) bound: Bound,
    pub(super) door: Door,
}

impl Listener {
    /// Binds every address of the configuration.
    pub(super) fn bind_all(app: &App) -> Result<Vec<Self>, RunError> {
        let http = &app.site().config.http;
        let main = http.listen.iter().map(|address| (*address, Door::Main));
        let redirect = http.redirect_listen.iter().map(|address| (*address, Door::Redirect));
        main.chain(redirect).map(|(address, door)| Self::bind(address, door)).collect()
    }

    fn bind(address: SocketAddr, door: Door) -> Result<Self, RunError> {
        let bound = Bound::bind(address).map_err(|source| RunError::Listen { address, source })?;
        Ok(Self { bound, door })
    }
}

/// Opens the doors; each listener is a task that ends with `stop`.
#[expect(clippy::unused_async, reason = "listeners are registered within the runtime")]
pub(super) async fn open(
    listeners: Vec<Listener>,
    app: &App,
    view: GatewayView,
    parts: &mut Parts,
    stop: &watch::Receiver<bool>,
) -> Result<(), RunError> {
    let system = |action| move |source| RunError::System { action, source };
    let limit = "ask for the limit of open files";
    let descriptors = descriptors::raise().map_err(|errno| system(limit)(errno.into()))?;
    let plain = Http::new(app.clone(), web::router(app.clone(), view), descriptors);
    let redirect = plain.in_the_clear(redirect::router(app.clone()));
    let main = match &app.site().config.http.tls {
        Tls::Proxy => plain,
        Tls::Files(_) | Tls::Acme(_) => {
            let config = app.presented.server_config().map_err(std::io::Error::other);
            plain.over_tls(Arc::new(config.map_err(system("set up TLS"))?))
        }
    };
    for Listener { bound, door } in listeners {
        let listen = "listen for HTTP";
        bound.set_nonblocking(true).map_err(system(listen))?;
        let listener = TcpListener::from_std(bound).map_err(system(listen))?;
        match listener.local_addr() {
            Ok(address) => tracing::info!(%address, ?door, "listening for HTTP"),
            Err(error) => tracing::warn!(error = chain(&error), ?door, "listening for HTTP somewhere"),
        }
        let http = if door == Door::Main { main.clone() } else { redirect.clone() };
        parts.start_loop("an HTTP listener", |pulse| http.serve(listener, pulse, stop.clone()));
    }
    Ok(())
}

/// Presents the certificate there is, and starts what looks after it.
pub(super) fn look_after_certificate(app: &App, parts: &mut Parts, stop: &watch::Receiver<bool>) {
    match &app.site().config.http.tls {
        Tls::Proxy => {}
        Tls::Acme(_) => {
            acme::present(app);
            parts.start("the asking for certificates", acme::run(app.clone(), stop.clone()));
        }
        Tls::Files(_) => {
            own_files::present(app);
            parts.start("the watch over the certificate", own_files::run(app.clone(), stop.clone()));
        }
    }
}
