//! Keys that ID tokens are signed with. Private ones are sealed.

use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::openid::IdTokenAlg;

/// A key's row.
pub struct SigningKey {
    /// The thumbprint of the public key, in base64url.
    pub kid: String,
    /// What it signs.
    pub alg: IdTokenAlg,
    /// The public key.
    pub public_jwk: String,
    /// The private one.
    pub sealed: Vec<u8>,
    /// Unix seconds.
    pub signs_from: i64,
}

fn key(row: &Row<'_>) -> rusqlite::Result<SigningKey> {
    let alg: String = row.get(1)?;
    Ok(SigningKey {
        kid: row.get(0)?,
        // A constraint of the table lets nothing else in.
        alg: IdTokenAlg::named(&alg).unwrap_or(IdTokenAlg::Rs256),
        public_jwk: row.get(2)?,
        sealed: row.get(3)?,
        signs_from: row.get(4)?,
    })
}

impl Tx<'_> {
    /// All of them, those that sign first first.
    pub fn signing_keys(&self) -> Result<Vec<SigningKey>, StoreError> {
        self.all(
            "SELECT kid, alg, public_jwk, sealed, signs_from FROM signing_key ORDER BY signs_from, id",
            [],
            key,
        )
    }

    /// Adds one.
    pub fn insert_signing_key(&self, key: &SigningKey) -> Result<(), StoreError> {
        self.insert(
            "INSERT INTO signing_key (kid, alg, public_jwk, sealed, signs_from) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![key.kid, key.alg.name(), key.public_jwk, key.sealed, key.signs_from],
        )?;
        Ok(())
    }

    /// Forgets all: what they were sealed under is gone.
    pub fn forget_signing_keys(&self) -> Result<(), StoreError> {
        self.execute("DELETE FROM signing_key", [])?;
        Ok(())
    }

    /// Forgets one.
    pub fn delete_signing_key(&self, kid: &str) -> Result<(), StoreError> {
        self.execute("DELETE FROM signing_key WHERE kid = ?1", [kid])?;
        Ok(())
    }
}
