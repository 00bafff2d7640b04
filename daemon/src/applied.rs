//! What the reconcile loop publishes: the one value that the "live" lamp, `postern status` and the health page read.

use std::collections::{BTreeMap, BTreeSet};

use postern_gateway::{BackendKind, Weakness};
use serde::Serialize;

use crate::rules::ids::LocationId;
use crate::store::Revision;

/// How far the world follows the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Every commit up to this one has been tried; what failed is in `locations`.
    pub revision: Revision,
    /// By number.
    pub locations: BTreeMap<LocationId, LocationState>,
    /// What failed apart from single locations: observing, the firewall.
    pub failing: Vec<String>,
    /// What would make the gateway safer, and is not so.
    pub weakness: Option<Weakness>,
    /// Times our nftables table was found changed from outside and put right, since the start.
    pub firewall_drift_repaired: u64,
}

/// The state of one location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocationState {
    /// Where its WireGuard runs.
    pub backend: BackendKind,
    /// Peers the gateway has.
    pub peers: usize,
    /// Times something was found changed from outside and put right, since the start.
    pub drift_repaired: u64,
    /// What was found last, as a diff.
    pub last_drift: Option<String>,
    /// Why the location is not as it should be.
    pub failing: Option<String>,
}

impl Applied {
    /// Whether nothing fails on `locations`, nor for all of them.
    pub fn is_well_on(&self, locations: &BTreeSet<LocationId>) -> bool {
        let fails = |id| self.locations.get(id).is_some_and(|state| state.failing.is_some());
        self.failing.is_empty() && !locations.iter().any(fails)
    }
}

impl LocationState {
    /// Nothing is known yet.
    pub fn new(backend: BackendKind) -> Self {
        Self { backend, peers: 0, drift_repaired: 0, last_drift: None, failing: None }
    }
}
