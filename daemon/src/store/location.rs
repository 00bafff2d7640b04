//! What belongs to a location, counted and listed.

use super::device::Device;
use super::tx::{StoreError, Tx};
use crate::rules::ids::{DeviceId, LocationId};

impl Tx<'_> {
    /// How many devices hold an address there.
    pub fn devices_at(&self, location: LocationId) -> Result<u32, StoreError> {
        let count = self.one(
            "SELECT (SELECT count(*) FROM device_address WHERE location_id = ?1)
                      + (SELECT count(*) FROM fixed_place WHERE location_id = ?1)",
            [location.0],
            |row| row.get(0),
        )?;
        Ok(count.unwrap_or(0))
    }

    /// The machines that live there and nowhere else, by name.
    pub fn machines_of(&self, location: LocationId) -> Result<Vec<Device>, StoreError> {
        let ids = self.all(
            "SELECT id FROM device WHERE machine_location_id = ?1 ORDER BY name",
            [location.0],
            |row| row.get(0).map(DeviceId),
        )?;
        let devices = ids.into_iter().map(|id| self.device(id));
        devices.filter_map(Result::transpose).collect()
    }
}
