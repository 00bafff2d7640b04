//! A forgotten password over JSON (protocol 1.11). Answers without content are empty, as upstream's are.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use super::requests::{ForgottenRequest, ResetRequest, TokenRequest, parsed};
use super::{Api, halves, settle};
use crate::flows::password_reset;
use crate::rules::names;
use crate::rules::token::{Token, TokenHash};
use crate::web::cookie::{self, Cookie, SameSite};
use crate::web::error::WebError;
use crate::web::forgotten;
use crate::web::limit::Presented;

#[derive(Serialize)]
struct StartAnswer {
    deadline_timestamp: i64,
}

/// Always the same answer, whether or not there is such an address.
pub(super) async fn request(State(api): State<Api>, request: Request) -> Result<(), WebError> {
    let client = api.client_of(&request);
    let body: ForgottenRequest = parsed(request.into_body()).await?;
    forgotten::request(&api.app, &api.limits, &api.refusals, client, &body.email).await
}

pub(super) async fn start(State(api): State<Api>, request: Request) -> Result<Response, WebError> {
    let client = api.client_of(&request);
    let body: TokenRequest = parsed(request.into_body()).await?;
    let token = Token::presented(&body.token);
    let hash = token.hash();
    let admission = api.admit(Presented::ResetToken, hash, client).await?;
    let started = settle(admission, open(&api, token).await);
    if started.as_ref().is_err_and(WebError::is_about_a_token) {
        api.refusals.no_reset(client, hash).await;
    }
    started
}

async fn open(api: &Api, token: Token) -> Result<Response, WebError> {
    let (app, now) = (api.app.clone(), api.app.now());
    let session = Zeroizing::new(URL_SAFE_NO_PAD.encode(api.app.random()));
    let hash = Token::presented(&session).hash();
    let started =
        api.app.store.write(move |tx| password_reset::start(tx, &app.site(), &token, hash, now)).await;
    let (deadline_timestamp, _) = started?;
    api.limits.issued(hash, now);
    let left = deadline_timestamp.saturating_sub(now.as_second());
    let mut answer = Json(StartAnswer { deadline_timestamp }).into_response();
    cookie(api, &session, left).add_to(answer.headers_mut());
    Ok(answer)
}

pub(super) async fn reset(State(api): State<Api>, request: Request) -> Result<Response, WebError> {
    let client = api.client_of(&request);
    let (session, admission) = api.session_in(cookie::CLIENT_RESET, request.headers(), client).await?;
    let set = set(&api, session, request.into_body()).await;
    settle(admission, set)?;
    let mut answer = ().into_response();
    cookie(&api, "", 0).add_to(answer.headers_mut());
    Ok(answer)
}

async fn set(api: &Api, session: TokenHash, body: Body) -> Result<(), WebError> {
    let now = api.app.now();
    // Hashing is expensive: only for who may set a password.
    api.app.store.read(move |tx| password_reset::session(tx, session, now).map(drop)).await?;
    let body: ResetRequest = parsed(body).await?;
    names::password(&body.password.0).map_err(password_reset::ResetError::from)?;
    let [salt, _] = halves(api.app.random());
    let hash = api.passwords.hash(body.password.0, salt).await?;
    let (app, now) = (api.app.clone(), api.app.now());
    api.app.store.write(move |tx| password_reset::reset(tx, &app.site(), session, &hash, now)).await?;
    Ok(())
}

fn cookie<'a>(api: &Api, session: &'a str, seconds: i64) -> Cookie<'a> {
    Cookie {
        name: cookie::CLIENT_RESET,
        value: session,
        seconds,
        same_site: SameSite::Strict,
        secure: api.app.site().config.is_https(),
    }
}
