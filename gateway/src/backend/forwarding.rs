//! Whether the kernel forwards packets at all. Only read: switching it on is the administrator's decision.

use std::fs;

/// The sysctls that must be 1 for packets to get beyond the gateway.
const FORWARDING: [(&str, &str); 2] = [
    ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
    ("net.ipv6.conf.all.forwarding", "/proc/sys/net/ipv6/conf/all/forwarding"),
];

/// The sysctls that are off and keep peers from everything beyond the gateway, in the network namespace of the
/// calling thread. One that cannot be read (no IPv6 in the kernel) is not named.
pub fn forwarding_disabled() -> Vec<&'static str> {
    let off = |path: &str| fs::read_to_string(path).is_ok_and(|value| value.trim() == "0");
    FORWARDING.into_iter().filter(|(_, path)| off(path)).map(|(name, _)| name).collect()
}
