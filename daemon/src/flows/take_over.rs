//! An existing server of `wg-quick` becomes a location, with its key, port, addresses and peers, while its tunnels are
//! up: the gateway adopts a link that has a location's key, so nothing is set up anew. What cannot be taken over is told
//! before anything changes (`judge`); each peer becomes a machine on the addresses it has. And the way out: a location
//! as such a file.

mod judge;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use postern_gateway::PublicKey;
use serde::Serialize;

use super::invite::Actor;
use super::refusal::Refusal;
use crate::config::edit::{LocationKeys, OptionalKey};
use crate::rules::action::Action;
use crate::rules::ids::{DeviceId, LocationId};
use crate::rules::names;
use crate::rules::seal::{SealKey, Sealed};
use crate::rules::wg_quick::{WgPeer, WgQuick, render};
use crate::site::Site;
use crate::store::device::{Device, DeviceOwner};
use crate::store::fixed::Called;
use crate::store::{StoreError, Tx};

pub use judge::judge;

/// So many devices of one name are told apart by a number.
const MOST_NAMESAKES: u32 = 1000;

/// A server to be taken over, as somebody wishes it.
pub struct Wish {
    /// The location to be.
    pub name: String,
    /// The link it runs on.
    pub interface: String,
    /// `host` or `host:port`, for clients to come.
    pub endpoint: String,
    /// What the location is to be like beyond what the file says.
    pub keys: LocationKeys,
}

/// A server that can be taken over. It holds keys: no `Debug`.
pub struct Takeover {
    /// The location to be.
    pub name: String,
    /// What the file says.
    pub server: WgQuick,
    /// The location's file.
    pub keys: LocationKeys,
    /// What the location's file does without.
    pub without: BTreeSet<OptionalKey>,
    /// What will not be as it was, for people.
    pub changes: Vec<String>,
    called: BTreeMap<String, SocketAddr>,
}

/// A peer that was taken over, or is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TakenPeer {
    /// The device's name; `None`: one is made of its key.
    pub name: Option<String>,
    /// Its key.
    pub public_key: PublicKey,
    /// What it may send from.
    pub allowed_ips: Vec<String>,
    /// Whether it has a preshared key.
    pub preshared: bool,
    /// Where the gateway calls it.
    pub endpoint: Option<String>,
}

impl Takeover {
    /// What the file says of its peers.
    pub fn peers(&self) -> Vec<TakenPeer> {
        self.server.peers.iter().map(|peer| taken(peer, peer.name.clone())).collect()
    }
}

fn taken(peer: &WgPeer, name: Option<String>) -> TakenPeer {
    TakenPeer {
        name,
        public_key: peer.public_key,
        allowed_ips: peer.allowed_ips.iter().map(ToString::to_string).collect(),
        preshared: peer.preshared_key.is_some(),
        endpoint: peer.endpoint.clone(),
    }
}

/// Makes every peer of each server a device of its location. `random` is fresh each time.
pub fn take_over(
    tx: &Tx<'_>,
    site: &Site,
    takeovers: &[Takeover],
    random: &dyn Fn() -> [u8; 32],
    (actor, now): (&Actor, Timestamp),
) -> Result<Vec<Vec<TakenPeer>>, Refusal> {
    let mut managed: BTreeSet<LocationId> = site.locations().map(|location| location.id).collect();
    let mut taken = Vec::new();
    for takeover in takeovers {
        let location = vacated(tx, takeover)?;
        not_behind_others(tx, takeover, &managed)?;
        taken.push(take_over_one(tx, (takeover, location), &site.keys.seal, random, now)?);
        managed.insert(location);
        let detail = format!("from wg-quick, {} peers", takeover.server.peers.len());
        tx.audit(&actor.name, Action::LocationImport, &takeover.name, Some(&detail), now)?;
    }
    Ok(taken)
}

fn take_over_one(
    tx: &Tx<'_>,
    (takeover, location): (&Takeover, LocationId),
    seal: &SealKey,
    random: &dyn Fn() -> [u8; 32],
    now: Timestamp,
) -> Result<Vec<TakenPeer>, Refusal> {
    let mut peers = Vec::new();
    for peer in &takeover.server.peers {
        let device = device_of(tx, peer, location, now)?;
        let sealed = peer.preshared_key.as_ref().map(|preshared| {
            seal.seal(Sealed::PresharedKey(device.id, location), preshared.expose_bytes(), random())
        });
        let called = peer.endpoint.as_ref().and_then(|endpoint| {
            let address = *takeover.called.get(endpoint)?;
            Some(Called { endpoint: endpoint.clone(), address, keepalive: peer.keepalive })
        });
        tx.insert_fixed_place(&device, location, &peer.allowed_ips, sealed.as_deref(), called.as_ref())?;
        peers.push(taken(peer, Some(device.name)));
    }
    Ok(peers)
}

/// The location of that name without what a former one of the name left, if that can go. Peers of the file may be
/// there: when it was taken over already, but never managed (see [`crate::reload`]).
fn vacated(tx: &Tx<'_>, takeover: &Takeover) -> Result<LocationId, Refusal> {
    let location = tx.location_id(&takeover.name)?;
    let keys: BTreeSet<PublicKey> = takeover.server.peers.iter().map(|peer| peer.public_key).collect();
    let mut former = tx.machines_of(location)?;
    former.retain(|device| device.public_key.is_none_or(|key| !keys.contains(&key)));
    if !former.is_empty() {
        let location = takeover.name.clone();
        let machines = former.into_iter().map(|device| device.name).collect();
        return Err(Refusal::FormerMachines { location, machines });
    }
    tx.forget_slots(location)?;
    Ok(location)
}

/// What is behind a peer here and behind one of another location would be routed to one of the two.
fn not_behind_others(
    tx: &Tx<'_>,
    takeover: &Takeover,
    managed: &BTreeSet<LocationId>,
) -> Result<(), Refusal> {
    let places = tx.fixed_places()?;
    let managed = places.values().flatten().filter(|place| managed.contains(&place.location));
    let held: BTreeSet<&IpNet> = managed.flat_map(|place| &place.allowed_ips).collect();
    let networks = takeover.server.peers.iter().flat_map(|peer| &peer.allowed_ips);
    let doubles = networks.filter(|network| network.prefix_len() > 0 && held.contains(network));
    let told = |network: &IpNet| format!("{network} belongs to a peer of another location");
    let problems: Vec<String> = doubles.map(told).collect();
    if problems.is_empty() { Ok(()) } else { Err(Refusal::Takeover(problems)) }
}

/// The machine with this key: one that was taken over elsewhere, or a new one.
fn device_of(tx: &Tx<'_>, peer: &WgPeer, location: LocationId, now: Timestamp) -> Result<Device, Refusal> {
    let id = match tx.device_by_key(peer.public_key)? {
        Some(device) if device.is_fixed || device.owner == DeviceOwner::Machine(location) => {
            return Ok(device);
        }
        Some(device) => return Err(Refusal::KeyInUse { key: peer.public_key, device: device.name }),
        None => new_device(tx, peer, location, now)?,
    };
    tx.device(id)?.ok_or_else(|| Refusal::UnknownDevice(peer.public_key.to_string()))
}

fn new_device(tx: &Tx<'_>, peer: &WgPeer, location: LocationId, now: Timestamp) -> Result<DeviceId, Refusal> {
    let unnamed = || format!("peer {}", peer.public_key.to_string().chars().take(8).collect::<String>());
    let wanted = peer.name.as_deref().and_then(|name| names::device_name(name).ok()).unwrap_or_else(unnamed);
    for number in 1..=MOST_NAMESAKES {
        let name = if number == 1 { wanted.clone() } else { with_number(&wanted, number) };
        match tx.insert_device(DeviceOwner::Machine(location), &name, Some(peer.public_key), None, now) {
            Err(error) if error.is_conflict() => {}
            made => return Ok(made?),
        }
    }
    Err(Refusal::DeviceTaken(wanted))
}

/// `ann (2)`, no longer than a name may be.
fn with_number(name: &str, number: u32) -> String {
    let number = format!(" ({number})");
    let kept: String = name.chars().take(64 - number.len()).collect();
    format!("{}{number}", kept.trim_end())
}

/// A location as a file of `wg-quick`: its private key, its addresses and every peer it should have.
pub fn export(
    tx: &Tx<'_>,
    site: &Site,
    name: &str,
    (actor, now): (&Actor, Timestamp),
) -> Result<zeroize::Zeroizing<String>, Refusal> {
    let location = super::locations::named(site, name)?;
    tx.audit(&actor.name, Action::LocationExport, &location.config.name, None, now)?;
    let server = WgQuick {
        private_key: location.private_key.clone(),
        addresses: location.config.pool().gateway(),
        listen_port: Some(location.config.listen_port),
        mtu: Some(location.config.mtu),
        peers: peers_of(tx, site, location.id)?,
    };
    Ok(render(&server))
}

/// In the order the devices came.
fn peers_of(tx: &Tx<'_>, site: &Site, location: LocationId) -> Result<Vec<WgPeer>, StoreError> {
    let mut addresses: BTreeMap<DeviceId, _> = tx
        .addresses()?
        .into_iter()
        .filter(|held| held.location == location)
        .map(|held| (held.device, held.addresses))
        .collect();
    let fixed = tx.fixed_places()?;
    let mut peers = Vec::new();
    for device in tx.devices()? {
        let Some(public_key) = device.public_key else { continue };
        let mut peer = WgPeer {
            name: Some(device.name),
            public_key,
            preshared_key: None,
            allowed_ips: Vec::new(),
            endpoint: None,
            keepalive: None,
        };
        let is_here = |place: &&crate::store::fixed::FixedPlace| place.location == location && place.granted;
        if let Some(place) = fixed.get(&device.id).and_then(|places| places.iter().find(is_here)) {
            peer.allowed_ips.clone_from(&place.allowed_ips);
            peer.preshared_key = place.preshared_key(&site.keys.seal)?;
            peer.endpoint = place.called.as_ref().map(|called| called.endpoint.clone());
            peer.keepalive = place.called.as_ref().and_then(|called| called.keepalive);
        } else if let Some(addresses) = addresses.remove(&device.id) {
            peer.allowed_ips = addresses.hosts().collect();
        } else {
            continue;
        }
        peers.push(peer);
    }
    Ok(peers)
}
