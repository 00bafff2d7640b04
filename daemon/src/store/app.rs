//! Applications that users sign in to, what users agreed to tell them, and what they know users by.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::tx::{StoreError, Tx};
use crate::rules::ids::{AppId, GroupId, UserId};
use crate::rules::openid::{IdTokenAlg, Scopes};
use crate::rules::token::TokenHash;

/// An application.
#[derive(Clone)]
pub struct App {
    /// Its number.
    pub id: AppId,
    /// Unique without regard to case.
    pub name: String,
    /// What it calls itself towards us.
    pub client_id: String,
    /// `None`: a public client, which keeps no secret.
    pub secret: Option<TokenHash>,
    /// What its ID tokens are signed with.
    pub id_token_alg: IdTokenAlg,
    /// Whether nobody is asked what it may be told.
    pub skips_consent: bool,
    /// Where people find it.
    pub url: Option<String>,
    /// Unix seconds.
    pub created_at: i64,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Where they may be sent after signing out.
    pub post_logout_uris: Vec<String>,
    /// Names of the groups that may sign in; empty: everybody may.
    pub groups: BTreeSet<String>,
}

const COLUMNS: &str = "id, name, client_id, secret_hash, id_token_alg, skip_consent, url, created_at";

fn app(row: &Row<'_>) -> rusqlite::Result<App> {
    let alg: String = row.get(4)?;
    Ok(App {
        id: AppId(row.get(0)?),
        name: row.get(1)?,
        client_id: row.get(2)?,
        secret: row.get::<_, Option<[u8; 32]>>(3)?.map(TokenHash),
        // A constraint of the table lets nothing else in.
        id_token_alg: IdTokenAlg::named(&alg).unwrap_or(IdTokenAlg::Rs256),
        skips_consent: row.get(5)?,
        url: row.get(6)?,
        created_at: row.get(7)?,
        redirect_uris: Vec::new(),
        post_logout_uris: Vec::new(),
        groups: BTreeSet::new(),
    })
}

impl App {
    /// Whether it keeps no secret.
    pub fn is_public(&self) -> bool {
        self.secret.is_none()
    }

    /// Whether who is in these groups may sign in.
    pub fn permits(&self, groups: &BTreeSet<String>) -> bool {
        self.groups.is_empty() || !self.groups.is_disjoint(groups)
    }
}

impl Tx<'_> {
    /// All, by name.
    pub fn apps(&self) -> Result<Vec<App>, StoreError> {
        let found = self.all(&format!("SELECT {COLUMNS} FROM app ORDER BY name"), [], app)?;
        found.into_iter().map(|app| self.whole_app(app)).collect()
    }

    /// By number.
    pub fn app(&self, id: AppId) -> Result<Option<App>, StoreError> {
        let found = self.one(&format!("SELECT {COLUMNS} FROM app WHERE id = ?1"), [id.0], app)?;
        found.map(|app| self.whole_app(app)).transpose()
    }

    /// By name, without regard to case.
    pub fn app_by_name(&self, name: &str) -> Result<Option<App>, StoreError> {
        let found = self.one(&format!("SELECT {COLUMNS} FROM app WHERE name = ?1"), [name], app)?;
        found.map(|app| self.whole_app(app)).transpose()
    }

    /// By what it calls itself.
    pub fn app_by_client_id(&self, client_id: &str) -> Result<Option<App>, StoreError> {
        let found = self.one(&format!("SELECT {COLUMNS} FROM app WHERE client_id = ?1"), [client_id], app)?;
        found.map(|app| self.whole_app(app)).transpose()
    }

    fn whole_app(&self, app: App) -> Result<App, StoreError> {
        let uris = |kind: &str| {
            self.all(
                "SELECT uri FROM app_uri WHERE app_id = ?1 AND kind = ?2 ORDER BY uri",
                params![app.id.0, kind],
                |row| row.get(0),
            )
        };
        let (redirect_uris, post_logout_uris) = (uris("redirect")?, uris("post-logout")?);
        let groups = self.all(
            "SELECT g.name FROM user_group g JOIN app_group a ON a.group_id = g.id WHERE a.app_id = ?1",
            [app.id.0],
            |row| row.get(0),
        )?;
        Ok(App { redirect_uris, post_logout_uris, groups: groups.into_iter().collect(), ..app })
    }

    /// Writes a new one with its addresses; its number and groups are not read. A conflict when there is one of that name.
    pub fn insert_app(&self, app: &App) -> Result<AppId, StoreError> {
        let id = self.insert(
            "INSERT INTO app (name, client_id, secret_hash, id_token_alg, skip_consent, url, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                app.name,
                app.client_id,
                app.secret.map(|secret| secret.0),
                app.id_token_alg.name(),
                app.skips_consent,
                app.url,
                app.created_at
            ],
        )?;
        self.write_app_uris(AppId(id), app)?;
        Ok(AppId(id))
    }

    /// Writes what may be changed of it, its addresses too; its groups are not read.
    pub fn update_app(&self, app: &App) -> Result<(), StoreError> {
        self.execute(
            "UPDATE app SET secret_hash = ?2, id_token_alg = ?3, skip_consent = ?4, url = ?5 WHERE id = ?1",
            params![
                app.id.0,
                app.secret.map(|secret| secret.0),
                app.id_token_alg.name(),
                app.skips_consent,
                app.url
            ],
        )?;
        self.execute("DELETE FROM app_uri WHERE app_id = ?1", [app.id.0])?;
        self.write_app_uris(app.id, app)
    }

    fn write_app_uris(&self, id: AppId, app: &App) -> Result<(), StoreError> {
        for (kind, uris) in [("redirect", &app.redirect_uris), ("post-logout", &app.post_logout_uris)] {
            for uri in uris {
                self.execute(
                    "INSERT OR IGNORE INTO app_uri (app_id, kind, uri) VALUES (?1, ?2, ?3)",
                    params![id.0, kind, uri],
                )?;
            }
        }
        Ok(())
    }

    /// Says which groups may sign in to it.
    pub fn set_app_groups(&self, id: AppId, groups: &[GroupId]) -> Result<(), StoreError> {
        self.execute("DELETE FROM app_group WHERE app_id = ?1", [id.0])?;
        for group in groups {
            self.execute(
                "INSERT OR IGNORE INTO app_group (app_id, group_id) VALUES (?1, ?2)",
                params![id.0, group.0],
            )?;
        }
        Ok(())
    }

    /// Removes one with everything issued to it.
    pub fn delete_app(&self, id: AppId) -> Result<(), StoreError> {
        self.execute("DELETE FROM app WHERE id = ?1", [id.0])?;
        Ok(())
    }

    /// The name of an application that names a group, if one does.
    pub fn app_naming(&self, group: GroupId) -> Result<Option<String>, StoreError> {
        self.one(
            "SELECT a.name FROM app a JOIN app_group g ON g.app_id = a.id WHERE g.group_id = ?1 ORDER BY a.name",
            [group.0],
            |row| row.get(0),
        )
    }

    /// What applications know a user by, made of `random` at its first use.
    pub fn subject(&self, user: UserId, random: [u8; 32]) -> Result<String, StoreError> {
        if let Some(subject) = self.known_subject(user)? {
            return Ok(subject);
        }
        let (half, _) = random.split_first_chunk().unwrap_or((&[0; 16], &[]));
        let subject = uuid::Builder::from_random_bytes(*half).into_uuid().simple().to_string();
        self.insert("INSERT INTO subject (user_id, subject) VALUES (?1, ?2)", params![user.0, subject])?;
        Ok(subject)
    }

    /// What applications know a user by, if one does.
    pub fn known_subject(&self, user: UserId) -> Result<Option<String>, StoreError> {
        self.one("SELECT subject FROM subject WHERE user_id = ?1", [user.0], |row| row.get(0))
    }

    /// What somebody agreed that an application is told.
    pub fn consent(&self, user: UserId, app: AppId) -> Result<Option<(Scopes, i64)>, StoreError> {
        let found: Option<(String, i64)> = self.one(
            "SELECT scope, given_at FROM app_consent WHERE user_id = ?1 AND app_id = ?2",
            [user.0, app.0],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(found.map(|(scope, given_at)| (Scopes::known_of(&scope), given_at)))
    }

    /// Writes down what somebody agreed to, in place of what they did before.
    pub fn set_consent(
        &self,
        user: UserId,
        app: AppId,
        scopes: &Scopes,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(
            "INSERT OR REPLACE INTO app_consent (user_id, app_id, scope, given_at) VALUES (?1, ?2, ?3, ?4)",
            params![user.0, app.0, scopes.to_string(), now.as_second()],
        )?;
        Ok(())
    }

    /// Forgets it; `false`: there was none.
    pub fn delete_consent(&self, user: UserId, app: AppId) -> Result<bool, StoreError> {
        let deleted =
            self.execute("DELETE FROM app_consent WHERE user_id = ?1 AND app_id = ?2", [user.0, app.0])?;
        Ok(deleted > 0)
    }
}
