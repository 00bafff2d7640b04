//! What has to hold for single values and between locations.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::Location;
use super::load::Problems;
use crate::rules::addressing::FIRST_SLOT;

/// The URL people and clients use, ending in `/`; what is wrong otherwise.
pub(super) fn public_url(text: &str) -> Result<String, String> {
    let wrong = |why: &str| {
        format!(
            "{text:?} {why}: write the address people reach this host at, like \"https://vpn.example.com/\""
        )
    };
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or_else(|| wrong("is not an http or https URL"))?;
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "?#@".contains(c)) {
        return Err(wrong("has no plain host"));
    }
    if host.contains('/') {
        return Err(wrong("has a path; the desktop client needs the root of a host"));
    }
    Ok(format!("{}/", text.strip_suffix('/').unwrap_or(text)))
}

/// A length of time such as `24h`, `10m`, `30s`, `7d`: at least one second, at most a year.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a length of time: write \"30s\", \"10m\", \"24h\" or \"7d\"");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => number,
        "m" => number.saturating_mul(60),
        "h" => number.saturating_mul(60 * 60),
        "d" => number.saturating_mul(24 * 60 * 60),
        _ => return Err(wrong()),
    };
    if (1..=366 * 24 * 60 * 60).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err(wrong()) }
}

/// Everything that single locations and pairs of them must satisfy.
pub(super) fn locations(locations: &[(PathBuf, Location)], problems: &mut Problems) {
    for (file, location) in locations {
        single(file, location, problems);
    }
    unique(locations, problems, "interface", |location| location.interface.to_string());
    unique(locations, problems, "listen_port", |location| location.listen_port.get().to_string());
    // Windows and macOS name the tunnel by what is left (protocol 3.7).
    unique(locations, problems, "name", |location| reduced(&location.name));
    overlaps(locations, problems);
}

fn single(file: &Path, location: &Location, problems: &mut Problems) {
    let name = &location.name;
    if reduced(name).is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
        let reason =
            format!("{name:?} has no ASCII letter or digit, is over 64 bytes or has control characters");
        problems.add(file, "name", reason);
    }
    if !is_endpoint(&location.endpoint) {
        let endpoint = &location.endpoint;
        let reason = format!(
            "{endpoint:?} is not host:port: write where clients reach this host, like \"vpn.example.com:51820\" or \
             \"[2001:db8::1]:51820\""
        );
        problems.add(file, "endpoint", reason);
    }
    if location.ipv4.is_none() && location.ipv6.is_none() {
        problems.add(file, "ipv4", "neither ipv4 nor ipv6 is there: give at least one subnet");
    }
    for (key, network) in subnets(location).chain(location.routes.iter().map(|route| ("routes", *route))) {
        if network != network.trunc() {
            let reason = format!("{network} has bits beyond its prefix: did you mean {}?", network.trunc());
            problems.add(file, key, reason);
        }
    }
    if location.pool().last_slot() < FIRST_SLOT {
        problems.add(
            file,
            "ipv4",
            "the subnet is too small: after the gateway no address is left for a device",
        );
    }
    for entry in &location.dns {
        if entry.is_empty() || entry.contains(|c: char| c.is_whitespace() || c == ',' || c.is_control()) {
            problems.add(file, "dns", format!("{entry:?} is neither an address nor a search domain"));
        }
    }
}

/// `host:port` with a port above 0; an IPv6 literal stands in brackets.
fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host_is_fine = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(literal) => literal.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        }
    };
    host_is_fine && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn subnets(location: &Location) -> impl Iterator<Item = (&'static str, IpNet)> {
    let v4 = location.ipv4.map(|network| ("ipv4", IpNet::V4(network)));
    let v6 = location.ipv6.map(|network| ("ipv6", IpNet::V6(network)));
    v4.into_iter().chain(v6)
}

fn reduced(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn unique(
    locations: &[(PathBuf, Location)],
    problems: &mut Problems,
    key: &str,
    value: impl Fn(&Location) -> String,
) {
    let mut seen: BTreeMap<String, &Path> = BTreeMap::new();
    for (file, location) in locations {
        let value = value(location);
        if let Some(other) = seen.get(&value) {
            problems.add(file, key, format!("{value:?} is taken by {}: choose another", other.display()));
        } else {
            seen.insert(value, file);
        }
    }
}

fn overlaps(locations: &[(PathBuf, Location)], problems: &mut Problems) {
    let mut before: BTreeSet<(IpNet, &Path)> = BTreeSet::new();
    for (file, location) in locations {
        for (key, subnet) in subnets(location) {
            let clash = before.iter().find(|(other, _)| other.contains(&subnet) || subnet.contains(other));
            if let Some((other, place)) = clash {
                let reason =
                    format!("{subnet} overlaps {other} of {}: choose another subnet", place.display());
                problems.add(file, key, reason);
            }
        }
        before.extend(subnets(location).map(|(_, subnet)| (subnet, file.as_path())));
    }
}
