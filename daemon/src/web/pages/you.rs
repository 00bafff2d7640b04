//! The second page: is this you? The phone number can be put right here, everything else is the administrator's.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::form::Form;
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::step::{frame, path};
use super::trouble::{Trouble, page, refusal};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::flows::enroll::EnrollError;
use crate::flows::wizard::{self, Progress};
use crate::rules::wizard::Step;
use crate::store::account::User;

#[derive(Template)]
#[template(path = "pages/you.html")]
struct YouPage {
    frame: Frame,
    user: User,
    groups: String,
    /// As typed.
    phone: String,
    error: Option<Phrase>,
}

/// The data, to be looked at.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    match pages.at_step(&visit, Step::You).await? {
        Ok(progress) => {
            let phone = progress.user.phone.clone().unwrap_or_default();
            page(&you_page(&pages, &visit, progress, phone, None))
        }
        Err(elsewhere) => Ok(elsewhere),
    }
}

/// They are right; the phone number is as it was left.
pub(super) async fn review(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    if let Err(elsewhere) = pages.at_step(&visit, Step::You).await? {
        return Ok(elsewhere);
    }
    let phone = Form::read(body).await?.get("phone").to_owned();
    let (now, typed) = (pages.app.now(), phone.clone());
    let reviewed =
        pages.change(&visit, move |tx, _, session| wizard::review(tx, session, &typed, now)).await?;
    match reviewed {
        Ok(_) => Ok(see_other(path(Step::Password))),
        Err(EnrollError::Value(error)) => {
            let progress = pages.progress(&visit).await?;
            let error = refusal(&error.into());
            let shown = page(&you_page(&pages, &visit, progress, phone, error))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

fn you_page(pages: &Pages, visit: &Visit, progress: Progress, phone: String, error: Option<Key>) -> YouPage {
    YouPage {
        frame: frame(&pages.app.site(), visit, &progress, Step::You, pages),
        groups: progress.groups.join(", "),
        user: progress.user,
        phone,
        error: error.map(|error| visit.language.say(error)),
    }
}
