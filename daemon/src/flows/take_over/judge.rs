//! Whether a server can be taken over, and what will not be as it was. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use postern_gateway::{ListenPort, Mtu, ObservedInterface, ObservedPeer};

use super::{Takeover, Wish};
use crate::config::edit::{LocationKeys, OptionalKey};
use crate::flows::refusal::Refusal;
use crate::gateway_view::{LinkState, Surroundings};
use crate::rules::wg_quick::{Parsed, WgPeer, WgQuick};

/// Judges what a file says, with what runs on its link at present and around it. `called` says where each endpoint is.
pub fn judge(
    wish: Wish,
    parsed: Parsed,
    host: &Surroundings,
    called: BTreeMap<String, SocketAddr>,
) -> Result<Takeover, Refusal> {
    let Parsed { server, left_out } = parsed;
    let mut verdict = Verdict { problems: Vec::new(), changes: left_out };
    verdict.endpoints(&server, &called);
    let running = verdict.running(&host.link, &wish.interface);
    if let Some(found) = running {
        verdict.compare(&server, found, &wish.interface);
    }
    verdict.routes(&server, running, &host.routes_elsewhere);
    let (v4, v6) = verdict.subnets(&server.addresses);
    let absent = |key: &Option<String>, without| key.is_none().then_some(without);
    let without = absent(&v4, OptionalKey::Ipv4).into_iter().chain(absent(&v6, OptionalKey::Ipv6)).collect();
    let keys = LocationKeys { ipv4: v4, ipv6: v6, ..verdict.location_keys(&wish, &server, running) };
    verdict.changes.extend(reach(&keys, &server));
    let Verdict { problems, changes } = verdict;
    if problems.is_empty() {
        Ok(Takeover { name: wish.name, server, keys, without, changes, called })
    } else {
        Err(Refusal::Takeover(problems))
    }
}

/// What speaks against it, and what will not be as it was.
struct Verdict {
    problems: Vec<String>,
    changes: Vec<String>,
}

impl Verdict {
    fn refuse(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    fn note(&mut self, change: impl Into<String>) {
        self.changes.push(change.into());
    }

    /// They are asked for once.
    fn endpoints(&mut self, server: &WgQuick, called: &BTreeMap<String, SocketAddr>) {
        let endpoints: BTreeSet<&String> =
            server.peers.iter().filter_map(|peer| peer.endpoint.as_ref()).collect();
        for endpoint in endpoints {
            match called.get(endpoint) {
                Some(address) if endpoint.parse::<SocketAddr>().is_err() => self.note(format!(
                    "endpoint {endpoint}: its name is looked up this once, and kept as {address}"
                )),
                Some(_) => {}
                None => self
                    .refuse(format!("the endpoint {endpoint} is not found: write its address into the file")),
            }
        }
    }

    /// What is to be routed to the link must not be another's.
    fn routes(
        &mut self,
        server: &WgQuick,
        running: Option<&ObservedInterface>,
        elsewhere: &BTreeMap<IpNet, String>,
    ) {
        let subnets: BTreeSet<IpNet> = server.addresses.iter().map(IpNet::trunc).collect();
        let is_behind = |network: &&IpNet| {
            network.prefix_len() > 0 && !subnets.iter().any(|subnet| subnet.contains(*network))
        };
        let behind = server.peers.iter().flat_map(|peer| &peer.allowed_ips).filter(is_behind);
        let wanted: BTreeSet<&IpNet> = subnets.iter().chain(behind).collect();
        for network in wanted {
            let is_there = running.is_some_and(|found| found.routes.contains(network));
            if let Some(link) = elsewhere.get(network).filter(|_| !is_there) {
                self.refuse(format!(
                    "{network} is routed to {link} on this host: take it out of one of the two"
                ));
            }
        }
    }

    /// What runs and is to be adopted.
    fn running<'a>(&mut self, link: &'a LinkState, interface: &str) -> Option<&'a ObservedInterface> {
        match link {
            LinkState::Unmarked(found) => return Some(found),
            LinkState::Free => self.note(format!("{interface} does not run: it begins to when it is taken over")),
            LinkState::Ours => self.refuse(format!("{interface} is postern's already")),
            LinkState::Foreign => self.refuse(format!(
                "{interface} is there and is not the kernel's WireGuard: take it down first (wg-quick down {interface})"
            )),
        }
        None
    }

    fn location_keys(
        &mut self,
        wish: &Wish,
        server: &WgQuick,
        running: Option<&ObservedInterface>,
    ) -> LocationKeys {
        let port = server.listen_port.map(ListenPort::get).or(running.map(|found| found.listen_port));
        let port = port.filter(|port| *port > 0);
        if port.is_none() {
            self.refuse("[Interface] has no ListenPort: write the one clients use into the file");
        }
        let mtu = server.mtu.map(Mtu::get).or(running.map(|found| found.mtu));
        LocationKeys {
            name: Some(wish.name.clone()),
            interface: Some(wish.interface.clone()),
            endpoint: Some(wish.endpoint.clone()),
            listen_port: port,
            mtu: wish.keys.mtu.or(mtu),
            groups: Some(wish.keys.groups.clone().unwrap_or_default()),
            // Only what runs in the kernel can be adopted.
            backend: running.map(|_| "kernel".to_owned()).or_else(|| wish.keys.backend.clone()),
            ..wish.keys.clone()
        }
    }

    /// One of each family at most, and at least one.
    fn subnets(&mut self, addresses: &[IpNet]) -> (Option<String>, Option<String>) {
        if addresses.is_empty() {
            self.refuse("[Interface] has no Address");
        }
        let (v4, v6): (Vec<&IpNet>, Vec<&IpNet>) =
            addresses.iter().partition(|address| address.addr().is_ipv4());
        for further in v4.iter().skip(1).chain(v6.iter().skip(1)) {
            self.refuse(format!(
                "Address {further}: a location has one subnet of each family; leave one out"
            ));
        }
        for address in addresses.iter().filter(|address| address.prefix_len() == address.max_prefix_len()) {
            self.refuse(format!(
                "Address {address}: write it with the prefix length of its peers' subnet, as in /24"
            ));
        }
        let of_first = |family: Vec<&IpNet>| family.first().map(|address| subnet(address));
        (of_first(v4), of_first(v6))
    }

    /// What runs against what the file says, which is what will be.
    fn compare(&mut self, server: &WgQuick, found: &ObservedInterface, interface: &str) {
        if found.public_key != Some(server.private_key.public()) {
            return self.refuse(format!(
                "{interface} runs with another key than this file's: is it the right file?"
            ));
        }
        if found.fwmark != 0 {
            self.refuse(format!(
                "{interface} runs with the firewall mark {:#x}, and rules of this host may depend on it; postern sets none: \
                 do without (wg set {interface} fwmark 0) and try again",
                found.fwmark
            ));
        }
        if let Some(port) = server.listen_port.filter(|port| port.get() != found.listen_port) {
            self.note(format!("{interface} listens on {}, the file says {}", found.listen_port, port.get()));
        }
        let addresses: BTreeSet<IpNet> = server.addresses.iter().copied().collect();
        for address in found.addresses.symmetric_difference(&addresses) {
            self.note(format!(
                "address {address}: what runs and what the file says differ; it will be as in the file"
            ));
        }
        let mut running = found.peers.clone();
        for peer in &server.peers {
            let key = peer.public_key;
            match running.remove(&key) {
                Some(found) if is_same(peer, &found) => {}
                Some(_) => self.note(format!(
                    "peer {key}: what runs and what the file says differ; it will be as in the file"
                )),
                None => self.note(format!("peer {key}: it does not run, and will")),
            }
        }
        for key in running.keys() {
            self.note(format!("peer {key}: it runs and is not in the file: IT WILL BE CUT OFF"));
        }
    }
}

/// The subnet alone where the gateway has its first address, which goes without saying.
fn subnet(address: &IpNet) -> String {
    let first = match address.network() {
        IpAddr::V4(ip) => IpAddr::from(std::net::Ipv4Addr::from_bits(ip.to_bits() | 1)),
        IpAddr::V6(ip) => IpAddr::from(std::net::Ipv6Addr::from_bits(ip.to_bits() | 1)),
    };
    if address.addr() == first { address.trunc().to_string() } else { address.to_string() }
}

fn is_same(peer: &WgPeer, found: &ObservedPeer) -> bool {
    found.allowed_ips == peer.allowed_ips.iter().copied().collect()
        && found.preshared_key == peer.preshared_key
}

/// What peers may reach, which no file of `wg-quick` says.
fn reach(keys: &LocationKeys, server: &WgQuick) -> Vec<String> {
    let listed = |list: &Option<Vec<String>>| list.clone().unwrap_or_default().join(", ");
    let or_nothing = |text: String, option: &str| {
        if text.is_empty() { format!("none ({option} gives some)") } else { text }
    };
    let mut told = vec![
        format!(
            "networks behind this host that peers may reach: {}",
            or_nothing(listed(&keys.routes), "--route")
        ),
        format!(
            "services of this host that peers may reach, besides ping: {}; this includes SSH",
            or_nothing(listed(&keys.host_services), "--host-service tcp/22")
        ),
    ];
    if keys.client_to_client != Some(true) {
        told.push(
            "peers do not reach each other, nor networks behind them (--client-to-client lets them)"
                .to_owned(),
        );
    }
    let everything =
        server.peers.iter().flat_map(|peer| &peer.allowed_ips).any(|network| network.prefix_len() == 0);
    if everything {
        told.push(
            "a peer has 0.0.0.0/0 or ::/0: it may send from anywhere, but no default route leads to it"
                .to_owned(),
        );
    }
    told
}
