//! Somebody is to be signed in to an application: what is asked, what is to be done first, and the code that comes of it. An
//! application that is not known, or an address that is not registered, is told to the user alone: nobody is sent there
//! (RFC 6749, 4.1.2.1; RFC 9700, 4.11).

use jiff::Timestamp;
use serde_json::Value;

use super::sign_in::SignedIn;
use super::signing_keys::{issuer, opened};
use crate::rules::action::Action;
use crate::rules::app_uri;
use crate::rules::ids::SessionId;
use crate::rules::openid::{self, CODE_FOR, Params, Problem, Request, Scope, Scopes};
use crate::rules::token::TokenHash;
use crate::site::Site;
use crate::store::app::App;
use crate::store::app_grant::NewGrant;
use crate::store::{StoreError, Tx};

/// A request with who makes it.
#[derive(Clone)]
pub struct Asked {
    /// Who.
    pub app: App,
    /// What.
    pub request: Request,
}

/// Why a request leads nowhere.
pub enum Denied {
    /// No application of that name.
    UnknownApp,
    /// The application did not register this address.
    RedirectUri,
    /// The application is told, at this address.
    Answer(String),
}

/// What is to be done about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Somebody has to sign in, perhaps again.
    SignIn,
    /// They have to agree to this.
    Consent(Scopes),
    /// They may not sign in to it.
    NotPermitted,
    /// A code.
    Grant,
    /// Nothing: the application is told, at this address.
    Answer(String),
}

/// Reads a request that comes from `asked_in`, if somebody is signed in in that browser.
pub fn read(
    tx: &Tx<'_>,
    site: &Site,
    params: &Params,
    asked_in: Option<SessionId>,
    now: Timestamp,
) -> Result<Result<Asked, Denied>, StoreError> {
    let (Some(client_id), Some(uri)) = (params.get("client_id"), params.get("redirect_uri")) else {
        let is_named = params.get("client_id").is_some();
        return Ok(Err(if is_named { Denied::RedirectUri } else { Denied::UnknownApp }));
    };
    let Some(app) = tx.app_by_client_id(client_id)? else { return Ok(Err(Denied::UnknownApp)) };
    // Of one that came twice nobody knows which is meant, and it may be this one.
    if params.are_repeated() || !app_uri::is_registered(&app.redirect_uris, uri, app.is_public()) {
        return Ok(Err(Denied::RedirectUri));
    }
    let request = Request::read(params, (client_id, uri), (now.as_second(), asked_in));
    Ok(match request {
        Ok(request) => Ok(Asked { app, request }),
        Err(problem) => Err(Denied::Answer(answer(site, uri, params.get("state"), problem))),
    })
}

/// A request that was read before, if it still may be granted: the application may have changed meanwhile.
pub fn again(tx: &Tx<'_>, request: Request, now: Timestamp) -> Result<Result<Asked, Denied>, StoreError> {
    let Some(app) = tx.app_by_client_id(&request.client_id)? else { return Ok(Err(Denied::UnknownApp)) };
    let is_good = app_uri::is_registered(&app.redirect_uris, &request.redirect_uri, app.is_public());
    Ok(if is_good && request.waits(now.as_second()) {
        Ok(Asked { app, request })
    } else {
        Err(Denied::RedirectUri)
    })
}

/// What is to be done about it, for who is signed in.
pub fn next(
    tx: &Tx<'_>,
    site: &Site,
    asked: &Asked,
    who: Option<&SignedIn>,
    now: Timestamp,
) -> Result<Next, StoreError> {
    let request = &asked.request;
    let next = match who {
        None => Next::SignIn,
        Some(who) if request.wants_another_sign_in(&who.session, now.as_second()) => Next::SignIn,
        Some(who) => match is_hinted(tx, site, request, who)? {
            Hint::Nobody => {
                let problem = Problem("invalid_request", "id_token_hint is no ID token of this application");
                Next::Answer(asked.answer(site, problem))
            }
            Hint::Other if request.asked_in == Some(who.session.id) => Next::SignIn,
            Hint::Other => {
                let problem = Problem("login_required", "somebody else signed in");
                Next::Answer(asked.answer(site, problem))
            }
            Hint::They => permitted(tx, asked, who)?,
        },
    };
    if !request.is_silent {
        return Ok(next);
    }
    let problem = match next {
        Next::SignIn => Problem("login_required", "nobody is signed in, or too long ago"),
        Next::Consent(_) => Problem("consent_required", "the user has to agree"),
        Next::NotPermitted => Problem("access_denied", "the user may not sign in to this application"),
        Next::Grant | Next::Answer(_) => return Ok(next),
    };
    Ok(Next::Answer(asked.answer(site, problem)))
}

/// Signs somebody in to the application and gives where to send them: with the code of this hash, of which `code` is what
/// the application is given.
pub fn grant(
    tx: &Tx<'_>,
    site: &Site,
    (asked, who): (&Asked, &SignedIn),
    (code, hash): (&str, TokenHash),
    now: Timestamp,
) -> Result<String, StoreError> {
    let (app, request) = (&asked.app, &asked.request);
    let how = openid::authenticated(&who.session);
    let new = NewGrant {
        app: app.id,
        user: who.user.id,
        session: who.session.id,
        code: hash,
        code_expires_at: now.as_second().saturating_add(CODE_FOR),
        redirect_uri: &request.redirect_uri,
        challenge: &request.challenge,
        scopes: &request.scopes,
        nonce: request.nonce.as_deref(),
        auth_time: how.auth_time,
        acr: how.acr,
        amr: &how.amr.join(" "),
    };
    tx.insert_grant(&new, now)?;
    tx.audit(&who.user.username, Action::AppSignIn, &app.name, None, now)?;
    let state = request.state.as_deref().map(|state| ("state", state));
    let params = [("code", code)].into_iter().chain(state).chain([("iss", issuer(site))]);
    Ok(openid::with_params(&request.redirect_uri, params))
}

/// Writes down that somebody agrees to what is asked for.
pub fn agree(tx: &Tx<'_>, asked: &Asked, who: &SignedIn, now: Timestamp) -> Result<(), StoreError> {
    let before = agreed(tx, &asked.app, who)?;
    let scopes = before.and(&asked.request.scopes);
    if scopes != before {
        tx.set_consent(who.user.id, asked.app.id, &scopes, now)?;
        let (name, scopes) = (&who.user.username, scopes.to_string());
        tx.audit(name, Action::AppConsent, &asked.app.name, Some(&scopes), now)?;
    }
    Ok(())
}

impl Asked {
    /// Where to send somebody with a refusal.
    pub fn answer(&self, site: &Site, problem: Problem) -> String {
        answer(site, &self.request.redirect_uri, self.request.state.as_deref(), problem)
    }
}

fn answer(site: &Site, uri: &str, state: Option<&str>, Problem(error, description): Problem) -> String {
    let said = [("error", error), ("error_description", description)].into_iter();
    openid::with_params(uri, said.chain(state.map(|state| ("state", state))).chain([("iss", issuer(site))]))
}

/// What somebody agreed that an application may have.
fn agreed(tx: &Tx<'_>, app: &App, who: &SignedIn) -> Result<Scopes, StoreError> {
    Ok(tx.consent(who.user.id, app.id)?.map(|(scopes, _)| scopes).unwrap_or_default())
}

fn permitted(tx: &Tx<'_>, asked: &Asked, who: &SignedIn) -> Result<Next, StoreError> {
    let (app, request) = (&asked.app, &asked.request);
    if !app.permits(&tx.groups_of(who.user.id)?) {
        return Ok(Next::NotPermitted);
    }
    let given = agreed(tx, app, who)?;
    // To go on while somebody is away takes their own word (Core, 11).
    let is_skipped = app.skips_consent && !request.scopes.has(Scope::OfflineAccess);
    let is_agreed = is_skipped || request.scopes.are_within(&given);
    if request.asks_to_consent || !is_agreed {
        return Ok(Next::Consent(request.scopes.clone()));
    }
    Ok(Next::Grant)
}

/// Who a request says it will be.
enum Hint {
    They,
    Other,
    Nobody,
}

fn is_hinted(tx: &Tx<'_>, site: &Site, request: &Request, who: &SignedIn) -> Result<Hint, StoreError> {
    let Some(token) = &request.id_token_hint else { return Ok(Hint::They) };
    let claims = opened(tx, site, token)?;
    let Some(claims) =
        claims.filter(|claims| claims.get("aud").and_then(Value::as_str) == Some(&request.client_id))
    else {
        return Ok(Hint::Nobody);
    };
    let subject = tx.known_subject(who.user.id)?;
    let is_theirs = subject.is_some() && claims.get("sub").and_then(Value::as_str) == subject.as_deref();
    Ok(if is_theirs { Hint::They } else { Hint::Other })
}
