//! What commits touched, gathered until the matching loop takes it. Nothing here can overflow: changes coalesce.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use postern_gateway::PublicKey;
use tokio::sync::watch;

use crate::rules::fact::Fact;
use crate::rules::ids::{DeviceId, LocationId};

/// Beyond so many single peers everything is looked at instead.
const MOST_PEERS: usize = 4096;

/// Counts the commits that touched something the gateway should know, since the start of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

/// What a commit, or several, touched.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Configuration or keys: anything may differ.
    pub everything: bool,
    /// These peers may have to be added, changed or removed.
    pub peers: BTreeSet<PublicKey>,
    /// There is mail.
    pub outbox: bool,
    /// Keys that were registered, for each location they were given, and when; 4096 of them at most.
    pub registered: BTreeMap<(DeviceId, LocationId), Timestamp>,
    /// What happened, and how often.
    pub(super) facts: BTreeMap<Fact, u64>,
}

/// The meeting point of commits and loops. Clones share it.
#[derive(Clone)]
pub struct Changes {
    waiting: Arc<Mutex<Touched>>,
    revision: watch::Sender<Revision>,
    outbox: watch::Sender<u64>,
    facts: Arc<Mutex<BTreeMap<Fact, u64>>>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            waiting: Arc::default(),
            revision: watch::Sender::new(Revision::default()),
            outbox: watch::Sender::new(0),
            facts: Arc::default(),
        }
    }
}

impl Changes {
    /// Wakes the reconcile loop: something the gateway should know was committed.
    pub fn revisions(&self) -> watch::Receiver<Revision> {
        self.revision.subscribe()
    }

    /// Wakes the mail loop.
    pub fn mail(&self) -> watch::Receiver<u64> {
        self.outbox.subscribe()
    }

    /// Takes what waits, with the revision it leads to.
    pub fn take(&self) -> (Revision, Touched) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        (*self.revision.borrow(), std::mem::take(&mut *waiting))
    }

    /// How often what happened, in everything committed since the start of this process.
    pub fn facts(&self) -> BTreeMap<Fact, u64> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, happened: &BTreeMap<Fact, u64>) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        for (fact, times) in happened {
            *facts.entry(*fact).or_default() += times;
        }
    }

    /// The revision of the last commit.
    pub(super) fn publish(&self, touched: Touched) -> Revision {
        if !touched.facts.is_empty() {
            self.count(&touched.facts);
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if touched.outbox {
            self.outbox.send_modify(|count| *count += 1);
        }
        if touched.everything || !touched.peers.is_empty() {
            waiting.everything |= touched.everything;
            waiting.peers.extend(touched.peers);
            let room = MOST_PEERS.saturating_sub(waiting.registered.len());
            waiting.registered.extend(touched.registered.into_iter().take(room));
            if waiting.everything || waiting.peers.len() > MOST_PEERS {
                waiting.everything = true;
                waiting.peers.clear();
            }
            self.revision.send_modify(|revision| revision.0 += 1);
        }
        *self.revision.borrow()
    }
}
