//! What is in use already: on this host, as the kernel's tables below `/proc/net` tell, and by the configuration. Only
//! for choosing what a new location takes; a table that cannot be read names nothing.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::Config;

/// Names, ports and networks in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Links.
    pub interfaces: BTreeSet<String>,
    /// UDP.
    pub ports: BTreeSet<u16>,
    /// Routes, connected ones included; default routes lead anywhere and take nothing.
    pub networks: Vec<IpNet>,
}

impl Taken {
    /// By anything on this host.
    pub fn on_this_host() -> Self {
        let table = |name: &str| std::fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
        Self {
            interfaces: interfaces(&table("dev")),
            ports: ["udp", "udp6"].iter().flat_map(|name| ports(&table(name))).collect(),
            networks: routes_v4(&table("route")).into_iter().chain(routes_v6(&table("ipv6_route"))).collect(),
        }
    }

    /// And by these locations.
    #[must_use]
    pub fn and_by(mut self, config: &Config) -> Self {
        for location in config.locations.values() {
            self.interfaces.insert(location.interface.to_string());
            self.ports.insert(location.listen_port.get());
            self.networks.extend(location.ipv4.map(IpNet::V4));
            self.networks.extend(location.ipv6.map(IpNet::V6));
            self.networks.extend(location.routes.iter().filter(|route| route.prefix_len() > 0));
        }
        self
    }
}

fn interfaces(table: &str) -> BTreeSet<String> {
    table.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

fn ports(table: &str) -> Vec<u16> {
    let local = |line: &str| {
        let address = line.split_whitespace().nth(1)?;
        u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()
    };
    table.lines().skip(1).filter_map(local).collect()
}

/// Addresses stand there as the machine holds them.
fn routes_v4(table: &str) -> Vec<IpNet> {
    let route = |line: &str| {
        let mut columns = line.split_whitespace();
        let mut number = |nth| u32::from_str_radix(columns.nth(nth)?, 16).ok();
        let (network, mask) = (number(1)?, number(5)?);
        let address = |number: u32| Ipv4Addr::from(number.to_ne_bytes());
        let network = Ipv4Net::with_netmask(address(network), address(mask)).ok()?;
        (network.prefix_len() > 0).then_some(IpNet::V4(network))
    };
    table.lines().skip(1).filter_map(route).collect()
}

fn routes_v6(table: &str) -> Vec<IpNet> {
    let route = |line: &str| {
        let mut columns = line.split_whitespace();
        let address = u128::from_str_radix(columns.next()?, 16).ok()?;
        let prefix = u8::from_str_radix(columns.next()?, 16).ok()?;
        let network = Ipv6Net::new(Ipv6Addr::from_bits(address), prefix).ok()?;
        (prefix > 0).then_some(IpNet::V6(network))
    };
    table.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let links = "Inter-|   Receive\n face |bytes\n    lo:  100 1\nwg-hq: 5 1\n";
        assert_eq!(interfaces(links), BTreeSet::from(["lo".to_owned(), "wg-hq".to_owned()]));
        let sockets = "  sl  local_address rem_address\n  401: 00000000:CA6C 00000000:0000 07\n";
        assert_eq!(ports(sockets), [51_820]);
        let mut routes = "Iface Destination Gateway Flags RefCnt Use Metric Mask\n".to_owned();
        for (network, mask) in [([0, 0, 0, 0], [0, 0, 0, 0]), ([10, 77, 0, 0], [255, 255, 255, 0])] {
            let [network, mask] = [network, mask].map(u32::from_ne_bytes);
            writeln!(routes, "eth0 {network:08X} 00000000 0001 0 0 0 {mask:08X} 0 0 0").unwrap();
        }
        assert_eq!(routes_v4(&routes), ["10.77.0.0/24".parse().unwrap()]);
        let routes = "fd770000000000000000000000000000 40 00000000000000000000000000000000 00 0 0 0 0 0 wg-hq\n\
                      00000000000000000000000000000000 00 00000000000000000000000000000000 00 0 0 0 0 0 lo\n";
        assert_eq!(routes_v6(routes), ["fd77::/64".parse().unwrap()]);
    }

    #[test]
    fn loopback_is_in_use_on_every_host() {
        assert!(Taken::on_this_host().interfaces.contains("lo"));
    }
}
