//! The words our rules are made of: matches and verdicts in nft's JSON schema.

use std::collections::BTreeSet;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use nftables::expr::{CT, Expression, Meta, MetaKey, NamedExpression, Payload, PayloadField, Prefix};
use nftables::stmt::{JumpTarget, Match, Operator, Statement};

use crate::net::{HostService, InterfaceName};

/// An address family. There is no rule for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The networks of this family, overlapping ones merged.
    pub(super) fn networks(self, networks: &BTreeSet<IpNet>) -> Vec<Expression<'static>> {
        let merged: Vec<IpNet> = match self {
            Self::V4 => Ipv4Net::aggregate(&networks.iter().filter_map(only_v4).collect())
                .into_iter()
                .map(IpNet::V4)
                .collect(),
            Self::V6 => Ipv6Net::aggregate(&networks.iter().filter_map(only_v6).collect())
                .into_iter()
                .map(IpNet::V6)
                .collect(),
        };
        merged.iter().map(prefix).collect()
    }

    /// The addresses of this family, without their prefix lengths.
    pub(super) fn hosts(self, addresses: &BTreeSet<IpNet>) -> Vec<Expression<'static>> {
        let hosts: BTreeSet<_> = addresses
            .iter()
            .filter(|address| address.addr().is_ipv4() == (self == Self::V4))
            .map(IpNet::addr)
            .collect();
        hosts.iter().map(|host| string(host.to_string())).collect()
    }

    fn header(self) -> &'static str {
        match self {
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }

    fn icmp_header(self) -> &'static str {
        match self {
            Self::V4 => "icmp",
            Self::V6 => "icmpv6",
        }
    }

    fn icmp_protocol(self) -> &'static str {
        match self {
            Self::V4 => "icmp",
            Self::V6 => "ipv6-icmp",
        }
    }

    fn nfproto(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }
}

fn only_v4(network: &IpNet) -> Option<Ipv4Net> {
    match network {
        IpNet::V4(network) => Some(*network),
        IpNet::V6(_) => None,
    }
}

fn only_v6(network: &IpNet) -> Option<Ipv6Net> {
    match network {
        IpNet::V6(network) => Some(*network),
        IpNet::V4(_) => None,
    }
}

pub(super) fn name(interface: &InterfaceName) -> Expression<'static> {
    string(interface.as_str())
}

/// A whole rule: what comes from this interface goes to a chain of its own.
pub(super) fn from_interface(interface: &InterfaceName, chain: String) -> Vec<Statement<'static>> {
    let goto = Statement::Goto(JumpTarget { target: chain.into() });
    vec![is(meta(MetaKey::Iifname), name(interface)), goto]
}

/// Leaves through this interface.
pub(super) fn to_interface(interface: &InterfaceName) -> Statement<'static> {
    is(meta(MetaKey::Oifname), name(interface))
}

/// Asks another chain, which may decide.
pub(super) fn jump(chain: &'static str) -> Statement<'static> {
    Statement::Jump(JumpTarget { target: chain.into() })
}

/// Leaves the chain without a decision.
pub(super) fn leave() -> Statement<'static> {
    Statement::Return(None)
}

pub(super) fn destination(family: Family, networks: Expression<'static>) -> Statement<'static> {
    is(payload(family.header(), "daddr"), networks)
}

pub(super) fn source(family: Family, networks: Expression<'static>) -> Statement<'static> {
    is(payload(family.header(), "saddr"), networks)
}

pub(super) fn port(service: HostService) -> Statement<'static> {
    let (protocol, port) = match service {
        HostService::Tcp(port) => ("tcp", port),
        HostService::Udp(port) => ("udp", port),
    };
    is(payload(protocol, "dport"), Expression::Number(port.get().into()))
}

pub(super) fn echo_request(family: Family) -> Statement<'static> {
    is(payload(family.icmp_header(), "type"), string("echo-request"))
}

/// A whole rule: accepts what answers a flow that somebody else began towards the packet's sender, errors about
/// it included.
pub(super) fn reply(family: Family) -> Vec<Statement<'static>> {
    // A list within which one is, not a set: it becomes a mask of bits.
    let right = Expression::List(vec![string("established"), string("related")]);
    let answers = Statement::Match(Match { left: ct("state"), right, op: Operator::IN });
    vec![of_family(family), is(ct("direction"), string("reply")), answers, accept()]
}

/// A whole rule: accepts ICMP errors about a flow that the sender of the packet began and was allowed to.
/// (Only ICMP: a connection that a helper expects is "related" too.)
pub(super) fn error_of_a_flow(family: Family) -> Vec<Statement<'static>> {
    let icmp = is(meta(MetaKey::L4proto), string(family.icmp_protocol()));
    vec![of_family(family), icmp, is(ct("state"), string("related")), accept()]
}

pub(super) fn accept() -> Statement<'static> {
    Statement::Accept(None)
}

pub(super) fn drop_packet() -> Statement<'static> {
    Statement::Drop(None)
}

pub(super) fn masquerade() -> Statement<'static> {
    Statement::Masquerade(None)
}

fn of_family(family: Family) -> Statement<'static> {
    is(meta(MetaKey::Nfproto), string(family.nfproto()))
}

fn is(left: Expression<'static>, right: Expression<'static>) -> Statement<'static> {
    Statement::Match(Match { left, right, op: Operator::EQ })
}

fn prefix(network: &IpNet) -> Expression<'static> {
    Expression::Named(NamedExpression::Prefix(Prefix {
        addr: Box::new(string(network.network().to_string())),
        len: network.prefix_len().into(),
    }))
}

fn payload(protocol: &'static str, field: &'static str) -> Expression<'static> {
    let field = PayloadField { protocol: protocol.into(), field: field.into() };
    Expression::Named(NamedExpression::Payload(Payload::PayloadField(field)))
}

fn meta(key: MetaKey) -> Expression<'static> {
    Expression::Named(NamedExpression::Meta(Meta { key }))
}

fn ct(key: &'static str) -> Expression<'static> {
    Expression::Named(NamedExpression::CT(CT { key: key.into(), family: None, dir: None }))
}

fn string(text: impl Into<String>) -> Expression<'static> {
    Expression::String(text.into().into())
}
