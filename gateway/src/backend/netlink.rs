//! Netlink as bytes, for what is said often or by the thousand: one blocking socket, requests that are
//! acknowledged, and dumps read where they were received. What is said seldom goes over rtnetlink.

mod wire;

use std::io;

use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;
use zeroize::Zeroize as _;

pub(super) use wire::{Attributes, Message, number};

/// The kernel sizes a dump's messages by the largest buffer it was ever offered on a socket.
const BUFFER_BYTES: usize = 64 * 1024;
/// The kernel answers at once; this only keeps a lost answer from blocking for ever.
const PATIENCE_SECONDS: i64 = 10;
/// How often an interrupted dump is repeated.
const DUMP_TRIES: usize = 10;

/// `linux/netlink.h`.
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const DUMP: u16 = 0x300;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
const DUMP_INTERRUPTED: u16 = 0x10;
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// What messages that may have been received at once say: for tests/fuzz.
#[cfg(feature = "fuzzed")]
pub(super) fn received(bytes: &[u8]) -> Vec<Attributes<'_>> {
    wire::answers(bytes).map(|answer| answer.attributes()).collect()
}

/// A socket in the network namespace of the thread that opened it.
pub(super) struct NetlinkSocket {
    socket: Socket,
    sequence: u32,
    /// Kept: what is received is read from here.
    buffer: Vec<u8>,
}

impl NetlinkSocket {
    pub(super) fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_cap_ack(true)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE_SECONDS, 0))?;
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(BUFFER_BYTES) })
    }

    /// Sends and waits for the acknowledgement.
    pub(super) fn request(&mut self, message: &mut Message) -> io::Result<()> {
        self.ask(message, |_| ())
    }

    /// Sends, hands on every answer and waits for the acknowledgement.
    pub(super) fn ask(
        &mut self,
        message: &mut Message,
        mut take: impl FnMut(Attributes<'_>),
    ) -> io::Result<()> {
        self.send(message, REQUEST | ACK)?;
        self.receive(|_, attributes| take(attributes))
    }

    /// Sends one transaction: `begin` and `end` only say where it begins and ends, the last change is acknowledged.
    pub(super) fn transact(
        &mut self,
        begin: &mut Message,
        changes: &mut [Message],
        end: &mut Message,
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = begin.finished(REQUEST, self.sequence)?.to_vec();
        let last = changes.len().saturating_sub(1);
        for (at, change) in changes.iter_mut().enumerate() {
            let acknowledged = if at == last { ACK } else { 0 };
            bytes.extend(change.finished(REQUEST | CREATE | APPEND | acknowledged, self.sequence)?);
        }
        bytes.extend(end.finished(REQUEST, self.sequence)?);
        // The kernel takes a transaction whole, or not at all; it counts some more than its bytes.
        if bytes.len() > BUFFER_BYTES {
            setsockopt(&self.socket, sockopt::SndBufForce, &(2 * bytes.len()))?;
        }
        self.socket.send(&bytes, 0)?;
        self.receive(|_, _| ())
    }

    /// Everything of a dump that nothing interrupted, gathered from its messages by `take`.
    pub(super) fn dump<T: Default>(
        &mut self,
        message: &mut Message,
        mut take: impl FnMut(&mut T, &Attributes<'_>),
    ) -> io::Result<T> {
        for _ in 0..DUMP_TRIES {
            self.send(message, REQUEST | DUMP)?;
            let mut gathered = T::default();
            let mut interrupted = false;
            self.receive(|flags, attributes| {
                interrupted |= flags & DUMP_INTERRUPTED != 0;
                take(&mut gathered, &attributes);
            })?;
            if !interrupted {
                return Ok(gathered);
            }
        }
        Err(io::Error::other("the list kept changing while it was read"))
    }

    fn send(&mut self, message: &mut Message, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(message.finished(flags, self.sequence)?, 0).map(drop)
    }

    /// Hands on every answer until an acknowledgement, an error or the end of a dump. Answers to earlier,
    /// abandoned requests are passed over.
    fn receive(&mut self, mut take: impl FnMut(u16, Attributes<'_>)) -> io::Result<()> {
        let mut ended = None;
        while ended.is_none() {
            self.buffer.clear();
            self.socket.recv(&mut self.buffer, 0)?;
            for answer in wire::answers(&self.buffer).filter(|answer| answer.sequence == self.sequence) {
                match answer.kind {
                    ERROR | DONE => ended = Some(answer.code()),
                    _ => take(answer.flags, answer.attributes()),
                }
            }
        }
        // A dump may hold private and preshared keys.
        self.buffer.zeroize();
        match ended {
            Some(0) | None => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(code)),
        }
    }
}
