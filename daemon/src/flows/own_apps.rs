//! The applications that somebody may sign in to, and what they agreed that these know.

use jiff::Timestamp;

use super::refusal::Refusal;
use super::sign_in::SignedIn;
use crate::rules::action::Action;
use crate::rules::ids::AppId;
use crate::rules::openid::Scopes;
use crate::store::app::App;
use crate::store::{StoreError, Tx};

/// An application as its user sees it.
pub struct OwnApp {
    /// Which.
    pub app: App,
    /// Whether they may sign in to it now.
    pub is_permitted: bool,
    /// What they agreed to; empty: nothing.
    pub agreed: Scopes,
    /// When (Unix seconds).
    pub agreed_at: i64,
    /// Whether it was issued something that goes on while they are away.
    pub is_offline: bool,
}

/// Those they may sign in to, and those they agreed to, by name.
pub fn list(tx: &Tx<'_>, who: &SignedIn) -> Result<Vec<OwnApp>, StoreError> {
    let groups = tx.groups_of(who.user.id)?;
    let mut own = Vec::new();
    for app in tx.apps()? {
        let (agreed, agreed_at) = tx.consent(who.user.id, app.id)?.unwrap_or_default();
        let is_permitted = app.permits(&groups);
        let is_offline = tx.has_offline_grant(who.user.id, app.id)?;
        if is_permitted || is_offline || agreed.iter().next().is_some() {
            own.push(OwnApp { app, is_permitted, agreed, agreed_at, is_offline });
        }
    }
    Ok(own)
}

/// Takes back what an application was allowed: it is asked again, and everything issued to it for this user ends.
pub fn withdraw(tx: &Tx<'_>, who: &SignedIn, app: AppId, now: Timestamp) -> Result<(), Refusal> {
    let app = tx.app(app)?.ok_or_else(|| Refusal::UnknownApp(format!("#{app}")))?;
    let had_agreed = tx.delete_consent(who.user.id, app.id)?;
    let ended = tx.end_grants_with(who.user.id, app.id)?;
    if had_agreed || ended > 0 {
        tx.audit(&who.user.username, Action::AppWithdraw, &app.name, None, now)?;
    }
    Ok(())
}
