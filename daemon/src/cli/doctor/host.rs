//! The host: WireGuard, forwarding, the clock.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use postern_gateway::backend::forwarding::forwarding_disabled;

use super::finding::Findings;
use super::service::Daemon;
use crate::app::Clock;
use crate::cli::text::{items, text};
use crate::cli::tools;
use crate::config::{BackendChoice, Loaded};

const QUICK: Duration = Duration::from_secs(5);
/// When this was written, in seconds: no clock that is right shows an earlier time.
const PAST: i64 = 1_760_000_000;

/// `RTF_ADDRCONF` of `linux/ipv6_route.h`: the kernel has the route from a router's advertisement.
const ADVERTISED: u32 = 0x0004_0000;

/// Which WireGuard there is.
pub(super) fn wireguard(loaded: Option<&Loaded>, daemon: &Daemon, findings: &mut Findings) {
    let in_use = match daemon {
        Daemon::Runs(status) => {
            items(status, "locations").iter().any(|location| text(location, "backend") == "kernel")
        }
        Daemon::Silent | Daemon::Absent => false,
    };
    if in_use || Path::new("/sys/module/wireguard").exists() {
        return findings.ok("wireguard", "the kernel's".to_owned());
    }
    if tools::run("modprobe", &["--dry-run", "--quiet", "wireguard"], QUICK).is_ok_and(|said| said.is_success)
    {
        return findings.ok("wireguard", "the kernel's; its module is loaded when it is needed".to_owned());
    }
    let mend = "modprobe wireguard (a kernel of 5.6 or newer has it)".to_owned();
    let demands_kernel = loaded.is_some_and(|loaded| {
        let config = &loaded.config;
        let choices = config.locations.values().map(|location| location.backend.unwrap_or(config.backend));
        choices.into_iter().any(|choice| choice == BackendChoice::Kernel)
    });
    if demands_kernel {
        findings.failure(
            "wireguard",
            "the kernel has none, and the configuration demands it".to_owned(),
            mend,
        );
    } else if Path::new("/dev/net/tun").exists() {
        let says = "the kernel has none: tunnels run inside the daemon, and end with it".to_owned();
        findings.warning("wireguard", says, mend);
    } else {
        findings.failure("wireguard", "neither the kernel has it nor is there /dev/net/tun".to_owned(), mend);
    }
}

/// Whether packets get beyond this host.
pub(super) fn forwarding(loaded: Option<&Loaded>, findings: &mut Findings) {
    let needs_v6 =
        loaded.is_none_or(|loaded| loaded.config.locations.values().any(|location| location.ipv6.is_some()));
    let off = forwarding_disabled();
    let missed: Vec<&str> = off.into_iter().filter(|name| needs_v6 || !name.contains("ipv6")).collect();
    for name in &missed {
        let says = format!("{name} is off: clients reach this host, but nothing behind it");
        let mend = format!("echo {name}=1 > /etc/sysctl.d/60-postern.conf && sysctl -w {name}=1");
        findings.failure("forwarding", says, mend.replace("> /etc", ">> /etc"));
    }
    if missed.is_empty() {
        findings.ok("forwarding", "on".to_owned());
    }
}

/// Whether the host keeps its IPv6 default route once it forwards: one that a router advertised to the kernel it loses, unless
/// it is told to go on hearing routers.
pub(in crate::cli) fn uplink(findings: &mut Findings) {
    let routes = std::fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    for link in advertised(&routes) {
        let accepts = std::fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{link}/accept_ra"));
        if accepts.is_ok_and(|accepts| accepts.trim() != "2") {
            let says = format!(
                "this host's IPv6 default route comes from a router on {link}, which the kernel no longer hears once it forwards: \
                 the service turns forwarding on, and IPv6 goes"
            );
            // With slashes: a link's name may have a dot.
            let key = format!("net/ipv6/conf/{link}/accept_ra=2");
            let mend = format!("echo {key} >> /etc/sysctl.d/60-uplink.conf && sysctl -w {key}");
            findings.warning("forwarding", says, mend);
        }
    }
}

/// The links of default routes that routers advertised to the kernel, of the text of `/proc/net/ipv6_route`.
fn advertised(routes: &str) -> BTreeSet<&str> {
    let link = |line| {
        let columns: Vec<&str> = str::split_whitespace(line).collect();
        let [target, length, .., flags, link] = columns.as_slice() else { return None };
        let is_default = *length == "00" && target.bytes().all(|byte| byte == b'0');
        let flags = u32::from_str_radix(flags, 16).ok()?;
        (is_default && flags & ADVERTISED != 0).then_some(*link)
    };
    routes.lines().filter_map(link).collect()
}

/// Handshakes, certificates and tokens all depend on it.
pub(super) fn clock(findings: &mut Findings) {
    let now = Clock::system().now();
    let mend = "timedatectl set-ntp true".to_owned();
    if now.as_second() < PAST {
        return findings.failure(
            "clock",
            format!("it is not {now}: handshakes and certificates are refused"),
            mend,
        );
    }
    let shown = tools::run("timedatectl", &["show", "--property", "NTPSynchronized", "--value"], QUICK);
    match shown.map(|said| said.out.trim().to_owned()).as_deref() {
        Ok("yes") => findings.ok("clock", "synchronised".to_owned()),
        Ok("no") => findings.warning("clock", "nothing keeps it right".to_owned(), mend),
        Ok(_) | Err(_) => {
            findings.ok("clock", format!("{now:.0}; whether something keeps it right is not known here"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_that_routers_advertised_are_told_from_others() {
        let none = "00000000000000000000000000000000";
        let router = "fe800000000000000000000000000001";
        let route = |target: &str, flags: &str, link: &str| {
            format!("{target} {none} 00 {router} 00000400 00000001 00000000 {flags} {link}\n")
        };
        let routes = [
            route(&format!("{none} 00"), "00450003", "eth0"),
            // By hand, or by a program that hears routers itself; a network; the one that is always there.
            route(&format!("{none} 00"), "00000003", "eth1"),
            route("20010db8000000000000000000000000 40", "00440001", "eth2"),
            route(&format!("{none} 00"), "00200200", "lo"),
        ];
        assert_eq!(advertised(&routes.concat()), BTreeSet::from(["eth0"]));
        assert_eq!(advertised("\n"), BTreeSet::new());
    }
}
