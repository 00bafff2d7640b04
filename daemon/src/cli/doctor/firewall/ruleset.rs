//! What becomes of a packet in the base chains that `nft -j list ruleset` shows: rule by rule, jumps followed. Conditions
//! that cannot be known here (addresses, sets listed elsewhere, most matches of iptables) leave it open. Pure.

mod condition;

use serde_json::Value;

use condition::{Fit, fit};

/// Deeper than nftables lets chains jump.
const MOST_JUMPS: usize = 16;

/// Whether something is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// There are rules that cannot be read by sight.
    Unclear,
}

/// What has to get through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// The first one to a port of this host, through a link that is no tunnel.
    In { protocol: &'static str, port: u16 },
    /// The first one that a client of this interface sends beyond this host.
    From(&'a str),
    /// An answer to a client of this interface.
    To(&'a str),
}

/// Which links lead where.
pub(super) struct Links<'a> {
    /// Our own interfaces.
    pub(super) tunnels: Vec<&'a str>,
    /// Where the default route leads.
    pub(super) outside: Option<&'a str>,
}

/// All chains of all tables, and their rules.
#[derive(Debug)]
pub(super) struct Ruleset {
    chains: Vec<Chain>,
    rules: Vec<Rule>,
}

/// A base chain.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) family: String,
    pub(super) table: String,
    pub(super) name: String,
    hook: String,
    drops: bool,
}

#[derive(Debug)]
struct Rule {
    family: String,
    table: String,
    chain: String,
    parts: Vec<Value>,
}

/// What a chain that was walked through leaves.
enum Walked {
    Ended(Answer),
    /// Nothing was decided, and whether a rule accepts it is open.
    Left {
        is_open: bool,
    },
}

impl Packet<'_> {
    fn hook(&self) -> &'static str {
        match self {
            Self::In { .. } => "input",
            Self::From(_) | Self::To(_) => "forward",
        }
    }
}

impl Ruleset {
    /// `None`: it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let listing: Value = serde_json::from_str(text).ok()?;
        let entries = listing.get("nftables")?.as_array()?;
        let rules = entries.iter().filter_map(|entry| Rule::parse(entry.get("rule")?)).collect();
        let chains = entries.iter().filter_map(|entry| Chain::parse(entry.get("chain")?)).collect();
        Some(Self { chains, rules })
    }

    /// Chains of others that see such a packet.
    pub(super) fn chains(&self, packet: &Packet<'_>) -> impl Iterator<Item = &Chain> {
        let hook = packet.hook();
        let is_foreign = |chain: &&Chain| !chain.table.starts_with("postern_");
        self.chains.iter().filter(move |chain| chain.hook == hook).filter(is_foreign)
    }

    /// Whether a chain has a place where Docker wants rules of others.
    pub(super) fn has_docker(&self, chain: &Chain) -> bool {
        self.rules_of(chain, &chain.name).any(|rule| rule.target("jump") == Some("DOCKER-USER"))
    }

    /// Whether a chain lets a packet through.
    pub(super) fn lets(&self, chain: &Chain, packet: &Packet<'_>, links: &Links<'_>) -> Answer {
        match self.walk(chain, &chain.name, (packet, links), 0) {
            Walked::Ended(answer) => answer,
            Walked::Left { .. } if !chain.drops => Answer::Yes,
            Walked::Left { is_open: true } => Answer::Unclear,
            Walked::Left { is_open: false } => Answer::No,
        }
    }

    fn walk(&self, base: &Chain, name: &str, about: (&Packet<'_>, &Links<'_>), depth: usize) -> Walked {
        let (mut is_open, mut may_be_back) = (depth > MOST_JUMPS, false);
        let rules = self.rules_of(base, name).take_while(|_| depth <= MOST_JUMPS);
        for (rule, applies) in rules.map(|rule| (rule, rule.applies(about))) {
            if applies == Fit::No {
                continue;
            }
            let goes = rule.target("goto");
            let answer =
                match rule.target("jump").or(goes).map(|target| self.walk(base, target, about, depth + 1)) {
                    Some(Walked::Ended(answer)) => Some(answer),
                    Some(Walked::Left { is_open: inner }) => {
                        is_open |= inner;
                        None
                    }
                    None => rule.verdict(),
                };
            match (answer, applies) {
                // Nothing after these is seen.
                (None, Fit::Yes) if goes.is_some() || rule.has("return") => return Walked::Left { is_open },
                (None, _) => may_be_back |= rule.has("return"),
                (Some(answer), Fit::Yes) if !may_be_back && !is_open => return Walked::Ended(answer),
                (Some(Answer::Yes), Fit::Yes) if !may_be_back => return Walked::Ended(Answer::Yes),
                (Some(Answer::No), Fit::Yes) if may_be_back => return Walked::Left { is_open },
                (Some(_), Fit::Yes) if may_be_back => return Walked::Left { is_open: true },
                (Some(_), Fit::Yes) => return Walked::Ended(Answer::Unclear),
                (Some(Answer::Yes | Answer::Unclear), _) => is_open = true,
                // What may be dropped for an address that we do not know is a list of the unwelcome.
                (Some(Answer::No), _) => {}
            }
        }
        Walked::Left { is_open }
    }

    fn rules_of<'a>(&'a self, base: &'a Chain, name: &'a str) -> impl Iterator<Item = &'a Rule> {
        let is_of = |rule: &&Rule| rule.family == base.family && rule.table == base.table;
        self.rules.iter().filter(is_of).filter(move |rule| rule.chain == name)
    }
}

impl Chain {
    fn parse(entry: &Value) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let (family, table, name, hook) = (text("family")?, text("table")?, text("name")?, text("hook")?);
        let drops = text("policy").as_deref() == Some("drop");
        let sees_us = matches!(family.as_str(), "inet" | "ip" | "ip6");
        sees_us.then_some(Self { family, table, name, hook, drops })
    }

    /// What the programs `iptables` and `ip6tables` call theirs: the program.
    pub(super) fn iptables(&self) -> Option<&'static str> {
        let is_theirs = self.table == "filter" && self.name.chars().all(|c| c.is_ascii_uppercase());
        match self.family.as_str() {
            "ip" if is_theirs => Some("iptables"),
            "ip6" if is_theirs => Some("ip6tables"),
            _ => None,
        }
    }
}

impl Rule {
    fn parse(entry: &Value) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let parts = entry.get("expr")?.as_array()?.clone();
        Some(Self { family: text("family")?, table: text("table")?, chain: text("chain")?, parts })
    }

    fn has(&self, key: &str) -> bool {
        self.parts.iter().any(|part| part.get(key).is_some())
    }

    fn target(&self, verdict: &str) -> Option<&str> {
        let mut targets = self.parts.iter().filter_map(|part| part.get(verdict)?.get("target")?.as_str());
        targets.next()
    }

    fn applies(&self, (packet, links): (&Packet<'_>, &Links<'_>)) -> Fit {
        // Without any other condition it is the rule for what is established already, or for what is invalid.
        let is_of_connections = !self.has("match") && self.extensions().any(|name| name == "conntrack");
        let is_answered = matches!(packet, Packet::To(_)) && self.has("accept");
        if is_of_connections && !is_answered {
            return Fit::No;
        }
        self.parts.iter().map(|part| fit(part, packet, links)).min().unwrap_or(Fit::Yes)
    }

    /// Names of matches and targets of iptables.
    fn extensions(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| part.get("xt")?.get("name")?.as_str())
    }

    /// `None`: it decides nothing.
    fn verdict(&self) -> Option<Answer> {
        if self.has("accept") {
            Some(Answer::Yes)
        } else if self.has("drop") || self.has("reject") || self.extensions().any(|name| name == "REJECT") {
            Some(Answer::No)
        } else if self.has("vmap") {
            Some(Answer::Unclear)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
