//! What an application gets for a code or a refresh token, what it reads with an access token, and how it gives them back. A
//! code or a refresh token that comes a second time was stolen by whoever came first or second: everything that came of that
//! sign-in ends (RFC 6749, 4.1.2 and 10.4; RFC 9700, 4.14).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::second_factor;
use super::signing_keys::{self, SigningError, issuer};
use crate::rules::action::Action;
use crate::rules::ids::GrantId;
use crate::rules::openid::{
    self, ACCESS_FOR, FAMILY_FOR, ID_TOKEN_FOR, Problem, REFRESH_FOR, REFRESHES_A_MINUTE, Scope, Scopes,
};
use crate::rules::token::{Token, TokenHash};
use crate::site::Site;
use crate::store::account::User;
use crate::store::app::App;
use crate::store::app_grant::{Grant, TokenUse};
use crate::store::{StoreError, Tx};

const BAD_CODE: Problem = Problem("invalid_grant", "the code is not good, or not for this application");
const BAD_REFRESH: Problem =
    Problem("invalid_grant", "the refresh token is not good, or not for this application");
/// The application refreshes again and again.
pub const TOO_OFTEN: Problem = Problem("temporarily_unavailable", "too many refreshes of one sign-in: wait");
const BAD_CLIENT: Problem = Problem("invalid_client", "the application is not known, or its secret is wrong");

/// What an application is known by.
pub struct Credentials {
    /// Its name for itself.
    pub client_id: String,
    /// What it proves that with; `None`: it is public.
    pub secret: Option<Token>,
}

/// Tokens that are to be given out if the application may have some; all fresh.
pub struct Fresh {
    /// Reads what the application is told.
    pub access: Token,
    /// Gets the next ones.
    pub refresh: Token,
    /// What the user is known by where no application knew them before.
    pub subject: [u8; 32],
}

/// What an application gets.
pub struct Issued {
    /// Who it was.
    pub id_token: String,
    /// What the access token reaches.
    pub scopes: Scopes,
    /// Whether the refresh token is given out.
    pub is_offline: bool,
}

/// What an access token reads.
pub enum Read {
    /// This.
    Claims(Value),
    /// It is nobody's, or over.
    Unknown,
    /// The user may not use the application any more: this sign-in is to be ended.
    Over(GrantId),
}

/// The application of these credentials.
pub fn client(tx: &Tx<'_>, given: &Credentials) -> Result<Result<App, Problem>, StoreError> {
    let app = tx.app_by_client_id(&given.client_id)?;
    let is_proven = |app: &App| match (app.secret, &given.secret) {
        (Some(known), Some(secret)) => known == secret.hash(),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    Ok(app.filter(is_proven).ok_or(BAD_CLIENT))
}

/// Tokens for a code. The outer error undoes everything; a refusal does not: what a second use ended stays ended.
pub fn exchange(
    tx: &Tx<'_>,
    site: &Site,
    app: &App,
    (code, redirect_uri, verifier): (TokenHash, &str, &str),
    fresh: &Fresh,
    now: Timestamp,
) -> Result<Result<Issued, Problem>, SigningError> {
    let found = tx.grant_by_code(code)?.filter(|grant| grant.app == app.id);
    let Some(grant) = found else { return Ok(Err(BAD_CODE)) };
    if grant.is_used {
        end_reused(tx, &grant, app, now)?;
        return Ok(Err(BAD_CODE));
    }
    let is_over = now.as_second() >= grant.code_expires_at;
    if is_over || grant.redirect_uri != redirect_uri {
        return Ok(Err(BAD_CODE));
    }
    if !openid::is_verifier(verifier, &grant.challenge) {
        return Ok(Err(Problem("invalid_grant", "code_verifier is not that of the code_challenge")));
    }
    let user = match alive(tx, site, &grant, app)? {
        Alive::Yes(user) => *user,
        Alive::Owes => return Ok(Err(BAD_CODE)),
        Alive::No => {
            tx.end_grant(grant.id)?;
            return Ok(Err(BAD_CODE));
        }
    };
    tx.use_code(grant.id, now)?;
    let issued = issue(tx, site, (&grant, app, &user), &grant.scopes, grant.nonce.as_deref(), fresh, now)?;
    Ok(Ok(issued))
}

/// Tokens for a refresh token, which is good for nothing afterwards. `scope` may ask for less than before.
pub fn refresh(
    tx: &Tx<'_>,
    site: &Site,
    app: &App,
    (token, scope): (TokenHash, Option<&str>),
    fresh: &Fresh,
    now: Timestamp,
) -> Result<Result<Issued, Problem>, SigningError> {
    let found = tx.app_token(token)?.filter(|found| found.used_for == TokenUse::Refresh);
    let Some(found) = found else { return Ok(Err(BAD_REFRESH)) };
    let grant = tx.grant(found.grant)?.filter(|grant| grant.app == app.id);
    let Some(grant) = grant else { return Ok(Err(BAD_REFRESH)) };
    if found.is_used {
        end_reused(tx, &grant, app, now)?;
        return Ok(Err(BAD_REFRESH));
    }
    if now.as_second() >= found.expires_at {
        return Ok(Err(BAD_REFRESH));
    }
    if tx.refreshes_within(grant.id, 60, now)? >= REFRESHES_A_MINUTE {
        return Ok(Err(TOO_OFTEN));
    }
    let scopes = scope.map_or_else(|| grant.scopes.clone(), Scopes::known_of);
    if !scopes.are_within(&grant.scopes) || !scopes.has(Scope::OpenId) {
        return Ok(Err(Problem("invalid_scope", "scope holds more than was granted, or lacks openid")));
    }
    let user = match alive(tx, site, &grant, app)? {
        Alive::Yes(user) => *user,
        Alive::Owes => return Ok(Err(BAD_REFRESH)),
        Alive::No => {
            tx.end_grant(grant.id)?;
            return Ok(Err(BAD_REFRESH));
        }
    };
    tx.use_app_token(token, now)?;
    // A nonce is of the request alone (Core, 12.2).
    Ok(Ok(issue(tx, site, (&grant, app, &user), &scopes, None, fresh, now)?))
}

/// What an access token reads.
pub fn user_info(tx: &Tx<'_>, site: &Site, token: TokenHash, now: Timestamp) -> Result<Read, StoreError> {
    let found = tx.app_token(token)?;
    let is_good = |found: &crate::store::app_grant::AppToken| {
        found.used_for == TokenUse::Access && now.as_second() < found.expires_at
    };
    let Some(found) = found.filter(is_good) else { return Ok(Read::Unknown) };
    let Some(grant) = tx.grant(found.grant)? else { return Ok(Read::Unknown) };
    let Some(app) = tx.app(grant.app)? else { return Ok(Read::Unknown) };
    let (user, subject) = match (alive(tx, site, &grant, &app)?, tx.known_subject(grant.user)?) {
        (Alive::Yes(user), Some(subject)) => (*user, subject),
        (Alive::Owes, _) => return Ok(Read::Unknown),
        (Alive::No | Alive::Yes(_), _) => return Ok(Read::Over(grant.id)),
    };
    let mut claims = claims(tx, &user, &found.scopes)?;
    claims.insert("sub".to_owned(), Value::String(subject));
    Ok(Read::Claims(Value::Object(claims)))
}

/// Ends a token that an application gives back (RFC 7009): a refresh token with everything of its sign-in, an access token
/// alone. What is nobody's is ended already.
pub fn revoke(tx: &Tx<'_>, app: &App, token: TokenHash) -> Result<Result<(), Problem>, StoreError> {
    let Some(found) = tx.app_token(token)? else { return Ok(Ok(())) };
    let Some(grant) = tx.grant(found.grant)? else { return Ok(Ok(())) };
    if grant.app != app.id {
        return Ok(Err(Problem("invalid_grant", "the token was issued to another application")));
    }
    match found.used_for {
        TokenUse::Refresh => tx.end_grant(grant.id)?,
        TokenUse::Access => tx.delete_app_token(token)?,
    }
    Ok(Ok(()))
}

/// Whose sign-in it is, if it still counts: they may use the application, and the session in which it began goes on, unless
/// it was agreed that the application goes on without.
fn alive(tx: &Tx<'_>, site: &Site, grant: &Grant, app: &App) -> Result<Alive, StoreError> {
    if grant.session.is_none() && !grant.is_offline() {
        return Ok(Alive::No);
    }
    let Some(user) = tx.user(grant.user)?.filter(|user| user.disabled_at.is_none()) else {
        return Ok(Alive::No);
    };
    if !app.permits(&tx.groups_of(user.id)?) {
        return Ok(Alive::No);
    }
    let owes = second_factor::owes(site, tx.factors_of(user.id)?);
    Ok(if owes { Alive::Owes } else { Alive::Yes(Box::new(user)) })
}

/// Whether a sign-in still counts.
enum Alive {
    /// It does, and is this user's.
    Yes(Box<User>),
    /// Not before they set up a second factor, as on their own pages.
    Owes,
    /// It is to be ended.
    No,
}

fn end_reused(tx: &Tx<'_>, grant: &Grant, app: &App, now: Timestamp) -> Result<(), StoreError> {
    let user = tx.user(grant.user)?.map(|user| user.username).unwrap_or_default();
    tx.end_grant(grant.id)?;
    tx.audit(&user, Action::AppReuse, &app.name, None, now)
}

fn issue(
    tx: &Tx<'_>,
    site: &Site,
    (grant, app, user): (&Grant, &App, &User),
    scopes: &Scopes,
    nonce: Option<&str>,
    fresh: &Fresh,
    now: Timestamp,
) -> Result<Issued, SigningError> {
    let second = now.as_second();
    tx.insert_app_token(
        fresh.access.hash(),
        (grant.id, TokenUse::Access),
        scopes,
        second.saturating_add(ACCESS_FOR),
    )?;
    if grant.is_offline() {
        let last = grant.created_at.saturating_add(FAMILY_FOR);
        let until = second.saturating_add(REFRESH_FOR).min(last);
        tx.insert_app_token(fresh.refresh.hash(), (grant.id, TokenUse::Refresh), &grant.scopes, until)?;
        tx.forget_used_tokens(grant.id)?;
    }
    let mut token = claims(tx, user, scopes)?;
    let amr: Vec<&str> = grant.amr.split(' ').collect();
    let said = json!({
        "iss": issuer(site),
        "sub": tx.subject(user.id, fresh.subject)?,
        "aud": app.client_id,
        "iat": second,
        "exp": second.saturating_add(ID_TOKEN_FOR),
        "auth_time": grant.auth_time,
        "acr": grant.acr,
        "amr": amr,
        "at_hash": openid::at_hash(app.id_token_alg, fresh.access.expose()),
    });
    token.extend(said.as_object().cloned().unwrap_or_default());
    if let Some(nonce) = nonce {
        token.insert("nonce".to_owned(), json!(nonce));
    }
    let id_token = signing_keys::sign(tx, site, app.id_token_alg, &Value::Object(token), now)?;
    Ok(Issued { id_token, scopes: scopes.clone(), is_offline: grant.is_offline() })
}

/// What these scopes say of somebody (Core, 5.4). What is not known is left out.
fn claims(tx: &Tx<'_>, user: &User, scopes: &Scopes) -> Result<Map<String, Value>, StoreError> {
    let mut said = Map::new();
    let mut say = |name: &str, value: Value| drop(said.insert(name.to_owned(), value));
    for scope in scopes.iter() {
        match scope {
            Scope::OpenId | Scope::OfflineAccess => {}
            Scope::Profile => {
                say("name", json!(format!("{} {}", user.first_name, user.last_name)));
                say("given_name", json!(user.first_name));
                say("family_name", json!(user.last_name));
                say("preferred_username", json!(user.username));
            }
            Scope::Email => {
                say("email", json!(user.email));
                // Administrators give it, and answer for it.
                say("email_verified", json!(true));
            }
            Scope::Phone => {
                if let Some(phone) = &user.phone {
                    say("phone_number", json!(phone));
                }
            }
            Scope::Groups => say("groups", json!(tx.groups_of(user.id)?)),
        }
    }
    Ok(said)
}
