//! Codes that were mailed: of each account the last one to sign in with, and the last one to connect with.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::ids::{CodeId, DeviceId, LocationId, UserId};
use crate::rules::token::Purpose;

/// A code that was mailed. Times are Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailedCode {
    /// Its number, of which it is derived.
    pub id: CodeId,
    /// To whom.
    pub user: UserId,
    /// What it is for.
    pub purpose: Purpose,
    /// When it was made.
    pub made_at: i64,
    /// When it was mailed last.
    pub mailed_at: i64,
}

const MAILED_CODE: &str = "SELECT id, user_id, device_id, location_id, made_at, mailed_at FROM mailed_code";

fn mailed_code(row: &Row<'_>) -> rusqlite::Result<MailedCode> {
    let (device, location): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
    let place = device.zip(location);
    let purpose = place.map_or(Purpose::SignIn, |(device, location)| {
        Purpose::Connect(DeviceId(device), LocationId(location))
    });
    let (made_at, mailed_at) = (row.get(4)?, row.get(5)?);
    Ok(MailedCode { id: CodeId(row.get(0)?), user: UserId(row.get(1)?), purpose, made_at, mailed_at })
}

impl Tx<'_> {
    /// By number.
    pub fn mailed_code(&self, id: CodeId) -> Result<Option<MailedCode>, StoreError> {
        self.one(&format!("{MAILED_CODE} WHERE id = ?1"), [id.0], mailed_code)
    }

    /// The last of an account, to sign in with or, wherever to, to connect with.
    pub fn mailed_code_of(&self, user: UserId, purpose: Purpose) -> Result<Option<MailedCode>, StoreError> {
        let sql = format!("{MAILED_CODE} WHERE user_id = ?1 AND (device_id IS NULL) = ?2");
        self.one(&sql, params![user.0, purpose == Purpose::SignIn], mailed_code)
    }

    /// A new one in the last one's place, which is good for nothing any more.
    pub fn make_code(&self, user: UserId, purpose: Purpose, now: Timestamp) -> Result<CodeId, StoreError> {
        self.delete_mailed_code(user, purpose)?;
        let place = match purpose {
            Purpose::SignIn => None,
            Purpose::Connect(device, location) => Some((device.0, location.0)),
        };
        let (device, location) = place.unzip();
        let id = self.insert(
            "INSERT INTO mailed_code (user_id, device_id, location_id, made_at, mailed_at) VALUES (?1, ?2, ?3, ?4, ?4)",
            params![user.0, device, location, now.as_second()],
        )?;
        Ok(CodeId(id))
    }

    /// It is mailed once more.
    pub fn mail_code_again(&self, id: CodeId, now: Timestamp) -> Result<(), StoreError> {
        self.execute("UPDATE mailed_code SET mailed_at = ?2 WHERE id = ?1", [id.0, now.as_second()])?;
        Ok(())
    }

    /// The last one of an account is good for nothing any more: see [`Tx::mailed_code_of`].
    pub fn delete_mailed_code(&self, user: UserId, purpose: Purpose) -> Result<(), StoreError> {
        let sql = "DELETE FROM mailed_code WHERE user_id = ?1 AND (device_id IS NULL) = ?2";
        self.execute(sql, params![user.0, purpose == Purpose::SignIn])?;
        Ok(())
    }

    /// Whatever an account was mailed is good for nothing any more.
    pub fn delete_mailed_codes(&self, user: UserId) -> Result<(), StoreError> {
        self.execute("DELETE FROM mailed_code WHERE user_id = ?1", [user.0])?;
        Ok(())
    }

    /// Forgets those made at this moment (Unix seconds) or before.
    pub fn forget_mailed_codes(&self, before: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM mailed_code WHERE made_at <= ?1", [before])?;
        Ok(())
    }
}
