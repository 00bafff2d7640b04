//! Rows and configuration together: what the gateway should make so.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use postern_gateway::{Desired, DesiredInterface, DesiredPeer, ForwardPolicy, PublicKey, Scope};
use rusqlite::Row;

use super::tx::{StoreError, Tx, key_from};
use crate::rules::ids::{DeviceId, LocationId};
use crate::site::{Site, SiteLocation};

/// A peer that should be, and where its row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerRow {
    /// Whose.
    pub device: DeviceId,
    /// Where.
    pub location: LocationId,
    /// Its key.
    pub key: PublicKey,
    /// Whether it is recorded as live.
    pub live: bool,
}

impl Tx<'_> {
    /// What should exist within `scope`, and the rows it came from. A disabled user's devices hold no
    /// addresses, so nothing has to be asked about users here.
    pub fn desired(&self, site: &Site, scope: &Scope) -> Result<(Desired, Vec<PeerRow>), StoreError> {
        let mut desired = Desired {
            interfaces: site
                .locations()
                .map(|location| (location.config.interface.clone(), interface(location)))
                .collect(),
        };
        let mut rows = Vec::new();
        match scope {
            Scope::Everything => self.gather(site, None, &mut desired, &mut rows)?,
            Scope::Peers(keys) => {
                keys.iter().try_for_each(|key| self.gather(site, Some(*key), &mut desired, &mut rows))?;
            }
        }
        Ok((desired, rows))
    }

    fn gather(
        &self,
        site: &Site,
        key: Option<PublicKey>,
        desired: &mut Desired,
        rows: &mut Vec<PeerRow>,
    ) -> Result<(), StoreError> {
        const ALL: &str = "SELECT d.id, a.location_id, d.public_key, a.ipv4, a.ipv6, a.live_since
             FROM device d JOIN device_address a ON a.device_id = d.id WHERE d.public_key IS NOT NULL";
        let found = match key {
            None => self.all(ALL, [], peer)?,
            Some(key) => self.all(&format!("{ALL} AND d.public_key = ?1"), [key.as_bytes()], peer)?,
        };
        for (device, location, key, ips, live) in found {
            let Some(key) = key_from(key)? else { continue };
            let location = LocationId(location);
            let Some(known) = site.location(location) else { continue };
            let Some(interface) = desired.interfaces.get_mut(&known.config.interface) else { continue };
            let allowed_ips =
                ips.iter().flatten().filter_map(|ip| ip.parse::<std::net::IpAddr>().ok()).map(Into::into);
            let allowed_ips = allowed_ips.collect();
            interface.peers.insert(key, DesiredPeer { allowed_ips, preshared_key: None, dialled: None });
            rows.push(PeerRow { device: DeviceId(device), location, key, live });
        }
        self.gather_fixed(site, key, desired, rows)
    }

    /// Those on addresses of their own.
    fn gather_fixed(
        &self,
        site: &Site,
        key: Option<PublicKey>,
        desired: &mut Desired,
        rows: &mut Vec<PeerRow>,
    ) -> Result<(), StoreError> {
        for (key, place) in self.granted_fixed_places(key)? {
            let Some(known) = site.location(place.location) else { continue };
            let Some(interface) = desired.interfaces.get_mut(&known.config.interface) else { continue };
            let subnets: Vec<IpNet> = interface.addresses.iter().map(IpNet::trunc).collect();
            let is_behind = |network: &&IpNet| {
                network.prefix_len() > 0 && !subnets.iter().any(|subnet| subnet.contains(*network))
            };
            let behind = place.allowed_ips.iter().filter(is_behind);
            if interface.policy.client_to_client {
                interface.policy.peer_networks.extend(behind.clone());
            }
            interface.routes.extend(behind);
            match place.peer(&site.keys.seal) {
                Some(peer) => drop(interface.peers.insert(key, peer)),
                None => drop(interface.undecided.insert(key)),
            }
            let (device, live) = (place.device, place.live_since.is_some());
            rows.push(PeerRow { device, location: place.location, key, live });
        }
        Ok(())
    }
}

type Columns = (i64, i64, Option<[u8; 32]>, [Option<String>; 2], bool);

fn peer(row: &Row<'_>) -> rusqlite::Result<Columns> {
    let live: Option<i64> = row.get(5)?;
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, [row.get(3)?, row.get(4)?], live.is_some()))
}

fn interface(location: &SiteLocation) -> DesiredInterface {
    let config = &location.config;
    DesiredInterface {
        backend: location.backend,
        private_key: location.private_key.clone(),
        listen_port: config.listen_port,
        mtu: config.mtu,
        addresses: config.pool().gateway().into_iter().collect(),
        peers: BTreeMap::new(),
        undecided: BTreeSet::new(),
        routes: BTreeSet::new(),
        policy: ForwardPolicy {
            routes: config.routes.iter().copied().collect::<BTreeSet<_>>(),
            host_services: config.host_services.clone(),
            client_to_client: config.client_to_client,
            peer_networks: BTreeSet::new(),
            masquerade: config.masquerade,
        },
    }
}
