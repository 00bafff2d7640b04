//! Which device holds which slot of which location, and the locations' stable numbers.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::device::Device;
use super::tx::{StoreError, Tx};
use crate::rules::addressing::{Pool, SlotAddresses};
use crate::rules::ids::{DeviceId, LocationId, UserId};

/// A device's place in a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub device: DeviceId,
    /// Where.
    pub location: LocationId,
    /// See [`crate::rules::addressing`].
    pub slot: u32,
    /// What the slot's addresses are.
    pub addresses: SlotAddresses,
    /// Since when the gateway has the peer (Unix seconds); `None`: pending.
    pub live_since: Option<i64>,
}

const COLUMNS: &str = "device_id, location_id, slot, ipv4, ipv6, live_since";

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    let v4: Option<String> = row.get(3)?;
    let v6: Option<String> = row.get(4)?;
    Ok(Held {
        device: DeviceId(row.get(0)?),
        location: LocationId(row.get(1)?),
        slot: row.get(2)?,
        addresses: SlotAddresses {
            v4: v4.and_then(|text| text.parse().ok()),
            v6: v6.and_then(|text| text.parse().ok()),
        },
        live_since: row.get(5)?,
    })
}

impl Tx<'_> {
    /// The number of a location's name: the same for ever, made at first sight.
    pub fn location_id(&self, name: &str) -> Result<LocationId, StoreError> {
        if let Some(known) = self.known_location(name)? {
            return Ok(known);
        }
        self.touch_everything();
        Ok(LocationId(self.insert("INSERT INTO location (name) VALUES (?1)", [name])?))
    }

    /// The number of a location's name, if it was ever seen.
    pub fn known_location(&self, name: &str) -> Result<Option<LocationId>, StoreError> {
        self.one("SELECT id FROM location WHERE name = ?1", [name], |row| row.get(0).map(LocationId))
    }

    /// The configuration changed: anything about the interfaces may differ.
    pub fn locations_changed(&self) {
        self.touch_everything();
    }

    /// By location.
    pub fn addresses_of(&self, device: DeviceId) -> Result<Vec<Held>, StoreError> {
        self.all(
            &format!("SELECT {COLUMNS} FROM device_address WHERE device_id = ?1 ORDER BY location_id"),
            [device.0],
            held,
        )
    }

    /// Everybody's.
    pub fn addresses(&self) -> Result<Vec<Held>, StoreError> {
        self.all(&format!("SELECT {COLUMNS} FROM device_address ORDER BY device_id, location_id"), [], held)
    }

    /// Gives a device the slot it had before, else the next that nobody ever had, else the one freed longest ago.
    /// `None`: the pool is exhausted.
    pub fn take_address(
        &self,
        device: &Device,
        location: LocationId,
        pool: Pool,
    ) -> Result<Option<SlotAddresses>, StoreError> {
        let Some((slot, addresses)) = self.next_slot(device.id, location, pool)? else { return Ok(None) };
        self.execute(
            "INSERT INTO device_address (device_id, location_id, slot, ipv4, ipv6) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                device.id.0, location.0, slot, addresses.v4.map(|ip| ip.to_string()),
                addresses.v6.map(|ip| ip.to_string())
            ],
        )?;
        device.public_key.into_iter().for_each(|key| self.touch_peer_on(key, location));
        Ok(Some(addresses))
    }

    fn next_slot(
        &self,
        device: DeviceId,
        location: LocationId,
        pool: Pool,
    ) -> Result<Option<(u32, SlotAddresses)>, StoreError> {
        let own: Option<(i64, u32)> = self.one(
            "SELECT id, slot FROM freed_slot WHERE device_id = ?1 AND location_id = ?2 AND slot <= ?3
             ORDER BY id DESC LIMIT 1",
            params![device.0, location.0, pool.last_slot()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        if let Some((id, slot)) = own {
            return self.take_freed(id, slot, pool);
        }
        let fresh: Option<u32> =
            self.one("SELECT next_slot FROM location WHERE id = ?1", [location.0], |row| row.get(0))?;
        let fixed = self.fixed_networks(location)?;
        if let Some((slot, addresses)) = fresh.and_then(|slot| pool.next_vacant(slot, &fixed)) {
            self.execute("UPDATE location SET next_slot = ?2 WHERE id = ?1", params![location.0, slot + 1])?;
            return Ok(Some((slot, addresses)));
        }
        let freed: Option<(i64, u32)> = self.one(
            "SELECT id, slot FROM freed_slot WHERE location_id = ?1 AND slot <= ?2 ORDER BY id LIMIT 1",
            params![location.0, pool.last_slot()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let Some((id, slot)) = freed else { return Ok(None) };
        self.take_freed(id, slot, pool)
    }

    fn take_freed(&self, id: i64, slot: u32, pool: Pool) -> Result<Option<(u32, SlotAddresses)>, StoreError> {
        self.execute("DELETE FROM freed_slot WHERE id = ?1", [id])?;
        Ok(pool.addresses(slot).map(|addresses| (slot, addresses)))
    }

    /// Takes a device's place in a location away; the slot becomes the last to be given again.
    pub fn free_address(&self, device: &Device, location: LocationId) -> Result<(), StoreError> {
        let slot: Option<u32> = self.one(
            "DELETE FROM device_address WHERE device_id = ?1 AND location_id = ?2 RETURNING slot",
            params![device.id.0, location.0],
            |row| row.get(0),
        )?;
        let Some(slot) = slot else { return Ok(()) };
        self.disconnect(device.id, Some(location))?;
        self.execute(
            "INSERT INTO freed_slot (location_id, slot, device_id) VALUES (?1, ?2, ?3)",
            params![location.0, slot, device.id.0],
        )?;
        device.public_key.into_iter().for_each(|key| self.touch_peer_on(key, location));
        Ok(())
    }

    /// Writes the addresses a slot has now that its location's subnets are others.
    pub fn move_address(
        &self,
        device: &Device,
        location: LocationId,
        addresses: SlotAddresses,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE device_address SET ipv4 = ?3, ipv6 = ?4, live_since = NULL
             WHERE device_id = ?1 AND location_id = ?2",
            params![
                device.id.0,
                location.0,
                addresses.v4.map(|ip| ip.to_string()),
                addresses.v6.map(|ip| ip.to_string())
            ],
        )?;
        device.public_key.into_iter().for_each(|key| self.touch_peer_on(key, location));
        Ok(())
    }

    /// Clears the addresses of a location whose subnets changed, so that slots can be given theirs one by one.
    pub fn blank_addresses(&self, location: LocationId) -> Result<(), StoreError> {
        self.execute(
            "UPDATE device_address SET ipv4 = NULL, ipv6 = NULL WHERE location_id = ?1",
            [location.0],
        )?;
        Ok(())
    }

    /// The locations that should have a device and have not.
    pub fn pending_places(&self, device: DeviceId) -> Result<Vec<LocationId>, StoreError> {
        let sql = "SELECT location_id FROM peer_place WHERE device_id = ?1 AND live_since IS NULL ORDER BY location_id";
        self.all(sql, [device.0], |row| row.get(0).map(LocationId))
    }

    /// Whether the gateway has any device of a user on any location, or waits for nothing but a second factor.
    pub fn has_live_device(&self, user: UserId) -> Result<bool, StoreError> {
        let found: Option<i64> = self.one(
            "SELECT 1 FROM device d JOIN device_address a ON a.device_id = d.id
             WHERE d.user_id = ?1 AND a.live_since IS NOT NULL
             UNION ALL
             SELECT 1 FROM device d JOIN fixed_place f ON f.device_id = d.id
             WHERE d.user_id = ?1 AND f.live_since IS NOT NULL
             UNION ALL
             SELECT 1 FROM device d JOIN device_address a ON a.device_id = d.id
             WHERE d.user_id = ?1 AND NOT EXISTS (
                SELECT 1 FROM device_address o JOIN location l ON l.id = o.location_id
                WHERE o.device_id = d.id AND l.second_factor = 0) LIMIT 1",
            [user.0],
            |row| row.get(0),
        )?;
        Ok(found.is_some())
    }

    /// Records that the gateway has, or lost, a device's peer on a location.
    pub fn set_live(
        &self,
        device: DeviceId,
        location: LocationId,
        live_since: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        // A device has its place there in one of the two.
        for sql in [
            "UPDATE device_address SET live_since = ?3 WHERE device_id = ?1 AND location_id = ?2",
            "UPDATE fixed_place SET live_since = ?3 WHERE device_id = ?1 AND location_id = ?2",
        ] {
            self.execute(sql, params![device.0, location.0, live_since.map(Timestamp::as_second)])?;
        }
        Ok(())
    }
}
