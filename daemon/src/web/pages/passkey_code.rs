//! The second step of signing in with a passkey: of the user who gave the right password, and of nobody else.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};

use super::form::Form;
use super::language::{Key, Phrase};
use super::sign_in_code::passkey_refused;
use super::trouble::Trouble;
use super::visit::{Seat, Visit};
use super::{Pages, see_other};
use crate::flows::passkeys;

/// Where the button leads, looked at.
pub(super) async fn again() -> Response {
    see_other("/sign-in/code")
}

/// Says, to a script, which authenticators are to be asked what.
pub(super) async fn begin(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let (token, waiting) = pages.waiting(&visit).await?;
    Form::read(body).await?;
    let app = pages.app.clone();
    let asking = pages.app.store.read(move |tx| passkeys::challenge_for(tx, &app.site(), waiting.user.id));
    let (options, challenge) = asking.await?;
    pages.ceremonies.proving.wait_for(token, challenge, pages.app.now());
    Ok(Json(options).into_response())
}

/// Signs in. Nobody guesses a signature, so wrong answers are not counted.
pub(super) async fn give(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let (token, waiting) = pages.waiting(&visit).await?;
    let answer = Form::read(body).await?.get("credential").to_owned();
    let factors = waiting.factors;
    let refused = |status, why: Phrase| passkey_refused(&pages, &visit, factors, (status, why));
    let Some(challenge) = pages.ceremonies.proving.take(token, pages.app.now()) else {
        return refused(StatusCode::UNAUTHORIZED, visit.language.say(Key("refused-passkey-late")));
    };
    let (keepsakes, entry) = pages.keepsakes(&visit);
    let (app, now) = (pages.app.clone(), pages.app.now());
    let giving = pages
        .app
        .store
        .write(move |tx| passkeys::give(tx, &app.site(), token, (&challenge, &answer), &entry, now));
    match giving.await?.0 {
        Some(Ok(())) => {
            let mut answer = pages.keeping("/me", &keepsakes);
            pages.seat(&mut answer, Seat::Code, "", 0);
            Ok(answer)
        }
        Some(Err(why)) => {
            pages.refusals.no_passkey(visit.client, why.reason, why.username).await;
            refused(StatusCode::UNAUTHORIZED, visit.language.say(Key("refused-passkey-other")))
        }
        None => Err(Trouble::SignedOut),
    }
}
