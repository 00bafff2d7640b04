//! The passkeys of users. What a credential holds is for `flows::passkeys` to know; here it is text.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::ids::{PasskeyId, UserId};

/// By what authenticators know a user.
pub type Handle = [u8; 16];

const COLUMNS: &str = "id, user_id, handle, credential, name, created_at, last_used_at, doubted_at";

/// A passkey as it is stored. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Its number.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// What the authenticator calls them.
    pub handle: Handle,
    /// Public key, counter and flags, as JSON.
    pub credential: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was added.
    pub created_at: i64,
    /// When it last signed its owner in.
    pub last_used_at: Option<i64>,
    /// When its counter went back; from then on it signs nobody in.
    pub doubted_at: Option<i64>,
}

/// A passkey to be.
pub struct NewPasskey<'a> {
    /// Whose.
    pub user: UserId,
    /// What the authenticator calls them.
    pub handle: Handle,
    /// By what the authenticator knows it.
    pub credential_id: &'a [u8],
    /// See [`Passkey::credential`].
    pub credential: &'a str,
    /// What its owner calls it.
    pub name: &'a str,
}

fn passkey(row: &Row<'_>) -> rusqlite::Result<Passkey> {
    Ok(Passkey {
        id: PasskeyId(row.get(0)?),
        user: UserId(row.get(1)?),
        handle: row.get(2)?,
        credential: row.get(3)?,
        name: row.get(4)?,
        created_at: row.get(5)?,
        last_used_at: row.get(6)?,
        doubted_at: row.get(7)?,
    })
}

impl Tx<'_> {
    /// A user's, the oldest first.
    pub fn passkeys_of(&self, user: UserId) -> Result<Vec<Passkey>, StoreError> {
        self.all(&format!("SELECT {COLUMNS} FROM passkey WHERE user_id = ?1 ORDER BY id"), [user.0], passkey)
    }

    /// By what its authenticator calls it, whosever it is.
    pub fn passkey_by_credential(&self, credential_id: &[u8]) -> Result<Option<Passkey>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM passkey WHERE credential_id = ?1"), [credential_id], passkey)
    }

    /// Adds one; a conflict where the credential is somebody's already.
    pub fn insert_passkey(&self, new: &NewPasskey<'_>, now: Timestamp) -> Result<PasskeyId, StoreError> {
        let NewPasskey { user, handle, credential_id, credential, name } = new;
        let id = self.insert(
            "INSERT INTO passkey (user_id, handle, credential_id, credential, name, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![user.0, handle, credential_id, credential, name, now.as_second()],
        )?;
        Ok(PasskeyId(id))
    }

    /// Gives it another name.
    pub fn rename_passkey(&self, id: PasskeyId, name: &str) -> Result<(), StoreError> {
        self.execute("UPDATE passkey SET name = ?2 WHERE id = ?1", params![id.0, name])?;
        Ok(())
    }

    /// Removes it.
    pub fn remove_passkey(&self, id: PasskeyId) -> Result<(), StoreError> {
        self.execute("DELETE FROM passkey WHERE id = ?1", [id.0])?;
        Ok(())
    }

    /// Removes all of a user's.
    pub fn delete_passkeys(&self, user: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM passkey WHERE user_id = ?1", [user.0])?;
        Ok(())
    }

    /// Writes down that it was used, and what it was like afterwards.
    pub fn use_passkey(&self, id: PasskeyId, credential: &str, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE passkey SET credential = ?2, last_used_at = ?3 WHERE id = ?1",
            params![id.0, credential, now.as_second()],
        )?;
        Ok(())
    }

    /// Has it sign nobody in any more.
    pub fn doubt_passkey(&self, id: PasskeyId, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE passkey SET doubted_at = ?2 WHERE id = ?1 AND doubted_at IS NULL",
            params![id.0, now.as_second()],
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_person, at};
    use crate::store::Store;

    #[test]
    fn a_credential_is_one_users_and_goes_with_them() {
        let store = Store::in_memory().unwrap();
        let done = store.write_blocking(|tx| {
            let (ann, ben) = (a_person(tx, "ann"), a_person(tx, "ben"));
            let new = |user| NewPasskey {
                user,
                handle: [1; 16],
                credential_id: &[7; 20],
                credential: "{}",
                name: "phone",
            };
            let id = tx.insert_passkey(&new(ann), at(1))?;
            let again = tx.insert_passkey(&new(ben), at(2));
            assert!(again.is_err_and(|error| error.is_conflict()));
            tx.use_passkey(id, "{\"counter\":1}", at(3))?;
            tx.doubt_passkey(id, at(4))?;
            tx.doubt_passkey(id, at(5))?;
            let found = tx.passkey_by_credential(&[7; 20])?.unwrap();
            assert_eq!((found.user, found.last_used_at, found.doubted_at), (ann, Some(3), Some(4)));
            tx.delete_user(ann)?;
            tx.passkey_by_credential(&[7; 20])
        });
        assert_eq!(done.unwrap().0, None);
    }
}
