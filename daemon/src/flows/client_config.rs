//! What a client is told about its device: byte-stable for an unchanged state (protocol 4.4), because clients compare
//! it with what they have, word by word.

use std::fmt::Write as _;

use ipnet::IpNet;

use crate::flows::enroll::{EnrollError, device_to_poll};
use crate::rules::addressing::SlotAddresses;
use crate::rules::token::Token;
use crate::site::{Site, SiteLocation};
use crate::store::device::{Device, DeviceOwner};
use crate::store::{StoreError, Tx};

/// Stands in a WireGuard file for the key that never leaves the device.
pub const PLACEHOLDER_KEY: &str = "YOUR_PRIVATE_KEY";

/// A device with everything its client needs.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The device.
    pub device: Device,
    /// The login of its owner; a machine's own name.
    pub username: String,
    /// By location number.
    pub places: Vec<Place>,
}

/// A device's place in one location, in the protocol's spelling (4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The location's number.
    pub network_id: i64,
    /// Its name.
    pub network_name: String,
    /// A WireGuard file with [`PLACEHOLDER_KEY`]; empty where it would not get in.
    pub config: String,
    /// `host:port`.
    pub endpoint: String,
    /// Addresses, comma-separated, without spaces.
    pub assigned_ip: String,
    /// The location's public key.
    pub pubkey: String,
    /// Networks, comma-separated, without spaces: the location's own first.
    pub allowed_ips: String,
    /// Resolvers and search domains, comma-separated; `None` when there are none.
    pub dns: Option<String>,
    /// Seconds.
    pub keepalive_interval: u16,
    /// Whether a client must give a second factor first (protocol 1.8); other programs cannot, so there is no file for them.
    pub second_factor: bool,
}

/// Puts together what the client of `device` is told. A disabled user's has no places.
pub fn of_device(tx: &Tx<'_>, site: &Site, device: &Device) -> Result<ClientConfig, StoreError> {
    let (username, active) = match device.owner {
        DeviceOwner::User(id) => {
            let user = tx.user(id)?.ok_or(StoreError::Unreadable("device owner"))?;
            (user.username, user.disabled_at.is_none())
        }
        DeviceOwner::Machine(_) => (device.name.clone(), true),
    };
    let held = if active { tx.addresses_of(device.id)? } else { Vec::new() };
    let places = held
        .iter()
        .filter_map(|held| Some(Place::new(site.location(held.location)?, held.addresses)))
        .collect();
    Ok(ClientConfig { device: device.clone(), username, places })
}

impl Place {
    fn new(location: &SiteLocation, addresses: SlotAddresses) -> Self {
        let of = &location.config;
        let subnets = of.ipv4.map(|net| IpNet::V4(net.trunc())).into_iter();
        let subnets = subnets.chain(of.ipv6.map(|net| IpNet::V6(net.trunc())));
        let mut place = Self {
            network_id: location.id.0,
            network_name: of.name.clone(),
            config: String::new(),
            endpoint: of.endpoint.clone(),
            assigned_ip: joined(addresses.iter()),
            pubkey: location.public_key.to_string(),
            allowed_ips: joined(subnets.chain(of.routes.iter().copied())),
            dns: (!of.dns.is_empty()).then(|| of.dns.join(",")),
            keepalive_interval: of.keepalive,
            second_factor: of.second_factor,
        };
        if !place.second_factor {
            place.config = place.file();
        }
        place
    }

    fn file(&self) -> String {
        let mut file =
            format!("[Interface]\nPrivateKey = {PLACEHOLDER_KEY}\nAddress = {}\n", self.assigned_ip);
        if let Some(dns) = &self.dns {
            // Writing to a string cannot fail.
            let _ = writeln!(file, "DNS = {dns}");
        }
        let _ = write!(
            file,
            "\n[Peer]\nPublicKey = {}\nAllowedIPs = {}\nEndpoint = {}\nPersistentKeepalive = {}\n",
            self.pubkey, self.allowed_ips, self.endpoint, self.keepalive_interval
        );
        file
    }
}

/// Answers a poll. A disabled user's client is told that there are no locations, so that it drops them; a client that
/// takes exactly one must never be told so (protocol 1.6).
pub fn poll(tx: &Tx<'_>, site: &Site, token: &Token) -> Result<ClientConfig, EnrollError> {
    let config = of_device(tx, site, &device_to_poll(tx, token)?)?;
    if config.places.is_empty() && config.device.takes_exactly_one() {
        return Err(EnrollError::NothingToPoll);
    }
    Ok(config)
}

fn joined<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}
