//! The third page: a password. One rule refuses, everything else is advice.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use zeroize::Zeroizing;

use super::form::Form;
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::step::{frame, path};
use super::trouble::{Trouble, page, password_refusal};
use super::visit::{Seat, Visit};
use super::{Pages, see_other};
use crate::flows::enroll::{EnrollError, may_activate};
use crate::flows::wizard::{self, Browser, Progress};
use crate::rules::wizard::Step;
use crate::store::session::BROWSER_KNOWN_FOR;

#[derive(Template)]
#[template(path = "pages/password.html")]
struct PasswordPage {
    frame: Frame,
    username: String,
    error: Option<Phrase>,
}

/// A field for it.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    match pages.at_step(&visit, Step::Password).await? {
        Ok(progress) => page(&password_page(&pages, &visit, progress, None)),
        Err(elsewhere) => Ok(elsewhere),
    }
}

/// Sets it. Set in another tab or client meanwhile, it stays as it is.
pub(super) async fn set(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let progress = match pages.at_step(&visit, Step::Password).await? {
        Ok(progress) => progress,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let password = Zeroizing::new(Form::read(body).await?.get("password").to_owned());
    if let error @ Some(_) = password_refusal(&password) {
        let shown = page(&password_page(&pages, &visit, progress, error))?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response());
    }
    // Hashing is expensive: only for who may set a password.
    if may_activate(&progress.session).is_err() {
        return Ok(see_other(path(Step::Device)));
    }
    let hash = pages.hash(password).await?;
    let now = pages.app.now();
    let (kept, token) = pages.new_session();
    let browser = Browser { token, former: visit.session(Seat::Browser, &pages.app.site()) };
    let set = pages.change(&visit, move |tx, site, session| {
        wizard::set_password(tx, site, session, (&hash, &browser), now)
    });
    match set.await? {
        Ok(_) => Ok(pages.seated(path(Step::Device), Seat::Browser, &kept, BROWSER_KNOWN_FOR)),
        Err(EnrollError::AlreadyActive) => Ok(see_other(path(Step::Device))),
        Err(error) => Err(error.into()),
    }
}

impl Pages {
    /// The hash of a password, under fresh salt.
    pub(super) async fn hash(&self, password: Zeroizing<String>) -> Result<String, Trouble> {
        let mut salt = [0; 16];
        let random = self.app.random();
        salt.copy_from_slice(random.split_at(16).0);
        Ok(self.passwords.hash(password, salt).await?)
    }
}

fn password_page(pages: &Pages, visit: &Visit, progress: Progress, error: Option<Key>) -> PasswordPage {
    PasswordPage {
        frame: frame(&pages.app.site(), visit, &progress, Step::Password, pages),
        username: progress.user.username,
        error: error.map(|error| visit.language.say(error)),
    }
}
