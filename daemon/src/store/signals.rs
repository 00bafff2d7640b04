//! What commits touched, gathered until the matching loop takes it. Nothing here can overflow: changes coalesce.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use postern_gateway::PublicKey;
use tokio::sync::watch;

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
}

/// The meeting point of commits and loops. Clones share it.
#[derive(Clone)]
pub struct Changes {
    waiting: Arc<Mutex<Touched>>,
    revision: watch::Sender<Revision>,
    outbox: watch::Sender<u64>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            waiting: Arc::default(),
            revision: watch::Sender::new(Revision::default()),
            outbox: watch::Sender::new(0),
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

    /// The revision of the last commit.
    pub(super) fn publish(&self, touched: Touched) -> Revision {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if touched.outbox {
            self.outbox.send_modify(|count| *count += 1);
        }
        if touched.everything || !touched.peers.is_empty() {
            waiting.everything |= touched.everything;
            waiting.peers.extend(touched.peers);
            if waiting.everything || waiting.peers.len() > MOST_PEERS {
                waiting.everything = true;
                waiting.peers.clear();
            }
            self.revision.send_modify(|revision| revision.0 += 1);
        }
        *self.revision.borrow()
    }
}
