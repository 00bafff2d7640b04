//! What devices moved in each hour of the last day. Nobody needs more for a picture of it, and nobody is to be watched.

use std::collections::BTreeMap;

use postern_gateway::PublicKey;
use rusqlite::params;

use super::tx::{StoreError, Tx};
use crate::rules::ids::{DeviceId, LocationId, UserId};
use crate::rules::traffic::{Bytes, Day, Hour};

impl Tx<'_> {
    /// Adds to what the device with `key` moved on a location in an hour. Nothing, where the key is nobody's any more.
    pub fn add_traffic(
        &self,
        (location, key): (LocationId, PublicKey),
        hour: Hour,
        added: Bytes,
    ) -> Result<(), StoreError> {
        let [received, sent] =
            [added.received, added.sent].map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        self.execute(
            "INSERT INTO traffic (device_id, location_id, hour, received, sent)
             SELECT id, ?2, ?3, ?4, ?5 FROM device WHERE public_key = ?1
             ON CONFLICT (device_id, location_id, hour) DO UPDATE
             SET received = min(received, ?6 - excluded.received) + excluded.received,
                 sent = min(sent, ?6 - excluded.sent) + excluded.sent",
            params![key.as_bytes(), location.0, hour.0, received, sent, i64::MAX],
        )?;
        Ok(())
    }

    /// Forgets what is older than a day at `hour`, and what a clock that was wrong put after it.
    pub fn forget_traffic(&self, hour: Hour) -> Result<usize, StoreError> {
        self.execute("DELETE FROM traffic WHERE hour < ?1 OR hour > ?2", [hour.first_of_day().0 - 1, hour.0])
    }

    /// The day that ends with `hour`, of each of a user's devices on each location where it moved anything.
    pub fn traffic_of(
        &self,
        user: UserId,
        hour: Hour,
    ) -> Result<BTreeMap<(DeviceId, LocationId), Day>, StoreError> {
        let rows = self.all(
            "SELECT t.device_id, t.location_id, t.hour, t.received, t.sent
             FROM device d JOIN traffic t ON t.device_id = d.id WHERE d.user_id = ?1 AND t.hour BETWEEN ?2 AND ?3",
            [user.0, hour.first_of_day().0, hour.0],
            |row| {
                let bytes = |column| row.get(column).map(|bytes: i64| u64::try_from(bytes).unwrap_or_default());
                let place = (DeviceId(row.get(0)?), LocationId(row.get(1)?));
                Ok((place, Hour(row.get(2)?), Bytes { received: bytes(3)?, sent: bytes(4)? }))
            },
        )?;
        let mut days: BTreeMap<_, Day> = BTreeMap::new();
        for (place, of, bytes) in rows {
            days.entry(place).or_insert_with(|| Day::ending_with(hour)).add(of, bytes);
        }
        Ok(days)
    }
}

#[cfg(test)]
mod tests {
    use postern_gateway::PrivateKey;

    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::store::Store;
    use crate::store::device::DeviceOwner;

    fn bytes(received: u64, sent: u64) -> Bytes {
        Bytes { received, sent }
    }

    #[test]
    fn a_day_and_no_more_is_kept_of_each_device_and_none_of_who_is_gone() {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let place = site.locations().next().unwrap().id;
        let [key, gone] = [1, 2].map(|number| PrivateKey::from_random([number; 32]).public());
        let kept = store.write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            let device = tx.insert_device(DeviceOwner::User(ann), "laptop", Some(key), None, at(0))?;
            for hour in 100..=160 {
                tx.add_traffic((place, key), Hour(hour), bytes(1, 2))?;
                tx.add_traffic((place, key), Hour(hour), bytes(10, 20))?;
                tx.add_traffic((place, gone), Hour(hour), bytes(10, 20))?;
            }
            tx.add_traffic((place, key), Hour(160), bytes(u64::MAX, 0))?;
            tx.forget_traffic(Hour(159))?;
            let rows = |tx: &Tx<'_>| tx.all("SELECT hour FROM traffic", [], |row| row.get(0).map(Hour));
            let left = rows(tx)?;
            let mut days = tx.traffic_of(ann, Hour(159))?;
            tx.delete_device(&tx.device(device)?.unwrap())?;
            Ok::<_, StoreError>((left, days.remove(&(device, place)).unwrap(), days.len(), rows(tx)?.len()))
        });
        let (left, day, others, after) = kept.unwrap().0;
        assert_eq!((left.len(), left[0], left[24]), (25, Hour(135), Hour(159)));
        assert_eq!(day.hours(), [bytes(11, 22); 24]);
        assert_eq!((others, after), (0, 0));
    }
}
