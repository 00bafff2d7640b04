//! What has to hold for locations and between them, and where metrics may be read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::Location;
use super::problem::Problems;
use super::values;
use crate::rules::addressing::{FIRST_SLOT, Pool};

/// More than any client looks at.
const MOST_RESOLVERS: usize = 16;
/// All of them stand in every client's file.
const MOST_ROUTES: usize = 256;

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

/// Whoever reaches them may read them: there is no login.
pub(super) fn metrics(listen: Vec<SocketAddr>, file: &Path, problems: &mut Problems) -> Vec<SocketAddr> {
    for address in listen.iter().filter(|address| !address.ip().to_canonical().is_loopback()) {
        let reason = format!(
            "{address} is not a loopback address: whoever reaches it reads the metrics; let a firewall admit your \
             Prometheus alone"
        );
        problems.warn(file, "metrics.listen", reason);
    }
    listen
}

fn single(file: &Path, location: &Location, problems: &mut Problems) {
    let name = &location.name;
    if reduced(name).is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
        let reason =
            format!("{name:?} has no ASCII letter or digit, is over 64 bytes or has control characters");
        problems.add(file, "name", reason);
    }
    if let Err(reason) = values::endpoint(&location.endpoint) {
        problems.add(file, "endpoint", reason);
    }
    if location.ipv4.is_none() && location.ipv6.is_none() {
        problems.add(file, "ipv4", "neither ipv4 nor ipv6 is there: give at least one subnet");
    }
    for route in location.routes.iter().filter(|route| **route != route.trunc()) {
        let reason = format!("{route} has bits beyond its prefix: did you mean {}?", route.trunc());
        problems.add(file, "routes", reason);
    }
    // An address within says that the gateway has it.
    if let Some(subnet) =
        location.ipv4.filter(|subnet| subnet.prefix_len() < 31 && subnet.addr() == subnet.broadcast())
    {
        let reason = format!(
            "{} is the broadcast address of {}: the gateway cannot have it",
            subnet.addr(),
            subnet.trunc()
        );
        problems.add(file, "ipv4", reason);
    }
    if location.pool().last_slot() < FIRST_SLOT {
        let reason = "the subnet is too small: after the gateway no address is left for a device";
        problems.add(file, too_small(location), reason);
    }
    listed(file, location, problems);
}

/// Resolvers and routes: each for itself, and how many.
fn listed(file: &Path, location: &Location, problems: &mut Problems) {
    for reason in location.dns.iter().filter_map(|entry| values::dns(entry).err()) {
        problems.add(file, "dns", reason);
    }
    for (key, count, most) in
        [("dns", location.dns.len(), MOST_RESOLVERS), ("routes", location.routes.len(), MOST_ROUTES)]
    {
        if count > most {
            problems.add(file, key, format!("{count} entries are too many: at most {most}"));
        }
    }
    let mut before = BTreeSet::new();
    for route in &location.routes {
        if !before.insert(route) {
            problems.add(file, "routes", format!("{route} is there twice: leave one out"));
        }
        if let Some((_, subnet)) = subnets(location).find(|(_, subnet)| subnet.contains(route)) {
            let reason = format!(
                "{route} lies in the location's own subnet {subnet}: leave it out (client_to_client says whether \
                 clients reach each other)"
            );
            problems.add(file, "routes", reason);
        }
    }
}

/// Which of the two subnets is the one that is too small.
fn too_small(location: &Location) -> &'static str {
    let v4_alone = Pool { v6: None, ..location.pool() };
    if location.ipv4.is_some() && v4_alone.last_slot() < FIRST_SLOT { "ipv4" } else { "ipv6" }
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
