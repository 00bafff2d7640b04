//! Who is named, and what mends it. What the rules mean is tested with them.

use super::*;

const DROPS: &str = r#"{"nftables": [{"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}},
    {"chain": {"family": "ip6", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}}]}"#;
const NONE: &str = r#"{"nftables": []}"#;

#[test]
fn ufw_is_told_once_and_mended_by_itself() {
    for rules in [DROPS, NONE] {
        let found = judged(rules, Some("deny"), true);
        assert_eq!(
            found,
            [(
                Verdict::Failure,
                "ufw drops what clients of wg-hq send beyond this host".to_owned(),
                "ufw route allow in on wg-hq".to_owned()
            )]
        );
    }
}

#[test]
fn whoever_drops_what_ufw_accepts_is_told_by_name() {
    assert_eq!(judged(NONE, Some("allow"), true), []);
    let found = judged(DROPS, Some("allow"), false);
    let (verdict, says, mend) = &found[0];
    assert_eq!((found.len(), *verdict), (1, Verdict::Failure));
    assert_eq!(says, "the chain ip filter FORWARD drops what clients of wg-hq send beyond this host");
    assert!(mend.starts_with("iptables -I FORWARD -i wg-hq -j ACCEPT"), "{mend}");
}

#[test]
fn families_that_a_location_does_not_have_are_not_looked_at() {
    assert_eq!(judged(DROPS, None, true).len(), 2);
    assert_eq!(judged(DROPS, None, false).len(), 1);
}

#[test]
fn firewalld_is_mended_by_its_own_program() {
    let rules = DROPS.replace("\"ip\"", "\"inet\"").replace("filter\"", "firewalld\"");
    let (_, _, mend) = &judged(&rules, None, false)[0];
    assert_eq!(
        mend,
        "firewall-cmd --permanent --zone=trusted --change-interface=wg-hq && firewall-cmd --reload"
    );
}

/// What is found about what wg-hq sends; `routed` is ufw's default.
fn judged(rules: &str, routed: Option<&str>, v6: bool) -> Vec<(Verdict, String, String)> {
    let status = |routed: &str| {
        format!("Status: active\nDefault: deny (incoming), allow (outgoing), {routed} (routed)\n")
    };
    let firewall = Firewall {
        ruleset: Ruleset::parse(rules).unwrap(),
        ufw: routed.and_then(|routed| Ufw::parse(&status(routed), "")),
        links: Links { tunnels: vec!["wg-hq"], outside: Some("eth0") },
    };
    let mut findings = Findings::default();
    firewall.judge(&Wanted { packet: Packet::From("wg-hq"), v4: true, v6 }, &mut findings);
    let found = findings.all().iter();
    found.map(|found| (found.verdict, found.says.clone(), found.mend.clone().unwrap_or_default())).collect()
}
