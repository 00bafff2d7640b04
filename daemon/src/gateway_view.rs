//! What the administrator may ask the reconcile loop, which alone owns the gateway: questions, no commands.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use postern_gateway::{InterfaceName, ObservedInterface, PeerStats, PublicKey};
use tokio::sync::{mpsc, oneshot};

use crate::rules::ids::LocationId;

/// More questions than this at once wait.
const WAITING: usize = 16;
/// A turn over ten thousand peers takes far less.
const PATIENCE: Duration = Duration::from_secs(20);

/// Counters and handshakes by location and peer.
pub type Stats = BTreeMap<LocationId, BTreeMap<PublicKey, PeerStats>>;

/// A session lasts no longer than this without another handshake (WireGuard white paper, section 6.1,
/// `REJECT_AFTER_TIME`).
const CONNECTED_SECONDS: i64 = 180;

/// Whether a peer shook hands within the last 180 s.
pub fn is_connected(peer: &PeerStats, now: Timestamp) -> bool {
    let handshake = peer.last_handshake.and_then(|time| Timestamp::try_from(time).ok());
    handshake.is_some_and(|time| is_fresh(time, now))
}

/// Whether a handshake is no more than 180 s old.
pub fn is_fresh(handshake: Timestamp, now: Timestamp) -> bool {
    handshake.as_second() >= now.as_second().saturating_sub(CONNECTED_SECONDS)
}

/// What there is of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Nothing of that name.
    Free,
    /// The kernel's WireGuard, with nobody's mark.
    Unmarked(Box<ObservedInterface>),
    /// Ours.
    Ours,
    /// Something else.
    Foreign,
}

/// A link, and what of the host concerns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// What there is of it.
    pub link: LinkState,
    /// What the main table routes to other links, and their names.
    pub routes_elsewhere: BTreeMap<IpNet, String>,
}

/// A question, with where the answer goes.
pub enum GatewayQuestion {
    /// What a turn would do now, as a readable diff; empty: nothing.
    Plan(oneshot::Sender<Result<String, String>>),
    /// What there is of a link and around it.
    Link(InterfaceName, oneshot::Sender<Result<Surroundings, String>>),
    /// What WireGuard counts.
    Stats(oneshot::Sender<Result<Stats, String>>),
    /// The same of these locations alone, as far as they can be asked.
    StatsOf(BTreeSet<LocationId>, oneshot::Sender<Result<Stats, String>>),
}

/// Asks the reconcile loop. Clones ask the same one.
#[derive(Clone)]
pub struct GatewayView {
    questions: mpsc::Sender<GatewayQuestion>,
}

impl GatewayView {
    /// A view, and where its questions arrive.
    pub fn new() -> (Self, mpsc::Receiver<GatewayQuestion>) {
        let (questions, arriving) = mpsc::channel(WAITING);
        (Self { questions }, arriving)
    }

    /// What a turn would do now; changes nothing.
    pub async fn plan(&self) -> Result<String, String> {
        let (answer, answered) = oneshot::channel();
        self.ask(GatewayQuestion::Plan(answer), answered).await
    }

    /// What there is of a link, and around it, now.
    pub async fn link(&self, name: InterfaceName) -> Result<Surroundings, String> {
        let (answer, answered) = oneshot::channel();
        self.ask(GatewayQuestion::Link(name, answer), answered).await
    }

    /// What WireGuard counts now.
    pub async fn stats(&self) -> Result<Stats, String> {
        let (answer, answered) = oneshot::channel();
        self.ask(GatewayQuestion::Stats(answer), answered).await
    }

    /// What WireGuard counts now on these locations; one that cannot be asked is left out.
    pub async fn stats_of(&self, locations: BTreeSet<LocationId>) -> Result<Stats, String> {
        let (answer, answered) = oneshot::channel();
        self.ask(GatewayQuestion::StatsOf(locations, answer), answered).await
    }

    async fn ask<T>(
        &self,
        question: GatewayQuestion,
        answered: oneshot::Receiver<Result<T, String>>,
    ) -> Result<T, String> {
        let answer = async {
            self.questions.send(question).await.map_err(|_| "the gateway loop has ended")?;
            answered.await.map_err(|_| "the gateway loop has ended")?
        };
        tokio::time::timeout(PATIENCE, answer)
            .await
            .map_err(|_| "the gateway is busy; try again".to_owned())?
    }
}
