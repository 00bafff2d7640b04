//! Other people's firewalls, which would drop what is for us: ufw, firewalld, and nftables chains of anybody. What a chain
//! does with our packets is read from its rules as far as they can be read by sight; where not, it is only a warning.

mod ruleset;

use std::time::Duration;

use super::finding::Findings;
use crate::cli::tools;
use crate::config::Config;
use ruleset::{Answer, Ruleset};

const QUICK: Duration = Duration::from_secs(10);

/// What has to come in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    protocol: &'static str,
    port: u16,
}

/// Asks each firewall that runs.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let wanted = wanted(config);
    let interfaces: Vec<&str> =
        config.locations.values().map(|location| location.interface.as_str()).collect();
    let front = [ufw(&wanted, findings), firewalld(&wanted, findings)].into_iter().flatten().count();
    match tools::run("nft", &["-j", "list", "ruleset"], QUICK) {
        Ok(said) if said.is_success => {
            let Some(ruleset) = Ruleset::parse(&said.out) else {
                return findings.unseen("firewall", "what nft lists is not understood".to_owned());
            };
            nftables(&ruleset, &wanted, &interfaces, front > 0, findings);
        }
        Ok(_) => findings.unseen("firewall", "only root may list the rules of nftables".to_owned()),
        Err(error) => {
            let mend = "apt install nftables".to_owned();
            findings.failure("firewall", format!("nft does not run, which the daemon needs: {error}"), mend);
        }
    }
}

/// UDP of every location, TCP of what is not on loopback.
fn wanted(config: &Config) -> Vec<Wanted> {
    let udp = config
        .locations
        .values()
        .map(|location| Wanted { protocol: "udp", port: location.listen_port.get() });
    let tcp = config
        .http
        .listen
        .iter()
        .chain(&config.http.redirect_listen)
        .filter(|address| !address.ip().is_loopback());
    udp.chain(tcp.map(|address| Wanted { protocol: "tcp", port: address.port() })).collect()
}

/// `Some`: it is in charge, and its own rules in nftables need no look.
fn ufw(wanted: &[Wanted], findings: &mut Findings) -> Option<()> {
    let said =
        tools::run("ufw", &["status"], QUICK).ok().filter(|said| said.out.contains("Status: active"))?;
    for Wanted { protocol, port } in wanted {
        if !ufw_allows(&said.out, protocol, *port) {
            let mend = format!("ufw allow {port}/{protocol}");
            findings.failure("firewall", format!("ufw drops what comes to {protocol} {port}"), mend);
        }
    }
    Some(())
}

fn ufw_allows(status: &str, protocol: &str, port: u16) -> bool {
    let allowed = status.lines().filter(|line| line.contains("ALLOW") || line.contains("LIMIT"));
    let targets = allowed.filter_map(|line| line.split_whitespace().next());
    let mut targets = targets.map(|target| target.split_once('/').unwrap_or((target, protocol)));
    targets.any(|(ports, of)| {
        of == protocol
            && ports.split(',').any(|part| match part.split_once(':') {
                Some((first, last)) => {
                    first.parse().is_ok_and(|first: u16| first <= port)
                        && last.parse().is_ok_and(|last: u16| port <= last)
                }
                None => part == "Anywhere" || part.parse() == Ok(port),
            })
    })
}

/// `Some`: it is in charge.
fn firewalld(wanted: &[Wanted], findings: &mut Findings) -> Option<()> {
    tools::run("firewall-cmd", &["--state"], QUICK).ok().filter(|said| said.is_success)?;
    for Wanted { protocol, port } in wanted {
        let query = format!("--query-port={port}/{protocol}");
        let by_service = *port == 443
            && tools::run("firewall-cmd", &["--query-service=https"], QUICK)
                .is_ok_and(|said| said.is_success);
        if !by_service && !tools::run("firewall-cmd", &[&query], QUICK).is_ok_and(|said| said.is_success) {
            let mend =
                format!("firewall-cmd --permanent --add-port={port}/{protocol} && firewall-cmd --reload");
            findings.failure("firewall", format!("firewalld drops what comes to {protocol} {port}"), mend);
        }
    }
    Some(())
}

fn nftables(
    ruleset: &Ruleset,
    wanted: &[Wanted],
    interfaces: &[&str],
    has_front: bool,
    findings: &mut Findings,
) {
    let before = findings.all().len();
    for chain in ruleset.dropping().filter(|chain| !(has_front && chain.is_of_a_front())) {
        let place = format!("{} {} {}", chain.family, chain.table, chain.name);
        if chain.hook == "input" {
            for Wanted { protocol, port } in wanted {
                let says = format!("the chain {place} drops what comes to {protocol} {port}");
                let mend = format!("nft insert rule {place} {protocol} dport {port} accept");
                tell(ruleset.lets_in(chain, protocol, *port), says, mend, findings);
            }
        } else {
            for interface in interfaces {
                let says =
                    format!("the chain {place} drops what clients of {interface} send beyond this host");
                let mend = format!(
                    "nft insert rule {place} iifname {interface} accept; nft insert rule {place} oifname {interface} accept"
                );
                tell(ruleset.lets_through(chain, interface), says, mend, findings);
            }
        }
    }
    if findings.all().len() == before {
        findings.ok("firewall", "nothing drops what is for us".to_owned());
    }
}

fn tell(answer: Answer, says: String, mend: String, findings: &mut Findings) {
    match answer {
        Answer::Yes => {}
        Answer::No => findings.failure("firewall", says, mend),
        Answer::Unclear => {
            findings.warning("firewall", format!("{says}, unless its other rules accept it"), mend);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ufw_lists_what_it_lets_in() {
        let status = "Status: active\n\nTo                         Action      From\n--                         ------      ----\n\
                      22/tcp                     ALLOW       Anywhere\n51820:51830/udp            ALLOW       Anywhere\n\
                      80,443/tcp                 ALLOW       Anywhere\n51900/udp                  DENY        Anywhere\n";
        assert!(ufw_allows(status, "udp", 51_821) && ufw_allows(status, "tcp", 443));
        assert!(!ufw_allows(status, "udp", 51_900) && !ufw_allows(status, "tcp", 51_821));
    }
}
