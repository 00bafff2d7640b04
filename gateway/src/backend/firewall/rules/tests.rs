//! The whole rule set of a full policy, and what no policy may ever let through.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn nets(texts: &[&str]) -> BTreeSet<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn everything() -> ForwardPolicy {
    ForwardPolicy {
        routes: nets(&["10.9.0.0/24", "10.9.0.2/32", "fd09::/64"]),
        host_services: ["udp/53", "tcp/443"].map(|service| service.parse().unwrap()).into(),
        client_to_client: true,
        peer_networks: nets(&["192.168.5.0/24"]),
        masquerade: true,
    }
}

fn one(addresses: &[&str], policy: ForwardPolicy) -> Firewall {
    Firewall { interfaces: BTreeMap::from([("wg-hq".parse().unwrap(), (nets(addresses), policy))]) }
}

/// The rules (as JSON) of chains of the named kind, in order.
fn rules_of(firewall: &Firewall, chain: &str) -> Vec<Vec<Value>> {
    let commands = serde_json::to_value(replacement("t", firewall)).unwrap();
    let rules = commands["nftables"].as_array().unwrap().iter().filter_map(|command| {
        let rule = &command["add"]["rule"];
        rule["chain"].as_str().is_some_and(|name| name.starts_with(chain)).then(|| rule["expr"].clone())
    });
    rules.map(|statements| statements.as_array().unwrap().clone()).collect()
}

fn accepts(rule: &[Value]) -> bool {
    rule.iter().any(|statement| statement.get("accept").is_some())
}

fn mentions(rule: &[Value], text: &str) -> bool {
    rule.iter().any(|statement| statement.to_string().contains(text))
}

/// Whether IPv6 packets can match: true unless something in the rule says IPv4.
fn concerns_v6(rule: &[Value]) -> bool {
    !mentions(rule, r#""protocol":"ip""#) && !mentions(rule, r#""ipv4""#)
}

#[test]
fn without_interfaces_the_table_only_goes() {
    let commands = serde_json::to_value(replacement("t", &Firewall::default())).unwrap();
    let verbs: Vec<_> = commands["nftables"].as_array().unwrap().iter().collect();
    assert_eq!(verbs.len(), 2);
    assert!(verbs[0]["add"]["table"].is_object() && verbs[1]["delete"]["table"].is_object());
}

#[test]
fn the_rules_of_a_full_policy_are_these() {
    let full = one(&["10.77.0.1/24", "fd77::1/64"], everything());
    let mut text = String::new();
    for chain in ["forward", "received", "to_ours", "input", "postrouting"] {
        for rule in rules_of(&full, chain) {
            writeln!(text, "{chain}: {}", Value::Array(rule)).unwrap();
        }
    }
    // When this changes, raise RULES_VERSION: hosts keep a table whose policies have not changed.
    insta::assert_snapshot!(text);
}

#[test]
fn every_chain_of_an_interface_ends_in_drop() {
    for policy in [ForwardPolicy::default(), everything()] {
        for chain in ["forwarded_", "received_"] {
            let rules = rules_of(&one(&["10.77.0.1/24"], policy.clone()), chain);
            assert!(rules.last().unwrap()[0].get("drop").is_some(), "{chain}");
        }
    }
}

#[test]
fn no_rule_asks_a_set_or_a_map() {
    for rule in rules_of(&one(&["10.77.0.1/24", "10.78.0.1/24", "fd77::1/64"], everything()), "") {
        assert!(
            !mentions(&rule, r#""set""#) && !mentions(&rule, r#""vmap""#) && !mentions(&rule, "\"@"),
            "{rule:?}"
        );
    }
}

fn v4() -> impl Strategy<Value = IpNet> {
    (any::<[u8; 4]>(), 0..=32u8).prop_map(|(octets, length)| IpNet::new(octets.into(), length).unwrap())
}

fn v6() -> impl Strategy<Value = IpNet> {
    (any::<[u8; 16]>(), 0..=128u8).prop_map(|(octets, length)| IpNet::new(octets.into(), length).unwrap())
}

fn policy(route: impl Strategy<Value = IpNet>) -> impl Strategy<Value = ForwardPolicy> {
    let routes = prop::collection::btree_set(route, 0..8);
    (routes, any::<bool>(), any::<bool>()).prop_map(|(routes, client_to_client, masquerade)| ForwardPolicy {
        routes,
        client_to_client,
        masquerade,
        ..everything()
    })
}

proptest! {
    #[test]
    fn an_interface_without_ipv6_accepts_no_ipv6(address in v4(), policy in policy(prop_oneof![v4(), v6()])) {
        let addresses = BTreeSet::from([address]);
        let interfaces = BTreeMap::from([("wg-hq".parse().unwrap(), (addresses, policy))]);
        for rule in rules_of(&Firewall { interfaces }, "") {
            prop_assert!(!(accepts(&rule) && concerns_v6(&rule)), "{rule:?}");
            prop_assert!(!(mentions(&rule, "masquerade") && concerns_v6(&rule)), "{rule:?}");
        }
    }

    #[test]
    fn a_v4_only_policy_lets_ipv6_ping_the_gateway_and_nothing_more(v4 in v4(), v6 in v6(), policy in policy(v4())) {
        let policy = ForwardPolicy { client_to_client: false, host_services: BTreeSet::new(), ..policy };
        let interfaces = BTreeMap::from([("wg-hq".parse().unwrap(), (BTreeSet::from([v4, v6]), policy))]);
        for rule in rules_of(&Firewall { interfaces }, "") {
            // These decide about flows that were let through before, or that others began.
            let follows = mentions(&rule, r#""related""#);
            if accepts(&rule) && concerns_v6(&rule) && !follows {
                prop_assert!(mentions(&rule, "echo-request"), "{rule:?}");
                prop_assert!(mentions(&rule, &format!("\"{}\"", v6.addr())), "{rule:?}");
            }
        }
    }

    #[test]
    fn every_accepting_rule_names_one_family(policy in policy(prop_oneof![v4(), v6()])) {
        for rule in rules_of(&one(&["10.77.0.1/24", "fd77::1/64"], policy), "") {
            let v4 = mentions(&rule, r#""protocol":"ip""#) || mentions(&rule, r#""ipv4""#);
            let v6 = mentions(&rule, r#""protocol":"ip6""#) || mentions(&rule, r#""ipv6""#);
            prop_assert!(!accepts(&rule) || v4 != v6, "{rule:?}");
        }
    }
}
