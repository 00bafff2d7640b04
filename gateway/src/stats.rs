//! Counters and handshake times, apart from [`crate::Observed`] so that traffic never looks like drift.

use std::net::SocketAddr;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// What WireGuard says of a peer's traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStats {
    /// Where its last authenticated packet came from.
    pub endpoint: Option<SocketAddr>,
    /// `None`: never shook hands with this interface.
    pub last_handshake: Option<SystemTime>,
    /// Bytes received from the peer.
    pub rx_bytes: u64,
    /// Bytes sent to the peer.
    pub tx_bytes: u64,
}
