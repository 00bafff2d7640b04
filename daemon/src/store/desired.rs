//! Rows and configuration together: what the gateway should make so.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use postern_gateway::{Desired, DesiredInterface, DesiredPeer, ForwardPolicy, PublicKey, Scope};
use rusqlite::Row;

use super::connection::preshared_key;
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
        const ALL: &str = "SELECT d.id, a.location_id, d.public_key, a.ipv4, a.ipv6, a.live_since, c.preshared_key
             FROM device d JOIN device_address a ON a.device_id = d.id
             LEFT JOIN connection c ON c.device_id = d.id AND c.location_id = a.location_id WHERE d.public_key IS NOT NULL";
        let found = match key {
            None => self.all(ALL, [], peer)?,
            Some(key) => self.all(&format!("{ALL} AND d.public_key = ?1"), [key.as_bytes()], peer)?,
        };
        for (device, location, key, ips, live, sealed) in found {
            let Some(key) = key_from(key)? else { continue };
            let location = LocationId(location);
            let Some(known) = site.location(location) else { continue };
            let Some(interface) = desired.interfaces.get_mut(&known.config.interface) else { continue };
            let allowed_ips =
                ips.iter().flatten().filter_map(|ip| ip.parse::<std::net::IpAddr>().ok()).map(Into::into);
            let device = DeviceId(device);
            // Also of a peer that goes: that it is gone is written down.
            rows.push(PeerRow { device, location, key, live });
            let opened =
                sealed.and_then(|sealed| preshared_key(&site.keys.seal, (device, location), &sealed));
            let preshared_key = if known.config.second_factor { opened } else { None };
            if known.config.second_factor && preshared_key.is_none() {
                // Without its key the peer would shake hands all the same: it does not exist.
                continue;
            }
            interface.peers.insert(
                key,
                DesiredPeer { allowed_ips: allowed_ips.collect(), preshared_key, dialled: None },
            );
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
            let (device, live) = (place.device, place.live_since.is_some());
            rows.push(PeerRow { device, location: place.location, key, live });
            if known.config.second_factor {
                continue;
            }
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
        }
        Ok(())
    }
}

/// The device, the location, the key, the addresses, whether it is live, and with which sealed key it is connected.
type Columns = (i64, i64, Option<[u8; 32]>, [Option<String>; 2], bool, Option<Vec<u8>>);

fn peer(row: &Row<'_>) -> rusqlite::Result<Columns> {
    let live: Option<i64> = row.get(5)?;
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, [row.get(3)?, row.get(4)?], live.is_some(), row.get(6)?))
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
