//! Devices that may use a location but found all its addresses taken.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::params;

use super::tx::{StoreError, Tx};
use crate::rules::ids::{DeviceId, LocationId};

impl Tx<'_> {
    /// Makes `locations` those that a device waits for.
    pub fn set_waiting(&self, device: DeviceId, locations: &BTreeSet<LocationId>) -> Result<(), StoreError> {
        let known = self.waits_for(device)?;
        for gone in known.difference(locations) {
            self.execute(
                "DELETE FROM waiting WHERE device_id = ?1 AND location_id = ?2",
                params![device.0, gone.0],
            )?;
        }
        for new in locations.difference(&known) {
            self.insert(
                "INSERT INTO waiting (device_id, location_id) VALUES (?1, ?2)",
                params![device.0, new.0],
            )?;
        }
        Ok(())
    }

    /// Where a device waits for an address.
    pub fn waits_for(&self, device: DeviceId) -> Result<BTreeSet<LocationId>, StoreError> {
        let found =
            self.all("SELECT location_id FROM waiting WHERE device_id = ?1", [device.0], |row| row.get(0))?;
        Ok(found.into_iter().map(LocationId).collect())
    }

    /// Who waits where, longest first.
    pub fn waiting(&self) -> Result<Vec<(DeviceId, LocationId)>, StoreError> {
        self.all("SELECT device_id, location_id FROM waiting ORDER BY id", [], |row| {
            Ok((DeviceId(row.get(0)?), LocationId(row.get(1)?)))
        })
    }

    /// Who waits where without that it was written down; from here on it counts as written.
    pub fn take_untold_waiting(&self) -> Result<Vec<(DeviceId, LocationId)>, StoreError> {
        self.all("UPDATE waiting SET told = 1 WHERE told = 0 RETURNING device_id, location_id", [], |row| {
            Ok((DeviceId(row.get(0)?), LocationId(row.get(1)?)))
        })
    }

    /// Records that the contact is told that a location is full; `false` when that happened since `since` (Unix
    /// seconds).
    pub fn mark_exhaustion_told(
        &self,
        location: LocationId,
        since: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self.execute(
            "UPDATE location SET exhaustion_told_at = ?3
             WHERE id = ?1 AND (exhaustion_told_at IS NULL OR exhaustion_told_at < ?2)",
            params![location.0, since, now.as_second()],
        )?;
        Ok(changed == 1)
    }
}
