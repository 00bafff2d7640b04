//! The one row that says which installation this is.

use uuid::Uuid;

use super::tx::{StoreError, Tx};

impl Tx<'_> {
    /// The installation's identity (protocol 4.2): `fresh` the first time, the same for ever after.
    pub fn instance(&self, fresh: Uuid) -> Result<Uuid, StoreError> {
        self.execute("INSERT OR IGNORE INTO instance (id, uuid) VALUES (1, ?1)", [fresh.to_string()])?;
        let text: Option<String> = self.one("SELECT uuid FROM instance", [], |row| row.get(0))?;
        text.and_then(|text| text.parse().ok()).ok_or(StoreError::Unreadable("instance identity"))
    }
}

/// Writes the row as it is: that succeeds where anything can be written.
pub(super) fn rewrite(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("UPDATE instance SET uuid = uuid", [])?;
    Ok(())
}
