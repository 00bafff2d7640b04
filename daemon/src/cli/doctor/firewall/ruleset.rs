//! What `nft -j list ruleset` says, as far as it is about dropping what is for us. Pure.

use serde_json::Value;

/// Whether something is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    /// There are rules that cannot be read by sight.
    Unclear,
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
    pub(super) hook: String,
    drops: bool,
}

#[derive(Debug)]
struct Rule {
    family: String,
    table: String,
    chain: String,
    parts: Vec<Value>,
}

impl Ruleset {
    /// `None`: it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let listing: Value = serde_json::from_str(text).ok()?;
        let entries = listing.get("nftables")?.as_array()?;
        let rules: Vec<Rule> = entries.iter().filter_map(|entry| Rule::parse(entry.get("rule")?)).collect();
        let chains = entries.iter().filter_map(|entry| Chain::parse(entry.get("chain")?, &rules)).collect();
        Some(Self { chains, rules })
    }

    /// Chains of others that see what comes in or goes through, and drop what no rule accepts.
    pub(super) fn dropping(&self) -> impl Iterator<Item = &Chain> {
        self.chains.iter().filter(|chain| chain.drops && !chain.table.starts_with("postern_"))
    }

    /// Whether a packet to a port of this host is accepted.
    pub(super) fn lets_in(&self, chain: &Chain, protocol: &str, port: u16) -> Answer {
        self.answer(chain, |rule| rule.names_port(protocol, port))
    }

    /// Whether what an interface sends beyond this host is accepted.
    pub(super) fn lets_through(&self, chain: &Chain, interface: &str) -> Answer {
        self.answer(chain, |rule| rule.names_interface(interface))
    }

    /// Jumps are not followed, but their chains are of the same table, and read too.
    fn answer(&self, chain: &Chain, is_about: impl Fn(&Rule) -> bool) -> Answer {
        let rules =
            || self.rules.iter().filter(|rule| rule.family == chain.family && rule.table == chain.table);
        if rules().any(|rule| rule.accepts() && is_about(rule)) {
            Answer::Yes
        } else if rules().any(Rule::is_opaque) {
            Answer::Unclear
        } else {
            Answer::No
        }
    }
}

impl Chain {
    fn parse(entry: &Value, rules: &[Rule]) -> Option<Self> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let (family, table, name, hook) = (text("family")?, text("table")?, text("name")?, text("hook")?);
        let sees_us =
            matches!(hook.as_str(), "input" | "forward") && matches!(family.as_str(), "inet" | "ip" | "ip6");
        if !sees_us {
            return None;
        }
        let mut own =
            rules.iter().filter(|rule| rule.family == family && rule.table == table && rule.chain == name);
        let ends_in_drop = own.next_back().is_some_and(Rule::drops_all);
        let drops = text("policy").as_deref() == Some("drop") || ends_in_drop;
        Some(Self { family, table, name, hook, drops })
    }

    /// ufw's (which speaks iptables) or firewalld's.
    pub(super) fn is_of_a_front(&self) -> bool {
        self.table == "firewalld" || (self.table == "filter" && self.family != "inet")
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

    fn accepts(&self) -> bool {
        self.has("accept")
    }

    /// Nothing but a counter or a log stands before its verdict.
    fn drops_all(&self) -> bool {
        let ends = self.has("drop") || self.has("reject");
        ends && !self.has("match") && !self.has("xt") && !self.has("limit")
    }

    /// iptables' own matches, maps to verdicts, and sets that are listed elsewhere.
    fn is_opaque(&self) -> bool {
        let in_set = |part: &Value| {
            let right = part.pointer("/match/right").and_then(Value::as_str);
            right.is_some_and(|right| right.starts_with('@'))
        };
        self.has("xt") || self.has("vmap") || (self.accepts() && self.parts.iter().any(in_set))
    }

    fn names_port(&self, protocol: &str, port: u16) -> bool {
        self.matches().any(|(left, right)| {
            let is = |at: &str, text: &str| left.pointer(at).and_then(Value::as_str) == Some(text);
            let is_port = is("/payload/field", "dport");
            is_port
                && (is("/payload/protocol", protocol) || is("/payload/protocol", "th"))
                && covers(right, port)
        })
    }

    fn names_interface(&self, interface: &str) -> bool {
        self.matches().any(|(left, right)| {
            let key = left.pointer("/meta/key").and_then(Value::as_str);
            matches!(key, Some("iifname" | "iif")) && names(right, interface)
        })
    }

    fn matches(&self) -> impl Iterator<Item = (&Value, &Value)> {
        let equal = |part: &&Value| part.get("op").and_then(Value::as_str) != Some("!=");
        let parts = self.parts.iter().filter_map(|part| part.get("match")).filter(equal);
        parts.filter_map(|part| Some((part.get("left")?, part.get("right")?)))
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_foreign_chain_that_drops_is_found_and_an_accepting_rule_in_it() {
        let closed = ruleset("input", "drop", &[]);
        let chain = closed.dropping().next().unwrap();
        assert_eq!(closed.lets_in(chain, "udp", 51_820), Answer::No);
        for right in [json!(51_820), json!({"set": [80, 51_820]}), json!({"range": [51_800, 51_900]})] {
            let open = ruleset("input", "drop", &[json!([port("udp", &right), {"accept": null}])]);
            let chain = open.dropping().next().unwrap();
            assert_eq!(open.lets_in(chain, "udp", 51_820), Answer::Yes, "{right}");
            assert_eq!(open.lets_in(chain, "tcp", 51_820), Answer::No);
            assert_eq!(open.lets_in(chain, "udp", 51_999), Answer::No);
        }
        assert!(ruleset("input", "accept", &[]).dropping().next().is_none());
        assert!(ruleset("output", "drop", &[]).dropping().next().is_none());
    }

    #[test]
    fn a_last_rule_that_drops_everything_is_as_good_as_a_policy() {
        let rejects = ruleset("forward", "accept", &[json!([{"counter": {}}, {"reject": null}])]);
        assert_eq!(rejects.dropping().count(), 1);
        let one = ruleset("forward", "accept", &[json!([port("udp", &json!(1)), {"drop": null}])]);
        assert_eq!(one.dropping().count(), 0);
    }

    #[test]
    fn what_goes_through_is_accepted_by_its_interface() {
        let link =
            |name: &str| json!({"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": name}});
        let open = ruleset("forward", "drop", &[json!([link("wg-*"), {"accept": null}])]);
        let chain = open.dropping().next().unwrap();
        assert_eq!(open.lets_through(chain, "wg-hq"), Answer::Yes);
        assert_eq!(open.lets_through(chain, "tun0"), Answer::No);
    }

    #[test]
    fn rules_that_cannot_be_read_by_sight_leave_it_open() {
        let iptables =
            ruleset("input", "drop", &[json!([{"xt": null}, {"jump": {"target": "ufw-before-input"}}])]);
        let chain = iptables.dropping().next().unwrap();
        assert_eq!(iptables.lets_in(chain, "udp", 51_820), Answer::Unclear);
    }

    #[test]
    fn our_own_table_is_not_foreign() {
        let text = listing("postern_0a1b", "forward", "drop", &[]);
        assert_eq!(Ruleset::parse(&text).unwrap().dropping().count(), 0);
    }

    fn port(protocol: &str, right: &Value) -> Value {
        json!({"match": {"op": "==", "left": {"payload": {"protocol": protocol, "field": "dport"}}, "right": right}})
    }

    fn ruleset(hook: &str, policy: &str, rules: &[Value]) -> Ruleset {
        Ruleset::parse(&listing("filter", hook, policy, rules)).unwrap()
    }

    fn listing(table: &str, hook: &str, policy: &str, rules: &[Value]) -> String {
        let chain =
            json!({"chain": {"family": "inet", "table": table, "name": "c", "hook": hook, "policy": policy}});
        let rules = rules
            .iter()
            .map(|rule| json!({"rule": {"family": "inet", "table": table, "chain": "c", "expr": rule}}));
        let entries: Vec<Value> = std::iter::once(chain).chain(rules).collect();
        json!({ "nftables": entries }).to_string()
    }
}
