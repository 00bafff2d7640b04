//! How often one address may present a token. Memory is bounded: when too many addresses are known at once, new ones
//! share one allowance.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use governor::clock::Clock as _;
use governor::{DefaultKeyedRateLimiter, Quota};
use ipnet::IpNet;

/// Starts at once, for the many people behind one address.
const BURST: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// Then one start per address in this time.
const PERIOD: Duration = Duration::from_secs(2);
/// Addresses remembered at once.
const MOST_ADDRESSES: usize = 16_384;
/// Starts between two times of forgetting addresses that have their full allowance again.
const FORGET_EVERY: u32 = 1024;

/// The allowances of all addresses.
pub(super) struct StartLimit {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    clock: governor::clock::DefaultClock,
    starts: AtomicU32,
}

impl Default for StartLimit {
    fn default() -> Self {
        let quota =
            Quota::with_period(PERIOD).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(BURST);
        Self {
            limiter: DefaultKeyedRateLimiter::keyed(quota),
            clock: governor::clock::DefaultClock::default(),
            starts: AtomicU32::new(0),
        }
    }
}

impl StartLimit {
    /// Takes one start of an address's allowance, or says how long to wait.
    pub(super) fn admit(&self, address: IpAddr) -> Result<(), Duration> {
        if self.starts.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        let full = self.limiter.len() >= MOST_ADDRESSES;
        let key = if full { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { network_of(address) };
        self.limiter.check_key(&key).map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

/// What counts as one client: an IPv4 address, or an IPv6 /64.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Who sent a request: the peer of the connection, or, behind trusted proxies, the last address in `X-Forwarded-For`
/// that is not one of them.
pub(super) fn client_address(request: &Request, trusted: &[IpNet]) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    let lines = request.headers().get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let forwarded: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
    client_behind(peer, &forwarded, trusted)
}

fn client_behind(peer: IpAddr, forwarded: &[&str], trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer;
    for entry in forwarded.iter().rev() {
        if !is_trusted(client) {
            break;
        }
        let Ok(address) = entry.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_used_up_its_allowance_waits_while_others_go_on() {
        let limit = StartLimit::default();
        for _ in 0..BURST.get() {
            limit.admit(ip("2001:db8::1")).unwrap();
        }
        assert!(limit.admit(ip("2001:db8::ffff")).unwrap_err() <= PERIOD);
        limit.admit(ip("2001:db8:0:1::1")).unwrap();
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_addresses() {
        let limit = StartLimit::default();
        for number in 0..20_000 {
            let _ = limit.admit(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number)));
        }
        assert!(limit.limiter.len() <= MOST_ADDRESSES + 1);
    }

    #[test]
    fn only_trusted_proxies_may_say_who_the_client_is() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let behind = |peer, forwarded: &[&str]| client_behind(ip(peer), forwarded, &trusted);
        assert_eq!(behind("192.0.2.1", &["198.51.100.9"]), ip("192.0.2.1"));
        assert_eq!(behind("10.0.0.1", &["203.0.113.5", "198.51.100.9", " 10.0.0.2"]), ip("198.51.100.9"));
        assert_eq!(behind("10.0.0.1", &["nonsense"]), ip("10.0.0.1"));
    }
}
