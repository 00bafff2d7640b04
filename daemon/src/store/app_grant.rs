//! Sign-ins to applications: codes, and the access and refresh tokens that came of them. Only hashes are here.

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::ids::{AppId, GrantId, SessionId, UserId};
use crate::rules::openid::{Scope, Scopes};
use crate::rules::token::TokenHash;

/// How many sign-ins of one user to one application run at most; beyond that the oldest ends.
const MOST_GRANTS: u32 = 50;

/// What a sign-in is made of. Times are Unix seconds.
pub struct NewGrant<'a> {
    /// To which application.
    pub app: AppId,
    /// Who.
    pub user: UserId,
    /// In which session.
    pub session: SessionId,
    /// Of the code.
    pub code: TokenHash,
    /// Until when that is good.
    pub code_expires_at: i64,
    /// Where it was sent to.
    pub redirect_uri: &'a str,
    /// Of PKCE.
    pub challenge: &'a str,
    /// What was asked for and agreed to.
    pub scopes: &'a Scopes,
    /// Of the request.
    pub nonce: Option<&'a str>,
    /// When they signed in.
    pub auth_time: i64,
    /// How.
    pub acr: &'a str,
    /// By which methods, with spaces between them.
    pub amr: &'a str,
}

/// A sign-in. Times are Unix seconds.
#[derive(Clone)]
pub struct Grant {
    /// Its number.
    pub id: GrantId,
    /// To which application.
    pub app: AppId,
    /// Who.
    pub user: UserId,
    /// In which session; `None`: that is over.
    pub session: Option<SessionId>,
    /// Until when the code is good.
    pub code_expires_at: i64,
    /// Whether the code was used.
    pub is_used: bool,
    /// See [`NewGrant`].
    pub redirect_uri: String,
    /// See [`NewGrant`].
    pub challenge: String,
    /// See [`NewGrant`].
    pub scopes: Scopes,
    /// See [`NewGrant`].
    pub nonce: Option<String>,
    /// See [`NewGrant`].
    pub auth_time: i64,
    /// See [`NewGrant`].
    pub acr: String,
    /// See [`NewGrant`].
    pub amr: String,
    /// When it began.
    pub created_at: i64,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenUse {
    /// Reads what the application is told.
    Access,
    /// Gets the next tokens.
    Refresh,
}

/// A token's row.
pub struct AppToken {
    /// Which sign-in it came of.
    pub grant: GrantId,
    /// What it is for.
    pub used_for: TokenUse,
    /// What it reaches.
    pub scopes: Scopes,
    /// Unix seconds.
    pub expires_at: i64,
    /// Whether it was used, which refresh tokens are once.
    pub is_used: bool,
}

/// How many used refresh tokens of a sign-in are known at most.
const MOST_USED: u32 = 50;

const COLUMNS: &str = "id, app_id, user_id, session_id, code_expires_at, code_used_at, redirect_uri, challenge, scope, \
                       nonce, auth_time, acr, amr, created_at";

fn grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    Ok(Grant {
        id: GrantId(row.get(0)?),
        app: AppId(row.get(1)?),
        user: UserId(row.get(2)?),
        session: row.get::<_, Option<i64>>(3)?.map(SessionId),
        code_expires_at: row.get(4)?,
        is_used: row.get::<_, Option<i64>>(5)?.is_some(),
        redirect_uri: row.get(6)?,
        challenge: row.get(7)?,
        scopes: Scopes::known_of(&row.get::<_, String>(8)?),
        nonce: row.get(9)?,
        auth_time: row.get(10)?,
        acr: row.get(11)?,
        amr: row.get(12)?,
        created_at: row.get(13)?,
    })
}

impl Grant {
    /// Whether it outlives the session in which it began.
    pub fn is_offline(&self) -> bool {
        self.scopes.has(Scope::OfflineAccess)
    }
}

impl TokenUse {
    fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

impl Tx<'_> {
    /// A new one; the user's oldest with that application ends where there are too many.
    pub fn insert_grant(&self, new: &NewGrant<'_>, now: Timestamp) -> Result<GrantId, StoreError> {
        let id = self.insert(
            "INSERT INTO app_grant (app_id, user_id, session_id, code_hash, code_expires_at, redirect_uri, challenge, scope,
             nonce, auth_time, acr, amr, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                new.app.0,
                new.user.0,
                new.session.0,
                new.code.0,
                new.code_expires_at,
                new.redirect_uri,
                new.challenge,
                new.scopes.to_string(),
                new.nonce,
                new.auth_time,
                new.acr,
                new.amr,
                now.as_second()
            ],
        )?;
        self.execute(
            "DELETE FROM app_grant WHERE user_id = ?1 AND app_id = ?2 AND id NOT IN
             (SELECT id FROM app_grant WHERE user_id = ?1 AND app_id = ?2 ORDER BY id DESC LIMIT ?3)",
            params![new.user.0, new.app.0, MOST_GRANTS],
        )?;
        Ok(GrantId(id))
    }

    /// By number.
    pub fn grant(&self, id: GrantId) -> Result<Option<Grant>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM app_grant WHERE id = ?1"), [id.0], grant)
    }

    /// By its code, good or not.
    pub fn grant_by_code(&self, code: TokenHash) -> Result<Option<Grant>, StoreError> {
        self.one(&format!("SELECT {COLUMNS} FROM app_grant WHERE code_hash = ?1"), [code.0], grant)
    }

    /// Writes down that the code was used.
    pub fn use_code(&self, id: GrantId, now: Timestamp) -> Result<(), StoreError> {
        self.execute("UPDATE app_grant SET code_used_at = ?2 WHERE id = ?1", params![id.0, now.as_second()])?;
        Ok(())
    }

    /// Ends one with every token of it.
    pub fn end_grant(&self, id: GrantId) -> Result<(), StoreError> {
        self.execute("DELETE FROM app_grant WHERE id = ?1", [id.0])?;
        Ok(())
    }

    /// Ends all of a user but those that began in one session.
    pub(super) fn end_grants_of(&self, user: UserId, but: Option<SessionId>) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM app_grant WHERE user_id = ?1 AND (?2 IS NULL OR session_id IS NOT ?2)",
            params![user.0, but.map(|id| id.0)],
        )?;
        Ok(())
    }

    /// Ends all of a user with one application; gives how many those were.
    pub fn end_grants_with(&self, user: UserId, app: AppId) -> Result<usize, StoreError> {
        self.execute("DELETE FROM app_grant WHERE user_id = ?1 AND app_id = ?2", [user.0, app.0])
    }

    /// Whether an application goes on for a user who is away.
    pub fn has_offline_grant(&self, user: UserId, app: AppId) -> Result<bool, StoreError> {
        let found: Option<i64> = self.one(
            "SELECT 1 FROM app_grant g JOIN app_token t ON t.grant_id = g.id
             WHERE g.user_id = ?1 AND g.app_id = ?2 AND t.kind = 'refresh' LIMIT 1",
            [user.0, app.0],
            |row| row.get(0),
        )?;
        Ok(found.is_some())
    }

    /// A new token.
    pub fn insert_app_token(
        &self,
        token: TokenHash,
        (grant, used_for): (GrantId, TokenUse),
        scopes: &Scopes,
        expires_at: i64,
    ) -> Result<(), StoreError> {
        self.insert(
            "INSERT INTO app_token (token_hash, grant_id, kind, scope, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![token.0, grant.0, used_for.name(), scopes.to_string(), expires_at],
        )?;
        Ok(())
    }

    /// By what was presented, good or not.
    pub fn app_token(&self, token: TokenHash) -> Result<Option<AppToken>, StoreError> {
        self.one(
            "SELECT grant_id, kind, scope, expires_at, used_at FROM app_token WHERE token_hash = ?1",
            [token.0],
            |row| {
                let is_refresh = row.get::<_, String>(1)? == TokenUse::Refresh.name();
                Ok(AppToken {
                    grant: GrantId(row.get(0)?),
                    used_for: if is_refresh { TokenUse::Refresh } else { TokenUse::Access },
                    scopes: Scopes::known_of(&row.get::<_, String>(2)?),
                    expires_at: row.get(3)?,
                    is_used: row.get::<_, Option<i64>>(4)?.is_some(),
                })
            },
        )
    }

    /// Writes down that a refresh token was used.
    pub fn use_app_token(&self, token: TokenHash, now: Timestamp) -> Result<(), StoreError> {
        self.execute(
            "UPDATE app_token SET used_at = ?2 WHERE token_hash = ?1",
            params![token.0, now.as_second()],
        )?;
        Ok(())
    }

    /// How many refresh tokens of a sign-in were used in the last `seconds`, of those that are still known. Uses that are to come,
    /// as the clock was set back, have nobody wait.
    pub fn refreshes_within(&self, grant: GrantId, seconds: i64, now: Timestamp) -> Result<u32, StoreError> {
        let now = now.as_second();
        let count: Option<u32> = self.one(
            "SELECT count(*) FROM app_token WHERE grant_id = ?1 AND used_at > ?2 AND used_at <= ?3",
            [grant.0, now.saturating_sub(seconds), now],
            |row| row.get(0),
        )?;
        Ok(count.unwrap_or_default())
    }

    /// Forgets the oldest of the refresh tokens that were used: their coming again is seen for so many, not without end.
    pub fn forget_used_tokens(&self, grant: GrantId) -> Result<(), StoreError> {
        self.execute(
            "DELETE FROM app_token WHERE grant_id = ?1 AND used_at IS NOT NULL AND token_hash NOT IN
             (SELECT token_hash FROM app_token WHERE grant_id = ?1 AND used_at IS NOT NULL
              ORDER BY used_at DESC LIMIT ?2)",
            params![grant.0, MOST_USED],
        )?;
        Ok(())
    }

    /// Ends one token.
    pub fn delete_app_token(&self, token: TokenHash) -> Result<(), StoreError> {
        self.execute("DELETE FROM app_token WHERE token_hash = ?1", [token.0])?;
        Ok(())
    }

    /// Forgets tokens that are over, and sign-ins of which none is left.
    pub fn forget_grants(&self, now: Timestamp) -> Result<(), StoreError> {
        self.execute("DELETE FROM app_token WHERE expires_at <= ?1", [now.as_second()])?;
        self.execute(
            "DELETE FROM app_grant WHERE code_expires_at <= ?1
             AND NOT EXISTS (SELECT 1 FROM app_token WHERE grant_id = app_grant.id)",
            [now.as_second()],
        )?;
        Ok(())
    }
}
