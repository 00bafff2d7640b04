//! Devices: a person's, and machines.

use jiff::Timestamp;
use postern_gateway::PublicKey;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx, key_from};
use crate::rules::ids::{DeviceId, EnrollmentId, LocationId, UserId};
use crate::rules::names;
use crate::rules::token::TokenHash;

/// Whose a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceOwner {
    /// A person's: on every location the person may use, unless it is bound to one (see [`Device`]).
    User(UserId),
    /// A machine's: on exactly this location.
    Machine(LocationId),
}

/// A device's row.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its number.
    pub id: DeviceId,
    /// Whose it is.
    pub owner: DeviceOwner,
    /// Unique for its owner without regard to case.
    pub name: String,
    /// The only location a person's device may be on, because its client takes exactly one.
    pub only_location: Option<LocationId>,
    /// `None`: a machine that has not enrolled yet.
    pub public_key: Option<PublicKey>,
    /// Which polling token is the current one.
    pub polling_generation: i64,
    /// The session it was registered in.
    pub registered_in: Option<EnrollmentId>,
    /// Whether its places are on addresses of its own, none on a slot of a pool.
    pub is_fixed: bool,
    /// Unix seconds.
    pub created_at: i64,
}

const COLUMNS: &str = "id, user_id, machine_location_id, name, public_key, polling_generation, registered_in, created_at, \
                       only_location_id, EXISTS (SELECT 1 FROM fixed_place WHERE device_id = device.id)";

impl Device {
    /// Whether its client takes exactly one location for ever, and must never be told that there is none (protocol 1.6
    /// and 3.8).
    pub fn takes_exactly_one(&self) -> bool {
        match self.owner {
            DeviceOwner::User(_) => self.only_location.is_some(),
            DeviceOwner::Machine(_) => true,
        }
    }
}

fn device(row: &Row<'_>) -> rusqlite::Result<Result<Device, StoreError>> {
    let owner = match (row.get::<_, Option<i64>>(1)?, row.get::<_, Option<i64>>(2)?) {
        (Some(user), None) => DeviceOwner::User(UserId(user)),
        (None, Some(location)) => DeviceOwner::Machine(LocationId(location)),
        (Some(_), Some(_)) | (None, None) => return Ok(Err(StoreError::Unreadable("device owner"))),
    };
    let key = match key_from(row.get(4)?) {
        Ok(key) => key,
        Err(error) => return Ok(Err(error)),
    };
    Ok(Ok(Device {
        id: DeviceId(row.get(0)?),
        owner,
        name: row.get(3)?,
        public_key: key,
        polling_generation: row.get(5)?,
        registered_in: row.get::<_, Option<i64>>(6)?.map(EnrollmentId),
        created_at: row.get(7)?,
        only_location: row.get::<_, Option<i64>>(8)?.map(LocationId),
        is_fixed: row.get(9)?,
    }))
}

impl Tx<'_> {
    /// By number.
    pub fn device(&self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM device WHERE id = ?1"), [id.0], device)?.transpose()
    }

    /// By key.
    pub fn device_by_key(&self, key: PublicKey) -> Result<Option<Device>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM device WHERE public_key = ?1"), [key.as_bytes()], device)?
            .transpose()
    }

    /// By its current polling token.
    pub fn device_by_polling(&self, hash: TokenHash) -> Result<Option<Device>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM device WHERE polling_hash = ?1"), [hash.0], device)?
            .transpose()
    }

    /// The hashes of at most `limit` good polling tokens, those of the newest devices.
    pub fn polling_hashes(&self, limit: usize) -> Result<Vec<TokenHash>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(
            "SELECT polling_hash FROM device WHERE polling_hash IS NOT NULL ORDER BY id DESC LIMIT ?1",
            [limit],
            |row| row.get(0).map(TokenHash),
        )
    }

    /// A user's, by name.
    pub fn devices_of(&self, user: UserId) -> Result<Vec<Device>, StoreError> {
        self.all(&format!("SELECT {COLUMNS} FROM device WHERE user_id = ?1 ORDER BY name"), [user.0], device)?
            .into_iter()
            .collect()
    }

    /// How many a user has.
    pub fn device_count_of(&self, user: UserId) -> Result<u32, StoreError> {
        let count = self.one("SELECT count(*) FROM device WHERE user_id = ?1", [user.0], |row| row.get(0))?;
        Ok(count.unwrap_or_default())
    }

    /// Everybody's, in the order they came.
    pub fn devices(&self) -> Result<Vec<Device>, StoreError> {
        self.all(&format!("SELECT {COLUMNS} FROM device ORDER BY id"), [], device)?.into_iter().collect()
    }

    /// Everybody's, by name.
    pub fn devices_by_name(&self) -> Result<Vec<Device>, StoreError> {
        self.all(&format!("SELECT {COLUMNS} FROM device ORDER BY name"), [], device)?.into_iter().collect()
    }

    /// A conflict when the owner has a device of that name, or the key is registered.
    pub fn insert_device(
        &self,
        owner: DeviceOwner,
        name: &str,
        key: Option<PublicKey>,
        registered_in: Option<EnrollmentId>,
        now: Timestamp,
    ) -> Result<DeviceId, StoreError> {
        let (user, location) = match owner {
            DeviceOwner::User(user) => (Some(user.0), None),
            DeviceOwner::Machine(location) => (None, Some(location.0)),
        };
        let id = self.insert(
            "INSERT INTO device (user_id, machine_location_id, name, folded_name, public_key, registered_in, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                user,
                location,
                name,
                names::folded(name),
                key.map(|key| *key.as_bytes()),
                registered_in.map(|id| id.0),
                now.as_second()
            ],
        )?;
        if let Some(key) = key {
            self.touch_peer(key);
        }
        Ok(DeviceId(id))
    }

    /// Gives a device another key; the peers of the old one go. A conflict when the key is registered.
    pub fn set_device_key(&self, device: &Device, key: PublicKey) -> Result<(), StoreError> {
        self.execute(
            "UPDATE device SET public_key = ?2 WHERE id = ?1",
            params![device.id.0, key.as_bytes()],
        )?;
        self.disconnect(device.id, None)?;
        device.public_key.into_iter().chain([key]).for_each(|key| self.touch_peer(key));
        Ok(())
    }

    /// A conflict when the owner has another device of that name.
    pub fn rename_device(&self, id: DeviceId, name: &str) -> Result<(), StoreError> {
        self.execute(
            "UPDATE device SET name = ?2, folded_name = ?3 WHERE id = ?1",
            params![id.0, name, names::folded(name)],
        )?;
        Ok(())
    }

    /// A machine becomes a person's device, or belongs to another location. A conflict when the owner has one of its name.
    pub fn give_device(&self, id: DeviceId, owner: DeviceOwner) -> Result<(), StoreError> {
        let (user, location) = match owner {
            DeviceOwner::User(user) => (Some(user.0), None),
            DeviceOwner::Machine(location) => (None, Some(location.0)),
        };
        self.execute(
            "UPDATE device SET user_id = ?2, machine_location_id = ?3 WHERE id = ?1",
            params![id.0, user, location],
        )?;
        Ok(())
    }

    /// Keeps a person's device on one location for ever.
    pub fn bind_device(&self, id: DeviceId, location: LocationId) -> Result<(), StoreError> {
        self.execute("UPDATE device SET only_location_id = ?2 WHERE id = ?1", params![id.0, location.0])?;
        Ok(())
    }

    /// Makes another polling token the current one; the previous one is good for nothing any more.
    pub fn set_polling(&self, id: DeviceId, generation: i64, hash: TokenHash) -> Result<(), StoreError> {
        self.execute(
            "UPDATE device SET polling_generation = ?2, polling_hash = ?3 WHERE id = ?1",
            params![id.0, generation, hash.0],
        )?;
        Ok(())
    }

    /// Removes a device; its addresses are freed and its peers go.
    pub fn delete_device(&self, device: &Device) -> Result<(), StoreError> {
        for held in self.addresses_of(device.id)? {
            self.free_address(device, held.location)?;
        }
        if device.is_fixed {
            // The networks behind it are no longer routed there.
            self.touch_everything();
            for place in self.fixed_places_of(device.id)? {
                device.public_key.into_iter().for_each(|key| self.touch_peer_on(key, place.location));
            }
        }
        self.execute("DELETE FROM device WHERE id = ?1", [device.id.0])?;
        device.public_key.into_iter().for_each(|key| self.touch_peer(key));
        Ok(())
    }
}
