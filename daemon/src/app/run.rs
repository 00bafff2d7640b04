//! `postern run`: opens everything, starts the loops and the listeners, reloads on SIGHUP and ends on SIGTERM or
//! SIGINT.

use std::path::Path;
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use postern_gateway::backend::host::Host;
use postern_gateway::{Backend as _, BackendKind, Owner, chain};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use super::failure::RunError;
use super::greeting::{self, FirstAdmin};
use super::listeners::{self, Listener};
use super::parts::{Parts, RECONCILE_LOOP};
use super::state_dir::StateDir;
use super::{App, Clock, service};
use crate::applied::Applied;
use crate::background::connections;
use crate::background::deliver_mail;
use crate::background::reconcile::Reconciler;
use crate::background::{sweep, traffic};
use crate::config::{Loaded, load_with};
use crate::flows::configure::fit_at_start;
use crate::flows::first_admin::{FIRST_ADMIN, first_admin, waiting_admin};
use crate::gateway_view::GatewayView;
use crate::keys::Keys;
use crate::log;
use crate::reload::{self, Change, Reloader};
use crate::rules::action::Action;
use crate::site::Site;
use crate::store::whole::DATABASE;
use crate::store::{Store, StoreError, Tx};
use crate::web::listener::Http;
use crate::web::{self, admin_api};

/// How long requests under way may take to be answered when the daemon ends. Administrators' changes wait longer than that
/// for the gateway; when it ends they are committed, the next start puts them into force, and only their answer is lost.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// Half of them are for connections to the metrics, and of those an eighth for one client.
const METRICS_DESCRIPTORS: u64 = 64;
/// How long the greeting waits for the gateway's first turn.
const FIRST_TURN: Duration = Duration::from_secs(5);

/// Runs the daemon until SIGTERM or SIGINT. Kernel interfaces stay as they are afterwards.
///
/// Blocks the calling thread, which must not belong to an async runtime.
pub fn run(config_path: &Path) -> Result<(), RunError> {
    // Files are named to administrators who stand elsewhere.
    let config_path = &std::path::absolute(config_path).unwrap_or_else(|_| config_path.to_owned());
    // Whatever makes a file here, SQLite above all, makes it for its owner alone; what others need gets its mode set.
    umask(Mode::from_bits_truncate(0o077));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|source| RunError::System { action: "start the runtime", source })?;
    // Before anything takes time: a signal that comes during the start waits for its end.
    let mut signals = runtime.block_on(async { Signals::listen() })?;
    let opened = Opened::open(config_path)?;
    let (published, applied) = watch::channel(Applied::default());
    let app = App::new(opened.store.clone(), opened.site, applied, Clock::system());
    let (view, questions) = GatewayView::new();
    let reloader = Reloader::new(app.clone(), config_path, opened.keys, opened.available);
    let (stop, shutdown) = watch::channel(false);
    let backend = Box::new(opened.host);
    let mut parts = Parts::new(runtime.handle().clone(), app.applied.clone());
    let listeners = Listener::all(&app.site().config.http)?;
    listeners::look_after_certificate(&app, listeners::plain_door(&listeners), &mut parts, &shutdown);
    runtime.block_on(listeners::open(listeners, &app, view.clone(), &mut parts, &shutdown))?;
    runtime.block_on(listen_for_prometheus(&app, view.clone(), &mut parts, &shutdown))?;
    runtime.block_on(listen_for_administrators(&app, view.clone(), &reloader, &mut parts, &shutdown))?;
    start_loops(&app, &view, &mut parts, &shutdown);
    let pulse = parts.pulse(RECONCILE_LOOP);
    let pulses = parts.take_pulses();
    // Before anybody hears that postern is ready: `postern setup` asks for the administrator's link then.
    let first = first_administrator(&app)?;
    parts.start("the report to the service manager", service::report(app.clone(), pulses, shutdown.clone()));
    let reconciler = Reconciler { app: app.clone(), backend, published, questions, pulse, shutdown };
    let loops = reconciler.spawn();
    let loops = loops.map_err(|source| RunError::System { action: "start the reconcile loop", source })?;
    announce(&app.site());
    welcome(&app, &runtime, config_path, &first)?;
    let stopped = until_stopped(&app, &reloader, &mut signals);
    let outcome = runtime.block_on(parts.unless_one_ends(stopped)).map_err(RunError::Ended);
    stop.send_replace(true);
    runtime.block_on(parts.all_ended(LAST_ANSWERS));
    runtime.shutdown_timeout(LAST_ANSWERS);
    // The thread's panic was told when it happened.
    let joined = loops.join().map_err(|_| RunError::Ended(RECONCILE_LOOP));
    outcome.and(joined)
}

/// What is done again and again, beside the reconcile loop.
fn start_loops(app: &App, view: &GatewayView, parts: &mut Parts, stop: &watch::Receiver<bool>) {
    parts.start_loop("the watch over connections", |pulse| {
        connections::run(app.clone(), view.clone(), pulse, stop.clone())
    });
    parts.start_loop("the sweep of what has expired", |pulse| sweep::run(app.clone(), pulse, stop.clone()));
    parts.start_loop("the mail loop", |pulse| deliver_mail::run(app.clone(), pulse, stop.clone()));
    parts.start_loop("the day's traffic", |pulse| {
        traffic::run(app.clone(), view.clone(), pulse, stop.clone())
    });
}

/// What is opened before anything runs.
struct Opened {
    store: Store,
    keys: Keys,
    available: Vec<BackendKind>,
    site: Site,
    host: Host,
    /// Held for as long as the daemon runs.
    _state: StateDir,
}

impl Opened {
    fn open(config_path: &Path) -> Result<Self, RunError> {
        let mut loaded = load_with(config_path, None)?;
        // Which backends there are has to be known before the installation has its identity.
        let mut probe = Host::new(Owner::of_instance("probe"))?;
        probe.may_change().map_err(RunError::Forbidden)?;
        let state = StateDir::hold(&loaded.config.state_dir)?;
        let keys = Keys::open(state.path())?;
        let store = Store::open(&state.path().join(DATABASE))?;
        if reload::finish_renames(&store)? {
            loaded = load_with(config_path, None)?;
        }
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let available = probe.available();
        let site = put_into_force(&store, loaded, &keys, &available)?;
        let host = Host::new(site.owner())?;
        Ok(Self { store, keys, available, site, host, _state: state })
    }
}

fn put_into_force(
    store: &Store,
    loaded: Loaded,
    keys: &Keys,
    available: &[BackendKind],
) -> Result<Site, RunError> {
    let configured = store.write_blocking(|tx| {
        tx.end_connections_before(super::boot())?;
        let (fit, unknown) = fit_at_start(tx, loaded, available)?;
        for problem in unknown {
            tracing::warn!("{problem}; until then nobody joins by it");
        }
        reload::put_into_force::<RunError>(tx, fit, keys, rand::random::<[u8; 32]>)
    });
    configured.map(|(site, _)| site)
}

/// What the daemon heeds. Must be made within the runtime.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self, RunError> {
        let listen =
            |kind| signal(kind).map_err(|source| RunError::System { action: "listen for signals", source });
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }
}

async fn until_stopped(app: &App, reloader: &Reloader, signals: &mut Signals) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.hangup.recv() => reload(app, reloader).await,
        }
    }
}

async fn reload(app: &App, reloader: &Reloader) {
    let now = app.now();
    let audited = move |tx: &Tx<'_>| {
        Ok(tx.audit("postern", Action::ConfigurationReload, "postern", Some("SIGHUP"), now)?)
    };
    match reloader.apply(|_| Ok(Change::Nothing), audited).await {
        Ok(_) => tracing::info!("configuration reloaded"),
        Err(error) => tracing::error!(error = chain(&error), "not reloaded; the running configuration stays"),
    }
}

/// Opens the listeners of the metrics, if there are any; each is a task that ends with `stop`.
async fn listen_for_prometheus(
    app: &App,
    view: GatewayView,
    parts: &mut Parts,
    stop: &watch::Receiver<bool>,
) -> Result<(), RunError> {
    let router = web::metrics::router(app.clone(), view);
    let http = Http::new(app.clone(), router, METRICS_DESCRIPTORS);
    for address in app.site().config.metrics_listen.clone() {
        let listener =
            TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })?;
        parts.start_loop("a listener of the metrics", |pulse| {
            http.clone().serve(listener, pulse, stop.clone())
        });
        if address.ip().to_canonical().is_loopback() {
            tracing::info!(%address, "metrics at /metrics");
        } else {
            tracing::warn!(%address, "metrics at /metrics, for whoever reaches this address: there is no login");
        }
    }
    Ok(())
}

/// Opens the command line's socket; it is a task that ends with `stop`.
#[expect(clippy::unused_async, reason = "a listener is opened within the runtime")]
async fn listen_for_administrators(
    app: &App,
    view: GatewayView,
    reloader: &Reloader,
    parts: &mut Parts,
    stop: &watch::Receiver<bool>,
) -> Result<(), RunError> {
    let listener = admin_api::bind(&app.site().config.admin_socket)?;
    let (router, stop) = (admin_api::router(app.clone(), view, reloader.clone()), stop.clone());
    parts.start_loop("the command line's socket", |mut pulse| async move {
        pulse.while_waiting(admin_api::serve(listener, router, stop)).await;
    });
    Ok(())
}

/// Invites the first administrator, unless that was done.
fn first_administrator(app: &App) -> Result<FirstAdmin, StoreError> {
    let first = app.store.write_blocking(|tx| {
        Ok(match first_admin(tx, &app.site(), app.now())? {
            Some(token) => FirstAdmin::Invited(token),
            None => waiting_admin(tx)?.map_or(FirstAdmin::Enrolled, FirstAdmin::Waiting),
        })
    });
    first.map(|(first, _)| first)
}

/// Tells whoever started the daemon by hand what runs, once the gateway was tried. The journal gets no token.
fn welcome(app: &App, runtime: &Runtime, config_path: &Path, first: &FirstAdmin) -> Result<(), RunError> {
    let site = app.site();
    if log::is_kept() {
        let username = match first {
            FirstAdmin::Invited(_) => FIRST_ADMIN,
            FirstAdmin::Waiting(username) => username,
            FirstAdmin::Enrolled => return Ok(()),
        };
        tracing::info!("no administrator has enrolled: `postern user reinvite {username}` prints a link");
        return Ok(());
    }
    let mut applied = app.applied.clone();
    // A gateway that takes longer is not waited for.
    let tried = async { drop(timeout(FIRST_TURN, applied.changed()).await) };
    runtime.block_on(tried);
    let program = std::env::args().next().unwrap_or_else(|| "postern".to_owned());
    let command = format!("{program} --config {}", config_path.display());
    let told = greeting::greet(&site, &app.applied.borrow(), first, &command);
    told.map_err(|source| RunError::System { action: "print the greeting", source })
}

fn announce(site: &Site) {
    for location in site.locations() {
        let config = &location.config;
        tracing::info!(
            location.name = config.name,
            interface = config.interface.as_str(),
            backend = %location.backend,
            listen_port = config.listen_port.get(),
            "managing a location"
        );
    }
    for setting in postern_gateway::backend::forwarding::forwarding_disabled() {
        tracing::warn!(
            "{setting} is off: clients reach this host, but nothing behind it (sysctl -w {setting}=1 turns it on)"
        );
    }
}
