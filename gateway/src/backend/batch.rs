//! WireGuard's generic netlink, for many peers at a time: `linux/wireguard.h`, and the measured facts that made this
//! our own: a message holds at most 64 KiB of peers, a dump splits peers between messages and may be interrupted.
//!
//! "Replace peers" is sent for one purpose only: to empty an interface that is about to be deleted.

mod decode;
mod encode;
mod socket;

use std::collections::BTreeMap;
use std::io;

use netlink_packet_wireguard::{
    WireguardAttribute, WireguardCmd, WireguardDeviceFlags, WireguardMessage, WireguardPeer,
};

use crate::backend::{BackendError, StepError};
use crate::desired::DesiredPeer;
use crate::key::{PrivateKey, PublicKey};
use crate::net::{InterfaceName, ListenPort};
use crate::stats::PeerStats;

pub(super) use decode::Device;
use socket::WireguardSocket;

/// How many bytes of peers one message carries. The kernel holds its network lock for a whole message.
const BATCH_BYTES: usize = 32 * 1024;

/// Kernel WireGuard, over one socket that is kept.
pub(super) struct KernelWireguard {
    socket: WireguardSocket,
}

impl KernelWireguard {
    /// Fails when the kernel has no WireGuard, or its module is not loaded.
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { socket: WireguardSocket::open()? })
    }

    /// Key, port, mark and peers.
    pub(super) fn device(&mut self, interface: &InterfaceName) -> Result<Device, BackendError> {
        let failed = |source| BackendError::new(format!("read the peers of {interface}"), source);
        let messages = self.socket.dump(&named(interface, WireguardCmd::GetDevice)).map_err(failed)?;
        Ok(Device::from_dump(messages))
    }

    /// Counters and handshakes.
    pub(super) fn stats(
        &mut self,
        interface: &InterfaceName,
    ) -> Result<BTreeMap<PublicKey, PeerStats>, BackendError> {
        let failed = |source| BackendError::new(format!("read the counters of {interface}"), source);
        let messages = self.socket.dump(&named(interface, WireguardCmd::GetDevice)).map_err(failed)?;
        Ok(decode::stats(messages))
    }

    /// Sets key and port and clears the mark.
    pub(super) fn set_device(
        &mut self,
        interface: &InterfaceName,
        private_key: &PrivateKey,
        listen_port: ListenPort,
    ) -> Result<(), BackendError> {
        let mut message = named(interface, WireguardCmd::SetDevice);
        message.attributes.extend([
            WireguardAttribute::PrivateKey(*private_key.expose_bytes()),
            WireguardAttribute::ListenPort(listen_port.get()),
            WireguardAttribute::Fwmark(0),
        ]);
        let action = || format!("set the key and port {} of {interface}", listen_port.get());
        self.socket.request(&message).map_err(|source| BackendError::new(action(), source))
    }

    /// Removes every peer in one message, so that deleting the link does not wait an RCU period for each.
    pub(super) fn drain(&mut self, interface: &InterfaceName) -> Result<(), BackendError> {
        let mut message = named(interface, WireguardCmd::SetDevice);
        message.attributes.push(WireguardAttribute::Flags(WireguardDeviceFlags::ReplacePeers));
        let failed = |source| BackendError::new(format!("remove all peers of {interface}"), source);
        self.socket.request(&message).map_err(failed)
    }

    pub(super) fn add_peers(
        &mut self,
        interface: &InterfaceName,
        peers: &[(PublicKey, DesiredPeer)],
    ) -> Result<(), StepError> {
        self.in_batches(interface, "add", peers.iter().map(|(key, peer)| (*key, encode::addition(key, peer))))
    }

    pub(super) fn update_peers(
        &mut self,
        interface: &InterfaceName,
        peers: &[(PublicKey, DesiredPeer)],
    ) -> Result<(), StepError> {
        self.in_batches(
            interface,
            "update",
            peers.iter().map(|(key, peer)| (*key, encode::update(key, peer))),
        )
    }

    pub(super) fn remove_peers(
        &mut self,
        interface: &InterfaceName,
        peers: &[PublicKey],
    ) -> Result<(), StepError> {
        self.in_batches(interface, "remove", peers.iter().map(|key| (*key, encode::removal(key))))
    }

    /// Sends peers, as many in a message as fit; where a message is refused, its peers one by one, so that only
    /// those are named that the kernel does not take.
    fn in_batches(
        &mut self,
        interface: &InterfaceName,
        verb: &str,
        peers: impl Iterator<Item = (PublicKey, WireguardPeer)>,
    ) -> Result<(), StepError> {
        let mut refused = BTreeMap::new();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (key, peer) in peers {
            let size = encode::size(&peer);
            if bytes + size > BATCH_BYTES && !batch.is_empty() {
                refused.extend(self.send(interface, verb, std::mem::take(&mut batch))?);
                bytes = 0;
            }
            bytes += size;
            batch.push((key, peer));
        }
        if !batch.is_empty() {
            refused.extend(self.send(interface, verb, batch)?);
        }
        if refused.is_empty() { Ok(()) } else { Err(StepError::Peers(refused)) }
    }

    fn send(
        &mut self,
        interface: &InterfaceName,
        verb: &str,
        batch: Vec<(PublicKey, WireguardPeer)>,
    ) -> Result<BTreeMap<PublicKey, BackendError>, StepError> {
        let together = batch.iter().map(|(_, peer)| peer.clone()).collect();
        let Err(error) = self.socket.request(&with_peers(interface, together)) else {
            return Ok(BTreeMap::new());
        };
        if error.raw_os_error() == Some(nix::libc::ENODEV) || batch.len() == 1 {
            return single_failure(interface, verb, batch, error);
        }
        let mut refused = BTreeMap::new();
        for (key, peer) in batch {
            if let Err(error) = self.socket.request(&with_peers(interface, vec![peer])) {
                refused.insert(key, BackendError::new(format!("{verb} a peer of {interface}"), error));
            }
        }
        Ok(refused)
    }
}

/// A batch of one names its peer; an interface that is gone fails as a whole.
fn single_failure(
    interface: &InterfaceName,
    verb: &str,
    batch: Vec<(PublicKey, WireguardPeer)>,
    error: io::Error,
) -> Result<BTreeMap<PublicKey, BackendError>, StepError> {
    let gone = error.raw_os_error() == Some(nix::libc::ENODEV);
    match batch.into_iter().next() {
        Some((key, _)) if !gone => {
            Ok([(key, BackendError::new(format!("{verb} a peer of {interface}"), error))].into())
        }
        Some(_) | None => Err(BackendError::new(format!("{verb} peers of {interface}"), error).into()),
    }
}

fn named(interface: &InterfaceName, cmd: WireguardCmd) -> WireguardMessage {
    WireguardMessage { cmd, attributes: vec![WireguardAttribute::IfName(interface.to_string())] }
}

fn with_peers(interface: &InterfaceName, peers: Vec<WireguardPeer>) -> WireguardMessage {
    let mut message = named(interface, WireguardCmd::SetDevice);
    message.attributes.push(WireguardAttribute::Peers(peers));
    message
}
