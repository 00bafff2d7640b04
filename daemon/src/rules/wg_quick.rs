//! The files of `wg-quick`, of a server: what is read out of one, and what in it has no place here. Written again by
//! [`render`], a file says the same. Keys and sections are read without regard to case, as `wg-quick` does.

mod names;
mod parse;
mod render;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::num::NonZeroU16;

use ipnet::IpNet;
use postern_gateway::{ListenPort, Mtu, PresharedKey, PrivateKey, PublicKey};

pub use parse::parse;
pub use render::render;

/// A server. `Debug` shows none of its secrets, nor of its peers'.
#[derive(Clone, PartialEq, Eq)]
pub struct WgQuick {
    /// Its own.
    pub private_key: PrivateKey,
    /// With prefix lengths, in the order of the file.
    pub addresses: Vec<IpNet>,
    /// UDP; `None`: any.
    pub listen_port: Option<ListenPort>,
    /// `None`: chosen by `wg-quick`.
    pub mtu: Option<Mtu>,
    /// In the order of the file.
    pub peers: Vec<WgPeer>,
}

/// A peer of it.
#[derive(Clone, PartialEq, Eq)]
pub struct WgPeer {
    /// What a comment calls it.
    pub name: Option<String>,
    /// Its key.
    pub public_key: PublicKey,
    /// `None`: without one.
    pub preshared_key: Option<PresharedKey>,
    /// Masked, in the order of the file, without doubles.
    pub allowed_ips: Vec<IpNet>,
    /// `host:port` where the server calls it.
    pub endpoint: Option<String>,
    /// Seconds.
    pub keepalive: Option<NonZeroU16>,
}

/// What a file says.
pub struct Parsed {
    /// What is understood.
    pub server: WgQuick,
    /// What has no place here, with its line, for people.
    pub left_out: Vec<String>,
}

/// Why a file is not taken: everything that is wrong, each with its line. No secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct WgQuickError(pub Vec<String>);

impl fmt::Debug for WgQuick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WgQuick")
            .field("public_key", &self.private_key.public())
            .field("addresses", &self.addresses)
            .field("listen_port", &self.listen_port)
            .field("mtu", &self.mtu)
            .field("peers", &self.peers)
            .finish()
    }
}

impl fmt::Debug for WgPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WgPeer")
            .field("name", &self.name)
            .field("public_key", &self.public_key)
            .field("has_preshared_key", &self.preshared_key.is_some())
            .field("allowed_ips", &self.allowed_ips)
            .field("endpoint", &self.endpoint)
            .field("keepalive", &self.keepalive)
            .finish()
    }
}
