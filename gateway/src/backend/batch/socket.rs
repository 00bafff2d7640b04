//! One generic-netlink socket bound to WireGuard's family: requests with an acknowledgement, and dumps.

#![expect(clippy::wildcard_enum_match_arm, reason = "the kernel's attributes are many and not ours")]

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_generic::{GenlFamily, GenlMessage};
use netlink_packet_wireguard::WireguardMessage;
use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

/// The kernel sizes a dump's messages by the largest buffer it was ever offered on a socket.
const BUFFER_BYTES: usize = 64 * 1024;
/// The kernel answers at once; this only keeps a lost answer from blocking for ever.
const PATIENCE_SECONDS: i64 = 10;
/// `NLM_F_DUMP_INTR`: the list changed while it was being read.
const INTERRUPTED: u16 = 0x10;
/// How often an interrupted dump is repeated.
const DUMP_TRIES: usize = 10;

pub(super) struct WireguardSocket {
    socket: Socket,
    family: u16,
    sequence: u32,
}

impl WireguardSocket {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE_SECONDS, 0))?;
        let mut opened = Self { socket, family: 0, sequence: 0 };
        opened.family = opened.resolve()?;
        Ok(opened)
    }

    /// Sends and waits for the acknowledgement.
    pub(super) fn request(&mut self, message: &WireguardMessage) -> io::Result<()> {
        let mut payload = GenlMessage::from_payload(message.clone());
        payload.set_resolved_family_id(self.family);
        self.send(payload, NLM_F_REQUEST | NLM_F_ACK)?;
        let mut ended = false;
        while !ended {
            self.receive::<WireguardMessage>(|_, _| (), &mut ended)?;
        }
        Ok(())
    }

    /// All messages of a dump that nothing interrupted.
    pub(super) fn dump(&mut self, message: &WireguardMessage) -> io::Result<Vec<WireguardMessage>> {
        for _ in 0..DUMP_TRIES {
            let mut payload = GenlMessage::from_payload(message.clone());
            payload.set_resolved_family_id(self.family);
            self.send(payload, NLM_F_REQUEST | NLM_F_DUMP)?;
            let (mut messages, mut interrupted, mut ended) = (Vec::new(), false, false);
            while !ended {
                let gather = |flags: u16, message: WireguardMessage| {
                    interrupted |= flags & INTERRUPTED != 0;
                    messages.push(message);
                };
                self.receive(gather, &mut ended)?;
            }
            if !interrupted {
                return Ok(messages);
            }
        }
        Err(io::Error::other("the list of peers kept changing while it was read"))
    }

    fn resolve(&mut self) -> io::Result<u16> {
        let ask = GenlCtrl {
            cmd: GenlCtrlCmd::GetFamily,
            nlas: vec![GenlCtrlAttrs::FamilyName(WireguardMessage::family_name().to_owned())],
        };
        self.send(GenlMessage::from_payload(ask), NLM_F_REQUEST | NLM_F_ACK)?;
        let (mut family, mut ended) = (None, false);
        while !ended {
            let found = |_: u16, answer: GenlCtrl| {
                family = answer.nlas.iter().find_map(|attribute| match attribute {
                    GenlCtrlAttrs::FamilyId(id) => Some(*id),
                    _ => None,
                });
            };
            self.receive(found, &mut ended)?;
        }
        family.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn send<F>(&mut self, payload: GenlMessage<F>, flags: u16) -> io::Result<()>
    where
        GenlMessage<F>: NetlinkSerializable + Into<NetlinkPayload<GenlMessage<F>>>,
    {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::new(netlink_packet_core::NetlinkHeader::default(), payload.into());
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        Ok(())
    }

    /// Reads what one call gives; sets `ended` at an acknowledgement or the end of a dump. Answers to earlier,
    /// abandoned requests are passed over.
    fn receive<F>(&self, mut take: impl FnMut(u16, F), ended: &mut bool) -> io::Result<()>
    where
        GenlMessage<F>: NetlinkDeserializable,
    {
        let mut buffer = Vec::with_capacity(BUFFER_BYTES);
        self.socket.recv(&mut buffer, 0)?;
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<GenlMessage<F>>::deserialize(rest).map_err(io::Error::other)?;
            let length =
                usize::try_from(message.header.length).map_err(io::Error::other)?.next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
            if message.header.sequence_number != self.sequence {
                continue;
            }
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => take(message.header.flags, inner.payload),
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => *ended = true,
                _ => {}
            }
        }
        Ok(())
    }
}
