//! Policies to nftables rules, purely.
//!
//! Three chains of the kernel's hooks only look up whose interface a packet comes from and go to that
//! interface's own chains, which end in `drop`; packets of everybody else pass untouched. Every rule that accepts
//! names its address family, so that what a policy does not say of IPv6 is never "everything". Routes are asked
//! about for every packet of the original direction, known connection or not: a removed route cuts what uses it.

mod statement;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ipnet::IpNet;
use nftables::batch::Batch;
use nftables::expr::Expression;
use nftables::schema::{Chain, NfListObject, Nftables, Rule, Set, SetFlag, SetType, SetTypeValue, Table};
use nftables::stmt::{Operator, Statement};
use nftables::types::{NfChainPolicy, NfChainType, NfFamily, NfHook};

use self::statement::{
    Family, accept, any_of, destination, drop_packet, echo_request, error_of_a_flow, goto_by_interface,
    masquerade, port, reply, source, to_interface, to_interfaces,
};
use crate::desired::ForwardPolicy;
use crate::firewall::Firewall;
use crate::net::{HostService, InterfaceName};

/// The set of the names of our interfaces.
const INTERFACES: &str = "interfaces";

/// One transaction: whatever the table was, it is gone, and with any interface in `firewall` it is made anew.
pub(super) fn replacement(table: &str, firewall: &Firewall) -> Nftables<'static> {
    let mut rules = Rules { table: table.to_owned(), batch: Batch::new() };
    // Deleting a table that does not exist is an error; adding one that does is none.
    rules.batch.add(rules.table());
    rules.batch.delete(rules.table());
    if !firewall.interfaces.is_empty() {
        rules.batch.add(rules.table());
        rules.interfaces(firewall);
    }
    rules.batch.to_nftables()
}

struct Rules {
    table: String,
    batch: Batch<'static>,
}

impl Rules {
    fn interfaces(&mut self, firewall: &Firewall) {
        let names = firewall.interfaces.keys().map(statement::name).collect();
        self.set(INTERFACES, SetType::Ifname, None, names);
        for (interface, (addresses, policy)) in &firewall.interfaces {
            self.forwarded(interface, addresses, policy);
            self.received(interface, addresses, &policy.host_services);
        }
        self.hook("forward", NfChainType::Filter, NfHook::Forward, 0);
        self.rule("forward", vec![goto_by_interface(firewall.interfaces.keys(), forwarded_chain)]);
        self.hook("input", NfChainType::Filter, NfHook::Input, 0);
        self.rule("input", vec![goto_by_interface(firewall.interfaces.keys(), received_chain)]);
        self.masquerades(&firewall.interfaces);
    }

    /// What comes from `interface` and is not for the gateway itself.
    fn forwarded(&mut self, interface: &InterfaceName, addresses: &BTreeSet<IpNet>, policy: &ForwardPolicy) {
        let chain = forwarded_chain(interface);
        self.chain(&chain);
        for family in Family::BOTH.into_iter().filter(|_| policy.client_to_client) {
            if let Some(subnets) = family.networks(addresses) {
                self.rule(
                    &chain,
                    vec![to_interface(interface), destination(family, any_of(subnets)), accept()],
                );
            }
        }
        self.rule(&chain, vec![to_interfaces(Operator::EQ), drop_packet()]);
        for family in Family::BOTH.into_iter().filter(|family| family.hosts(addresses).is_some()) {
            self.rule(&chain, reply(family));
            if let Some(routes) = family.networks(&policy.routes) {
                let set = self.routes(interface, family, routes);
                self.rule(&chain, vec![destination(family, set), accept()]);
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
            let Some(own) = family.hosts(addresses) else { continue };
            self.rule(&chain, reply(family));
            self.rule(&chain, error_of_a_flow(family));
            self.rule(&chain, vec![destination(family, any_of(own.clone())), echo_request(family), accept()]);
            for service in services {
                self.rule(&chain, vec![destination(family, any_of(own.clone())), port(*service), accept()]);
            }
        }
        self.rule(&chain, vec![drop_packet()]);
    }

    fn masquerades(&mut self, interfaces: &BTreeMap<InterfaceName, (BTreeSet<IpNet>, ForwardPolicy)>) {
        const CHAIN: &str = "postrouting";
        self.hook(CHAIN, NfChainType::NAT, NfHook::Postrouting, 100);
        for (addresses, _) in interfaces.values().filter(|(_, policy)| policy.masquerade) {
            for family in Family::BOTH {
                if let Some(subnets) = family.networks(addresses) {
                    self.rule(
                        CHAIN,
                        vec![source(family, any_of(subnets)), to_interfaces(Operator::NEQ), masquerade()],
                    );
                }
            }
        }
    }

    /// Adds the set of the networks `interface` may reach, and refers to it.
    fn routes(
        &mut self,
        interface: &InterfaceName,
        family: Family,
        routes: Vec<Expression<'static>>,
    ) -> Expression<'static> {
        let name = format!("routes_{family}_{interface}");
        self.set(&name, family.set_type(), Some(SetFlag::Interval), routes);
        Expression::String(format!("@{name}").into())
    }

    fn table(&self) -> NfListObject<'static> {
        NfListObject::Table(Table { family: NfFamily::INet, name: self.table.clone().into(), handle: None })
    }

    fn set(&mut self, name: &str, kind: SetType, flag: Option<SetFlag>, elements: Vec<Expression<'static>>) {
        self.batch.add(NfListObject::Set(Box::new(Set {
            family: NfFamily::INet,
            table: self.table.clone().into(),
            name: name.to_owned().into(),
            set_type: SetTypeValue::Single(kind),
            flags: flag.map(|flag| HashSet::from([flag])),
            elem: Some(elements.into()),
            ..Set::default()
        })));
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
        self.batch.add(NfListObject::Chain(Chain {
            family: NfFamily::INet,
            table: self.table.clone().into(),
            name: name.to_owned().into(),
            ..Chain::default()
        }));
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
