//! What the kernel says of our table, read over netlink (`linux/netfilter/nf_tables.h`): every object as its
//! attributes, without those that vary although nobody changed anything (handles, use counts, padding).

use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::libc;

use crate::backend::netlink::{Attributes, Message, NetlinkSocket, number};

/// `NFNL_SUBSYS_NFTABLES`, in the upper byte of a message's type.
pub(super) const SUBSYSTEM: u16 = 0x0a00;
const FAMILY_INET: u8 = 1;

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`; whose transaction it is stands in the last byte.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const OF_NFTABLES: [u8; 4] = [0, 0, 0, 10];
/// `NFNL_BATCH_GENID`, and `NFTA_GEN_ID` of an answer.
const GENERATION: u16 = 1;

pub(super) const NEW_RULE: u16 = SUBSYSTEM + 6;
const GET_GENERATION: u16 = SUBSYSTEM + 16;
const GET_SET_ELEMENTS: u16 = SUBSYSTEM + 13;

/// The table's name, in the attributes of everything that is in a table.
const TABLE: u16 = 1;
pub(super) const CHAIN_NAME: u16 = 3;
pub(super) const RULE_CHAIN: u16 = 2;
const RULE_COMMENT: u16 = 7;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_IS_ANONYMOUS: u32 = 1;
const ELEMENTS_SET: u16 = 2;
const ELEMENTS: u16 = 3;

/// The chain that holds the seal.
pub(super) const SEAL_CHAIN: &str = "seal";

/// A kind of object: how it is asked for, and which of its attributes say nothing.
struct Kind {
    get: u16,
    volatile: &'static [u16],
}

const TABLES: Kind = Kind { get: SUBSYSTEM + 1, volatile: &[3, 4, 5] };
const CHAINS: Kind = Kind { get: SUBSYSTEM + 4, volatile: &[2, 6, 8, 9] };
const RULES: Kind = Kind { get: SUBSYSTEM + 7, volatile: &[3, 6, 8] };
const SETS: Kind = Kind { get: SUBSYSTEM + 10, volatile: &[10, 14, 16] };
/// Counters, quotas and the like; and flow tables. We make none.
const STRANGE: [Kind; 2] =
    [Kind { get: SUBSYSTEM + 19, volatile: &[] }, Kind { get: SUBSYSTEM + 23, volatile: &[] }];

/// The kernel's nftables, in the network namespace of the thread that opened it.
pub(super) struct Nfnetlink {
    socket: NetlinkSocket,
}

/// Everything in one table.
#[derive(Default)]
pub(super) struct Listing {
    /// The comments of the rules in the seal's chain.
    pub(super) seals: Vec<String>,
    /// All chains.
    pub(super) chains: Vec<String>,
    /// All but the seal's chain, and all rules but the seal, as the kernel tells them.
    pub(super) told: Told,
    /// Whether there is anything besides chains, rules and the sets that belong to a rule.
    pub(super) has_strangers: bool,
    /// Everything but the seal, as bytes, in the kernel's order (which is the order of rules within a chain).
    pub(super) objects: Vec<Vec<u8>>,
}

/// Runs of attributes, in the kernel's order.
#[derive(Default)]
pub(super) struct Told {
    pub(super) chains: Vec<Vec<u8>>,
    pub(super) rules: Vec<Vec<u8>>,
}

impl Nfnetlink {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { socket: NetlinkSocket::open(NETLINK_NETFILTER)? })
    }

    /// `None`: there is no such table.
    pub(super) fn list(&mut self, table: &str) -> io::Result<Option<Listing>> {
        let mut listing = Listing::default();
        let mut ask = about(TABLES.get, table);
        let found = self.socket.ask(&mut ask, |answer| listing.objects.push(essence(&TABLES, answer)));
        if found.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT)) {
            return Ok(None);
        }
        found?;
        self.chains(table, &mut listing)?;
        self.rules(table, &mut listing)?;
        self.sets(table, &mut listing)?;
        for kind in &STRANGE {
            let found = self.all(kind, table, |_| true)?;
            listing.has_strangers |= !found.is_empty();
            listing.objects.extend(essences(kind, &found));
        }
        Ok(Some(listing))
    }

    /// The number of the kernel's rules as they are: every transaction of anybody gives them another.
    pub(super) fn generation(&mut self) -> io::Result<[u8; 4]> {
        let mut found = None;
        let mut ask = Message::new(GET_GENERATION, [0; 4]);
        self.socket.ask(&mut ask, |answer| found = answer.find(GENERATION).and_then(number))?;
        found.ok_or_else(|| io::Error::other("the kernel did not say which rules it has"))
    }

    /// Adds a rule that does nothing but carry a comment, to rules of this generation: `ERESTART` if there are others.
    pub(super) fn comment(
        &mut self,
        table: &str,
        chain: &str,
        comment: &str,
        generation: [u8; 4],
    ) -> io::Result<()> {
        let mut begin = Message::new(BATCH_BEGIN, OF_NFTABLES);
        begin.put(GENERATION, &generation);
        let mut rule = about(NEW_RULE, table);
        rule.put(RULE_CHAIN, &terminated(chain));
        let comment = terminated(comment);
        let length = u8::try_from(comment.len()).map_err(io::Error::other)?;
        rule.put(RULE_COMMENT, &[&[0, length], comment.as_slice()].concat());
        self.socket.transact(&mut begin, &mut [rule], &mut Message::new(BATCH_END, OF_NFTABLES))
    }

    /// One transaction of several changes.
    pub(super) fn transact(&mut self, changes: &mut [Message]) -> io::Result<()> {
        let [mut begin, mut end] = [BATCH_BEGIN, BATCH_END].map(|kind| Message::new(kind, OF_NFTABLES));
        self.socket.transact(&mut begin, changes, &mut end)
    }

    fn chains(&mut self, table: &str, listing: &mut Listing) -> io::Result<()> {
        let found = self.all(&CHAINS, table, |chain| {
            let name = text(chain.find(CHAIN_NAME));
            listing.chains.push(name.clone());
            name != SEAL_CHAIN
        })?;
        listing.objects.extend(essences(&CHAINS, &found));
        listing.told.chains = found;
        Ok(())
    }

    fn rules(&mut self, table: &str, listing: &mut Listing) -> io::Result<()> {
        let found = self.all(&RULES, table, |rule| {
            let is_seal = text(rule.find(RULE_CHAIN)) == SEAL_CHAIN;
            if is_seal {
                let comment = rule.find(RULE_COMMENT).and_then(|comment| comment.get(2..));
                listing.seals.push(text(comment));
            }
            !is_seal
        })?;
        listing.objects.extend(essences(&RULES, &found));
        listing.told.rules = found;
        Ok(())
    }

    fn sets(&mut self, table: &str, listing: &mut Listing) -> io::Result<()> {
        let mut names = Vec::new();
        let found = self.all(&SETS, table, |set| {
            let flags = set.find(SET_FLAGS).and_then(number).map_or(0, u32::from_be_bytes);
            listing.has_strangers |= flags & SET_IS_ANONYMOUS == 0;
            names.push(text(set.find(SET_NAME)));
            true
        })?;
        listing.objects.extend(essences(&SETS, &found));
        for name in names {
            listing.objects.extend(self.elements(table, &name)?);
        }
        Ok(())
    }

    /// The elements of a set, sorted: their order in the kernel means nothing.
    fn elements(&mut self, table: &str, set: &str) -> io::Result<Vec<Vec<u8>>> {
        let mut ask = about(GET_SET_ELEMENTS, table);
        ask.put(ELEMENTS_SET, &terminated(set));
        let mut found: Vec<Vec<u8>> = self.socket.dump(&mut ask, |found: &mut Vec<Vec<u8>>, message| {
            let elements = message.find(ELEMENTS).unwrap_or_default();
            found.extend(Attributes::within(elements).map(|(_, element)| element.to_vec()));
        })?;
        found.sort_unstable();
        Ok(found)
    }

    /// All objects of one kind in the table that `wanted` takes.
    fn all(
        &mut self,
        kind: &Kind,
        table: &str,
        mut wanted: impl FnMut(&Attributes<'_>) -> bool,
    ) -> io::Result<Vec<Vec<u8>>> {
        let found = self.socket.dump(&mut about(kind.get, table), |found: &mut Vec<Vec<u8>>, object| {
            if text(object.find(TABLE)) == table {
                found.push(object.encoded());
            }
        })?;
        Ok(found.into_iter().filter(|object| wanted(&Attributes::within(object))).collect())
    }
}

/// What would be kept of an object of each kind, out of any attributes: for tests/fuzz.
#[cfg(feature = "fuzzed")]
pub(in crate::backend) fn read(object: &Attributes<'_>) -> Vec<Vec<u8>> {
    let kinds = [&TABLES, &CHAINS, &RULES, &SETS].into_iter().chain(&STRANGE);
    kinds
        .map(|kind| [text(object.find(TABLE)).into_bytes(), essence(kind, object.clone())].concat())
        .collect()
}

pub(super) fn about(kind: u16, table: &str) -> Message {
    let mut message = Message::new(kind, [FAMILY_INET, 0, 0, 0]);
    message.put(TABLE, &terminated(table));
    message
}

fn essences(kind: &Kind, objects: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    objects.iter().map(|object| essence(kind, Attributes::within(object)))
}

fn essence(kind: &Kind, object: Attributes<'_>) -> Vec<u8> {
    let mut bytes = kind.get.to_be_bytes().to_vec();
    for (attribute, value) in object.filter(|(attribute, _)| !kind.volatile.contains(attribute)) {
        bytes.extend(attribute.to_be_bytes());
        bytes.extend(value.len().to_be_bytes());
        bytes.extend(value);
    }
    bytes
}

pub(super) fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

pub(super) fn text(value: Option<&[u8]>) -> String {
    let value = value.unwrap_or_default();
    String::from_utf8_lossy(value.strip_suffix(b"\0").unwrap_or(value)).into_owned()
}
