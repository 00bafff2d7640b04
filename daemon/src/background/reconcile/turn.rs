//! One turn of the reconcile loop, synchronous from end to end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use postern_gateway::{
    Backend, Desired, DesiredInterface, InterfaceName, Observed, Outcome, Plan, PublicKey, Scope, StepKind,
    apply, chain, plan,
};
use tokio::time::Instant;

use crate::app::App;
use crate::applied::{Applied, LocationState};
use crate::flows::welcome::welcome_when_done;
use crate::gateway_view::{GatewayQuestion, LinkState, Stats, Surroundings};
use crate::metrics;
use crate::rules::ids::LocationId;
use crate::site::Site;
use crate::store::desired::PeerRow;
use crate::store::device::{Device, DeviceOwner};
use crate::store::{Revision, StoreError, Touched};
use drift::Drift;

mod drift;
mod trouble;

/// Why a turn runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The daemon started: what exists is adopted.
    Boot,
    /// Something was committed.
    Commit,
    /// The kernel says that something changed.
    Notification,
    /// It is time to look, or to try again.
    Clock,
}

/// The gateway, what the loop knows of it, and what it tells of it.
pub(super) struct World {
    app: App,
    backend: Box<dyn Backend>,
    /// `None`: nothing was observed yet, or the last observation cannot be relied upon.
    observed: Option<Observed>,
    /// Interfaces that were left unfinished since everything was looked at.
    broken: BTreeSet<InterfaceName>,
    applied: Applied,
}

impl World {
    pub(super) fn new(app: App, backend: Box<dyn Backend>) -> Self {
        Self { app, backend, observed: None, broken: BTreeSet::new(), applied: Applied::default() }
    }

    /// Makes the world follow the database, as far as it can, and says how far that is.
    pub(super) fn turn(&mut self, cause: Cause) -> Applied {
        let (revision, touched) = self.app.store.changes().take();
        let (before, started) = (self.applied.clone(), Instant::now());
        let scope = self.scope_of(cause, &touched);
        self.app.metrics.waits().registered(touched.registered);
        let (looked, kind) = match scope {
            scope @ Scope::Peers(_) => (self.reach(&scope, &Drift::default()), metrics::Turn::Peers),
            Scope::Everything => (self.look_at_everything(), metrics::Turn::Everything),
        };
        self.app.metrics.turned(kind, started.elapsed());
        if let Err(error) = looked {
            self.observed = None;
            self.applied.failing = vec![error];
        }
        self.applied.revision = Revision(revision.0.max(self.applied.revision.0));
        trouble::tell(&self.app.site(), &before, &self.applied);
        self.applied.clone()
    }

    /// Prepares what a change of single devices looks up, however many devices there are.
    pub(super) fn make_ready(&mut self) {
        if let Some(observed) = &mut self.observed {
            observed.index();
        }
    }

    /// Answers one question; nothing changes.
    pub(super) fn answer(&mut self, question: GatewayQuestion) {
        // An asker that went away needs no answer.
        match question {
            GatewayQuestion::Plan(answer) => {
                let _ = answer.send(self.what_would_change());
            }
            GatewayQuestion::Link(name, answer) => {
                let _ = answer.send(self.surroundings(&name));
            }
            GatewayQuestion::Stats(answer) => {
                let _ = answer.send(self.stats(|_| true));
            }
            GatewayQuestion::StatsOf(locations, answer) => {
                let _ = answer.send(Ok(self.stats_of(&locations)));
            }
        }
    }

    /// Single peers are enough when a commit touched no more and nothing fails that concerns all locations. A location
    /// that fails alone waits for its next look.
    fn scope_of(&self, cause: Cause, touched: &Touched) -> Scope {
        let is_known = self.observed.is_some() && self.applied.failing.is_empty();
        if cause == Cause::Commit && !touched.everything && is_known {
            Scope::Peers(touched.peers.clone())
        } else {
            Scope::Everything
        }
    }

    fn look_at_everything(&mut self) -> Result<(), String> {
        let held = self.observed.take();
        let found = self.backend.observe().map_err(|error| chain(&error))?;
        // What nobody held cannot have changed.
        let drift = held.map(|held| Drift::between(&held, &found, &self.broken)).unwrap_or_default();
        self.observed = Some(found);
        self.reach(&Scope::Everything, &drift)
    }

    /// `desired → plan → apply → record` against the observation at hand.
    fn reach(&mut self, scope: &Scope, drift: &Drift) -> Result<(), String> {
        let Some(observed) = &mut self.observed else { return Err("nothing was observed".to_owned()) };
        let (site, desired, rows) = wanted(&self.app, scope)?;
        let steps = plan(&desired, observed, scope);
        drift.report(&steps);
        let mut outcome = apply(self.backend.as_mut(), &steps, observed);
        outcome.peers_failed.extend(undecided(&desired));
        if *scope == Scope::Everything {
            self.broken.clear();
        }
        self.broken.extend(outcome.interfaces_failed.keys().cloned());
        let live = Live { site: &site, observed, broken: &self.broken };
        record(&self.app, &rows, &live).map_err(|error| chain(&error))?;
        self.describe(&site, scope, &steps, &outcome, drift);
        Ok(())
    }

    fn describe(&mut self, site: &Site, scope: &Scope, plan: &Plan, outcome: &Outcome, drift: &Drift) {
        let mut before = std::mem::take(&mut self.applied.locations);
        let interfaces = self.observed.as_ref().map(|observed| &observed.interfaces);
        for location in site.locations() {
            let name = &location.config.interface;
            let mut state =
                before.remove(&location.id).unwrap_or_else(|| LocationState::new(location.backend));
            state.backend = location.backend;
            state.peers = interfaces.and_then(|all| all.get(name)).map_or(0, |found| found.peers.len());
            let failure = outcome.failure_of(name);
            if let Some(repairs) = drift.repairs_of(plan, name) {
                if failure.is_none() {
                    state.drift_repaired += 1;
                    drift.kinds_of(plan, name).into_iter().for_each(|kind| self.app.metrics.repaired(kind));
                }
                state.last_drift = Some(repairs);
            }
            if failure.is_some() || *scope == Scope::Everything {
                state.failing = failure;
            }
            self.applied.locations.insert(location.id, state);
        }
        if *scope == Scope::Everything {
            self.applied.failing = outcome.firewall_failure().into_iter().collect();
            self.applied.weakness = self.backend.weakness();
        }
        let is_repaired = drift.is_of_firewall(plan) && outcome.firewall_failure().is_none();
        if is_repaired {
            self.applied.firewall_drift_repaired += 1;
            self.app.metrics.repaired(StepKind::Firewall);
        }
    }

    fn what_would_change(&mut self) -> Result<String, String> {
        let observed = self.backend.observe().map_err(|error| chain(&error))?;
        let (_, desired, _) = wanted(&self.app, &Scope::Everything)?;
        Ok(plan(&desired, &observed, &Scope::Everything).to_string())
    }

    fn surroundings(&mut self, name: &InterfaceName) -> Result<Surroundings, String> {
        let mut observed = self.backend.observe().map_err(|error| chain(&error))?;
        let routes_elsewhere = self.backend.routes_elsewhere(name).map_err(|error| chain(&error))?;
        let link = match observed.unmarked.remove(name) {
            Some(found) => LinkState::Unmarked(Box::new(found)),
            None if observed.interfaces.contains_key(name) => LinkState::Ours,
            None if observed.foreign.contains(name) => LinkState::Foreign,
            None => LinkState::Free,
        };
        Ok(Surroundings { link, routes_elsewhere })
    }

    /// Of those that can be asked: what is over on one does not wait for another.
    fn stats_of(&mut self, locations: &BTreeSet<LocationId>) -> Stats {
        let mut stats = Stats::new();
        for asked in locations {
            match self.stats(|location| location == *asked) {
                Ok(found) => stats.extend(found),
                Err(error) => tracing::warn!(error, "a location's handshakes cannot be seen; trying again"),
            }
        }
        stats
    }

    fn stats(&mut self, is_asked: impl Fn(LocationId) -> bool) -> Result<Stats, String> {
        let site = self.app.site();
        let mut stats = Stats::new();
        for location in site.locations().filter(|location| is_asked(location.id)) {
            let known = self.observed.as_ref();
            if known.is_some_and(|known| known.interfaces.contains_key(&location.config.interface)) {
                let found = self.backend.stats(&location.config.interface).map_err(|error| chain(&error))?;
                stats.insert(location.id, found);
            }
        }
        Ok(stats)
    }
}

/// Peers that are left as they are, and why.
fn undecided(desired: &Desired) -> impl Iterator<Item = ((InterfaceName, PublicKey), String)> + '_ {
    let reason = "its preshared key in the database does not open, so it stays as it is: restore a backup, or remove the \
                  device and add it anew";
    let of_interface = |(name, interface): (&InterfaceName, &'_ DesiredInterface)| {
        let told = |key: &PublicKey| ((name.clone(), *key), reason.to_owned());
        interface.undecided.iter().map(told).collect::<Vec<_>>()
    };
    desired.interfaces.iter().flat_map(of_interface)
}

fn wanted(app: &App, scope: &Scope) -> Result<(Arc<Site>, Desired, Vec<PeerRow>), String> {
    app.store
        .read_blocking(|tx| {
            let site = app.site();
            let (desired, rows) = tx.desired(&site, scope)?;
            Ok::<_, StoreError>((site, desired, rows))
        })
        .map_err(|error| chain(&error))
}

/// Which of the locations' interfaces are up and hold which peers.
struct Live<'a> {
    site: &'a Site,
    observed: &'a Observed,
    broken: &'a BTreeSet<InterfaceName>,
}

impl Live<'_> {
    fn has(&self, row: &PeerRow) -> bool {
        let Some(location) = self.site.location(row.location) else { return false };
        let name = &location.config.interface;
        let Some(interface) = self.observed.interfaces.get(name) else { return false };
        interface.up && !self.broken.contains(name) && interface.peers.contains_key(&row.key)
    }
}

/// Writes down which rows are live and which are not, where that differs from what is written; whose enrollment is done
/// with that is welcomed.
fn record(app: &App, rows: &[PeerRow], live: &Live<'_>) -> Result<(), StoreError> {
    let changed: BTreeMap<_, _> = rows
        .iter()
        .map(|row| (row, live.has(row)))
        .filter(|(row, is_live)| row.live != *is_live)
        .map(|(row, is_live)| ((row.device, row.location), (row.key, is_live)))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let now = app.now();
    app.store.write_blocking(|tx| {
        for ((device, location), (_, is_live)) in &changed {
            tx.set_live(*device, *location, is_live.then_some(now))?;
        }
        let came_up: BTreeSet<_> =
            changed.iter().filter(|(_, (_, is_live))| *is_live).map(|((id, _), _)| *id).collect();
        for device in came_up {
            if let Some(Device { owner: DeviceOwner::User(user), .. }) = tx.device(device)? {
                welcome_when_done(tx, live.site, user, now)?;
            }
        }
        Ok::<_, StoreError>(())
    })?;
    for (peer, (key, _)) in changed.into_iter().filter(|(_, (_, is_live))| *is_live) {
        if let Some(waited) = app.metrics.waits().live(peer, key, now) {
            app.metrics.live_after(waited);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
