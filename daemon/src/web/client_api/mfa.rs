//! A second factor set up in the desktop client (protocol 1.7). Where none is required, nothing is stored: development heads
//! of the client insist on an answer all the same before they activate.

use std::array;

use axum::Json;
use axum::extract::{Request, State};

use super::answers::{MfaFinishAnswer, MfaStartAnswer};
use super::requests::{MfaCodeRequest, MfaRequest, parsed};
use super::{Api, any_session, seconds_of};
use crate::flows::enroll::{self, EnrollError};
use crate::flows::enroll_factor;
use crate::flows::mailed_code::Sent;
use crate::flows::second_factor::Begun;
use crate::rules::action::{Action, Reason};
use crate::rules::ids::UserId;
use crate::rules::second_factor::Method;
use crate::rules::token::TokenHash;
use crate::web::error::WebError;
use crate::web::limit::Way;

pub(super) async fn start(
    State(api): State<Api>,
    request: Request,
) -> Result<Json<MfaStartAnswer>, WebError> {
    let client = api.client_of(&request);
    let (session, admission) = api.session_of(request.headers(), client).await?;
    any_session(&api, (session, admission)).await?;
    let body: MfaRequest = parsed(request.into_body()).await?;
    let nothing = MfaStartAnswer { totp_secret: None };
    if !api.app.site().config.second_factor.is_required() {
        return Ok(Json(nothing));
    }
    let method = method(&body.method)?;
    let (app, limits, now) = (api.app.clone(), api.limits.clone(), api.app.now());
    let random = array::from_fn(|_| api.app.random());
    let begun = api.app.store.write(move |tx| {
        let session = enroll::session(tx, session, now)?;
        let may_mail = |user| limits.sign_ins.enter(user, Way::Known, now);
        enroll_factor::begin(tx, &app.site(), &session, (method, random), may_mail, now)
    });
    match begun.await?.0 {
        Begun::App(set_up) => Ok(Json(MfaStartAnswer { totp_secret: Some(set_up.secret.to_string()) })),
        Begun::Nothing | Begun::Email(Sent::OnItsWay) => Ok(Json(nothing)),
        Begun::Email(Sent::NoMail) => Err(unavailable()),
        Begun::Email(Sent::NotFor(seconds)) => Err(WebError::TooMany { seconds }),
    }
}

pub(super) async fn finish(
    State(api): State<Api>,
    request: Request,
) -> Result<Json<MfaFinishAnswer>, WebError> {
    let client = api.client_of(&request);
    let (session, admission) = api.session_of(request.headers(), client).await?;
    any_session(&api, (session, admission)).await?;
    if !api.app.site().config.second_factor.is_required() {
        return Err(WebError::NoMfa);
    }
    let MfaCodeRequest { code, method: named } = parsed(request.into_body()).await?;
    let method = method(&named)?;
    let (user, username) = owner(&api, session).await?.ok_or(EnrollError::NotAPerson)?;
    let action = Action::SecondFactorSet;
    if let Err(wait) = api.limits.sign_ins.code(user, api.app.now()) {
        api.refusals.no_code(client, action, Reason::Limit, username).await;
        return Err(WebError::TooMany { seconds: seconds_of(wait) });
    }
    let (app, now) = (api.app.clone(), api.app.now());
    let random = array::from_fn(|_| api.app.random());
    let confirmed = api.app.store.write(move |tx| {
        let session = enroll::session(tx, session, now)?;
        enroll_factor::confirm(tx, &app.site(), &session, (method, &code.0), &random, now)
    });
    let confirmed = confirmed.await;
    if !matches!(confirmed, Ok((None, _))) {
        api.limits.sign_ins.code_was_right(user);
    }
    let Some(codes) = confirmed?.0 else {
        api.refusals.no_code(client, action, Reason::Code, username).await;
        return Err(WebError::WrongCode);
    };
    Ok(Json(MfaFinishAnswer { recovery_codes: codes.iter().map(|code| code.to_string()).collect() }))
}

/// Whose the session is; `None`: a machine's.
async fn owner(api: &Api, session: TokenHash) -> Result<Option<(UserId, String)>, WebError> {
    let now = api.app.now();
    let found = api.app.store.read(move |tx| enroll::session(tx, session, now)).await?;
    Ok(found.person().map(|user| (user.id, user.username.clone())))
}

/// In the protocol's spelling.
fn method(named: &str) -> Result<Method, WebError> {
    match named {
        "Totp" => Ok(Method::Totp),
        "Email" => Ok(Method::Email),
        _ => Err(unavailable()),
    }
}

fn unavailable() -> WebError {
    WebError::Malformed("this method is not available here".to_owned())
}
