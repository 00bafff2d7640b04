//! Applications that users sign in to, as administrators change them.

use jiff::Timestamp;
use serde::Serialize;

use super::groups::known_group;
use super::invite::Actor;
use super::refusal::Refusal;
use crate::rules::action::Action;
use crate::rules::app_uri;
use crate::rules::ids::{AppId, GroupId};
use crate::rules::names::{self, NameError};
use crate::rules::openid::IdTokenAlg;
use crate::rules::token::{Token, TokenHash};
use crate::store::Tx;
use crate::store::app::App;

/// Addresses of one kind.
const MOST_URIS: usize = 20;

/// A new application, as typed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Unique.
    pub name: String,
    /// Where people may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Where they may be sent after signing out.
    pub post_logout_uris: Vec<String>,
    /// Who may sign in; none: everybody.
    pub groups: Vec<String>,
    /// Where people find it; may be empty.
    pub url: String,
    /// Whether it keeps no secret.
    pub is_public: bool,
    /// Whether nobody is asked what it may be told.
    pub skips_consent: bool,
    /// What its ID tokens are signed with.
    pub id_token_alg: IdTokenAlg,
}

/// What to change, as typed; `None` stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// In place of those there are.
    pub redirect_uris: Option<Vec<String>>,
    /// In place of those there are.
    pub post_logout_uris: Option<Vec<String>>,
    /// In place of those there are; none: everybody may sign in.
    pub groups: Option<Vec<String>>,
    /// Empty: none.
    pub url: Option<String>,
    /// Whether nobody is asked what it may be told.
    pub skips_consent: Option<bool>,
    /// What its ID tokens are signed with.
    pub id_token_alg: Option<IdTokenAlg>,
}

/// An application as administrators are shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppView {
    name: String,
    client_id: String,
    public: bool,
    id_token_alg: &'static str,
    skip_consent: bool,
    url: Option<String>,
    redirect_uris: Vec<String>,
    post_logout_uris: Vec<String>,
    groups: Vec<String>,
    created_at: Option<Timestamp>,
}

impl From<App> for AppView {
    fn from(app: App) -> Self {
        Self {
            public: app.is_public(),
            name: app.name,
            client_id: app.client_id,
            id_token_alg: app.id_token_alg.name(),
            skip_consent: app.skips_consent,
            url: app.url,
            redirect_uris: app.redirect_uris,
            post_logout_uris: app.post_logout_uris,
            groups: app.groups.into_iter().collect(),
            created_at: Timestamp::from_second(app.created_at).ok(),
        }
    }
}

/// All of them, by name.
pub fn list(tx: &Tx<'_>) -> Result<Vec<AppView>, Refusal> {
    Ok(tx.apps()?.into_iter().map(AppView::from).collect())
}

/// One of them.
pub fn show(tx: &Tx<'_>, name: &str) -> Result<AppView, Refusal> {
    Ok(known(tx, name)?.into())
}

/// Adds one, called `client_id` and with `secret` unless it is public; both are to be fresh.
pub fn add(
    tx: &Tx<'_>,
    actor: &Actor,
    plan: &Plan,
    (client_id, secret): (String, &Token),
    now: Timestamp,
) -> Result<AppView, Refusal> {
    let name = names::app_name(&plan.name).map_err(Refusal::value(&plan.name))?;
    if tx.app_by_name(&name)?.is_some() {
        return Err(Refusal::AppTaken(name));
    }
    let app = App {
        id: AppId(0),
        name,
        client_id,
        secret: (!plan.is_public).then(|| secret.hash()),
        id_token_alg: plan.id_token_alg,
        skips_consent: plan.skips_consent,
        url: home(&plan.url)?,
        created_at: now.as_second(),
        redirect_uris: uris(&plan.redirect_uris)?,
        post_logout_uris: uris(&plan.post_logout_uris)?,
        groups: std::collections::BTreeSet::new(),
    };
    if app.redirect_uris.is_empty() {
        return Err(Refusal::AppUris);
    }
    let groups = group_ids(tx, &plan.groups)?;
    let id = tx.insert_app(&app)?;
    tx.set_app_groups(id, &groups)?;
    tx.audit(&actor.name, Action::AppAdd, &app.name, None, now)?;
    show(tx, &app.name)
}

/// Changes what `edit` gives. Who may not sign in any more loses what was issued at its next use.
pub fn edit(tx: &Tx<'_>, actor: &Actor, name: &str, edit: &Edit, now: Timestamp) -> Result<AppView, Refusal> {
    let mut app = known(tx, name)?;
    let mut changed = Vec::new();
    if let Some(wanted) = &edit.redirect_uris {
        app.redirect_uris = uris(wanted)?;
        changed.push("redirect URIs");
    }
    if let Some(wanted) = &edit.post_logout_uris {
        app.post_logout_uris = uris(wanted)?;
        changed.push("post-logout URIs");
    }
    if let Some(wanted) = &edit.url {
        app.url = home(wanted)?;
        changed.push("URL");
    }
    if let Some(wanted) = edit.skips_consent {
        app.skips_consent = wanted;
        changed.push("consent");
    }
    if let Some(wanted) = edit.id_token_alg {
        app.id_token_alg = wanted;
        changed.push("ID token algorithm");
    }
    if app.redirect_uris.is_empty() {
        return Err(Refusal::AppUris);
    }
    tx.update_app(&app)?;
    if let Some(wanted) = &edit.groups {
        tx.set_app_groups(app.id, &group_ids(tx, wanted)?)?;
        changed.push("groups");
    }
    if changed.is_empty() {
        return Err(Refusal::NothingToChange);
    }
    tx.audit(&actor.name, Action::AppEdit, &app.name, Some(&changed.join(", ")), now)?;
    show(tx, &app.name)
}

/// Gives it another secret; the old one is good for nothing from here on.
pub fn rotate_secret(
    tx: &Tx<'_>,
    actor: &Actor,
    name: &str,
    secret: TokenHash,
    now: Timestamp,
) -> Result<AppView, Refusal> {
    let app = known(tx, name)?;
    if app.is_public() {
        return Err(Refusal::PublicApp(app.name));
    }
    tx.update_app(&App { secret: Some(secret), ..app.clone() })?;
    tx.audit(&actor.name, Action::AppRotateSecret, &app.name, None, now)?;
    Ok(app.into())
}

/// Removes it: everything issued to it ends.
pub fn remove(tx: &Tx<'_>, actor: &Actor, name: &str, now: Timestamp) -> Result<AppView, Refusal> {
    let app = known(tx, name)?;
    tx.delete_app(app.id)?;
    tx.audit(&actor.name, Action::AppRemove, &app.name, None, now)?;
    Ok(app.into())
}

fn known(tx: &Tx<'_>, name: &str) -> Result<App, Refusal> {
    tx.app_by_name(name)?.ok_or_else(|| Refusal::UnknownApp(name.to_owned()))
}

fn uris(typed: &[String]) -> Result<Vec<String>, Refusal> {
    if typed.len() > MOST_URIS {
        return Err(Refusal::AppUris);
    }
    typed.iter().map(|uri| app_uri::redirect(uri).map_err(Refusal::value(uri))).collect()
}

fn home(typed: &str) -> Result<Option<String>, Refusal> {
    let given = Some(typed).filter(|typed| !typed.is_empty());
    given.map(|typed| app_uri::home(typed).map_err(Refusal::value(typed))).transpose()
}

fn group_ids(tx: &Tx<'_>, names: &[String]) -> Result<Vec<GroupId>, Refusal> {
    names.iter().map(|name| Ok(known_group(tx, name)?.0)).collect()
}

/// By its name, for what is no algorithm a refusal.
pub fn id_token_alg(name: &str) -> Result<IdTokenAlg, Refusal> {
    IdTokenAlg::named(name).ok_or_else(|| Refusal::value(name)(NameError::IdTokenAlg))
}
