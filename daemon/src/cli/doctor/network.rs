//! What others see of this host: ports, its name, the longest packet.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;

use super::finding::Findings;
use super::service::Daemon;
use crate::config::Config;
use crate::taken::Taken;

/// For a connection to this very host.
const CONNECTING: Duration = Duration::from_secs(2);
/// Resolvers that do not answer are asked for longer than anybody waits.
const RESOLVING: Duration = Duration::from_secs(8);
/// What WireGuard adds to a packet: the larger header, its own, the tag.
const OVERHEAD: u32 = 80;

/// How a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Ours,
    Free,
    Foreign,
    Missing,
}

/// Ports of TCP answer, ports of UDP are ours, or both are free as long as no daemon runs.
pub(super) fn ports(config: &Config, daemon: &Daemon, findings: &mut Findings) {
    let own = own_addresses();
    for address in config.http.listen.iter().chain(&config.http.redirect_listen) {
        let mut ways = reachable(*address, &own).into_iter();
        let answers = ways.any(|way| TcpStream::connect_timeout(&way, CONNECTING).is_ok());
        let (check, name) = ("ports", format!("TCP {address}"));
        let filter = format!("ss -ltnp 'sport = :{}'", address.port());
        tell(judge(answers, daemon.is_there()), check, &name, &filter, findings);
    }
    let taken = Taken::on_this_host();
    for (name, location) in &config.locations {
        let port = location.listen_port.get();
        let has_port = taken.ports.contains(&port);
        // A link outlives the daemon, and keeps its port.
        let is_ours =
            daemon.is_there() || Path::new("/sys/class/net").join(location.interface.as_str()).exists();
        let what = format!("UDP {port} ({name})");
        tell(judge(has_port, is_ours), "ports", &what, &format!("ss -lunp 'sport = :{port}'"), findings);
    }
}

fn judge(is_taken: bool, is_ours: bool) -> Port {
    match (is_taken, is_ours) {
        (true, true) => Port::Ours,
        (true, false) => Port::Foreign,
        (false, true) => Port::Missing,
        (false, false) => Port::Free,
    }
}

fn tell(port: Port, check: &'static str, name: &str, look: &str, findings: &mut Findings) {
    match port {
        Port::Ours => findings.ok(check, format!("{name} is ours")),
        Port::Free => findings.ok(check, format!("{name} is free")),
        Port::Foreign => {
            let says = format!("{name} is taken by another program: the daemon could not start");
            findings.failure(check, says, format!("end it, or choose another port; {look}"));
        }
        Port::Missing => {
            let says = format!("{name} is not open, although the daemon runs");
            findings.failure(check, says, "postern status; systemctl restart postern".to_owned());
        }
    }
}

/// What listens everywhere is reached on every address of this host, loopback first. Another program may have the port on
/// one of them alone, and in one family.
fn reachable(address: SocketAddr, own: &BTreeSet<IpAddr>) -> Vec<SocketAddr> {
    let at = |ip: &IpAddr| SocketAddr::new(*ip, address.port());
    if !address.ip().is_unspecified() {
        return vec![address];
    }
    // The unspecified address of IPv6 is that of IPv4, too.
    let is_heard = |ip: &&IpAddr| address.is_ipv6() || ip.is_ipv4();
    let (loopback, others): (Vec<&IpAddr>, Vec<&IpAddr>) =
        own.iter().filter(is_heard).partition(|ip| ip.is_loopback());
    loopback.into_iter().chain(others).map(at).collect()
}

fn own_addresses() -> BTreeSet<IpAddr> {
    let found = getifaddrs().into_iter().flatten().filter_map(|found| ip_of(&found.address?));
    // A link-local address is none without its link.
    found.filter(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())).collect()
}

/// Whether the public name leads here.
pub(super) fn name(config: &Config, findings: &mut Findings) {
    let host = config.host().to_owned();
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return findings.ok("name", format!("{host} needs no DNS"));
    }
    judge_name(&host, &resolve(host.clone()), &own_addresses(), findings);
}

fn ip_of(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

/// The thread is left to itself: it ends with the program.
fn resolve(host: String) -> Vec<IpAddr> {
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || {
        let found =
            (host.as_str(), 0).to_socket_addrs().map(|found| found.map(|address| address.ip()).collect());
        // Nobody may wait any more.
        drop(answer.send(found.unwrap_or_default()));
    });
    answered.recv_timeout(RESOLVING).unwrap_or_default()
}

fn judge_name(host: &str, known: &[IpAddr], own: &BTreeSet<IpAddr>, findings: &mut Findings) {
    let listed: BTreeSet<String> = known.iter().map(ToString::to_string).collect();
    let listed = listed.into_iter().collect::<Vec<_>>().join(", ");
    let is_loopback = known.iter().any(IpAddr::is_loopback) && !host.ends_with("localhost");
    if is_loopback {
        // Debian's installer writes the host's name there, with 127.0.1.1.
        let says =
            format!("{host} is {listed} by this host's own /etc/hosts: what others find is not known here");
        // Its other names stay.
        let mend = format!(r"sed -Ei '/^127\./s/\s{}(\s|$)/\1/' /etc/hosts", host.replace('.', r"\."));
        findings.warning("name", says, mend);
    } else if known.is_empty() {
        let mend = format!("add A and AAAA records for {host}, or postern setup --public-name NAME");
        findings.failure("name", format!("{host} has no address in DNS: nobody finds it"), mend);
    } else if known.iter().any(|address| own.contains(address)) {
        findings.ok("name", format!("{host} is {listed}, this host"));
    } else {
        let says = format!("{host} is {listed}, which is no address of this host: right only behind NAT");
        findings.warning("name", says, "forward the ports here, or correct the DNS records".to_owned());
    }
}

/// Whether tunnelled packets fit.
pub(super) fn mtu(config: &Config, findings: &mut Findings) {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let Some(link) = default_link(&routes) else { return };
    let Some(outer) = mtu_of(link) else { return };
    let fits = outer.saturating_sub(OVERHEAD);
    let mut all_fit = true;
    for (name, location) in config.locations.iter().filter(|(_, location)| location.mtu.get() > fits) {
        all_fit = false;
        let says = format!(
            "{name} has {}, but through {link} only {fits} fit: packets are cut or lost",
            location.mtu.get()
        );
        findings.warning("mtu", says, format!("postern location edit '{name}' --mtu {fits}"));
    }
    if all_fit {
        findings.ok("mtu", format!("packets fit through {link}"));
    }
}

pub(super) fn default_link(routes: &str) -> Option<&str> {
    let mut lines = routes.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.find(|columns| columns.get(1) == Some(&"00000000")).and_then(|columns| columns.first().copied())
}

fn mtu_of(link: &str) -> Option<u32> {
    std::fs::read_to_string(format!("/sys/class/net/{link}/mtu")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;
    use crate::cli::tools;

    #[test]
    fn a_port_is_judged_by_who_has_it() {
        let verdict = |is_taken, is_ours| {
            let mut findings = Findings::default();
            tell(judge(is_taken, is_ours), "ports", "UDP 1", "ss", &mut findings);
            findings.worst()
        };
        assert_eq!((verdict(true, true), verdict(false, false)), (Verdict::Ok, Verdict::Ok));
        assert_eq!((verdict(true, false), verdict(false, true)), (Verdict::Failure, Verdict::Failure));
    }

    #[test]
    fn a_port_is_tried_on_every_address_that_it_may_be_taken_on() {
        let own: BTreeSet<IpAddr> =
            ["127.0.0.1", "192.0.2.1", "::1", "2001:db8::1"].map(|ip| ip.parse().unwrap()).into();
        let tried = |listen: &str| {
            reachable(listen.parse().unwrap(), &own).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(tried("[::]:443"), ["127.0.0.1:443", "[::1]:443", "192.0.2.1:443", "[2001:db8::1]:443"]);
        assert_eq!(tried("0.0.0.0:80"), ["127.0.0.1:80", "192.0.2.1:80"]);
        assert_eq!(tried("192.0.2.9:80"), ["192.0.2.9:80"]);
    }

    #[test]
    fn the_hosts_file_loses_that_name_alone() {
        let mut findings = Findings::default();
        judge_name("vpn.example.com", &["127.0.1.1".parse().unwrap()], &BTreeSet::new(), &mut findings);
        let hosts = tempfile::NamedTempFile::new().unwrap();
        let before = "127.0.1.1\tvpn.example.com vpn\n127.0.1.1 old vpn.example.com\n192.0.2.1 vpn.example.com\n\
                      127.0.1.1 vpn.example.com.test vpnxexample.com\n";
        std::fs::write(hosts.path(), before).unwrap();
        let mend = findings.all().iter().find_map(|finding| finding.mend.clone()).unwrap();
        let mend = mend.replace("/etc/hosts", &hosts.path().display().to_string());
        assert!(tools::run("sh", &["-c", &mend], Duration::from_secs(20)).unwrap().is_success);
        let after = "127.0.1.1 vpn\n127.0.1.1 old\n192.0.2.1 vpn.example.com\n\
                     127.0.1.1 vpn.example.com.test vpnxexample.com\n";
        assert_eq!(std::fs::read_to_string(hosts.path()).unwrap(), after);
    }

    #[test]
    fn a_name_leads_here_elsewhere_or_nowhere() {
        let own = BTreeSet::from(["192.0.2.1".parse().unwrap()]);
        let verdict = |known: &[&str]| {
            let mut findings = Findings::default();
            let known: Vec<IpAddr> = known.iter().map(|text| text.parse().unwrap()).collect();
            judge_name("vpn.example.com", &known, &own, &mut findings);
            findings.worst()
        };
        assert_eq!(verdict(&["198.51.100.1", "192.0.2.1"]), Verdict::Ok);
        assert_eq!(verdict(&["198.51.100.1"]), Verdict::Warning);
        assert_eq!(verdict(&[]), Verdict::Failure);
        assert_eq!(verdict(&["127.0.1.1"]), Verdict::Warning);
        assert_eq!(verdict(&["127.0.0.1", "192.0.2.1"]), Verdict::Warning);
    }

    #[test]
    fn packets_leave_through_the_link_of_the_default_route() {
        let routes = "Iface\tDestination\tGateway\neth1\t000A0A0A\t0\neth0\t00000000\t01020304\n";
        assert_eq!(default_link(routes), Some("eth0"));
        assert_eq!(default_link("Iface\tDestination\n"), None);
    }
}
