//! An application asks that somebody be signed out. Where to send them afterwards has to be registered by the application that
//! asks, and an address that is not is not gone to (RP-Initiated Logout 1.0, 2 and 3).

use serde_json::Value;

use super::sign_in::SignedIn;
use super::signing_keys::opened;
use crate::rules::openid::{Params, with_params};
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// What is to be done.
pub struct Farewell {
    /// The name of the application that asks, if that is known.
    pub app: Option<String>,
    /// Where to send them afterwards.
    pub to: Option<String>,
    /// Whether to ask them first: nothing shows that this is their wish.
    pub asks_first: bool,
}

/// What a request asks for; `None`: it contradicts itself, or names an address that is not registered.
pub fn read(
    tx: &Tx<'_>,
    site: &Site,
    params: &Params,
    who: Option<&SignedIn>,
) -> Result<Option<Farewell>, StoreError> {
    let hint = match params.get("id_token_hint") {
        Some(token) => opened(tx, site, token)?,
        None => None,
    };
    let claim = |name| hint.as_ref().and_then(|claims| claims.get(name)).and_then(Value::as_str);
    let (named, hinted) = (params.get("client_id"), claim("aud"));
    let is_contradiction = named.zip(hinted).is_some_and(|(named, hinted)| named != hinted);
    if params.are_repeated() || is_contradiction {
        return Ok(None);
    }
    let app = match hinted.or(named) {
        Some(client_id) => tx.app_by_client_id(client_id)?,
        None => None,
    };
    let to = match params.get("post_logout_redirect_uri") {
        None => None,
        Some(uri) => {
            let known = app.as_ref().filter(|app| app.post_logout_uris.iter().any(|known| known == uri));
            if known.is_none() {
                return Ok(None);
            }
            Some(with_params(uri, params.get("state").map(|state| ("state", state))))
        }
    };
    let subject = who.map(|who| tx.known_subject(who.user.id)).transpose()?.flatten();
    let is_theirs = subject.is_some() && claim("sub") == subject.as_deref();
    Ok(Some(Farewell { app: app.map(|app| app.name), to, asks_first: who.is_some() && !is_theirs }))
}
