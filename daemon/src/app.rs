//! The composition root: what everything shares, and who starts what.

mod descriptors;
mod failure;
mod greeting;
mod listeners;
mod parts;
mod run;
mod service;
mod state_dir;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::applied::Applied;
use crate::metrics::Metrics;
use crate::rules::ids::LocationId;
use crate::site::Site;
use crate::store::{Revision, Store};
use crate::tls::presented::Presented;

pub use failure::RunError;
pub use run::run;
pub use state_dir::{LOCK, StateDir, StateDirError};

/// What handlers and loops share. Clones are cheap.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub store: Store,
    /// What the reconcile loop last published.
    pub applied: watch::Receiver<Applied>,
    /// When this was put together.
    pub started_at: Timestamp,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// The certificate visitors are shown, where we speak TLS.
    pub presented: Presented,
    site: Arc<ArcSwap<Site>>,
    clock: Clock,
}

/// The one place that asks the operating system for the time. Tests give their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The operating system's.
    #[expect(clippy::disallowed_methods, reason = "this is the clock everybody else asks")]
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// A clock that says what `read` says.
    pub fn from_fn(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// Random bytes of the operating system's generator, for who has no [`App`].
pub fn random() -> [u8; 32] {
    rand::random()
}

/// Names this start of the host; empty where the kernel does not say.
pub fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        read.map(|id| id.trim().to_owned()).unwrap_or_default()
    })
}

impl App {
    /// Puts the parts together.
    pub fn new(store: Store, site: Site, applied: watch::Receiver<Applied>, clock: Clock) -> Self {
        let started_at = clock.now();
        Self {
            store,
            applied,
            started_at,
            metrics: Arc::default(),
            presented: Presented::default(),
            site: Arc::new(ArcSwap::from_pointee(site)),
            clock,
        }
    }

    /// The site as it is now. Ask inside a transaction's closure, so that a reload cannot come between.
    pub fn site(&self) -> Arc<Site> {
        self.site.load_full()
    }

    /// Puts another site into force.
    pub fn replace_site(&self, site: Arc<Site>) {
        self.site.store(site);
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Random bytes of the operating system's generator.
    pub fn random(&self) -> [u8; 32] {
        random()
    }

    /// Waits until the gateway has tried everything up to `revision`, at most `limit`. `false`: not yet.
    pub async fn applied(&self, revision: Revision, limit: Duration) -> bool {
        let mut applied = self.applied.clone();
        let reached = applied.wait_for(|applied| applied.revision >= revision);
        matches!(tokio::time::timeout(limit, reached).await, Ok(Ok(_)))
    }

    /// [`App::applied`], and whether it succeeded on `locations`; at once where there are none.
    pub async fn applied_on(
        &self,
        locations: &BTreeSet<LocationId>,
        revision: Revision,
        limit: Duration,
    ) -> bool {
        locations.is_empty()
            || (self.applied(revision, limit).await && self.applied.borrow().is_well_on(locations))
    }
}
