//! What a new location takes when nobody says otherwise: the next that nobody uses. Randomness is a parameter; private
//! subnets are chosen by it, so that two installations rarely choose the same (RFC 4193 wants it so for IPv6).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The port WireGuard is known for.
const FIRST_PORT: u16 = 51_820;
/// Linux takes no longer name.
const LONGEST_INTERFACE: usize = 15;
/// Where private IPv4 subnets are looked for: the most roomy first.
const PRIVATE: [([u8; 4], u8); 3] = [([10, 0, 0, 0], 8), ([172, 16, 0, 0], 12), ([192, 168, 0, 0], 16)];
/// So many IPv6 subnets are tried; that even one is in use is a rare accident.
const TRIES: u64 = 1000;

/// `wg-` and what of the location's name an interface's name can hold; numbered when that is taken.
pub fn interface(location: &str, taken: &BTreeSet<String>) -> Option<String> {
    let plain: String = location.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let numbers = std::iter::once(String::new()).chain((2..100).map(|number| format!("-{number}")));
    let names = numbers.map(|number| {
        let room = LONGEST_INTERFACE - "wg-".len() - number.len();
        format!("wg-{}{number}", plain.get(..room.min(plain.len())).unwrap_or_default())
    });
    names.into_iter().find(|name| !taken.contains(name))
}

/// From 51820 up.
pub fn port(taken: &BTreeSet<u16>) -> Option<u16> {
    (FIRST_PORT..=u16::MAX).find(|port| !taken.contains(port))
}

/// A private /24 that overlaps no network in use.
pub fn ipv4(taken: &[IpNet], random: u64) -> Option<Ipv4Net> {
    PRIVATE.iter().find_map(|(network, prefix)| {
        let count = 1_u64 << (24 - prefix);
        (0..count).find_map(|step| {
            let index = u32::try_from(random.wrapping_add(step) % count).ok()?;
            let address = Ipv4Addr::from_bits(Ipv4Addr::from(*network).to_bits() | (index << 8));
            let subnet = Ipv4Net::new(address, 24).ok()?;
            is_free(IpNet::V4(subnet), taken).then_some(subnet)
        })
    })
}

/// A unique local /64 that overlaps no network in use.
pub fn ipv6(taken: &[IpNet], random: u64) -> Option<Ipv6Net> {
    (0..TRIES).find_map(|step| {
        let global = u128::from(random.wrapping_add(step) & 0xff_ffff_ffff);
        let address = Ipv6Addr::from_bits((0xfd << 120) | (global << 80));
        let subnet = Ipv6Net::new(address, 64).ok()?;
        is_free(IpNet::V6(subnet), taken).then_some(subnet)
    })
}

fn is_free(subnet: IpNet, taken: &[IpNet]) -> bool {
    !taken.iter().any(|used| used.contains(&subnet) || subnet.contains(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_named_after_its_location_within_fifteen_letters() {
        let taken: BTreeSet<String> = ["wg-lab".to_owned(), "wg-headofficewa".to_owned()].into();
        assert_eq!(interface("HQ 1", &taken).unwrap(), "wg-hq1");
        assert_eq!(interface("lab", &taken).unwrap(), "wg-lab-2");
        let long = interface("Head office Warsaw", &taken).unwrap();
        assert_eq!((long.as_str(), long.len()), ("wg-headoffice-2", 15));
        assert_eq!(interface("Główna", &taken).unwrap(), "wg-gwna");
    }

    #[test]
    fn ports_go_up_from_the_known_one() {
        assert_eq!(port(&BTreeSet::from([51_820, 51_821, 51_823])), Some(51_822));
        assert_eq!(port(&(51_820..=u16::MAX).collect()), None);
    }

    #[test]
    fn subnets_in_use_are_gone_around() {
        assert_eq!(ipv4(&[], 0x0102).unwrap().to_string(), "10.1.2.0/24");
        assert_eq!(ipv4(&nets(&["10.1.2.128/25"]), 0x0102).unwrap().to_string(), "10.1.3.0/24");
        assert_eq!(ipv4(&nets(&["10.255.0.0/16"]), 0xffff_ff00).unwrap().to_string(), "10.0.0.0/24");
        assert_eq!(ipv4(&nets(&["10.0.0.0/8"]), 0x0102).unwrap().to_string(), "172.17.2.0/24");
        assert_eq!(ipv4(&nets(&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]), 0), None);
        assert_eq!(ipv6(&[], 0x11_2233_4455).unwrap().to_string(), "fd11:2233:4455::/64");
        let used = nets(&["fd11:2233:4455::/48"]);
        assert_eq!(ipv6(&used, 0x11_2233_4455).unwrap().to_string(), "fd11:2233:4456::/64");
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }
}
