//! Who begins to connect where a second factor is asked for, and who is connected.

use std::collections::BTreeSet;

use jiff::Timestamp;
use postern_gateway::{PresharedKey, PublicKey};
use rusqlite::{Row, params};

use super::device::Device;
use super::tx::{StoreError, Tx, key_from};
use crate::rules::connection::ATTEMPT;
use crate::rules::ids::{DeviceId, LocationId};
use crate::rules::seal::{SealKey, Sealed};
use crate::rules::second_factor::Method;
use crate::rules::token::TokenHash;

/// Of one device in one location; beyond that the oldest goes. A network that knows no more than the public key may begin 60 at
/// once and one a second: within the time there is to finish one, it makes none go that was begun before.
const MOST_ATTEMPTS: u32 = 1000;

/// Somebody began to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number.
    pub id: i64,
    /// With which device.
    pub device: DeviceId,
    /// Where to.
    pub location: LocationId,
    /// How the second factor is given.
    pub method: Method,
    /// Unix seconds.
    pub begun_at: i64,
    /// Whether it was given.
    pub is_passed: bool,
}

/// A device that gave its second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Which.
    pub device: DeviceId,
    /// Where.
    pub location: LocationId,
    /// The device's.
    pub key: PublicKey,
    /// Unix seconds.
    pub begun_at: i64,
}

const ATTEMPT_COLUMNS: &str = "id, device_id, location_id, method, begun_at, passed_at";

fn attempt(row: &Row<'_>) -> rusqlite::Result<Option<Attempt>> {
    let method: String = row.get(3)?;
    let Some(method) = Method::from_name(&method) else { return Ok(None) };
    Ok(Some(Attempt {
        id: row.get(0)?,
        device: DeviceId(row.get(1)?),
        location: LocationId(row.get(2)?),
        method,
        begun_at: row.get(4)?,
        is_passed: row.get::<_, Option<i64>>(5)?.is_some(),
    }))
}

impl Tx<'_> {
    /// These locations ask for a second factor, and no others. Nobody stays connected by one where none is asked for.
    pub fn ask_for_second_factor(&self, locations: &BTreeSet<LocationId>) -> Result<(), StoreError> {
        self.execute("UPDATE location SET second_factor = 0 WHERE second_factor = 1", [])?;
        for location in locations {
            self.execute("UPDATE location SET second_factor = 1 WHERE id = ?1", [location.0])?;
        }
        for table in ["connection", "connect_attempt", "mailed_code"] {
            self.execute(
                &format!("DELETE FROM {table} WHERE location_id IN (SELECT id FROM location WHERE second_factor = 0)"),
                [],
            )?;
        }
        self.touch_everything();
        Ok(())
    }

    /// The host started since: whoever connected before is connected no more. `boot` names this start of it.
    pub fn end_connections_before(&self, boot: &str) -> Result<usize, StoreError> {
        self.touch_everything();
        self.execute("DELETE FROM connection WHERE boot <> ?1 OR ?1 = ''", [boot])
    }

    /// Somebody begins to connect.
    pub fn insert_attempt(
        &self,
        token: TokenHash,
        (device, location): (DeviceId, LocationId),
        method: Method,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.insert(
            "INSERT INTO connect_attempt (token_hash, device_id, location_id, method, begun_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![token.0, device.0, location.0, method.factor().name(), now.as_second()],
        )?;
        self.execute(
            "DELETE FROM connect_attempt WHERE device_id = ?1 AND location_id = ?2 AND id NOT IN
             (SELECT id FROM connect_attempt WHERE device_id = ?1 AND location_id = ?2 ORDER BY id DESC LIMIT ?3)",
            params![device.0, location.0, MOST_ATTEMPTS],
        )?;
        Ok(())
    }

    /// By its token, whether there is still time or not.
    pub fn attempt(&self, token: TokenHash) -> Result<Option<Attempt>, StoreError> {
        let sql = format!("SELECT {ATTEMPT_COLUMNS} FROM connect_attempt WHERE token_hash = ?1");
        Ok(self.one(&sql, [token.0], attempt)?.flatten())
    }

    /// The second factor was given.
    pub fn pass_attempt(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE connect_attempt SET passed_at = coalesce(passed_at, ?2) WHERE id = ?1";
        self.execute(sql, [id, now.as_second()])?;
        Ok(())
    }

    /// It came to its end.
    pub fn end_attempt(&self, id: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM connect_attempt WHERE id = ?1", [id])?;
        Ok(())
    }

    /// A device is connected from here on, with this preshared key and no other.
    pub fn connect(
        &self,
        device: &Device,
        location: LocationId,
        sealed: &[u8],
        boot: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO connection (device_id, location_id, preshared_key, boot, begun_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![device.id.0, location.0, sealed, boot, now.as_second()],
        )?;
        device.public_key.into_iter().for_each(|key| self.touch_peer_on(key, location));
        Ok(())
    }

    /// Whether a device is connected with this preshared key still.
    pub fn is_connected_with(
        &self,
        device: DeviceId,
        location: LocationId,
        sealed: &[u8],
    ) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM connection WHERE device_id = ?1 AND location_id = ?2 AND preshared_key = ?3";
        let found = self.one(sql, params![device.0, location.0, sealed], |row| row.get::<_, i64>(0))?;
        Ok(found.is_some())
    }

    /// Everybody who is connected.
    pub fn connections(&self) -> Result<Vec<Connection>, StoreError> {
        let found = self.all(
            "SELECT c.device_id, c.location_id, d.public_key, c.begun_at
             FROM connection c JOIN device d ON d.id = c.device_id",
            [],
            |row| {
                let key = row.get::<_, Option<[u8; 32]>>(2)?;
                Ok((DeviceId(row.get(0)?), LocationId(row.get(1)?), key, row.get(3)?))
            },
        )?;
        let with_key = |(device, location, key, begun_at)| {
            Ok(key_from(key)?.map(|key| Connection { device, location, key, begun_at }))
        };
        found.into_iter().map(with_key).filter_map(Result::transpose).collect()
    }

    /// Where a device is connected.
    pub fn connections_of(&self, device: DeviceId) -> Result<BTreeSet<LocationId>, StoreError> {
        let sql = "SELECT location_id FROM connection WHERE device_id = ?1";
        let found = self.all(sql, [device.0], |row| row.get(0).map(LocationId))?;
        Ok(found.into_iter().collect())
    }

    /// Ends a connection: its peer goes. `false`: another one took its place meanwhile, or it is gone.
    pub fn end_connection(&self, connection: &Connection) -> Result<bool, StoreError> {
        let ended = self.execute(
            "DELETE FROM connection WHERE device_id = ?1 AND location_id = ?2 AND begun_at = ?3",
            params![connection.device.0, connection.location.0, connection.begun_at],
        )?;
        if ended > 0 {
            self.touch_peer_on(connection.key, connection.location);
        }
        Ok(ended > 0)
    }

    /// Until when somebody looked at handshakes (Unix seconds), within a minute; `None`: nobody did.
    pub fn watched_until(&self) -> Result<Option<i64>, StoreError> {
        self.one("SELECT until FROM connection_watch", [], |row| row.get(0))
    }

    /// Somebody looks at handshakes now.
    pub fn watch_connections(&self, now: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO connection_watch (id, until) VALUES (1, ?1)";
        self.execute(sql, [now.as_second()])?;
        Ok(())
    }

    /// A device gives up everything there that it began or has by a second factor: in one location, or in all.
    pub(super) fn disconnect(
        &self,
        device: DeviceId,
        location: Option<LocationId>,
    ) -> Result<(), StoreError> {
        for table in ["connection", "connect_attempt", "mailed_code"] {
            self.execute(
                &format!(
                    "DELETE FROM {table} WHERE device_id = ?1 AND location_id = coalesce(?2, location_id)"
                ),
                params![device.0, location.map(|location| location.0)],
            )?;
        }
        Ok(())
    }

    /// Forgets attempts nobody finished in time.
    pub fn forget_attempts(&self, now: Timestamp) -> Result<(), StoreError> {
        let before = now.as_second().saturating_sub(2 * ATTEMPT);
        self.execute("DELETE FROM connect_attempt WHERE begun_at <= ?1", [before])?;
        Ok(())
    }
}

/// The preshared key of a connection; `None`: it does not open, so nobody is connected with it.
pub(super) fn preshared_key(
    key: &SealKey,
    (device, location): (DeviceId, LocationId),
    sealed: &[u8],
) -> Option<PresharedKey> {
    let opened = key.open(Sealed::ConnectionKey(device, location), sealed)?;
    PresharedKey::from_bytes(<[u8; 32]>::try_from(opened.as_slice()).ok()?)
}
