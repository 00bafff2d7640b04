//! The second table: a copy of the first that belongs to a socket of this process (`NFT_TABLE_F_OWNER`, Linux 5.12), so
//! that nobody else changes or deletes it, `nft flush ruleset` included. It goes with the socket.
//!
//! What the kernel tells of the first is what it is given for the second: nothing is compiled twice. A packet passes both
//! tables and is dropped by either, so the first keeps what is forbidden shut while the daemon does not run, and the
//! second while somebody has emptied the first.

use std::collections::BTreeSet;
use std::io;

use super::listing::{CHAIN_NAME, NEW_RULE, Nfnetlink, RULE_CHAIN, SUBSYSTEM, Told, about, terminated, text};
use crate::backend::netlink::{Attributes, Message};

const NEW_TABLE: u16 = SUBSYSTEM;
const NEW_CHAIN: u16 = SUBSYSTEM + 3;
const DELETE_CHAIN: u16 = SUBSYSTEM + 5;
const DELETE_RULE: u16 = SUBSYSTEM + 8;

const TABLE_FLAGS: u16 = 2;
/// `NFT_TABLE_F_OWNER`.
const OWNER: u32 = 0x2;
/// Of a chain: its name, its hook, its policy, its type; what else the kernel tells of one is for it to say.
const OF_A_CHAIN: [u16; 4] = [CHAIN_NAME, 4, 5, 7];
const RULE_EXPRESSIONS: u16 = 4;

/// A table that nobody else changes, until this is dropped.
pub(super) struct Held {
    kernel: Nfnetlink,
    table: String,
    /// `None`: the table is not there yet.
    chains: Option<BTreeSet<String>>,
}

impl Held {
    /// In the network namespace of this thread; nothing is made yet.
    pub(super) fn open(table: String) -> io::Result<Self> {
        Ok(Self { kernel: Nfnetlink::open()?, table, chains: None })
    }

    /// Makes the table as `told`, in one transaction: hooks stay, so a packet meets all the old rules or all the new.
    /// After an error it is as it was.
    pub(super) fn copy(&mut self, told: &Told) -> io::Result<()> {
        let wanted: BTreeSet<String> = told.chains.iter().map(|chain| name(chain)).collect();
        let mut changes = Vec::new();
        match &self.chains {
            None => {
                let mut table = about(NEW_TABLE, &self.table);
                table.put(TABLE_FLAGS, &OWNER.to_be_bytes());
                changes.push(table);
            }
            Some(chains) => {
                changes.push(about(DELETE_RULE, &self.table));
                changes.extend(chains.difference(&wanted).map(|chain| {
                    let mut gone = about(DELETE_CHAIN, &self.table);
                    gone.put(CHAIN_NAME, &terminated(chain));
                    gone
                }));
            }
        }
        let is_there = |chain: &str| self.chains.as_ref().is_some_and(|chains| chains.contains(chain));
        let missing = told.chains.iter().filter(|chain| !is_there(&name(chain)));
        changes.extend(missing.map(|chain| self.copied(NEW_CHAIN, &OF_A_CHAIN, chain)));
        let rules = told.rules.iter();
        changes.extend(rules.map(|rule| self.copied(NEW_RULE, &[RULE_CHAIN, RULE_EXPRESSIONS], rule)));
        self.kernel.transact(&mut changes)?;
        self.chains = Some(wanted);
        Ok(())
    }

    /// An object of the other table with these attributes, for this one.
    fn copied(&self, kind: u16, attributes: &[u16], object: &[u8]) -> Message {
        let mut message = about(kind, &self.table);
        let kept = Attributes::within(object).filter(|(attribute, _)| attributes.contains(attribute));
        kept.for_each(|(attribute, value)| message.put(attribute, value));
        message
    }
}

fn name(chain: &[u8]) -> String {
    text(Attributes::within(chain).find(CHAIN_NAME))
}
