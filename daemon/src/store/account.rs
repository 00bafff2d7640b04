//! Users, groups and who is in which.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::ids::{GroupId, UserId};

/// A user's row.
#[derive(Clone)]
pub struct User {
    /// Its number.
    pub id: UserId,
    /// Unique without regard to case.
    pub username: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Unique without regard to case.
    pub email: String,
    /// In a form the desktop client takes.
    pub phone: Option<String>,
    /// PHC string of Argon2id; `None` before the user set one.
    pub password_hash: Option<String>,
    /// May invite and administer.
    pub is_admin: bool,
    /// `None`: active.
    pub disabled_at: Option<i64>,
    /// The Unix account that acts as this administrator on the host.
    pub unix_uid: Option<u32>,
    /// When the onboarding mail was put into the outbox.
    pub welcomed_at: Option<i64>,
    /// Unix seconds.
    pub created_at: i64,
}

/// What a new user is made of; already checked.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// See [`User`].
    pub username: String,
    /// See [`User`].
    pub first_name: String,
    /// See [`User`].
    pub last_name: String,
    /// See [`User`].
    pub email: String,
    /// See [`User`].
    pub phone: Option<String>,
    /// See [`User`].
    pub is_admin: bool,
}

const COLUMNS: &str = "id, username, first_name, last_name, email, phone, password_hash, is_admin, disabled_at, \
                       unix_uid, welcomed_at, created_at";

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: UserId(row.get(0)?),
        username: row.get(1)?,
        first_name: row.get(2)?,
        last_name: row.get(3)?,
        email: row.get(4)?,
        phone: row.get(5)?,
        password_hash: row.get(6)?,
        is_admin: row.get(7)?,
        disabled_at: row.get(8)?,
        unix_uid: row.get(9)?,
        welcomed_at: row.get(10)?,
        created_at: row.get(11)?,
    })
}

impl Tx<'_> {
    /// By number.
    pub fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM user WHERE id = ?1"), [id.0], user)
    }

    /// By name, without regard to case.
    pub fn user_by_name(&self, username: &str) -> Result<Option<User>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM user WHERE username = ?1"), [username], user)
    }

    /// By e-mail address, without regard to the case of ASCII letters.
    pub fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM user WHERE email = ?1"), [email], user)
    }

    /// By the host's Unix account.
    pub fn user_by_uid(&self, uid: u32) -> Result<Option<User>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM user WHERE unix_uid = ?1"), [uid], user)
    }

    /// All, by name.
    pub fn users(&self) -> Result<Vec<User>, StoreError> {
        self.all(&format!("SELECT {COLUMNS} FROM user ORDER BY username"), [], user)
    }

    /// A conflict (see [`StoreError::is_conflict`]) when name or e-mail address is taken.
    pub fn insert_user(&self, new: &NewUser, now: Timestamp) -> Result<UserId, StoreError> {
        let id = self.insert(
            "INSERT INTO user (username, first_name, last_name, email, phone, is_admin, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                new.username,
                new.first_name,
                new.last_name,
                new.email,
                new.phone,
                new.is_admin,
                now.as_second()
            ],
        )?;
        Ok(UserId(id))
    }

    /// Writes a user's particulars and Unix account. A conflict when another user has the name, the e-mail address or
    /// the Unix account.
    pub fn update_user(&self, user: &User) -> Result<(), StoreError> {
        self.execute(
            "UPDATE user SET username = ?2, first_name = ?3, last_name = ?4, email = ?5, phone = ?6, is_admin = ?7,
             unix_uid = ?8 WHERE id = ?1",
            params![
                user.id.0,
                user.username,
                user.first_name,
                user.last_name,
                user.email,
                user.phone,
                user.is_admin,
                user.unix_uid
            ],
        )?;
        Ok(())
    }

    /// Since when a user may do nothing; `None`: the user is active.
    pub fn set_disabled(&self, id: UserId, since: Option<Timestamp>) -> Result<(), StoreError> {
        self.execute(
            "UPDATE user SET disabled_at = ?2 WHERE id = ?1",
            params![id.0, since.map(Timestamp::as_second)],
        )?;
        Ok(())
    }

    /// Removes a user with memberships and tokens. The devices have to be gone: see [`Tx::delete_device`].
    pub fn delete_user(&self, id: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM user WHERE id = ?1", [id.0])?;
        Ok(())
    }

    /// Whether anybody but `id` is an active administrator.
    pub fn has_other_administrator(&self, id: UserId) -> Result<bool, StoreError> {
        let found: Option<i64> = self.one(
            "SELECT 1 FROM user WHERE is_admin = 1 AND disabled_at IS NULL AND id <> ?1 LIMIT 1",
            [id.0],
            |row| row.get(0),
        )?;
        Ok(found.is_some())
    }

    /// Names of the groups a user is in.
    pub fn groups_of(&self, id: UserId) -> Result<BTreeSet<String>, StoreError> {
        let names = self.all(
            "SELECT g.name FROM user_group g JOIN membership m ON m.group_id = g.id WHERE m.user_id = ?1",
            [id.0],
            |row| row.get(0),
        )?;
        Ok(names.into_iter().collect())
    }

    /// Names of the groups everybody is in; who is in none is not there.
    pub fn memberships(&self) -> Result<BTreeMap<UserId, BTreeSet<String>>, StoreError> {
        let rows = self.all(
            "SELECT m.user_id, g.name FROM user_group g JOIN membership m ON m.group_id = g.id",
            [],
            |row| Ok((UserId(row.get(0)?), row.get(1)?)),
        )?;
        let mut groups: BTreeMap<UserId, BTreeSet<String>> = BTreeMap::new();
        for (user, name) in rows {
            groups.entry(user).or_default().insert(name);
        }
        Ok(groups)
    }

    /// By name, without regard to case.
    pub fn group_by_name(&self, name: &str) -> Result<Option<GroupId>, StoreError> {
        self.one("SELECT id FROM user_group WHERE name = ?1", [name], |row| row.get(0).map(GroupId))
    }
}
