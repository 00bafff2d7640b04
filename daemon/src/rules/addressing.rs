//! Which addresses a location can give. A device holds one *slot* in a location: the slot's number is the
//! offset of its address in the IPv4 and in the IPv6 subnet. Offset 0 is the network, 1 the gateway; in IPv4 the
//! last one is the broadcast address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The first slot a device may hold.
pub const FIRST_SLOT: u32 = 2;

/// The subnets of a location; at least one is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The IPv4 subnet, if any.
    pub v4: Option<Ipv4Net>,
    /// The IPv6 subnet, if any.
    pub v6: Option<Ipv6Net>,
}

/// The addresses of one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotAddresses {
    /// In the IPv4 subnet.
    pub v4: Option<Ipv4Addr>,
    /// In the IPv6 subnet.
    pub v6: Option<Ipv6Addr>,
}

impl Pool {
    /// The last slot that has an address in every subnet of the location; below [`FIRST_SLOT`] there is none.
    pub fn last_slot(&self) -> u32 {
        let v4 = self.v4.map_or(u32::MAX, |net| {
            u32::MAX.checked_shr(u32::from(net.prefix_len())).unwrap_or(0).saturating_sub(1)
        });
        let v6 = self.v6.map_or(u32::MAX, |net| match 128 - net.prefix_len() {
            bits @ 0..=31 => (1u32 << bits) - 1,
            _ => u32::MAX,
        });
        v4.min(v6)
    }

    /// The addresses of `slot`, or `None` when the pool does not reach that far.
    pub fn addresses(&self, slot: u32) -> Option<SlotAddresses> {
        if !(FIRST_SLOT..=self.last_slot()).contains(&slot) {
            return None;
        }
        Some(self.offset(slot))
    }

    /// The gateway's own addresses, with the subnets' prefix lengths.
    pub fn gateway(&self) -> Vec<IpNet> {
        let own = self.offset(1);
        let v4 =
            self.v4.zip(own.v4).and_then(|(net, ip)| Ipv4Net::new(ip, net.prefix_len()).ok()).map(IpNet::V4);
        let v6 =
            self.v6.zip(own.v6).and_then(|(net, ip)| Ipv6Net::new(ip, net.prefix_len()).ok()).map(IpNet::V6);
        v4.into_iter().chain(v6).collect()
    }

    fn offset(&self, slot: u32) -> SlotAddresses {
        SlotAddresses {
            v4: self.v4.map(|net| Ipv4Addr::from_bits(net.network().to_bits() | slot)),
            v6: self.v6.map(|net| Ipv6Addr::from_bits(net.network().to_bits() | u128::from(slot))),
        }
    }
}

impl SlotAddresses {
    /// As host networks: what a peer is allowed to send from.
    pub fn hosts(&self) -> impl Iterator<Item = IpNet> {
        self.iter().map(IpNet::from)
    }

    /// IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.v4.map(IpAddr::V4).into_iter().chain(self.v6.map(IpAddr::V6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(v4: &str, v6: &str) -> Pool {
        Pool { v4: v4.parse().ok(), v6: v6.parse().ok() }
    }

    #[test]
    fn a_slash_24_gives_253_devices_and_never_the_broadcast_address() {
        let pool = pool("10.7.0.0/24", "fd77::/64");
        assert_eq!(pool.last_slot(), 254);
        assert_eq!(pool.addresses(254).unwrap().v4, Some("10.7.0.254".parse().unwrap()));
        assert_eq!(pool.addresses(255), None);
        assert_eq!(pool.addresses(1), None);
    }

    #[test]
    fn the_smaller_subnet_decides() {
        assert_eq!(pool("10.0.0.0/8", "fd77::/120").last_slot(), 255);
        assert_eq!(pool("", "fd77::/64").last_slot(), u32::MAX);
        assert_eq!(pool("10.0.0.0/30", "").last_slot(), 2);
        assert!(pool("10.0.0.0/31", "").last_slot() < FIRST_SLOT);
        assert!(pool("10.0.0.0/32", "").last_slot() < FIRST_SLOT);
    }

    #[test]
    fn the_gateway_takes_the_first_address_of_each_subnet() {
        let shown: Vec<String> =
            pool("10.7.0.0/24", "fd77::/64").gateway().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.7.0.1/24", "fd77::1/64"]);
    }
}
