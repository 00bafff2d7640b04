//! What somebody proves themselves with beside the password: secrets sealed, codes hashed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::ids::{SessionId, UserId};
use crate::rules::seal::{SealKey, Sealed};
use crate::rules::second_factor::{Factor, Factors};
use crate::rules::token::{Purpose, TokenHash};
use crate::rules::totp::{Secret, Step};

/// An authenticator app, as it is stored. Times are Unix seconds.
pub struct StoredTotp {
    user: UserId,
    secret: Option<Vec<u8>>,
    /// When it was begun.
    pub created_at: i64,
    /// Since when it counts.
    pub confirmed_at: Option<i64>,
    /// The last one used.
    pub last_step: Option<Step>,
}

fn factors(row: &Row<'_>) -> rusqlite::Result<(UserId, Factors)> {
    let (totp, email, recovery_codes, passkeys) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
    Ok((UserId(row.get(0)?), Factors { totp, email, passkeys, recovery_codes }))
}

fn totp(row: &Row<'_>) -> rusqlite::Result<StoredTotp> {
    Ok(StoredTotp {
        user: UserId(row.get(0)?),
        secret: row.get(1)?,
        created_at: row.get(2)?,
        confirmed_at: row.get(3)?,
        last_step: row.get::<_, Option<i64>>(4)?.map(Step),
    })
}

const FACTORS: &str = "SELECT u.id,
    EXISTS (SELECT 1 FROM totp WHERE user_id = u.id AND confirmed_at IS NOT NULL),
    EXISTS (SELECT 1 FROM email_factor WHERE user_id = u.id),
    (SELECT count(*) FROM recovery_code WHERE user_id = u.id),
    (SELECT count(*) FROM passkey WHERE user_id = u.id)
    FROM user u";
const TOTP: &str = "SELECT user_id, secret, created_at, confirmed_at, last_step FROM totp";

impl StoredTotp {
    /// What codes are computed from; `None`: a backup without keys was restored, and no code is right any more.
    pub fn secret(&self, key: &SealKey) -> Result<Option<Secret>, StoreError> {
        let Some(sealed) = &self.secret else { return Ok(None) };
        let opened = key.open(Sealed::Totp(self.user), sealed);
        let secret = opened.and_then(|bytes| Secret::from_bytes(&bytes));
        let unreadable = StoreError::Unreadable("TOTP secret: it was not sealed under keys/seal.key");
        secret.map(Some).ok_or(unreadable)
    }

    /// Whether there is a secret; see [`StoredTotp::secret`].
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }
}

impl Tx<'_> {
    /// What a user has.
    pub fn factors_of(&self, user: UserId) -> Result<Factors, StoreError> {
        let found = self.one(&format!("{FACTORS} WHERE u.id = ?1"), [user.0], factors)?;
        Ok(found.map(|(_, factors)| factors).unwrap_or_default())
    }

    /// What everybody has.
    pub fn factors(&self) -> Result<BTreeMap<UserId, Factors>, StoreError> {
        Ok(self.all(FACTORS, [], factors)?.into_iter().collect())
    }

    /// Begins with another secret; `false`: the user has one that counts, and keeps it.
    pub fn begin_totp(&self, user: UserId, sealed: &[u8], now: Timestamp) -> Result<bool, StoreError> {
        let begun = self.execute(
            "INSERT INTO totp (user_id, secret, created_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (user_id) DO UPDATE SET secret = ?2, created_at = ?3 WHERE confirmed_at IS NULL",
            params![user.0, sealed, now.as_second()],
        )?;
        Ok(begun > 0)
    }

    /// A user's, whether it counts or not.
    pub fn totp(&self, user: UserId) -> Result<Option<StoredTotp>, StoreError> {
        self.one(&format!("{TOTP} WHERE user_id = ?1"), [user.0], totp)
    }

    /// It counts from here on; the code of this step has been used.
    pub fn confirm_totp(&self, user: UserId, step: Step, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE totp SET confirmed_at = ?2, last_step = ?3 WHERE user_id = ?1",
            params![user.0, now.as_second(), step.0],
        )?;
        Ok(())
    }

    /// The code of this step has been used, and with it every earlier one.
    pub fn use_totp(&self, user: UserId, step: Step) -> Result<(), StoreError> {
        self.execute("UPDATE totp SET last_step = ?2 WHERE user_id = ?1", [user.0, step.0])?;
        Ok(())
    }

    /// The user has no authenticator app any more; `false`: they had none.
    pub fn delete_totp(&self, user: UserId) -> Result<bool, StoreError> {
        Ok(self.execute("DELETE FROM totp WHERE user_id = ?1", [user.0])? > 0)
    }

    /// Forgets what was begun at this moment (Unix seconds) or before and not confirmed since.
    pub fn forget_unconfirmed_totp(&self, before: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM totp WHERE confirmed_at IS NULL AND created_at <= ?1", [before])?;
        Ok(())
    }

    /// Puts these in the place of a user's recovery codes.
    pub fn set_recovery_codes(&self, user: UserId, codes: &[TokenHash]) -> Result<(), StoreError> {
        self.execute("DELETE FROM recovery_code WHERE user_id = ?1", [user.0])?;
        for code in codes {
            self.execute(
                "INSERT OR IGNORE INTO recovery_code (user_id, code_hash) VALUES (?1, ?2)",
                params![user.0, code.0],
            )?;
        }
        Ok(())
    }

    /// Uses a recovery code up; `false`: the user has none such.
    pub fn use_recovery_code(&self, user: UserId, code: TokenHash) -> Result<bool, StoreError> {
        let used = self.execute(
            "DELETE FROM recovery_code WHERE user_id = ?1 AND code_hash = ?2",
            params![user.0, code.0],
        )?;
        Ok(used > 0)
    }

    /// The user takes codes by mail from here on.
    pub fn confirm_email_factor(&self, user: UserId) -> Result<(), StoreError> {
        self.execute("INSERT OR IGNORE INTO email_factor (user_id) VALUES (?1)", [user.0])?;
        Ok(())
    }

    /// The user takes no codes by mail any more; `false`: they took none.
    pub fn delete_email_factor(&self, user: UserId) -> Result<bool, StoreError> {
        self.delete_mailed_code(user, Purpose::SignIn)?;
        Ok(self.execute("DELETE FROM email_factor WHERE user_id = ?1", [user.0])? > 0)
    }

    /// Nothing beside the password is asked of the user any more.
    pub fn forget_second_factors(&self, user: UserId) -> Result<(), StoreError> {
        self.delete_totp(user)?;
        self.delete_email_factor(user)?;
        self.delete_passkeys(user)?;
        self.set_recovery_codes(user, &[])
    }

    /// Writes down with which second factor the session's user has proved themselves, and when.
    pub fn note_second_factor(
        &self,
        session: SessionId,
        factor: Factor,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "UPDATE session SET second_factor = ?2, second_factor_at = ?3 WHERE id = ?1",
            params![session.0, factor.name(), at.as_second()],
        )?;
        Ok(())
    }

    /// No authenticator app can be asked any more: what secrets were sealed under is gone. Accounts stay as guarded as they were;
    /// recovery codes still let in.
    pub fn forget_totp_secrets(&self) -> Result<(), StoreError> {
        self.execute("DELETE FROM totp WHERE confirmed_at IS NULL", [])?;
        self.execute("UPDATE totp SET secret = NULL", [])?;
        Ok(())
    }

    /// A hundred secrets at most, with whether this key opens each.
    pub(super) fn opens_totp_secrets(&self, key: &SealKey) -> Result<Vec<bool>, StoreError> {
        let sealed = self.all(&format!("{TOTP} WHERE secret IS NOT NULL LIMIT 100"), [], totp)?;
        Ok(sealed.iter().map(|totp| totp.secret(key).is_ok()).collect())
    }
}
