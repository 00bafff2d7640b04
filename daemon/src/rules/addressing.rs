//! Which addresses a location can give. A device holds one *slot* in a location: the slot's number is the
//! offset of its address in the IPv4 and in the IPv6 subnet. Offset 0 is the network, 1 the gateway; in IPv4 the
//! last one is the broadcast address. A subnet written with another address than its network's says that this one is
//! the gateway's.

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
        let addresses = self.offset(slot);
        let is_gateway = self.gateway().iter().any(|own| addresses.iter().any(|ip| ip == own.addr()));
        let is_there = (FIRST_SLOT..=self.last_slot()).contains(&slot);
        (is_there && !is_gateway).then_some(addresses)
    }

    /// The first slot from `slot` on whose addresses are neither the gateway's nor in any of these networks. A network
    /// that holds a whole subnet takes none of its addresses.
    pub fn next_vacant(&self, slot: u32, taken: &[IpNet]) -> Option<(u32, SlotAddresses)> {
        let mut next = u64::from(slot.max(FIRST_SLOT));
        for (from, to) in self.taken(taken) {
            if next < from {
                break;
            }
            next = next.max(to + 1);
        }
        let slot = u32::try_from(next).ok()?;
        self.addresses(slot).map(|addresses| (slot, addresses))
    }

    /// How many slots there are whose addresses are neither the gateway's nor in any of these networks, which take slots as
    /// in [`Pool::next_vacant`].
    pub fn capacity(&self, taken: &[IpNet]) -> u64 {
        let (mut next, last, mut free) = (u64::from(FIRST_SLOT), u64::from(self.last_slot()), 0);
        for (from, to) in self.taken(taken) {
            free += from.min(last + 1).saturating_sub(next);
            next = next.max(to + 1);
        }
        free + (last + 1).saturating_sub(next)
    }

    /// The first and the last slot in each of these networks and of the gateway's own addresses, in ascending order.
    fn taken(&self, networks: &[IpNet]) -> Vec<(u64, u64)> {
        let own = self.gateway().into_iter().map(|own| IpNet::from(own.addr()));
        let networks = networks.iter().copied().chain(own);
        let mut ranges: Vec<_> = networks.filter_map(|network| self.slots_in(network)).collect();
        ranges.sort_unstable();
        ranges
    }

    /// The first and the last slot in a network that is part of a subnet.
    fn slots_in(&self, network: IpNet) -> Option<(u64, u64)> {
        let subnets = [self.v4.map(|net| IpNet::V4(net.trunc())), self.v6.map(|net| IpNet::V6(net.trunc()))];
        let is_part = |subnet: &IpNet| subnet.contains(&network) && *subnet != network;
        subnets.into_iter().flatten().find(is_part)?;
        let last = self.slot_of(network.broadcast()).unwrap_or(u32::MAX);
        Some((self.slot_of(network.network())?.into(), last.into()))
    }

    /// The gateway's own addresses, with the subnets' prefix lengths: the ones written, else the first.
    pub fn gateway(&self) -> Vec<IpNet> {
        let first = self.offset(1);
        let v4 = self.v4.zip(first.v4).and_then(|(net, first)| {
            let own = if net.addr() == net.network() { first } else { net.addr() };
            Ipv4Net::new(own, net.prefix_len()).ok()
        });
        let v6 = self.v6.zip(first.v6).and_then(|(net, first)| {
            let own = if net.addr() == net.network() { first } else { net.addr() };
            Ipv6Net::new(own, net.prefix_len()).ok()
        });
        v4.map(IpNet::V4).into_iter().chain(v6.map(IpNet::V6)).collect()
    }

    /// The slot of an address in one of the subnets.
    fn slot_of(&self, address: IpAddr) -> Option<u32> {
        match address {
            IpAddr::V4(ip) => self.v4.map(|net| ip.to_bits() - net.network().to_bits()),
            IpAddr::V6(ip) => {
                self.v6.and_then(|net| u32::try_from(ip.to_bits() - net.network().to_bits()).ok())
            }
        }
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
    fn the_capacity_is_the_number_of_slots_that_can_be_given() {
        for (v4, v6, taken) in [
            ("10.7.0.0/24", "fd77::/64", &[][..]),
            ("10.7.0.9/28", "", &["10.7.0.3/32", "10.7.0.3/32", "10.7.0.8/30", "10.7.0.12/32"]),
            (
                "10.7.0.0/28",
                "fd77::/64",
                &["fd77::3/128", "10.7.0.3/32", "fd77::f/128", "fd77:1::5/128", "10.8.0.0/16"],
            ),
            ("10.7.0.0/28", "", &["10.0.0.0/8", "10.7.0.0/28"]),
            ("10.7.0.0/28", "", &["10.7.0.0/29", "10.7.0.2/32", "10.7.0.8/29"]),
            ("10.7.0.0/31", "", &[]),
        ] {
            let pool = pool(v4, v6);
            let taken: Vec<IpNet> = taken.iter().map(|text| text.parse().unwrap()).collect();
            let vacant =
                |slot: &u32| pool.next_vacant(*slot, &taken).is_some_and(|(found, _)| found == *slot);
            let given = (FIRST_SLOT..300).filter(vacant).count();
            assert_eq!(pool.capacity(&taken), u64::try_from(given).unwrap(), "{v4} {v6} {taken:?}");
        }
        assert_eq!(pool("", "fd77::/64").capacity(&[]), u64::from(u32::MAX) - 1);
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
    fn a_gateway_may_have_another_address_and_no_device_gets_it() {
        let pool = pool("10.7.0.3/24", "fd77::2/64");
        let shown: Vec<String> = pool.gateway().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.7.0.3/24", "fd77::2/64"]);
        assert_eq!((pool.addresses(2), pool.addresses(3)), (None, None));
        assert_eq!(pool.next_vacant(2, &[]).unwrap().0, 4);
    }

    #[test]
    fn what_devices_have_of_their_own_is_given_to_nobody() {
        let pool = pool("10.7.0.0/24", "fd77::/64");
        let vacant = |slot, taken: &[&str]| {
            let taken: Vec<IpNet> = taken.iter().map(|text| text.parse().unwrap()).collect();
            pool.next_vacant(slot, &taken).map(|(slot, _)| slot)
        };
        assert_eq!(vacant(2, &["10.7.0.2/32", "fd77::3/128", "192.168.0.0/16"]), Some(4));
        assert_eq!(vacant(2, &["10.7.0.0/25", "10.7.0.128/26"]), Some(192));
        assert_eq!(vacant(2, &["0.0.0.0/0", "10.7.0.0/24"]), Some(2), "the whole subnet is not one peer's");
        assert_eq!(vacant(254, &["10.7.0.254/32"]), None);
        assert_eq!(vacant(2, &["fd77::/96"]), None);
        assert_eq!(vacant(255, &[]), None);
    }

    #[test]
    fn the_gateway_takes_the_first_address_of_each_subnet() {
        let shown: Vec<String> =
            pool("10.7.0.0/24", "fd77::/64").gateway().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["10.7.0.1/24", "fd77::1/64"]);
    }
}
