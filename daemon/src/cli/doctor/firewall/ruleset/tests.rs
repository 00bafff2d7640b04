//! Made rules for single conditions; `fixtures` are listings of nft 1.0.6, without counters, numbers and what is about ICMP.

use serde_json::json;

use super::*;

const UFW: &str = include_str!("../fixtures/ufw.json");
const FIREWALLD: &str = include_str!("../fixtures/firewalld.json");

#[test]
fn a_foreign_chain_that_drops_is_found_and_an_accepting_rule_in_it() {
    assert_eq!(lets_in(&ruleset("input", "drop", &[]), "udp", 51_820), Answer::No);
    for right in [json!(51_820), json!({"set": [80, 51_820]}), json!({"range": [51_800, 51_900]})] {
        let open = ruleset("input", "drop", &[json!([port("udp", &right), {"accept": null}])]);
        assert_eq!(lets_in(&open, "udp", 51_820), Answer::Yes, "{right}");
        assert_eq!(lets_in(&open, "tcp", 51_820), Answer::No);
        assert_eq!(lets_in(&open, "udp", 51_999), Answer::No);
    }
    assert_eq!(lets_in(&ruleset("input", "accept", &[]), "udp", 51_820), Answer::Yes);
}

#[test]
fn the_first_rule_that_applies_decides() {
    let (drop, accept) = (json!([{"counter": {}}, {"reject": null}]), json!([{"accept": null}]));
    let first = |rules: &[&Value]| {
        let rules: Vec<Value> = rules.iter().map(|rule| (*rule).clone()).collect();
        through(&ruleset("forward", "accept", &rules), "wg-hq")
    };
    assert_eq!(first(&[&drop, &accept]), [Answer::No; 2]);
    assert_eq!(first(&[&accept, &drop]), [Answer::Yes; 2]);
    let one = json!([link("oifname", "docker0"), {"drop": null}]);
    assert_eq!(first(&[&one, &accept]), [Answer::Yes; 2]);
}

#[test]
fn answers_need_a_rule_too() {
    let rules = [json!([link("iifname", "wg-*"), {"accept": null}])];
    assert_eq!(through(&ruleset("forward", "drop", &rules), "wg-hq"), [Answer::Yes, Answer::No]);
    assert_eq!(through(&ruleset("forward", "drop", &rules), "tun0"), [Answer::No; 2]);
    let state = json!([{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}, {"accept": null}]);
    let both = [state, rules[0].clone()];
    assert_eq!(through(&ruleset("forward", "drop", &both), "wg-hq"), [Answer::Yes; 2]);
}

#[test]
fn conditions_that_cannot_be_known_here_leave_it_open() {
    for condition in [
        json!({"xt": {"type": "match", "name": "multiport"}}),
        json!({"xt": null}),
        json!({"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": "@open"}}),
        json!({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "10.0.0.1"}}),
    ] {
        let rules = ruleset("input", "drop", &[json!([condition, {"accept": null}])]);
        assert_eq!(lets_in(&rules, "udp", 51_820), Answer::Unclear, "{condition}");
        let unwelcome = ruleset("input", "accept", &[json!([condition, {"drop": null}])]);
        assert_eq!(lets_in(&unwelcome, "udp", 51_820), Answer::Yes, "{condition}");
    }
    let map = json!({"vmap": {"key": {"meta": {"key": "iifname"}}, "data": {"set": [["eth0", {"jump": {"target": "a"}}]]}}});
    assert_eq!(lets_in(&ruleset("input", "drop", &[json!([map])]), "udp", 1), Answer::Unclear);
    let states = json!({"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["established", {"accept": null}]]}}});
    assert_eq!(lets_in(&ruleset("input", "drop", &[json!([states])]), "udp", 1), Answer::No);
}

#[test]
fn what_is_for_a_tunnel_lets_nobody_in_from_outside() {
    let rules = |name: &str| ruleset("input", "drop", &[json!([link("iifname", name), {"accept": null}])]);
    assert_eq!(lets_in(&rules("wg-hq"), "udp", 51_820), Answer::No);
    assert_eq!(lets_in(&rules("lo"), "udp", 51_820), Answer::No);
    assert_eq!(lets_in(&rules("eth0"), "udp", 51_820), Answer::Yes);
    assert_eq!(lets_in(&rules("eth1"), "udp", 51_820), Answer::Unclear);
}

#[test]
fn the_chains_of_docker_drop_what_no_rule_of_others_accepts() {
    let docker = docker(&[]);
    assert_eq!(through(&docker, "wg-hq"), [Answer::No; 2]);
    let chain = docker.chains(&Packet::From("wg-hq")).next().unwrap();
    assert_eq!((chain.iptables(), docker.has_docker(chain)), (Some("iptables"), true));
    let ours = [
        json!([link("iifname", "wg-hq"), {"accept": null}]),
        json!([link("oifname", "wg-hq"), {"xt": {"type": "match", "name": "conntrack"}}, {"accept": null}]),
    ];
    assert_eq!(through(&self::docker(&ours), "wg-hq"), [Answer::Yes; 2]);
}

#[test]
fn the_chains_of_ufw_say_what_its_status_says() {
    let ufw = Ruleset::parse(UFW).unwrap();
    for (protocol, port, answer) in [
        ("udp", 51_820, Answer::Yes),
        ("udp", 51_821, Answer::Yes),
        ("tcp", 51_821, Answer::Yes),
        ("udp", 51_900, Answer::No),
        ("tcp", 22, Answer::Unclear),
        ("tcp", 443, Answer::Unclear),
        ("udp", 51_899, Answer::Unclear),
    ] {
        assert_eq!(lets_in(&ufw, protocol, port), answer, "{port}");
    }
    assert_eq!(through(&ufw, "wg-hq"), [Answer::Yes; 2]);
    assert_eq!(through(&ufw, "wg-lab"), [Answer::Yes; 2]);
    assert_eq!(through(&ufw, "wg-x"), [Answer::No, Answer::Yes]);
}

#[test]
fn the_chains_of_firewalld_are_followed_through_its_zones_and_policies() {
    let firewalld = Ruleset::parse(FIREWALLD).unwrap();
    for (protocol, port, answer) in [
        ("udp", 51_820, Answer::Yes),
        ("tcp", 8050, Answer::Yes),
        ("tcp", 443, Answer::Yes),
        ("udp", 51_999, Answer::Yes),
        ("udp", 51_821, Answer::No),
        ("udp", 443, Answer::No),
    ] {
        assert_eq!(lets_in(&firewalld, protocol, port), answer, "{port}");
    }
    assert_eq!(through(&firewalld, "wg-hq"), [Answer::Yes; 2]);
    // Without the policy the zone of wg-hq ends in a reject, and no other zone's rules are for it.
    let without = FIREWALLD.replace("\"target\":\"filter_FWD_policy_vpn-out\"", "\"target\":\"nothing\"");
    let without = Ruleset::parse(&without).unwrap();
    assert_eq!(through(&without, "wg-hq"), [Answer::No, Answer::Yes]);
}

#[test]
fn our_own_table_is_not_foreign() {
    let text = listing("inet", "postern_0a1b", ("c", "forward"), "drop", &[]);
    assert_eq!(Ruleset::parse(&text).unwrap().chains(&Packet::From("wg-hq")).count(), 0);
}

fn lets_in(ruleset: &Ruleset, protocol: &'static str, port: u16) -> Answer {
    lets(ruleset, &Packet::In { protocol, port })
}

/// What becomes of what a client sends, and of the answer.
fn through(ruleset: &Ruleset, interface: &str) -> [Answer; 2] {
    [Packet::From(interface), Packet::To(interface)].map(|packet| lets(ruleset, &packet))
}

fn lets(ruleset: &Ruleset, packet: &Packet<'_>) -> Answer {
    let links = Links { tunnels: vec!["wg-hq"], outside: Some("eth0") };
    let mut chains = ruleset.chains(packet);
    let answer = ruleset.lets(chains.next().unwrap(), packet, &links);
    assert!(chains.next().is_none(), "another chain");
    answer
}

fn port(protocol: &str, right: &Value) -> Value {
    json!({"match": {"op": "==", "left": {"payload": {"protocol": protocol, "field": "dport"}}, "right": right}})
}

fn link(key: &str, name: &str) -> Value {
    json!({"match": {"op": "==", "left": {"meta": {"key": key}}, "right": name}})
}

fn ruleset(hook: &str, policy: &str, rules: &[Value]) -> Ruleset {
    Ruleset::parse(&listing("inet", "filter", ("c", hook), policy, rules)).unwrap()
}

/// As Docker sets it up with iptables-nft; `others` is what stands in DOCKER-USER.
fn docker(others: &[Value]) -> Ruleset {
    let jump = |target: &str| json!([{"counter": {}}, {"jump": {"target": target}}]);
    let to = |rule: Value, rest: &[Value]| {
        Value::from(std::iter::once(rule).chain(rest.iter().cloned()).collect::<Vec<_>>())
    };
    let forward = [
        jump("DOCKER-USER"),
        jump("DOCKER-ISOLATION-STAGE-1"),
        to(
            link("oifname", "docker0"),
            &[json!({"xt": {"type": "match", "name": "conntrack"}}), json!({"accept": null})],
        ),
        to(link("oifname", "docker0"), &[json!({"jump": {"target": "DOCKER"}})]),
        to(link("iifname", "docker0"), &[json!({"accept": null})]),
    ];
    let mut listed: Value =
        serde_json::from_str(&listing("ip", "filter", ("FORWARD", "forward"), "drop", &forward)).unwrap();
    let entries = listed["nftables"].as_array_mut().unwrap();
    let last = json!([{"counter": {}}, {"return": null}]);
    for rule in others.iter().chain([&last]) {
        entries
            .push(json!({"rule": {"family": "ip", "table": "filter", "chain": "DOCKER-USER", "expr": rule}}));
    }
    Ruleset::parse(&listed.to_string()).unwrap()
}

fn listing(family: &str, table: &str, (chain, hook): (&str, &str), policy: &str, rules: &[Value]) -> String {
    let base =
        json!({"chain": {"family": family, "table": table, "name": chain, "hook": hook, "policy": policy}});
    let rules = rules
        .iter()
        .map(|rule| json!({"rule": {"family": family, "table": table, "chain": chain, "expr": rule}}));
    json!({ "nftables": std::iter::once(base).chain(rules).collect::<Vec<Value>>() }).to_string()
}
