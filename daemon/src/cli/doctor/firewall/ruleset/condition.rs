//! Whether one condition of a rule holds for a packet, as far as it can be told without the packet.

use serde_json::Value;

use super::{Links, Packet};

/// How far a condition, or a rule, applies; the least of a rule's conditions is the rule's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    No,
    Maybe,
    Yes,
}

/// What is no condition holds.
pub(super) fn fit(part: &Value, packet: &Packet<'_>, links: &Links<'_>) -> Fit {
    if let Some(condition) = part.get("match") {
        let (Some(left), Some(right)) = (condition.get("left"), condition.get("right")) else {
            return Fit::Maybe;
        };
        let holds = holds(left, right, packet, links);
        let is_negated = condition.get("op").and_then(Value::as_str) == Some("!=");
        return if is_negated { holds.negated() } else { holds };
    }
    if let Some(extension) = part.get("xt") {
        return iptables(extension, packet);
    }
    if part.pointer("/vmap/key/ct/key").and_then(Value::as_str) == Some("state") {
        return state(part.pointer("/vmap/data/set").unwrap_or(&Value::Null), packet);
    }
    if part.get("vmap").is_some() { Fit::Maybe } else { Fit::Yes }
}

impl Fit {
    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    fn negated(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }
}

fn holds(left: &Value, right: &Value, packet: &Packet<'_>, links: &Links<'_>) -> Fit {
    // A set that is listed elsewhere.
    if right.as_str().is_some_and(|name| name.starts_with('@')) {
        return Fit::Maybe;
    }
    let text = |at: &str| left.pointer(at).and_then(Value::as_str).unwrap_or_default();
    match (text("/meta/key"), text("/ct/key"), text("/payload/protocol"), text("/payload/field")) {
        ("iifname" | "iif", ..) => comes_through(right, packet, links),
        ("oifname" | "oif", ..) => leaves_through(right, packet, links),
        ("l4proto", ..) | (_, _, "ip", "protocol") | (_, _, "ip6", "nexthdr") => protocol(right, packet),
        ("nfproto", ..) => {
            if mentions(right, "ipv4") {
                Fit::Yes
            } else {
                Fit::Maybe
            }
        }
        (_, "state", ..) => state(right, packet),
        // What was redirected, or is neither TCP nor UDP.
        (_, "status", ..) | (_, _, "icmp" | "icmpv6" | "igmp" | "arp" | "esp" | "ah", _) => Fit::No,
        (_, _, of, "dport") => match packet {
            Packet::In { protocol, port } => Fit::of((of == *protocol || of == "th") && covers(right, *port)),
            Packet::From(_) | Packet::To(_) => Fit::Maybe,
        },
        _ => Fit::Maybe,
    }
}

fn comes_through(right: &Value, packet: &Packet<'_>, links: &Links<'_>) -> Fit {
    match packet {
        Packet::From(interface) => Fit::of(names(right, interface)),
        Packet::In { .. } => match links.outside {
            Some(outside) if names(right, outside) => Fit::Yes,
            _ if names(right, "lo") || links.tunnels.iter().any(|tunnel| names(right, tunnel)) => Fit::No,
            // People may come that way, too.
            Some(_) => Fit::Maybe,
            None => Fit::Yes,
        },
        Packet::To(_) => elsewhere(right, links),
    }
}

fn leaves_through(right: &Value, packet: &Packet<'_>, links: &Links<'_>) -> Fit {
    match packet {
        Packet::To(interface) => Fit::of(names(right, interface)),
        Packet::From(_) => elsewhere(right, links),
        Packet::In { .. } => Fit::No,
    }
}

/// The other side of what is forwarded: mostly a network of the house, hardly ever one of Docker's.
fn elsewhere(right: &Value, links: &Links<'_>) -> Fit {
    let is_containers = |name: &str| name == "docker0" || name.starts_with("br-");
    let is_ours = links.tunnels.iter().any(|tunnel| names(right, tunnel));
    Fit::of(!is_ours && !names(right, "lo") && !right.as_str().is_some_and(is_containers))
}

fn protocol(right: &Value, packet: &Packet<'_>) -> Fit {
    match packet {
        Packet::In { protocol, .. } => {
            let number = if *protocol == "udp" { 17 } else { 6 };
            Fit::of(mentions(right, protocol) || right.as_u64() == Some(number))
        }
        // A rule for pings alone lets nothing through that matters.
        Packet::From(_) | Packet::To(_) => {
            let is_usual = ["tcp", "udp"].iter().any(|name| mentions(right, name));
            if is_usual || matches!(right.as_u64(), Some(6 | 17)) { Fit::Maybe } else { Fit::No }
        }
    }
}

/// Of a connection: the first packet is new, an answer is not.
fn state(right: &Value, packet: &Packet<'_>) -> Fit {
    match packet {
        Packet::In { .. } | Packet::From(_) => Fit::of(mentions(right, "new")),
        Packet::To(_) => Fit::of(mentions(right, "established")),
    }
}

/// nft shows no more than the names of extensions of iptables. A target is no condition.
fn iptables(extension: &Value, packet: &Packet<'_>) -> Fit {
    let text = |key: &str| extension.get(key).and_then(Value::as_str).unwrap_or_default();
    match (text("type"), text("name"), packet) {
        (_, "icmp" | "icmp6", _) => Fit::No,
        ("target", ..) | (_, "comment" | "limit", _) | (_, "conntrack", Packet::To(_)) => Fit::Yes,
        _ => Fit::Maybe,
    }
}

/// A text, or one of a list, a set or the keys of a map.
fn mentions(right: &Value, wanted: &str) -> bool {
    if let Some(items) = right.as_array().or_else(|| right.get("set").and_then(Value::as_array)) {
        return items.iter().any(|item| mentions(item, wanted));
    }
    right.as_str() == Some(wanted)
}

/// A number, a set of them, or a range.
fn covers(right: &Value, port: u16) -> bool {
    if let Some(items) = right.get("set").and_then(Value::as_array) {
        return items.iter().any(|item| covers(item, port));
    }
    if let Some([first, last]) = right.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        let within = |first: u64, last: u64| (first..=last).contains(&u64::from(port));
        return first.as_u64().zip(last.as_u64()).is_some_and(|(first, last)| within(first, last));
    }
    right.as_u64() == Some(u64::from(port))
}

/// A name, a set of them, or one that ends in a star.
fn names(right: &Value, interface: &str) -> bool {
    if let Some(items) = right.get("set").and_then(Value::as_array) {
        return items.iter().any(|item| names(item, interface));
    }
    right.as_str().is_some_and(|name| match name.strip_suffix('*') {
        Some(start) => interface.starts_with(start),
        None => name == interface,
    })
}
