//! Groups and their members, as administrators change them.

use rusqlite::params;

use super::tx::{StoreError, Tx};
use crate::rules::ids::{GroupId, UserId};

impl Tx<'_> {
    /// Names of all groups.
    pub fn groups(&self) -> Result<Vec<String>, StoreError> {
        self.all("SELECT name FROM user_group ORDER BY name", [], |row| row.get(0))
    }

    /// A conflict when there is one of that name.
    pub fn insert_group(&self, name: &str) -> Result<GroupId, StoreError> {
        Ok(GroupId(self.insert("INSERT INTO user_group (name) VALUES (?1)", [name])?))
    }

    /// Removes a group; its memberships go with it.
    pub fn delete_group(&self, id: GroupId) -> Result<(), StoreError> {
        self.execute("DELETE FROM user_group WHERE id = ?1", [id.0])?;
        Ok(())
    }

    /// Who is in a group, by name.
    pub fn members_of(&self, id: GroupId) -> Result<Vec<(UserId, String)>, StoreError> {
        self.all(
            "SELECT u.id, u.username FROM user u JOIN membership m ON m.user_id = u.id
             WHERE m.group_id = ?1 ORDER BY u.username",
            [id.0],
            |row| Ok((UserId(row.get(0)?), row.get(1)?)),
        )
    }

    /// `false`: the user was in the group already.
    pub fn add_member(&self, user: UserId, group: GroupId) -> Result<bool, StoreError> {
        let added = self.execute(
            "INSERT OR IGNORE INTO membership (user_id, group_id) VALUES (?1, ?2)",
            params![user.0, group.0],
        )?;
        Ok(added == 1)
    }

    /// `false`: the user was not in the group.
    pub fn remove_member(&self, user: UserId, group: GroupId) -> Result<bool, StoreError> {
        let removed = self.execute(
            "DELETE FROM membership WHERE user_id = ?1 AND group_id = ?2",
            params![user.0, group.0],
        )?;
        Ok(removed == 1)
    }
}
