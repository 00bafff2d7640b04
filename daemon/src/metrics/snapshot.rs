//! What there is at a moment, for a scrape: what the database holds, what the reconcile loop published, what WireGuard
//! counts.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::applied::Applied;
use crate::gateway_view::{Stats, is_connected};
use crate::rules::certificate::Certificate;
use crate::rules::fact::Fact;
use crate::rules::ids::LocationId;
use crate::site::Site;
use crate::store::census::Census;
use crate::store::measure::{MailQueue, PeerCounts};
use crate::store::{StoreError, Tx};

/// Everything a scrape tells besides what is counted as it happens.
pub struct Snapshot {
    /// When.
    pub now: Timestamp,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// What the reconcile loop published.
    pub applied: Applied,
    /// What WireGuard counts; `None`: it cannot be asked.
    pub stats: Option<Stats>,
    /// What happened since the start.
    pub facts: BTreeMap<Fact, u64>,
    /// The certificate that visitors are shown; `None`: there is none.
    pub certificate: Option<Certificate>,
    /// Whether there should be one.
    pub speaks_tls: bool,
    /// What the database holds; `None`: it cannot be asked.
    pub stored: Option<Stored>,
}

/// What the database holds.
pub struct Stored {
    /// Users, devices and mail.
    pub(super) census: Census,
    /// The outbox.
    pub(super) mail: MailQueue,
    /// Every location of the configuration.
    pub(super) locations: Vec<LocationSeen>,
}

/// One location.
pub struct LocationSeen {
    pub(super) id: LocationId,
    pub(super) name: String,
    pub(super) peers: PeerCounts,
    /// Devices that wait for an address.
    pub(super) waiting: u64,
    /// Devices that wait for a second factor.
    pub(super) unconnected: u64,
    /// Devices it has addresses for in all, besides those with addresses of their own.
    pub(super) addresses: u64,
    /// Of these, how many nobody holds.
    pub(super) free: u64,
}

impl Snapshot {
    /// How many peers of a location shook hands lately.
    pub(super) fn connected(&self, location: LocationId) -> Option<u64> {
        let peers = self.stats.as_ref()?.get(&location)?;
        let connected = peers.values().filter(|peer| is_connected(peer, self.now)).count();
        u64::try_from(connected).ok()
    }
}

impl Stored {
    /// Asks the database.
    pub fn look(tx: &Tx<'_>, site: &Site) -> Result<Self, StoreError> {
        let (peers, waiting) = (tx.peer_counts()?, tx.waiting_counts()?);
        let unconnected = tx.unconnected_counts()?;
        let mut locations = Vec::new();
        for location in site.locations() {
            let (id, pool) = (location.id, location.config.pool());
            let addresses = pool.capacity(&tx.fixed_networks(id)?);
            locations.push(LocationSeen {
                id,
                name: location.config.name.clone(),
                peers: peers.get(&id).copied().unwrap_or_default(),
                waiting: waiting.get(&id).copied().unwrap_or(0),
                unconnected: unconnected.get(&id).copied().unwrap_or(0),
                addresses,
                free: tx.free_addresses(id, pool)?,
            });
        }
        Ok(Self { census: tx.census()?, mail: tx.mail_queue()?, locations })
    }
}
