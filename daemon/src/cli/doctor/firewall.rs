//! Other people's firewalls, which would drop what is for us or for our clients: nftables chains of anybody, those of
//! iptables, Docker and firewalld among them, and ufw. What a chain does with a packet is read from its rules as far as they
//! can be read by sight; where not, it is only a warning.

mod ruleset;
mod ufw;

use std::time::Duration;

use ipnet::IpNet;

use super::finding::{Findings, Verdict};
use super::network::default_link;
use crate::cli::tools;
use crate::config::{Config, Location};
use ruleset::{Answer, Chain, Links, Packet, Ruleset};
use ufw::Ufw;

const CHECK: &str = "firewall";
const QUICK: Duration = Duration::from_secs(10);

/// Asks each firewall that runs.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let tunnels = config.locations.values().map(|location| location.interface.as_str()).collect();
    let links = Links { tunnels, outside: default_link(&routes) };
    let ufw = tools::run("ufw", &["status", "verbose"], QUICK).ok().and_then(|said| {
        Ufw::parse(&said.out, &std::fs::read_to_string("/etc/default/ufw").unwrap_or_default())
    });
    let ruleset = match tools::run("nft", &["-j", "list", "ruleset"], QUICK) {
        Ok(said) if said.is_success => match Ruleset::parse(&said.out) {
            Some(ruleset) => ruleset,
            None => return findings.unseen(CHECK, "what nft lists is not understood".to_owned()),
        },
        Ok(_) => return findings.unseen(CHECK, "only root may list the rules of nftables".to_owned()),
        Err(error) => {
            let says = format!("nft does not run, which the daemon needs: {error}");
            return findings.failure(CHECK, says, "apt install nftables".to_owned());
        }
    };
    let firewall = Firewall { ruleset, ufw, links };
    for wanted in wanted(config) {
        firewall.judge(&wanted, findings);
    }
    if !findings.all().iter().any(|found| found.check == CHECK && found.verdict > Verdict::Unseen) {
        findings.ok(CHECK, "nothing drops what is for us or for our clients".to_owned());
    }
}

/// A packet, and in which family of addresses it may come.
struct Wanted<'a> {
    packet: Packet<'a>,
    v4: bool,
    v6: bool,
}

/// UDP of every location, TCP of what is not on loopback, and what goes through this host.
fn wanted(config: &Config) -> Vec<Wanted<'_>> {
    let locations = || config.locations.values();
    let udp = locations().map(|location| Packet::In { protocol: "udp", port: location.listen_port.get() });
    let listened = config.http.listen.iter().chain(&config.http.redirect_listen);
    let tcp = listened.filter(|address| !address.ip().is_loopback());
    let tcp = tcp.map(|address| Packet::In { protocol: "tcp", port: address.port() });
    let to_us = udp.chain(tcp).map(|packet| Wanted { packet, v4: true, v6: true });
    to_us.chain(locations().flat_map(through)).collect()
}

/// What clients of a location send beyond this host, and its answers.
fn through(location: &Location) -> impl Iterator<Item = Wanted<'_>> {
    let interface = location.interface.as_str();
    let goes = |has_subnet: bool, is_of: fn(&IpNet) -> bool| {
        has_subnet && (location.client_to_client || location.routes.iter().any(is_of))
    };
    let v4 = goes(location.ipv4.is_some(), |net| matches!(net, IpNet::V4(_)));
    let v6 = goes(location.ipv6.is_some(), |net| matches!(net, IpNet::V6(_)));
    let packets = [Packet::From(interface), Packet::To(interface)];
    packets.into_iter().filter(move |_| v4 || v6).map(move |packet| Wanted { packet, v4, v6 })
}

/// Everything that was found out about firewalls.
struct Firewall<'a> {
    ruleset: Ruleset,
    ufw: Option<Ufw>,
    links: Links<'a>,
}

impl Firewall<'_> {
    fn judge(&self, Wanted { packet, v4, v6 }: &Wanted<'_>, findings: &mut Findings) {
        // ufw's rules are among those of iptables, which nft lists unless they are of the old kind.
        let by_ufw = self.ufw.as_ref().map(|ufw| ufw.lets(packet, &self.links));
        let mut is_told = false;
        for chain in self.ruleset.chains(packet) {
            if (chain.family == "ip" && !v4) || (chain.family == "ip6" && !v6) {
                continue;
            }
            let by_chain = self.ruleset.lets(chain, packet, &self.links);
            let Some(by_ufw) = by_ufw.filter(|_| chain.iptables().is_some()) else {
                self.tell(by_chain, packet, Some(chain), findings);
                continue;
            };
            let answer = if by_chain == Answer::Unclear { by_ufw } else { by_chain };
            if by_ufw == Answer::Yes {
                // Another program's rules are before ufw's, or its policy behind them.
                self.tell(answer, packet, Some(chain), findings);
            } else if !is_told {
                // What mends it does so for both families.
                self.tell(answer, packet, None, findings);
            }
            is_told = true;
        }
        if let Some(by_ufw) = by_ufw.filter(|_| !is_told) {
            self.tell(by_ufw, packet, None, findings);
        }
    }

    /// Without a chain it is ufw.
    fn tell(&self, answer: Answer, packet: &Packet<'_>, chain: Option<&Chain>, findings: &mut Findings) {
        let what = match packet {
            Packet::In { protocol, port } => format!("what comes to {protocol} {port}"),
            Packet::From(interface) => format!("what clients of {interface} send beyond this host"),
            Packet::To(interface) => format!("the answers to clients of {interface}"),
        };
        let (who, mend) = match chain {
            None => ("ufw".to_owned(), Ufw::mend(packet)),
            Some(chain) => (
                format!("the chain {} {} {}", chain.family, chain.table, chain.name),
                mend(chain, packet, self.ruleset.has_docker(chain)),
            ),
        };
        let is_v6 = chain.is_some_and(|chain| chain.family == "ip6") && matches!(packet, Packet::In { .. });
        match answer {
            Answer::Yes => {}
            // Most hosts that have it have IPv4 too.
            Answer::No if is_v6 => findings.warning(CHECK, format!("{who} drops {what} over IPv6"), mend),
            Answer::No => findings.failure(CHECK, format!("{who} drops {what}"), mend),
            Answer::Unclear => {
                let says = format!("{who} drops {what}, unless rules that doctor cannot read accept it");
                findings.warning(CHECK, says, mend);
            }
        }
    }
}

/// What has a chain let a packet through; typed into a shell.
fn mend(chain: &Chain, packet: &Packet<'_>, has_docker: bool) -> String {
    if chain.table == "firewalld" {
        let change = match packet {
            Packet::In { protocol, port } => format!("--add-port={port}/{protocol}"),
            // What clients may do is decided by postern's own rules.
            Packet::From(interface) | Packet::To(interface) => {
                format!("--zone=trusted --change-interface={interface}")
            }
        };
        return format!("firewall-cmd --permanent {change} && firewall-cmd --reload");
    }
    if let Some(program) = chain.iptables() {
        let place = if has_docker { "DOCKER-USER" } else { &chain.name };
        let rule = match packet {
            Packet::In { protocol, port } => format!("-p {protocol} --dport {port}"),
            Packet::From(interface) => format!("-i {interface}"),
            Packet::To(interface) => format!("-o {interface} -m conntrack --ctstate RELATED,ESTABLISHED"),
        };
        return format!("{program} -I {place} {rule} -j ACCEPT # netfilter-persistent save keeps it");
    }
    let place = format!("{} {} {}", chain.family, chain.table, chain.name);
    let rule = match packet {
        Packet::In { protocol, port } => format!("{protocol} dport {port}"),
        Packet::From(interface) => format!("iifname {interface}"),
        Packet::To(interface) => format!("oifname {interface} ct state established,related"),
    };
    format!("nft insert rule {place} {rule} accept # and write it into /etc/nftables.conf, to keep it")
}

#[cfg(test)]
mod tests;
