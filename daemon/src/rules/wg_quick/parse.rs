//! Reads such a file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;

use ipnet::IpNet;
use postern_gateway::{ListenPort, Mtu, PresharedKey, PrivateKey, PublicKey};

use super::names::name_in;
use super::{Parsed, WgPeer, WgQuick, WgQuickError};

/// So many problems are told of one file.
const MOST_PROBLEMS: usize = 50;
/// More than one interface is good for.
const MOST_PEERS: usize = 20_000;

/// What is read so far.
#[derive(Default)]
struct Reading {
    private_key: Option<PrivateKey>,
    addresses: Vec<IpNet>,
    listen_port: Option<ListenPort>,
    mtu: Option<Mtu>,
    peers: Vec<Peer>,
    /// Comments since the last setting.
    comments: Vec<String>,
    left_out: Vec<String>,
    problems: Vec<String>,
}

#[derive(Default)]
struct Peer {
    line: usize,
    before: Vec<String>,
    within: Vec<String>,
    public_key: Option<PublicKey>,
    preshared_key: Option<PresharedKey>,
    allowed_ips: Vec<IpNet>,
    endpoint: Option<String>,
    keepalive: Option<NonZeroU16>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    Interface,
    Peer,
}

/// Reads a file, or says everything that is wrong with it.
pub fn parse(text: &str) -> Result<Parsed, WgQuickError> {
    let mut reading = Reading::default();
    let mut section = Section::None;
    for (number, line) in (1..).zip(text.lines()) {
        let (setting, comment) = line.split_once('#').map_or((line, None), |(line, rest)| (line, Some(rest)));
        let setting = setting.trim();
        if let Some(comment) = comment {
            reading.comment(comment, setting.is_empty(), section);
        }
        if setting.is_empty() {
            continue;
        }
        let done = match setting.to_ascii_lowercase().as_str() {
            "[interface]" => {
                section = Section::Interface;
                Ok(())
            }
            "[peer]" => {
                section = Section::Peer;
                reading.open_peer(number)
            }
            _ => reading.setting(section, number, setting),
        };
        reading.problems.extend(done.err().map(|reason| format!("line {number}: {reason}")));
    }
    reading.conclude()
}

impl Reading {
    /// A comment on a line of its own before a peer, or anywhere within it, may name it.
    fn comment(&mut self, comment: &str, alone: bool, section: Section) {
        let is_within = self.peers.last().is_some_and(|peer| peer.public_key.is_none());
        match self.peers.last_mut().filter(|_| section == Section::Peer && (is_within || !alone)) {
            Some(peer) => peer.within.push(comment.to_owned()),
            None => self.comments.push(comment.to_owned()),
        }
    }

    fn open_peer(&mut self, line: usize) -> Result<(), String> {
        if self.peers.len() == MOST_PEERS {
            return Err(format!("more than {MOST_PEERS} peers"));
        }
        self.peers.push(Peer { line, before: std::mem::take(&mut self.comments), ..Peer::default() });
        Ok(())
    }

    fn setting(&mut self, section: Section, line: usize, setting: &str) -> Result<(), String> {
        let Some((key, value)) = setting.split_once('=') else {
            // What it says may be half of a key.
            return Err("neither a section nor KEY = VALUE".to_owned());
        };
        let (key, value) = (key.trim(), value.trim());
        match section {
            Section::None => Err("this stands before any section".to_owned()),
            Section::Interface => self.of_interface(line, key, value),
            Section::Peer => self.of_peer(line, key, value),
        }
    }

    fn of_interface(&mut self, line: usize, key: &str, value: &str) -> Result<(), String> {
        self.comments.clear();
        let mut leave_out = |why: &str| self.left_out.push(format!("line {line}: {key}: {why}"));
        match key.to_ascii_lowercase().as_str() {
            "privatekey" => {
                self.private_key = Some(PrivateKey::from_base64(value).map_err(|error| told(key, error))?);
            }
            "address" => self.addresses.extend(networks(value, key)?),
            "listenport" => {
                let port = value.parse::<u16>().ok().and_then(|port| ListenPort::try_from(port).ok());
                self.listen_port = Some(port.ok_or_else(|| format!("{key}: {value:?} is not a UDP port"))?);
            }
            "mtu" => {
                let bytes = value.parse::<u32>().map_err(|error| told(key, error))?;
                self.mtu = Some(Mtu::try_from(bytes).map_err(|error| told(key, error))?);
            }
            "preup" | "postup" | "predown" | "postdown" => leave_out(
                "postern runs no commands; what this one set up stays as it is until the host starts again",
            ),
            "dns" => leave_out("resolvers of this host itself are not postern's business"),
            "table" => leave_out("postern's routes are in the main table"),
            "fwmark" => leave_out("postern sets no firewall mark, and clears it"),
            "saveconfig" => {
                leave_out("the file is not written any more; `postern export wg-quick` writes one");
            }
            _ => return Err(unknown(key, "[Interface]")),
        }
        Ok(())
    }

    fn of_peer(&mut self, line: usize, key: &str, value: &str) -> Result<(), String> {
        let Some(peer) = self.peers.last_mut() else { return Ok(()) };
        peer.within.append(&mut self.comments);
        match key.to_ascii_lowercase().as_str() {
            "publickey" => peer.public_key = Some(value.parse().map_err(|error| told(key, error))?),
            "presharedkey" => {
                peer.preshared_key = PresharedKey::from_base64(value).map_err(|error| told(key, error))?;
            }
            "allowedips" => {
                let networks = networks(value, key)?.into_iter().map(|network| network.trunc());
                let new: Vec<IpNet> =
                    networks.filter(|network| !peer.allowed_ips.contains(network)).collect();
                peer.allowed_ips.extend(new);
            }
            "endpoint" => peer.endpoint = Some(endpoint(value)?),
            "persistentkeepalive" if value.eq_ignore_ascii_case("off") => peer.keepalive = None,
            "persistentkeepalive" => {
                peer.keepalive = NonZeroU16::new(value.parse().map_err(|error| told(key, error))?);
            }
            "advancedsecurity" => {
                self.left_out.push(format!("line {line}: {key}: not a setting of WireGuard itself"));
            }
            _ => return Err(unknown(key, "[Peer]")),
        }
        Ok(())
    }

    fn conclude(mut self) -> Result<Parsed, WgQuickError> {
        if self.private_key.is_none() {
            self.problems.push("[Interface] has no PrivateKey: write it into the file".to_owned());
        }
        let mut peers = Vec::new();
        for peer in std::mem::take(&mut self.peers) {
            let line = peer.line;
            match peer.finished(&mut self.left_out) {
                Some(peer) => peers.push(peer),
                None => self.problems.push(format!("line {line}: this peer has no PublicKey")),
            }
        }
        let own = self.private_key.as_ref().map(PrivateKey::public);
        if peers.iter().any(|peer| Some(peer.public_key) == own) {
            self.problems.push("a peer has the server's own key: take it out of the file".to_owned());
        }
        self.doubles(&peers);
        if let Some(more) = self.problems.len().checked_sub(MOST_PROBLEMS).filter(|more| *more > 0) {
            self.problems.truncate(MOST_PROBLEMS);
            self.problems.push(format!("and {more} more"));
        }
        match self.private_key {
            Some(private_key) if self.problems.is_empty() => Ok(Parsed {
                server: WgQuick {
                    private_key,
                    addresses: self.addresses,
                    listen_port: self.listen_port,
                    mtu: self.mtu,
                    peers,
                },
                left_out: self.left_out,
            }),
            Some(_) | None => Err(WgQuickError(self.problems)),
        }
    }

    /// WireGuard gives what two peers claim to the last one, which nobody means.
    fn doubles(&mut self, peers: &[WgPeer]) {
        let (mut keys, mut owners) = (BTreeSet::new(), BTreeMap::new());
        for peer in peers {
            if !keys.insert(peer.public_key) {
                self.problems.push(format!("the peer {} is there twice", peer.public_key));
                continue;
            }
            for network in &peer.allowed_ips {
                if let Some(other) = owners.insert(*network, peer.public_key) {
                    let problem = format!("{network} belongs to two peers: {other} and {}", peer.public_key);
                    self.problems.push(problem);
                }
            }
        }
    }
}

impl Peer {
    fn finished(self, left_out: &mut Vec<String>) -> Option<WgPeer> {
        let mut keepalive = self.keepalive;
        if self.endpoint.is_none() && keepalive.take().is_some() {
            left_out.push(format!(
                "line {}: PersistentKeepalive of a peer without Endpoint: the gateway cannot call it, it keeps the tunnel \
                 alive itself",
                self.line
            ));
        }
        Some(WgPeer {
            name: name_in(&self.within).or_else(|| name_in(&self.before)),
            public_key: self.public_key?,
            preshared_key: self.preshared_key,
            allowed_ips: self.allowed_ips,
            endpoint: self.endpoint,
            keepalive,
        })
    }
}

/// A key of a setting is short; what is longer may be a secret that stands where it should not.
fn unknown(key: &str, section: &str) -> String {
    if key.len() <= 24 && key.chars().all(|c| c.is_ascii_alphanumeric()) {
        format!("{key} is no setting of {section}")
    } else {
        format!("no setting of {section} is called like this")
    }
}

/// Why a value is not taken; `error` does not repeat it.
fn told(key: &str, error: impl std::fmt::Display) -> String {
    format!("{key}: {error}")
}

/// Networks, and addresses as networks of one.
fn networks(value: &str, key: &str) -> Result<Vec<IpNet>, String> {
    let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
    let network = |part: &str| {
        let host = part.parse::<IpAddr>().map(IpNet::from);
        host.or_else(|_| part.parse()).map_err(|_| format!("{key}: {part:?} is no address and no network"))
    };
    parts.map(network).collect()
}

fn endpoint(value: &str) -> Result<String, String> {
    let wrong = || format!("Endpoint: {value:?} is not HOST:PORT");
    let (host, port) = value.rsplit_once(':').ok_or_else(wrong)?;
    let is_host = |host: &str| !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic() && c != ':');
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_v6 = bare.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    let is_good = port.parse::<NonZeroU16>().is_ok() && (is_v6 || is_host(host));
    if is_good { Ok(value.to_owned()) } else { Err(wrong()) }
}
