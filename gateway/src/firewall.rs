//! What our one nftables table is to enforce, and the fingerprint that tells whether a table enforces it.
//!
//! Rules are not rendered here (the backends do that); everything they render follows from a [`Firewall`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

use crate::desired::{Desired, ForwardPolicy};
use crate::net::InterfaceName;
use crate::observed::FirewallFingerprint;

/// Part of every fingerprint: raised whenever the same policies are rendered into other rules, so that the
/// table an older version left behind is replaced.
const RULES_VERSION: u32 = 3;

/// The policies our nftables table enforces, by interface: the whole table follows from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firewall {
    /// With the gateway's own addresses on each interface.
    pub interfaces: BTreeMap<InterfaceName, (BTreeSet<IpNet>, ForwardPolicy)>,
}

impl Firewall {
    /// The policies of all desired interfaces but those in `conflicts`: a link that is not ours gets no rules.
    pub fn of(desired: &Desired, conflicts: &BTreeSet<InterfaceName>) -> Self {
        let interfaces = desired
            .interfaces
            .iter()
            .filter(|(name, _)| !conflicts.contains(name))
            .map(|(name, interface)| (name.clone(), (interface.addresses.clone(), interface.policy.clone())))
            .collect();
        Self { interfaces }
    }

    /// Whether it asks for no table at all.
    pub fn is_empty(&self) -> bool {
        self.interfaces.is_empty()
    }

    /// SHA-256 of the policies as canonical text.
    pub fn fingerprint(&self) -> FirewallFingerprint {
        FirewallFingerprint(Sha256::digest(self.canonical_text()).into())
    }

    /// One line for each fact, unambiguous because no name or number holds a space or a line break.
    fn canonical_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write_canonical(self, &mut text);
        text
    }
}

fn write_canonical(firewall: &Firewall, text: &mut String) -> fmt::Result {
    writeln!(text, "rules {RULES_VERSION}")?;
    for (name, (addresses, policy)) in &firewall.interfaces {
        writeln!(text, "interface {name}")?;
        addresses.iter().try_for_each(|address| writeln!(text, "address {address}"))?;
        policy.routes.iter().try_for_each(|route| writeln!(text, "route {route}"))?;
        policy.host_services.iter().try_for_each(|service| writeln!(text, "service {service}"))?;
        if policy.client_to_client {
            writeln!(text, "client-to-client")?;
            policy.peer_networks.iter().try_for_each(|network| writeln!(text, "peer-network {network}"))?;
        }
        if policy.masquerade {
            writeln!(text, "masquerade")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::HostService;

    fn firewall(change: impl FnOnce(&mut BTreeSet<IpNet>, &mut ForwardPolicy)) -> Firewall {
        let mut addresses = BTreeSet::from(["10.77.0.1/24".parse().unwrap()]);
        let mut policy = ForwardPolicy::default();
        change(&mut addresses, &mut policy);
        Firewall { interfaces: BTreeMap::from([("wg-hq".parse().unwrap(), (addresses, policy))]) }
    }

    #[test]
    fn every_fact_of_a_policy_changes_the_fingerprint() {
        let net = || "10.0.0.0/8".parse::<IpNet>().unwrap();
        let all = [
            Firewall::default(),
            firewall(|_, _| {}),
            firewall(|addresses, _| addresses.extend([net()])),
            firewall(|_, policy| policy.routes.extend([net()])),
            firewall(|_, policy| policy.host_services.extend(["udp/53".parse::<HostService>().unwrap()])),
            firewall(|_, policy| policy.client_to_client = true),
            firewall(|_, policy| {
                policy.client_to_client = true;
                policy.peer_networks.extend([net()]);
            }),
            firewall(|_, policy| policy.masquerade = true),
        ];
        let distinct: BTreeSet<[u8; 32]> = all.iter().map(|firewall| firewall.fingerprint().0).collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn the_canonical_text_is_one_fact_per_line() {
        let full = firewall(|_, policy| {
            policy.routes.insert("192.168.0.0/16".parse().unwrap());
            policy.host_services.insert("udp/53".parse().unwrap());
            policy.client_to_client = true;
            policy.masquerade = true;
        });
        insta::assert_snapshot!(full.canonical_text(), @r"
        rules 3
        interface wg-hq
        address 10.77.0.1/24
        route 192.168.0.0/16
        service udp/53
        client-to-client
        masquerade
        ");
    }
}
