//! Another password, for who is signed in and knows the present one.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use zeroize::Zeroizing;

use super::Pages;
use super::form::Form;
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::sign_in::{Judged, retry_after, too_often};
use super::trouble::{Trouble, page, password_refusal};
use super::visit::{Seat, Visit};
use crate::flows::sign_in;
use crate::rules::action::Action;

#[derive(Template)]
#[template(path = "pages/me-password.html")]
struct PasswordPage {
    frame: Frame,
    username: String,
    present_error: Option<Phrase>,
    /// Of the new one.
    error: Option<Phrase>,
}

/// Fields for both.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let username = pages.signed_in(&visit).await?.user.username;
    page(&password_page(&pages, &visit, username, None, None))
}

/// Sets it, and signs out every other browser.
pub(super) async fn set(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let username = pages.signed_in(&visit).await?.user.username;
    let form = Form::read(body).await?;
    let field = |name| Zeroizing::new(form.get(name).to_owned());
    let (present, password) = (field("present"), field("password"));
    let refused = |status, present_error, error| {
        let shown = page(&password_page(&pages, &visit, username.clone(), present_error, error))?;
        Ok((status, shown).into_response())
    };
    if let Some(error) = password_refusal(&password) {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, None, Some(visit.language.say(error)));
    }
    let found = match pages.judge(&visit, Action::PasswordChange, (&username, present)).await? {
        Judged::Right(found) => found,
        Judged::Wrong => {
            let why = visit.language.say(Key("refused-present-password"));
            return refused(StatusCode::UNPROCESSABLE_ENTITY, Some(why), None);
        }
        Judged::TooOften(seconds) => {
            let why = too_often(&visit, seconds);
            let answer = refused(StatusCode::TOO_MANY_REQUESTS, Some(why), None);
            return answer.map(|answer| retry_after(answer, seconds));
        }
    };
    let hash = pages.hash(password).await?;
    let cookie = visit.session(Seat::Account, &pages.app.site()).ok_or(Trouble::SignedOut)?;
    let (keepsakes, entry) = pages.keepsakes(&visit);
    let (app, now) = (pages.app.clone(), pages.app.now());
    let changed = pages
        .app
        .store
        .write(move |tx| sign_in::change_password(tx, &app.site(), (cookie, &found), &hash, &entry, now));
    changed.await?;
    Ok(pages.keeping("/me?done=password", &keepsakes))
}

fn password_page(
    pages: &Pages,
    visit: &Visit,
    username: String,
    present_error: Option<Phrase>,
    error: Option<Phrase>,
) -> PasswordPage {
    PasswordPage { frame: Frame::own(&pages.app.site(), visit), username, present_error, error }
}
