//! Counts that are measured again and again: peers and addresses by location, and the outbox.

use std::collections::BTreeMap;

use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::addressing::Pool;
use crate::rules::ids::LocationId;

/// Peers of a location.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct PeerCounts {
    /// That should be there.
    pub configured: u64,
    /// Of these, how many are.
    pub live: u64,
}

/// The outbox.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct MailQueue {
    /// Messages on their way.
    pub waiting: u64,
    /// Since when the oldest of them is (Unix seconds).
    pub oldest_at: Option<i64>,
    /// Messages that were given up because they failed.
    pub parked: u64,
}

impl Tx<'_> {
    /// Peers by location.
    pub fn peer_counts(&self) -> Result<BTreeMap<LocationId, PeerCounts>, StoreError> {
        let rows = self.all(
            "SELECT a.location_id, count(*), count(a.live_since)
             FROM peer_place a JOIN device d ON d.id = a.device_id WHERE d.public_key IS NOT NULL GROUP BY a.location_id",
            [],
            |row| {
                let counts = PeerCounts { configured: count(row, 1)?, live: count(row, 2)? };
                Ok((LocationId(row.get(0)?), counts))
            },
        )?;
        Ok(rows.into_iter().collect())
    }

    /// How many devices a location still has an address for.
    pub fn free_addresses(&self, location: LocationId, pool: Pool) -> Result<u64, StoreError> {
        let capacity = pool.capacity(&self.fixed_networks(location)?);
        Ok(capacity.saturating_sub(self.slots_held(location, pool.last_slot())?))
    }

    /// How many addresses of a location are held, as far as the pool reaches.
    fn slots_held(&self, location: LocationId, last_slot: u32) -> Result<u64, StoreError> {
        let held = self.one(
            "SELECT count(*) FROM device_address WHERE location_id = ?1 AND slot <= ?2",
            params![location.0, last_slot],
            |row| count(row, 0),
        )?;
        Ok(held.unwrap_or(0))
    }

    /// The outbox at a glance.
    pub fn mail_queue(&self) -> Result<MailQueue, StoreError> {
        let (waiting, oldest_at) = self
            .one(
                "SELECT count(*), min(created_at) FROM outbox WHERE delivered_at IS NULL AND parked_at IS NULL",
                [],
                |row| Ok((count(row, 0)?, row.get(1)?)),
            )?
            .unwrap_or_default();
        let parked = self.one(
            "SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND parked_at IS NOT NULL AND attempts > 0",
            [],
            |row| count(row, 0),
        )?;
        Ok(MailQueue { waiting, oldest_at, parked: parked.unwrap_or(0) })
    }
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, u32>(column).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;
    use crate::rules::ids::UserId;
    use crate::rules::message::Message;
    use crate::store::Store;

    #[test]
    fn the_oldest_mail_on_its_way_counts_and_only_a_failure_is_parked() {
        let store = Store::in_memory().unwrap();
        let looked = store.write_blocking(|tx| {
            for second in [5, 6, 7] {
                tx.post(&Message::PasswordChanged { user: UserId(1) }, at(second))?;
            }
            tx.park_mail(1, "helps nobody", at(8))?;
            let pointless = tx.mail_queue()?;
            tx.mail_refused(2, "no such mailbox", at(8))?;
            let refused = tx.mail_queue()?;
            tx.mail_delivered(3, "250", at(9))?;
            Ok::<_, StoreError>([pointless, refused, tx.mail_queue()?])
        });
        let queue = |waiting, oldest_at, parked| MailQueue { waiting, oldest_at, parked };
        assert_eq!(looked.unwrap().0, [queue(2, Some(6), 0), queue(1, Some(7), 1), queue(0, None, 1)]);
    }
}
