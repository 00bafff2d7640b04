//! What is measured while the daemon runs, and how it is written for Prometheus. Whoever knows a fact says it here in the
//! domain's words; the library that counts and writes stays inside. No label grows with devices or users.

mod gauges;
mod process;
mod snapshot;
mod traffic;
mod waits;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use snapshot::{LocationSeen, Snapshot, Stored};
use traffic::Traffic;
pub use waits::Waits;

/// What the text is, for HTTP.
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Upper bounds in seconds: an answer takes milliseconds, a person may take a day.
const LIVE_SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 10.0, 60.0, 600.0];
const HANDSHAKE_SECONDS: [f64; 10] = [0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0, 7200.0, 43_200.0, 86_400.0];
const TURN_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0];

/// The measurements. Share it.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    rate_limited: Family<RouteLabels, Counter>,
    repaired: Family<RepairLabels, Counter>,
    turns: Family<TurnLabels, Histogram, fn() -> Histogram>,
    until_live: Histogram,
    until_handshake: Histogram,
    waits: Mutex<Waits>,
    traffic: Mutex<Traffic>,
}

/// What was asked for over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The client API, polls and the rest apart.
    Enrollment,
    /// A client's question for its configuration.
    Poll,
    /// A forgotten password, by the API or the pages.
    PasswordReset,
    /// Signing in, and what is one's own.
    Account,
    /// A page of enrolling in the browser.
    Page,
    /// Scripts, styles, pictures.
    Asset,
    /// What has no secrets and costs nothing: health, versions.
    Health,
}

/// How much a turn of the reconcile loop looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Single devices.
    Peers,
    /// Everything there is.
    Everything,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    /// `2xx` and so on.
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RepairLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TurnLabels {
    scope: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let turns: fn() -> Histogram = || Histogram::new(TURN_SECONDS);
        let mut made = Self {
            registry: Registry::default(),
            requests: Family::default(),
            rate_limited: Family::default(),
            repaired: Family::default(),
            turns: Family::new_with_constructor(turns),
            until_live: Histogram::new(LIVE_SECONDS),
            until_handshake: Histogram::new(HANDSHAKE_SECONDS),
            waits: Mutex::default(),
            traffic: Mutex::default(),
        };
        made.begin_at_zero();
        made.register();
        made
    }
}

impl Metrics {
    /// Rates need a first value: what is rare, and what alerts look at, is there from the start.
    fn begin_at_zero(&self) {
        for scope in [Turn::Peers, Turn::Everything] {
            drop(self.turns.get_or_create(&TurnLabels { scope: scope.name() }));
        }
        for kind in postern_gateway::StepKind::ALL {
            drop(self.repaired.get_or_create(&RepairLabels { kind: kind.name() }));
        }
        for route in Route::ALL {
            for status in ["2xx", "3xx", "4xx", "5xx"] {
                drop(self.requests.get_or_create(&RequestLabels { route: route.name(), status }));
            }
            drop(self.rate_limited.get_or_create(&RouteLabels { route: route.name() }));
        }
    }

    fn register(&mut self) {
        let registry = self.registry.sub_registry_with_prefix("postern");
        let help = "Answers over HTTP, by what was asked for and by class of status";
        registry.register("http_requests", help, self.requests.clone());
        let help = "Requests refused because too many came before them";
        registry.register("http_rate_limited", help, self.rate_limited.clone());
        let help = "Times something was found changed from outside and put right";
        registry.register("drift_repaired", help, self.repaired.clone());
        let help = "Time one turn of the reconcile loop took";
        registry.register("reconcile_seconds", help, self.turns.clone());
        let help = "Time from the registration of a key until a location has its peer";
        registry.register("registration_to_live_seconds", help, self.until_live.clone());
        let help = "Time from a new peer being live until its first handshake, as far as scrapes see it";
        registry.register("live_to_handshake_seconds", help, self.until_handshake.clone());
    }

    /// A request was answered.
    pub fn answered(&self, route: Route, status: u16) {
        let class = match status {
            ..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            500.. => "5xx",
        };
        self.requests.get_or_create(&RequestLabels { route: route.name(), status: class }).inc();
        if status == 429 {
            self.rate_limited.get_or_create(&RouteLabels { route: route.name() }).inc();
        }
    }

    /// Something that somebody else changed was put right.
    pub fn repaired(&self, kind: postern_gateway::StepKind) {
        self.repaired.get_or_create(&RepairLabels { kind: kind.name() }).inc();
    }

    /// A turn of the reconcile loop ended.
    pub fn turned(&self, scope: Turn, took: Duration) {
        self.turns.get_or_create(&TurnLabels { scope: scope.name() }).observe(took.as_secs_f64());
    }

    /// What registrations wait for; a live peer that waited is told by [`Self::live_after`].
    pub fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A peer is live that had waited for so long.
    pub fn live_after(&self, waited: Duration) {
        self.until_live.observe(waited.as_secs_f64());
    }

    /// Everything in the text format of Prometheus.
    pub fn write(&self, snapshot: &Snapshot) -> String {
        if let Some(stats) = &snapshot.stats {
            for waited in self.waits().shook_hands(stats) {
                self.until_handshake.observe(waited.as_secs_f64());
            }
            self.traffic().count(stats);
        }
        let mut text = String::new();
        let mut seen = Registry::default();
        gauges::register(&mut seen, snapshot, &self.traffic());
        // Writing into a string does not fail.
        let _ = prometheus_text::encode(&mut text, &self.registry);
        let _ = prometheus_text::encode(&mut text, &seen);
        text
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Route {
    const ALL: [Self; 7] = [
        Self::Enrollment,
        Self::Poll,
        Self::PasswordReset,
        Self::Account,
        Self::Page,
        Self::Asset,
        Self::Health,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Enrollment => "enrollment",
            Self::Poll => "poll",
            Self::PasswordReset => "password_reset",
            Self::Account => "account",
            Self::Page => "page",
            Self::Asset => "asset",
            Self::Health => "health",
        }
    }

    /// By path; whatever there is not is a page.
    pub fn of(path: &str) -> Self {
        let is_below = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
        if is_below(&["/api/v1/password-reset", "/password"]) {
            Self::PasswordReset
        } else if path == "/me"
            || is_below(&["/me/", "/sign-in", "/sign-out", "/openid/", "/.well-known/", "/forward-auth"])
        {
            Self::Account
        } else if is_below(&["/api/v1/poll"]) {
            Self::Poll
        } else if is_below(&["/api/v1/health", "/api/v1/info"]) {
            Self::Health
        } else if is_below(&["/api/"]) {
            Self::Enrollment
        } else if is_below(&["/assets/", "/branding/", "/favicon"]) {
            Self::Asset
        } else {
            Self::Page
        }
    }
}

impl Turn {
    fn name(self) -> &'static str {
        match self {
            Self::Peers => "peers",
            Self::Everything => "everything",
        }
    }
}

#[cfg(test)]
mod tests;
