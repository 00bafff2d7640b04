//! The one seam between what is decided and what is done: [`Backend`], which observes and performs.
//!
//! Calls are synchronous: the one thread that owns a backend makes them all, so writes are serialised and no
//! late update can bring back a peer that was just removed. Every call ends within a bounded time.

mod batch;
pub mod firewall;
pub mod forwarding;
#[cfg(feature = "fuzzed")]
pub mod fuzzed;
pub mod host;
mod netlink;
mod rtnl;
mod single;
#[cfg(feature = "userspace")]
mod userspace;
#[cfg(not(feature = "userspace"))]
#[path = "backend/no_userspace.rs"]
mod userspace;
pub mod watch;

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::key::PublicKey;
use crate::kind::BackendKind;
use crate::net::InterfaceName;
use crate::observed::Observed;
use crate::plan::Step;
use crate::stats::PeerStats;

#[cfg(any(test, feature = "memory"))]
pub mod memory;

/// Observes what exists and performs single steps. The only trait of the crate.
pub trait Backend: Send {
    /// Which kinds of WireGuard this host can run.
    fn available(&mut self) -> Vec<BackendKind>;

    /// Everything of ours that exists now.
    fn observe(&mut self) -> Result<Observed, BackendError>;

    /// Destinations of the main table that lead to other links than this one, with those links' names.
    fn routes_elsewhere(
        &mut self,
        interface: &InterfaceName,
    ) -> Result<BTreeMap<IpNet, String>, BackendError>;

    /// Does one step. A step over many peers may be done in part when it fails: the error names the peers that
    /// were not taken, all others of the step were.
    fn perform(&mut self, step: &Step) -> Result<(), StepError>;

    /// What would make the gateway safer, and is not so on this host; `None`: nothing.
    fn weakness(&self) -> Option<Weakness> {
        None
    }

    /// Counters and handshakes of an interface of ours.
    fn stats(&mut self, interface: &InterfaceName) -> Result<BTreeMap<PublicKey, PeerStats>, BackendError>;
}

/// What makes the gateway less safe than it could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weakness {
    /// As a sentence.
    pub text: String,
    /// Whether this host cannot do it at all; otherwise it is tried again.
    pub is_lasting: bool,
}

/// An observation, or a whole step, that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}")]
pub struct BackendError {
    /// What was tried, on what: `list the addresses of wg-hq`.
    pub action: String,
    /// What the kernel, nft or the userspace implementation said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl BackendError {
    /// `action` reads after "cannot".
    pub fn new(
        action: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { action: action.into(), source: source.into() }
    }
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Nothing of it can be relied upon; later steps for the interface make no sense.
    #[error(transparent)]
    Whole(#[from] BackendError),
    /// These peers were refused; all others of the step were taken.
    #[error("{} peers were refused", .0.len())]
    Peers(BTreeMap<PublicKey, BackendError>),
}
