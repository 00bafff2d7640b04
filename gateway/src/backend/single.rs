//! One peer at a time, the everyday case, over `defguard_wireguard_rs`. Many at a time, and what its limits leave out,
//! are said by `batch`.
//!
//! Absent means "leave as it is" to it, so the zero preshared key and the zero keepalive are written. A peer with a
//! preshared key is not for it: its keys are neither wiped nor kept out of logs; nor is one the gateway calls. Nothing it fails at is final: its
//! errors are texts, so `batch` says the same again, which changes nothing twice, and names the cause.

use defguard_wireguard_rs::error::WireguardInterfaceError;
use defguard_wireguard_rs::key::Key;
use defguard_wireguard_rs::net::IpAddrMask;
use defguard_wireguard_rs::peer::Peer;
use defguard_wireguard_rs::{Kernel, WGApi, WireguardInterfaceApi as _};

use crate::desired::DesiredPeer;
use crate::key::PublicKey;
use crate::net::InterfaceName;

/// What it can surely encode, and read the echo of: it panics at thousands.
const MOST_ALLOWED_IPS: usize = 100;

/// Whether a peer was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// The kernel took it.
    Taken,
    /// It is still to be said.
    Not,
}

/// Makes a peer what it is to be, whether or not it is there.
pub(super) fn put(interface: &InterfaceName, (key, wanted): &(PublicKey, DesiredPeer)) -> Said {
    if wanted.preshared_key.is_some()
        || wanted.dialled.is_some()
        || wanted.allowed_ips.len() > MOST_ALLOWED_IPS
    {
        return Said::Not;
    }
    let mut peer = Peer::new(Key::new(*key.as_bytes()));
    peer.preshared_key = Some(Key::default());
    peer.persistent_keepalive_interval = Some(0);
    let masks =
        wanted.allowed_ips.iter().map(|network| IpAddrMask::new(network.addr(), network.prefix_len()));
    peer.set_allowed_ips(masks.collect());
    said(interface, |kernel| kernel.configure_peer(&peer))
}

/// Removes a peer; one that is not there is no error.
pub(super) fn remove(interface: &InterfaceName, key: &PublicKey) -> Said {
    said(interface, |kernel| kernel.remove_peer(&Key::new(*key.as_bytes())))
}

fn said(
    interface: &InterfaceName,
    say: impl FnOnce(&WGApi<Kernel>) -> Result<(), WireguardInterfaceError>,
) -> Said {
    match WGApi::new(interface.as_str()).and_then(|kernel| say(&kernel)) {
        Ok(()) => Said::Taken,
        Err(error) => {
            tracing::debug!(%interface, %error, "a peer could not be said alone; saying it as one of many");
            Said::Not
        }
    }
}
