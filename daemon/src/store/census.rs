//! Counts for the administrator's overview.

use std::collections::BTreeMap;

use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::action::Action;
use crate::rules::ids::LocationId;

/// How many of everything there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// All accounts.
    pub users: u64,
    /// Those that may do nothing.
    pub disabled_users: u64,
    /// Active accounts without a password.
    pub unfinished_users: u64,
    /// Devices with a key.
    pub devices: u64,
    /// Messages on their way.
    pub mail_waiting: u64,
    /// Messages that failed at least once, or were given up.
    pub mail_troubled: u64,
}

/// A device that a location should have and has not, or has no address for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its name.
    pub device: String,
    /// Whose; `None`: a machine.
    pub username: Option<String>,
    /// Where.
    pub location: LocationId,
}

/// An activation that was refused, which clients may not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Unix seconds.
    pub at: i64,
    /// Whose.
    pub username: String,
    /// Why.
    pub reason: String,
}

impl Tx<'_> {
    /// Counts everything.
    pub fn census(&self) -> Result<Census, StoreError> {
        let count = |sql: &str| -> Result<u64, StoreError> {
            let found: Option<i64> = self.one(sql, [], |row| row.get(0))?;
            Ok(found.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
        };
        Ok(Census {
            users: count("SELECT count(*) FROM user")?,
            disabled_users: count("SELECT count(*) FROM user WHERE disabled_at IS NOT NULL")?,
            unfinished_users: count(
                "SELECT count(*) FROM user WHERE disabled_at IS NULL AND password_hash IS NULL",
            )?,
            devices: count("SELECT count(*) FROM device WHERE public_key IS NOT NULL")?,
            mail_waiting: count(
                "SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND parked_at IS NULL",
            )?,
            mail_troubled: count("SELECT count(*) FROM outbox WHERE delivered_at IS NULL AND attempts > 0")?,
        })
    }

    /// How many peers each location should have.
    pub fn wanted_peers(&self) -> Result<BTreeMap<LocationId, u64>, StoreError> {
        let rows = self.all(
            "SELECT a.location_id, count(*)
             FROM peer_place a JOIN device d ON d.id = a.device_id WHERE d.public_key IS NOT NULL GROUP BY a.location_id",
            [],
            |row| Ok((LocationId(row.get(0)?), row.get::<_, i64>(1)?)),
        )?;
        Ok(rows.into_iter().map(|(id, count)| (id, u64::try_from(count).unwrap_or(0))).collect())
    }

    /// Devices that some location should have and has not, at most `limit`.
    pub fn pending_devices(&self, limit: u32) -> Result<Vec<Pending>, StoreError> {
        self.all(
            "SELECT d.name, u.username, a.location_id
             FROM peer_place a JOIN device d ON d.id = a.device_id LEFT JOIN user u ON u.id = d.user_id
             WHERE d.public_key IS NOT NULL AND a.live_since IS NULL ORDER BY d.id, a.location_id LIMIT ?1",
            [limit],
            pending,
        )
    }

    /// How many devices of people a location that asks for a second factor has no peer of, because none was given.
    pub fn unconnected_counts(&self) -> Result<BTreeMap<LocationId, u64>, StoreError> {
        let rows = self.all(
            "SELECT a.location_id, count(*) FROM device_address a JOIN location l ON l.id = a.location_id
             JOIN device d ON d.id = a.device_id
             WHERE l.second_factor = 1 AND d.user_id IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM connection c WHERE c.device_id = a.device_id AND c.location_id = a.location_id)
             GROUP BY a.location_id",
            [],
            |row| Ok((LocationId(row.get(0)?), row.get::<_, i64>(1)?)),
        )?;
        Ok(rows.into_iter().map(|(id, count)| (id, u64::try_from(count).unwrap_or(0))).collect())
    }

    /// Devices that cannot give the second factor that their location asks for, at most `limit`: machines, and those on
    /// addresses of their own.
    pub fn left_out(&self, limit: u32) -> Result<Vec<Pending>, StoreError> {
        self.all(
            "SELECT d.name, u.username, a.location_id
             FROM (SELECT device_id, location_id FROM device_address
                   WHERE device_id IN (SELECT id FROM device WHERE user_id IS NULL)
                   UNION ALL SELECT device_id, location_id FROM fixed_place WHERE granted = 1) a
             JOIN location l ON l.id = a.location_id JOIN device d ON d.id = a.device_id
             LEFT JOIN user u ON u.id = d.user_id
             WHERE l.second_factor = 1 ORDER BY d.id, a.location_id LIMIT ?1",
            [limit],
            pending,
        )
    }

    /// Devices that wait for an address, longest first, at most `limit`.
    pub fn waiting_devices(&self, limit: u32) -> Result<Vec<Pending>, StoreError> {
        self.all(
            "SELECT d.name, u.username, w.location_id FROM waiting w JOIN device d ON d.id = w.device_id
             LEFT JOIN user u ON u.id = d.user_id ORDER BY w.id LIMIT ?1",
            [limit],
            pending,
        )
    }

    /// How many devices wait for an address, by location.
    pub fn waiting_counts(&self) -> Result<BTreeMap<LocationId, u64>, StoreError> {
        let rows = self.all("SELECT location_id, count(*) FROM waiting GROUP BY location_id", [], |row| {
            Ok((LocationId(row.get(0)?), row.get::<_, i64>(1)?))
        })?;
        Ok(rows.into_iter().map(|(id, count)| (id, u64::try_from(count).unwrap_or(0))).collect())
    }

    /// Activations refused since then (Unix seconds), newest first; users who have a password by now are left out, and
    /// what was refused to somebody who had the name before them.
    pub fn refused_activations(&self, since: i64, limit: u32) -> Result<Vec<Refused>, StoreError> {
        self.all(
            "SELECT a.at, a.object, a.detail FROM audit a JOIN user u ON u.username = a.object
             WHERE a.action = ?1 AND a.at >= max(?2, u.created_at) AND u.password_hash IS NULL ORDER BY a.id DESC LIMIT ?3",
            params![Action::PasswordRefuse.name(), since, limit],
            |row| {
                let reason: Option<String> = row.get(2)?;
                Ok(Refused { at: row.get(0)?, username: row.get(1)?, reason: reason.unwrap_or_default() })
            },
        )
    }
}

fn pending(row: &Row<'_>) -> rusqlite::Result<Pending> {
    Ok(Pending { device: row.get(0)?, username: row.get(1)?, location: LocationId(row.get(2)?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_person, at};
    use crate::rules::ids::UserId;
    use crate::rules::message::Message;
    use crate::store::Store;

    #[test]
    fn what_was_refused_is_not_told_of_who_has_the_name_later() {
        let store = Store::in_memory().unwrap();
        let told = store.write_blocking(|tx| {
            a_person(tx, "ann");
            for second in [-1, 3] {
                tx.audit("ann", Action::PasswordRefuse, "ann", Some("weak"), at(second))?;
            }
            tx.refused_activations(-9, 10)
        });
        assert_eq!(told.unwrap().0.iter().map(|refused| refused.at).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn mail_that_would_help_nobody_is_no_trouble_and_a_refusal_is() {
        let store = Store::in_memory().unwrap();
        let counted = |work: &dyn Fn(&Tx<'_>, i64) -> Result<(), StoreError>| {
            let done = store.write_blocking(|tx| {
                tx.post(&Message::PasswordChanged { user: UserId(1) }, at(0))?;
                work(tx, tx.due_mail(at(0), 1)?[0].id)?;
                tx.census()
            });
            let census = done.unwrap().0;
            (census.mail_waiting, census.mail_troubled)
        };
        assert_eq!(counted(&|tx, id| tx.park_mail(id, "its token was already used", at(1))), (0, 0));
        assert_eq!(counted(&|tx, id| tx.mail_refused(id, "no such user", at(1))), (0, 1));
    }
}
