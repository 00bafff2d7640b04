//! WireGuard's generic netlink, for many peers at a time: `linux/wireguard.h`, and the measured facts that made this
//! our own: a message holds at most 64 KiB of peers, a dump splits peers between messages and may be interrupted, and
//! an interface's own key as a peer is passed over without a word.
//!
//! "Replace peers" is sent for one purpose only: to empty an interface that is about to be deleted.

mod decode;
mod encode;
mod wireguard_h;

use std::collections::BTreeMap;
use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;

use self::wireguard_h as wg;
use crate::backend::netlink::{Message, NetlinkSocket, number};
use crate::backend::single::{self, Said};
use crate::backend::{BackendError, StepError};
use crate::desired::DesiredPeer;
use crate::key::{PrivateKey, PublicKey};
use crate::net::{InterfaceName, ListenPort};
use crate::plan::Networks;
use crate::stats::PeerStats;

pub(super) use decode::Device;
#[cfg(feature = "fuzzed")]
pub(super) use decode::read;

/// How many bytes of peers one message carries. The kernel holds its network lock for a whole message.
const BATCH_BYTES: usize = 32 * 1024;

/// The controller of generic netlink (`linux/genetlink.h`).
const CONTROLLER: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

type Peer = (PublicKey, DesiredPeer);
type Refused = BTreeMap<PublicKey, BackendError>;

/// Kernel WireGuard, over one socket that is kept.
pub(super) struct KernelWireguard {
    socket: NetlinkSocket,
    family: u16,
    /// The interfaces' own keys, as last read or written.
    own_keys: BTreeMap<InterfaceName, PublicKey>,
}

/// What is done to peers: how it is called, how a peer is told, how one is said alone, and how it is written among
/// many, within how many bytes.
struct Verb<T> {
    name: &'static str,
    key: fn(&T) -> PublicKey,
    alone: fn(&InterfaceName, &T) -> Said,
    size: fn(&T) -> usize,
    write: fn(&mut Message, &T),
}

const ADD: Verb<Peer> = Verb {
    name: "add",
    key: |(key, _)| *key,
    alone: single::put,
    size: encode::size,
    write: encode::addition,
};
const UPDATE: Verb<Peer> = Verb {
    name: "update",
    key: |(key, _)| *key,
    alone: single::put,
    size: encode::size,
    write: encode::update,
};
/// Everything of a peer but its allowed IPs, which nothing has to leave for a moment.
const KEEP: Verb<Peer> = Verb {
    name: "update",
    key: |(key, _)| *key,
    alone: |_, _| Said::Not,
    size: encode::size,
    write: encode::update_of_keys,
};
const REMOVE: Verb<PublicKey> = Verb {
    name: "remove",
    key: |key| *key,
    alone: single::remove,
    size: encode::size_of_removal,
    write: encode::removal,
};

impl KernelWireguard {
    /// Fails when the kernel has no WireGuard, or its module is not loaded.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = NetlinkSocket::open(NETLINK_GENERIC)?;
        let mut ask = Message::new(CONTROLLER, [GET_FAMILY, 1, 0, 0]);
        ask.put(FAMILY_NAME, wg::FAMILY);
        let mut family = None;
        socket.ask(&mut ask, |answer| {
            family = family.or(answer.find(FAMILY_ID).and_then(number).map(u16::from_ne_bytes));
        })?;
        let family = family.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Self { socket, family, own_keys: BTreeMap::new() })
    }

    /// Key, port, mark and peers.
    pub(super) fn device(&mut self, interface: &InterfaceName) -> Result<Device, BackendError> {
        let mut ask = self.message(wg::GET_DEVICE, interface);
        let gathered = self.socket.dump(&mut ask, decode::Gathered::take);
        let device = gathered
            .map_err(|source| BackendError::new(format!("read the peers of {interface}"), source))?
            .into_device();
        match device.public_key {
            Some(key) => self.own_keys.insert(interface.clone(), key),
            None => self.own_keys.remove(interface),
        };
        Ok(device)
    }

    /// Counters and handshakes.
    pub(super) fn stats(
        &mut self,
        interface: &InterfaceName,
    ) -> Result<BTreeMap<PublicKey, PeerStats>, BackendError> {
        let mut ask = self.message(wg::GET_DEVICE, interface);
        let failed = |source| BackendError::new(format!("read the counters of {interface}"), source);
        self.socket.dump(&mut ask, decode::take_stats).map_err(failed)
    }

    /// Sets key and port and clears the mark.
    pub(super) fn set_device(
        &mut self,
        interface: &InterfaceName,
        private_key: &PrivateKey,
        listen_port: ListenPort,
    ) -> Result<(), BackendError> {
        let mut message = self.message(wg::SET_DEVICE, interface);
        message.put(wg::device::PRIVATE_KEY, private_key.expose_bytes());
        message.put(wg::device::LISTEN_PORT, &listen_port.get().to_ne_bytes());
        message.put(wg::device::FWMARK, &0_u32.to_ne_bytes());
        let action = || format!("set the key and port {} of {interface}", listen_port.get());
        self.socket.request(&mut message).map_err(|source| BackendError::new(action(), source))?;
        self.own_keys.insert(interface.clone(), private_key.public());
        Ok(())
    }

    /// Moves it to a port of the kernel's choice.
    pub(super) fn leave_port(&mut self, interface: &InterfaceName) -> Result<(), BackendError> {
        let mut message = self.message(wg::SET_DEVICE, interface);
        message.put(wg::device::LISTEN_PORT, &0_u16.to_ne_bytes());
        let failed = |source| BackendError::new(format!("free the port of {interface}"), source);
        self.socket.request(&mut message).map_err(failed)
    }

    /// Removes every peer in one message, so that deleting the link does not wait an RCU period for each.
    pub(super) fn drain(&mut self, interface: &InterfaceName) -> Result<(), BackendError> {
        let mut message = self.message(wg::SET_DEVICE, interface);
        message.put(wg::device::FLAGS, &wg::device::REPLACE_PEERS.to_ne_bytes());
        let failed = |source| BackendError::new(format!("remove all peers of {interface}"), source);
        self.socket.request(&mut message).map_err(failed)
    }

    /// Without the interface's own key, which is refused.
    pub(super) fn add_peers(&mut self, interface: &InterfaceName, peers: &[Peer]) -> Result<(), StepError> {
        let own = self.own_key(interface)?;
        let at = peers.iter().position(|(key, _)| Some(*key) == own);
        let Some((before, [(own, _), after @ ..])) = at.and_then(|at| peers.split_at_checked(at)) else {
            return self.in_batches(interface, &ADD, peers).and_then(conclude);
        };
        let mut refused = self.in_batches(interface, &ADD, before)?;
        refused.extend(self.in_batches(interface, &ADD, after)?);
        let reason = "it is the interface's own key";
        refused.insert(*own, BackendError::new(format!("add a peer of {interface}"), reason));
        conclude(refused)
    }

    pub(super) fn update_peers(
        &mut self,
        interface: &InterfaceName,
        peers: &[Peer],
        networks: Networks,
    ) -> Result<(), StepError> {
        let verb = match networks {
            Networks::Replaced => &UPDATE,
            Networks::Kept => &KEEP,
        };
        self.in_batches(interface, verb, peers).and_then(conclude)
    }

    pub(super) fn remove_peers(
        &mut self,
        interface: &InterfaceName,
        peers: &[PublicKey],
    ) -> Result<(), StepError> {
        self.in_batches(interface, &REMOVE, peers).and_then(conclude)
    }

    fn own_key(&mut self, interface: &InterfaceName) -> Result<Option<PublicKey>, BackendError> {
        match self.own_keys.get(interface) {
            Some(key) => Ok(Some(*key)),
            None => Ok(self.device(interface)?.public_key),
        }
    }

    /// Says a single peer alone; sends others as many in a message as fit. Where a message is refused, its peers one by one, so that only
    /// those are named that the kernel does not take.
    fn in_batches<T>(
        &mut self,
        interface: &InterfaceName,
        verb: &Verb<T>,
        peers: &[T],
    ) -> Result<Refused, StepError> {
        let mut refused = Refused::new();
        if let [single] = peers
            && (verb.alone)(interface, single) == Said::Taken
        {
            return Ok(refused);
        }
        let mut rest = peers;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |peer: &&T| {
                bytes += (verb.size)(peer);
                bytes <= BATCH_BYTES
            };
            let (batch, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            refused.extend(self.send(interface, verb, batch)?);
            rest = later;
        }
        Ok(refused)
    }

    fn send<T>(
        &mut self,
        interface: &InterfaceName,
        verb: &Verb<T>,
        batch: &[T],
    ) -> Result<Refused, StepError> {
        let Err(error) = self.send_at_once(interface, verb, batch) else { return Ok(Refused::new()) };
        if error.raw_os_error() == Some(nix::libc::ENODEV) {
            return Err(BackendError::new(format!("{} peers of {interface}", verb.name), error).into());
        }
        let told = |error| BackendError::new(format!("{} a peer of {interface}", verb.name), error);
        if let [single] = batch {
            return Ok([((verb.key)(single), told(error))].into());
        }
        let mut refused = Refused::new();
        for peer in batch {
            if let Err(error) = self.send_at_once(interface, verb, std::slice::from_ref(peer)) {
                refused.insert((verb.key)(peer), told(error));
            }
        }
        Ok(refused)
    }

    fn send_at_once<T>(&mut self, interface: &InterfaceName, verb: &Verb<T>, batch: &[T]) -> io::Result<()> {
        let mut message = self.message(wg::SET_DEVICE, interface);
        message.nest(wg::device::PEERS, |peers| {
            for peer in batch {
                peers.nest(0, |attributes| (verb.write)(attributes, peer));
            }
        });
        self.socket.request(&mut message)
    }

    fn message(&self, command: u8, interface: &InterfaceName) -> Message {
        let mut message = Message::new(self.family, [command, wg::VERSION, 0, 0]);
        message.put(wg::device::NAME, &[interface.as_str().as_bytes(), b"\0"].concat());
        message
    }
}

fn conclude(refused: Refused) -> Result<(), StepError> {
    if refused.is_empty() { Ok(()) } else { Err(StepError::Peers(refused)) }
}
