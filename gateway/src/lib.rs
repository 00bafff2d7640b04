//! WireGuard interfaces made to be what they should be, without ever interrupting a peer that did not change.
//!
//! The story of the crate is one line: [`plan()`] compares what should exist ([`Desired`]) with what does
//! ([`Observed`]) and says which steps lead there; [`apply()`] takes them on a [`Backend`]. Nothing here knows
//! users, SQL, HTTP or mail, and nothing else in the project touches WireGuard, links, routes or nftables.
//!
//! What is deliberately absent: "replace all peers" (it drops every session), keepalives towards peers that have no
//! endpoint (the kernel would start handshakes all the same), and any change to an interface that does not carry our
//! mark. An interface without anybody's mark gets ours if it has the key of a desired one of its name: nobody else
//! has that key.

pub mod apply;
pub mod backend;
pub mod desired;
pub mod firewall;
#[cfg(test)]
mod fixtures;
pub mod key;
pub mod kind;
pub mod model;
pub mod net;
pub mod observed;
pub mod plan;
pub mod stats;

pub use apply::{Outcome, apply, chain};
pub use backend::{Backend, BackendError, Weakness};
pub use desired::{Desired, DesiredInterface, DesiredPeer, Dialled, ForwardPolicy};
pub use firewall::Firewall;
pub use key::{KeyError, PresharedKey, PrivateKey, PublicKey};
pub use kind::BackendKind;
pub use net::{AllowedIps, HostService, InterfaceName, ListenPort, Mtu, Owner};
pub use observed::{Observed, ObservedInterface, ObservedPeer, OwnerIndex};
pub use plan::{Networks, Plan, Scope, Step, StepKind, plan};
pub use stats::PeerStats;
