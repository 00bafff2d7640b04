//! Policies to nftables rules, purely.
//!
//! Three chains of the kernel's hooks only ask whose interface a packet comes from and go to that interface's own
//! chains, which end in `drop`; packets of everybody else pass untouched. Every rule that accepts names its address
//! family, so that what a policy does not say of IPv6 is never "everything". Routes are asked about for every packet
//! of the original direction, known connection or not: a removed route cuts what uses it.
//!
//! No rule asks a set or a map, and the hooks stay: the kernel changes the rules of a chain as one, but a packet that
//! meets the old or the new rules just then was seen not to find the elements of their sets (measured on 6.18).

mod statement;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use nftables::batch::Batch;
use nftables::schema::{Chain, FlushObject, NfCmd, NfListObject, NfObject, Nftables, Rule, Table};
use nftables::stmt::Statement;
use nftables::types::{NfChainPolicy, NfChainType, NfFamily, NfHook};

use self::statement::{
    Family, accept, destination, drop_packet, echo_request, error_of_a_flow, from_interface, jump, leave,
    masquerade, port, reply, source, to_interface,
};
use super::SEAL_CHAIN;
use crate::desired::ForwardPolicy;
use crate::firewall::Firewall;
use crate::net::{HostService, InterfaceName};

const FORWARD: &str = "forward";
const INPUT: &str = "input";
const POSTROUTING: &str = "postrouting";
/// Drops what would leave through any of our interfaces.
const TO_OURS: &str = "to_ours";

type Interfaces = BTreeMap<InterfaceName, (BTreeSet<IpNet>, ForwardPolicy)>;

/// One transaction: whatever the table was, it is gone, and with any interface in `firewall` it is made anew.
pub(super) fn replacement(table: &str, firewall: &Firewall) -> Nftables<'static> {
    let mut rules = Rules { table: table.to_owned(), batch: Batch::new() };
    // Deleting a table that does not exist is an error; adding one that does is none.
    rules.batch.add(rules.table());
    rules.batch.delete(rules.table());
    if !firewall.interfaces.is_empty() {
        rules.batch.add(rules.table());
        rules.interfaces(&firewall.interfaces);
    }
    rules.batch.to_nftables()
}

/// One transaction: the table, which has these chains and nothing else but rules, gets other rules. Its hooks stay, so
/// that a packet meets either all the rules of before or all the new ones.
pub(super) fn change(table: &str, firewall: &Firewall, chains: &[String]) -> Nftables<'static> {
    let mut rules = Rules { table: table.to_owned(), batch: Batch::new() };
    rules.batch.add(rules.table());
    rules.batch.add_cmd(NfCmd::Flush(FlushObject::Table(rules.of_table())));
    let kept = chains_of(firewall);
    for chain in chains.iter().filter(|chain| !kept.contains(*chain)) {
        let gone = rules.plain_chain(chain);
        rules.batch.delete(gone);
    }
    rules.interfaces(&firewall.interfaces);
    rules.batch.to_nftables()
}

/// How many rules a transaction adds.
pub(super) fn number_in(transaction: &Nftables<'_>) -> usize {
    let is_rule =
        |object: &&NfObject<'_>| matches!(object, NfObject::CmdObject(NfCmd::Add(NfListObject::Rule(_))));
    transaction.objects.iter().filter(is_rule).count()
}

fn chains_of(firewall: &Firewall) -> BTreeSet<String> {
    let own = firewall.interfaces.keys().flat_map(|name| [forwarded_chain(name), received_chain(name)]);
    own.chain([FORWARD, INPUT, POSTROUTING, TO_OURS, SEAL_CHAIN].map(str::to_owned)).collect()
}

struct Rules {
    table: String,
    batch: Batch<'static>,
}

impl Rules {
    fn interfaces(&mut self, interfaces: &Interfaces) {
        self.chain(SEAL_CHAIN);
        self.chain(TO_OURS);
        for interface in interfaces.keys() {
            self.rule(TO_OURS, vec![to_interface(interface), drop_packet()]);
        }
        for (interface, (addresses, policy)) in interfaces {
            self.forwarded(interface, addresses, policy);
            self.received(interface, addresses, &policy.host_services);
        }
        self.hook(FORWARD, NfChainType::Filter, NfHook::Forward, 0);
        self.hook(INPUT, NfChainType::Filter, NfHook::Input, 0);
        for interface in interfaces.keys() {
            self.rule(FORWARD, from_interface(interface, forwarded_chain(interface)));
            self.rule(INPUT, from_interface(interface, received_chain(interface)));
        }
        self.masquerades(interfaces);
    }

    /// What comes from `interface` and is not for the gateway itself.
    fn forwarded(&mut self, interface: &InterfaceName, addresses: &BTreeSet<IpNet>, policy: &ForwardPolicy) {
        let chain = forwarded_chain(interface);
        self.chain(&chain);
        for family in Family::BOTH.into_iter().filter(|_| policy.client_to_client) {
            let peers = addresses.union(&policy.peer_networks).copied().collect();
            for network in family.networks(&peers) {
                self.rule(&chain, vec![to_interface(interface), destination(family, network), accept()]);
            }
        }
        self.rule(&chain, vec![jump(TO_OURS)]);
        for family in Family::BOTH.into_iter().filter(|family| !family.hosts(addresses).is_empty()) {
            self.rule(&chain, reply(family));
            for route in family.networks(&policy.routes) {
                self.rule(&chain, vec![destination(family, route), accept()]);
            }
        }
        self.rule(&chain, vec![drop_packet()]);
    }

    /// What comes from `interface` and is for the gateway itself.
    fn received(
        &mut self,
        interface: &InterfaceName,
        addresses: &BTreeSet<IpNet>,
        services: &BTreeSet<HostService>,
    ) {
        let chain = received_chain(interface);
        self.chain(&chain);
        for family in Family::BOTH {
            let own = family.hosts(addresses);
            if own.is_empty() {
                continue;
            }
            self.rule(&chain, reply(family));
            self.rule(&chain, error_of_a_flow(family));
            for host in own {
                self.rule(&chain, vec![destination(family, host.clone()), echo_request(family), accept()]);
                for service in services {
                    self.rule(&chain, vec![destination(family, host.clone()), port(*service), accept()]);
                }
            }
        }
        self.rule(&chain, vec![drop_packet()]);
    }

    fn masquerades(&mut self, interfaces: &Interfaces) {
        self.hook(POSTROUTING, NfChainType::NAT, NfHook::Postrouting, 100);
        for interface in interfaces.keys() {
            self.rule(POSTROUTING, vec![to_interface(interface), leave()]);
        }
        for (addresses, _) in interfaces.values().filter(|(_, policy)| policy.masquerade) {
            for family in Family::BOTH {
                for subnet in family.networks(addresses) {
                    self.rule(POSTROUTING, vec![source(family, subnet), masquerade()]);
                }
            }
        }
    }

    fn table(&self) -> NfListObject<'static> {
        NfListObject::Table(self.of_table())
    }

    fn of_table(&self) -> Table<'static> {
        Table { family: NfFamily::INet, name: self.table.clone().into(), handle: None }
    }

    /// A chain that a hook of the kernel enters. It accepts what no rule of it decides upon.
    fn hook(&mut self, name: &'static str, kind: NfChainType, hook: NfHook, priority: i32) {
        self.batch.add(NfListObject::Chain(Chain {
            family: NfFamily::INet,
            table: self.table.clone().into(),
            name: name.into(),
            _type: Some(kind),
            hook: Some(hook),
            prio: Some(priority),
            policy: Some(NfChainPolicy::Accept),
            ..Chain::default()
        }));
    }

    fn chain(&mut self, name: &str) {
        let chain = self.plain_chain(name);
        self.batch.add(chain);
    }

    fn plain_chain(&self, name: &str) -> NfListObject<'static> {
        NfListObject::Chain(Chain {
            family: NfFamily::INet,
            table: self.table.clone().into(),
            name: name.to_owned().into(),
            ..Chain::default()
        })
    }

    fn rule(&mut self, chain: &str, statements: Vec<Statement<'static>>) {
        self.batch.add(NfListObject::Rule(Rule {
            family: NfFamily::INet,
            table: self.table.clone().into(),
            chain: chain.to_owned().into(),
            expr: statements.into(),
            ..Rule::default()
        }));
    }
}

fn forwarded_chain(interface: &InterfaceName) -> String {
    format!("forwarded_{interface}")
}

fn received_chain(interface: &InterfaceName) -> String {
    format!("received_{interface}")
}
