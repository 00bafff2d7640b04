//! What `ufw status verbose` says.

use super::ruleset::{Answer, Links, Packet};

/// A ufw that is active.
pub(super) struct Ufw {
    lets_in: bool,
    lets_through: bool,
    rules: Vec<Rule>,
}

/// A line of its table.
struct Rule {
    action: Action,
    is_routed: bool,
    to: Side,
    from: Side,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Accept,
    Refuse,
}

/// A column of it: `192.0.2.1 51820/udp on eth0`.
struct Side {
    /// `None`: every port.
    ports: Option<String>,
    protocol: Option<String>,
    interface: Option<String>,
    is_anywhere: bool,
}

impl Ufw {
    /// `None`: it is not active. `defaults` is `/etc/default/ufw`, which says what the status hides while the kernel
    /// forwards nothing.
    pub(super) fn parse(status: &str, defaults: &str) -> Option<Self> {
        let mut lines = status.lines();
        lines.find(|line| line.trim() == "Status: active")?;
        let policy = lines.clone().find_map(|line| line.strip_prefix("Default: ")).unwrap_or_default();
        let is = |what: &str| policy.split(", ").any(|part| part == what);
        let forwards = defaults.lines().any(|line| line.trim() == "DEFAULT_FORWARD_POLICY=\"ACCEPT\"");
        let lets_through = is("allow (routed)") || (is("disabled (routed)") && forwards);
        Some(Self {
            lets_in: is("allow (incoming)"),
            lets_through,
            rules: lines.filter_map(Rule::parse).collect(),
        })
    }

    /// Whether it lets a packet through; `Unclear`: from some addresses, or over some links.
    pub(super) fn lets(&self, packet: &Packet<'_>, links: &Links<'_>) -> Answer {
        let (usual, mut rules): (bool, Box<dyn Iterator<Item = &Rule>>) = match packet {
            // Its own rules accept every answer.
            Packet::To(_) => return Answer::Yes,
            Packet::In { protocol, port } => (
                self.lets_in,
                Box::new(self.rules.iter().filter(move |rule| rule.is_in(protocol, *port, &links.tunnels))),
            ),
            Packet::From(interface) => (
                self.lets_through,
                Box::new(self.rules.iter().filter(move |rule| rule.is_through(interface))),
            ),
        };
        let mut some = false;
        // The first one that applies decides.
        let decided = rules.find(|rule| {
            some |= rule.action == Action::Accept;
            rule.is_for_all(packet, links.outside)
        });
        if decided.map_or(usual, |rule| rule.action == Action::Accept) {
            return Answer::Yes;
        }
        if some { Answer::Unclear } else { Answer::No }
    }

    /// What has it let a packet through.
    pub(super) fn mend(packet: &Packet<'_>) -> String {
        match packet {
            Packet::In { protocol, port } => format!("ufw allow {port}/{protocol}"),
            Packet::From(interface) | Packet::To(interface) => format!("ufw route allow in on {interface}"),
        }
    }
}

impl Rule {
    /// `51820/udp on eth0   ALLOW IN    Anywhere   # comment`; every other line is none.
    fn parse(line: &str) -> Option<Self> {
        let line = line.split(" # ").next()?;
        let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "(log)").collect();
        // ufw lists IPv6 apart, and makes both of every rule that says nothing of addresses.
        if words.iter().any(|word| word.contains("(v6)")) {
            return None;
        }
        let at = words.iter().position(|word| matches!(*word, "ALLOW" | "LIMIT" | "DENY" | "REJECT"))?;
        let (to, rest) = words.split_at(at);
        let (action, rest) = rest.split_first()?;
        let (direction, from) = match rest.split_first() {
            Some((word @ (&"IN" | &"OUT" | &"FWD"), from)) => (*word, from),
            Some(_) | None => ("IN", rest),
        };
        let action = if matches!(*action, "ALLOW" | "LIMIT") { Action::Accept } else { Action::Refuse };
        let rule =
            Self { action, is_routed: direction == "FWD", to: Side::parse(to), from: Side::parse(from) };
        (direction != "OUT").then_some(rule)
    }

    /// What names a tunnel is for its clients alone.
    fn is_in(&self, protocol: &str, port: u16, tunnels: &[&str]) -> bool {
        let is_tunnel = |side: &Side| side.interface.as_deref().is_some_and(|name| tunnels.contains(&name));
        let is_protocol = self.to.protocol.as_deref().is_none_or(|of| of == protocol);
        !self.is_routed && is_protocol && self.to.covers(port) && !is_tunnel(&self.to)
    }

    fn is_through(&self, interface: &str) -> bool {
        self.is_routed && self.from.interface.as_deref().is_none_or(|name| name == interface)
    }

    /// Whether it is for whatever it is about, not only for some addresses, ports or links.
    fn is_for_all(&self, packet: &Packet<'_>, outside: Option<&str>) -> bool {
        let is_all_through = self.to.ports.is_none() && self.to.is_anywhere && self.from.is_anywhere;
        match packet {
            Packet::In { .. } => {
                let link = self.to.interface.as_deref();
                self.from.is_anywhere && (link.is_none() || outside.is_none() || link == outside)
            }
            // What leaves through some link is meant for what is behind it.
            Packet::From(_) | Packet::To(_) => {
                is_all_through && (self.to.interface.is_none() || self.action == Action::Accept)
            }
        }
    }
}

impl Side {
    fn parse(words: &[&str]) -> Self {
        let on = words.iter().position(|word| *word == "on");
        let interface = on.and_then(|at| words.get(at + 1)).map(|name| (*name).to_owned());
        let place = words.get(..on.unwrap_or(words.len())).unwrap_or_default();
        let is_port = |word: &str| {
            let ports = word.split('/').next().unwrap_or_default();
            !ports.is_empty() && ports.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | ':'))
        };
        let is_anywhere = place.iter().any(|word| *word == "Anywhere" || word.starts_with("Anywhere/"));
        let ports = place.iter().find(|word| is_port(word)).copied();
        // The profile's name in brackets follows its ports.
        let is_anywhere = is_anywhere || place.first().is_some_and(|word| is_port(word));
        let protocol = ports.or(place.first().copied()).and_then(|word| word.split_once('/'));
        let protocol = protocol.filter(|(_, of)| matches!(*of, "tcp" | "udp")).map(|(_, of)| of.to_owned());
        let ports = ports.and_then(|word| word.split('/').next()).map(str::to_owned);
        Self { ports, protocol, interface, is_anywhere }
    }

    fn covers(&self, port: u16) -> bool {
        let Some(ports) = &self.ports else { return true };
        ports.split(',').any(|part| {
            let (first, last) = part.split_once(':').unwrap_or((part, part));
            first.parse().is_ok_and(|first: u16| first <= port)
                && last.parse().is_ok_and(|last: u16| port <= last)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ufw status verbose` of ufw 0.36.2.
    const STATUS: &str = "\
Status: active
Logging: on (low)
Default: deny (incoming), allow (outgoing), deny (routed)
New profiles: skip

To                         Action      From
--                         ------      ----
51820/udp                  ALLOW IN    Anywhere                   # WireGuard hq
51821                      ALLOW IN    Anywhere
Anywhere on wg-hq          ALLOW IN    Anywhere
80,443/tcp (Nginx Full)    ALLOW IN    Anywhere
22/tcp                     ALLOW IN    10.0.0.0/8
2222/tcp                   LIMIT IN    Anywhere
51900/udp                  DENY IN     Anywhere
51830:51840/udp on eth0    ALLOW IN    Anywhere
192.0.2.1 51850/udp        ALLOW IN    Anywhere
51870/udp on eth1          ALLOW IN    Anywhere
51860/udp (v6)             ALLOW IN    Anywhere (v6)
5353/udp                   ALLOW OUT   Anywhere
7000/udp                   ALLOW IN    Anywhere                   (log)

Anywhere                   ALLOW FWD   Anywhere on wg-hq
Anywhere on eth0           ALLOW FWD   Anywhere on wg-lab
10.9.0.0/16                ALLOW FWD   Anywhere on wg-some
Anywhere                   DENY FWD    Anywhere on wg-x
Anywhere (v6)              ALLOW FWD   Anywhere (v6) on wg-hq
";

    const LINKS: fn() -> Links<'static> = || Links { tunnels: vec!["wg-hq"], outside: Some("eth0") };

    #[test]
    fn what_it_lets_in_is_what_its_first_rule_for_everybody_says() {
        let ufw = Ufw::parse(STATUS, "").unwrap();
        let lets = |protocol, port| ufw.lets(&Packet::In { protocol, port }, &LINKS());
        for (protocol, port) in [
            ("udp", 51_820),
            ("udp", 51_821),
            ("tcp", 443),
            ("tcp", 2222),
            ("udp", 51_835),
            ("udp", 51_850),
            ("udp", 7000),
        ] {
            assert_eq!(lets(protocol, port), Answer::Yes, "{port}");
        }
        for (protocol, port) in
            [("tcp", 51_820), ("udp", 443), ("udp", 51_900), ("udp", 51_860), ("udp", 5353), ("udp", 1)]
        {
            assert_eq!(lets(protocol, port), Answer::No, "{port}");
        }
        assert_eq!((lets("tcp", 22), lets("udp", 51_870)), (Answer::Unclear, Answer::Unclear));
    }

    #[test]
    fn what_it_forwards_is_what_its_routes_and_its_default_say() {
        let ufw = Ufw::parse(STATUS, "").unwrap();
        let lets = |ufw: &Ufw, interface| ufw.lets(&Packet::From(interface), &LINKS());
        assert_eq!(["wg-hq", "wg-lab"].map(|name| lets(&ufw, name)), [Answer::Yes; 2]);
        assert_eq!(lets(&ufw, "wg-some"), Answer::Unclear);
        assert_eq!(["wg-x", "wg-none"].map(|name| lets(&ufw, name)), [Answer::No; 2]);
        let open = Ufw::parse(&STATUS.replace("deny (routed)", "allow (routed)"), "").unwrap();
        assert_eq!(["wg-x", "wg-none"].map(|name| lets(&open, name)), [Answer::No, Answer::Yes]);
        let hidden = STATUS.replace("deny (routed)", "disabled (routed)");
        let policy = |policy: &str| format!("IPV6=yes\nDEFAULT_FORWARD_POLICY=\"{policy}\"\n");
        let lets = |policy_text: &str| lets(&Ufw::parse(&hidden, &policy(policy_text)).unwrap(), "wg-none");
        assert_eq!((lets("DROP"), lets("ACCEPT")), (Answer::No, Answer::Yes));
        assert!(Ufw::parse("Status: inactive\n", "").is_none());
    }

    #[test]
    fn everything_that_comes_in_is_let_in_where_that_is_the_default() {
        let ufw = Ufw::parse(&STATUS.replace("deny (incoming)", "allow (incoming)"), "").unwrap();
        let lets = |port| ufw.lets(&Packet::In { protocol: "udp", port }, &LINKS());
        assert_eq!((lets(1), lets(51_900)), (Answer::Yes, Answer::No));
    }
}
