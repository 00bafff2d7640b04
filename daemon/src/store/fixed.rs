//! Places on addresses of the device's own: peers that were taken over from elsewhere, as they were there.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;

use ipnet::IpNet;
use postern_gateway::{AllowedIps, DesiredPeer, Dialled, PresharedKey, PublicKey};
use rusqlite::{Row, params};

use super::device::Device;
use super::tx::{StoreError, Tx, key_from};
use crate::rules::ids::{DeviceId, LocationId};
use crate::rules::seal::{SealKey, Sealed};

/// A device's place in a location, on addresses of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedPlace {
    /// Whose.
    pub device: DeviceId,
    /// Where.
    pub location: LocationId,
    /// In the order they were given.
    pub allowed_ips: Vec<IpNet>,
    /// Where the gateway calls it.
    pub called: Option<Called>,
    /// Whether its owner may be there.
    pub granted: bool,
    /// Since when the gateway has the peer (Unix seconds); `None`: pending.
    pub live_since: Option<i64>,
    preshared_key: Option<Vec<u8>>,
}

/// Where the gateway calls a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// `host:port`, as it was written.
    pub endpoint: String,
    /// Where that was found.
    pub address: SocketAddr,
    /// Seconds; `None`: no keepalives.
    pub keepalive: Option<NonZeroU16>,
}

const COLUMNS: &str = "f.device_id, f.location_id, f.allowed_ips, f.preshared_key, f.endpoint, f.called_at, f.keepalive, f.granted, f.live_since";

fn place(row: &Row<'_>) -> rusqlite::Result<FixedPlace> {
    let (allowed_ips, endpoint, called_at): (String, Option<String>, Option<String>) =
        (row.get(2)?, row.get(4)?, row.get(5)?);
    let address = called_at.and_then(|text| text.parse().ok());
    let keepalive = row.get::<_, Option<u16>>(6)?.and_then(NonZeroU16::new);
    Ok(FixedPlace {
        device: DeviceId(row.get(0)?),
        location: LocationId(row.get(1)?),
        allowed_ips: allowed_ips.split(',').filter_map(|text| text.parse().ok()).collect(),
        preshared_key: row.get(3)?,
        called: endpoint.zip(address).map(|(endpoint, address)| Called { endpoint, address, keepalive }),
        granted: row.get(7)?,
        live_since: row.get(8)?,
    })
}

impl FixedPlace {
    /// The preshared key, if there is one.
    pub fn preshared_key(&self, key: &SealKey) -> Result<Option<PresharedKey>, StoreError> {
        let Some(sealed) = &self.preshared_key else { return Ok(None) };
        let unreadable = || StoreError::Unreadable("preshared key: it was not sealed under keys/seal.key");
        let opened = key.open(Sealed::PresharedKey(self.device, self.location), sealed);
        let opened = opened.ok_or_else(unreadable)?;
        let bytes = <[u8; 32]>::try_from(opened.as_slice()).map_err(|_| unreadable())?;
        Ok(PresharedKey::from_bytes(bytes))
    }

    /// The peer it is to be; `None`: its preshared key does not open, and without it would be another peer.
    pub fn peer(&self, key: &SealKey) -> Option<DesiredPeer> {
        let called = self.called.as_ref();
        Some(DesiredPeer {
            allowed_ips: self.allowed_ips.iter().copied().collect::<AllowedIps>(),
            preshared_key: self.preshared_key(key).ok()?,
            dialled: called.map(|called| Dialled { endpoint: called.address, keepalive: called.keepalive }),
        })
    }
}

impl Tx<'_> {
    /// Gives a device a place on these addresses. `sealed` is its preshared key.
    pub fn insert_fixed_place(
        &self,
        device: &Device,
        location: LocationId,
        allowed_ips: &[IpNet],
        sealed: Option<&[u8]>,
        called: Option<&Called>,
    ) -> Result<(), StoreError> {
        let allowed_ips: Vec<String> = allowed_ips.iter().map(ToString::to_string).collect();
        self.execute(
            "INSERT INTO fixed_place (device_id, location_id, allowed_ips, preshared_key, endpoint, called_at, keepalive)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                device.id.0,
                location.0,
                allowed_ips.join(","),
                sealed,
                called.map(|called| &called.endpoint),
                called.map(|called| called.address.to_string()),
                called.and_then(|called| called.keepalive).map(NonZeroU16::get)
            ],
        )?;
        // Networks behind it are routed there.
        self.touch_everything();
        device.public_key.into_iter().for_each(|key| self.touch_peer_on(key, location));
        Ok(())
    }

    /// By location.
    pub fn fixed_places_of(&self, device: DeviceId) -> Result<Vec<FixedPlace>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM fixed_place f WHERE f.device_id = ?1 ORDER BY f.location_id");
        self.all(&sql, [device.0], place)
    }

    /// Everybody's, by device and location.
    pub fn fixed_places(&self) -> Result<BTreeMap<DeviceId, Vec<FixedPlace>>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM fixed_place f ORDER BY f.device_id, f.location_id");
        let mut by_device: BTreeMap<DeviceId, Vec<FixedPlace>> = BTreeMap::new();
        for found in self.all(&sql, [], place)? {
            by_device.entry(found.device).or_default().push(found);
        }
        Ok(by_device)
    }

    /// Those where devices may be, with the devices' keys: all, or of one key.
    pub(super) fn granted_fixed_places(
        &self,
        key: Option<PublicKey>,
    ) -> Result<Vec<(PublicKey, FixedPlace)>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}, d.public_key FROM fixed_place f JOIN device d ON d.id = f.device_id
             WHERE f.granted = 1 AND d.public_key {}",
            if key.is_some() { "= ?1" } else { "IS NOT NULL" }
        );
        let keyed = |row: &Row<'_>| Ok((row.get::<_, Option<[u8; 32]>>(9)?, place(row)?));
        let found = match key {
            None => self.all(&sql, [], keyed)?,
            Some(key) => self.all(&sql, [key.as_bytes()], keyed)?,
        };
        let with_key = |(key, place)| Ok(key_from(key)?.map(|key| (key, place)));
        found.into_iter().map(with_key).filter_map(Result::transpose).collect()
    }

    /// The networks that devices have of their own in a location, granted or not.
    pub fn fixed_networks(&self, location: LocationId) -> Result<Vec<IpNet>, StoreError> {
        let lists: Vec<String> =
            self.all("SELECT allowed_ips FROM fixed_place WHERE location_id = ?1", [location.0], |row| {
                row.get(0)
            })?;
        Ok(lists.iter().flat_map(|list| list.split(',')).filter_map(|text| text.parse().ok()).collect())
    }

    /// Whether this is the key that secrets here are sealed under: it opens one of the first hundreds, as some may be
    /// damaged; any is, where there are none.
    pub fn opens_what_is_sealed(&self, key: &SealKey) -> Result<bool, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM fixed_place f WHERE f.preshared_key IS NOT NULL LIMIT 100");
        let sealed = self.all(&sql, [], place)?;
        let mut opens: Vec<bool> = sealed.iter().map(|place| place.preshared_key(key).is_ok()).collect();
        opens.extend(self.opens_totp_secrets(key)?);
        Ok(opens.is_empty() || opens.contains(&true))
    }

    /// No place has a preshared key any more: what they were sealed under is gone.
    pub fn forget_preshared_keys(&self) -> Result<(), StoreError> {
        self.execute("UPDATE fixed_place SET preshared_key = NULL", [])?;
        self.execute("DELETE FROM connection", [])?;
        self.touch_everything();
        Ok(())
    }

    /// Says whether a device may be where it has addresses of its own.
    pub fn grant_fixed_place(
        &self,
        device: &Device,
        location: LocationId,
        granted: Granted,
    ) -> Result<(), StoreError> {
        let changed = self.execute(
            "UPDATE fixed_place SET granted = ?3, live_since = NULL
             WHERE device_id = ?1 AND location_id = ?2 AND granted <> ?3",
            params![device.id.0, location.0, granted == Granted::Yes],
        )?;
        if changed > 0 {
            self.touch_everything();
            device.public_key.into_iter().for_each(|key| self.touch_peer_on(key, location));
        }
        Ok(())
    }

    /// Machines have no place of their own there any more; people's devices keep theirs.
    pub fn forget_machines_places(&self, location: LocationId) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM fixed_place
             WHERE location_id = ?1 AND device_id IN (SELECT id FROM device WHERE user_id IS NULL)",
            [location.0],
        )?;
        self.touch_everything();
        Ok(())
    }

    /// A location begins anew: nobody has a slot of it, and each may be given again.
    pub fn forget_slots(&self, location: LocationId) -> Result<(), StoreError> {
        for table in ["connection", "connect_attempt", "mailed_code", "device_address"] {
            self.execute(&format!("DELETE FROM {table} WHERE location_id = ?1"), [location.0])?;
        }
        self.execute("DELETE FROM fixed_place WHERE location_id = ?1", [location.0])?;
        self.execute("DELETE FROM freed_slot WHERE location_id = ?1", [location.0])?;
        self.execute("UPDATE location SET next_slot = 2 WHERE id = ?1", [location.0])?;
        Ok(())
    }
}

/// Whether a device may be somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// It may.
    Yes,
    /// It may not.
    No,
}
