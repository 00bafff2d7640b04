//! A forgotten password: asking for a link, starting it, choosing another password. Whoever asks learns nothing of which
//! addresses there are: the answer, and how long it takes, is the same.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use zeroize::Zeroizing;

use super::form::{Form, asked};
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::trouble::{Trouble, page, password_refusal};
use super::visit::{Seat, Visit};
use super::{Pages, see_other};
use crate::flows::password_reset::{self, ResetError};
use crate::rules::names;
use crate::rules::token::{Token, TokenHash};
use crate::site::Site;
use crate::store::account::User;
use crate::store::session::BROWSER_KNOWN_FOR;
use crate::web::forgotten;
use crate::web::limit::Presented;

#[derive(Template)]
#[template(path = "pages/reset-ask.html")]
struct AskPage {
    frame: Frame,
    email: String,
    error: Option<Phrase>,
}

#[derive(Template)]
#[template(path = "pages/reset-sent.html")]
struct SentPage {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "pages/reset-start.html")]
struct StartPage {
    frame: Frame,
    /// `None`: the link is good for nothing any more.
    token: Option<String>,
    minutes: i64,
}

#[derive(Template)]
#[template(path = "pages/reset-choose.html")]
struct ChoosePage {
    frame: Frame,
    username: String,
    error: Option<Phrase>,
}

#[derive(Template)]
#[template(path = "pages/reset-done.html")]
struct DonePage {
    frame: Frame,
}

/// A field for the e-mail address.
pub(super) async fn ask(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let site = pages.app.site();
    sends_mail(&site)?;
    page(&AskPage { frame: Frame::new(&site, &visit), email: String::new(), error: None })
}

/// Sends the link to whoever has an account.
pub(super) async fn request(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let site = pages.app.site();
    sends_mail(&site)?;
    let email = Form::read(body).await?.get("email").trim().to_owned();
    if names::email(&email).is_err() {
        let (frame, error) = (Frame::new(&site, &visit), Some(visit.language.say(Key("refused-email"))));
        let shown = page(&AskPage { frame, email, error })?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response());
    }
    forgotten::request(&pages.app, &pages.limits, &pages.refusals, visit.client, &email).await?;
    Ok(see_other("/password/sent"))
}

/// What came of asking; reloading it asks for nothing.
pub(super) async fn sent(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    page(&SentPage { frame: Frame::new(&pages.app.site(), &visit) })
}

/// The page of a link.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let token = asked(query.as_deref(), "token");
    let Some(token) = token.map(|token| Token::presented(&token)) else { return Ok(see_other("/password")) };
    let admission = pages.admit(Presented::ResetToken, token.hash(), &visit).await?;
    let (app, now, hash) = (pages.app.clone(), pages.app.now(), token.hash());
    let is_good = pages.app.store.read(move |tx| password_reset::is_good(tx, &app.site(), hash, now)).await?;
    if is_good {
        admission.known();
    } else {
        admission.unknown();
    }
    start_page(&pages, &visit, is_good.then(|| token.expose().to_owned()))
}

/// Starts the ten minutes.
pub(super) async fn start(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let token = Token::presented(Form::read(body).await?.get("token"));
    let token_hash = token.hash();
    let admission = pages.admit(Presented::ResetToken, token_hash, &visit).await?;
    let (session, session_hash) = pages.new_session();
    let (app, now) = (pages.app.clone(), pages.app.now());
    let started =
        pages.app.store.write(move |tx| password_reset::start(tx, &app.site(), &token, session_hash, now));
    match started.await {
        Ok((deadline, _)) => {
            admission.known();
            pages.limits.issued(session_hash, now);
            let left = deadline.saturating_sub(now.as_second());
            Ok(pages.seated("/password-reset/new", Seat::Reset, &session, left))
        }
        Err(ResetError::Store(error)) => Err(error.into()),
        Err(_) => {
            admission.unknown();
            pages.refusals.no_reset(visit.client, token_hash).await;
            start_page(&pages, &visit, None)
        }
    }
}

/// A field for another password.
pub(super) async fn choose(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let (_, user, deadline) = pages.resetting(&visit).await?;
    page(&choose_page(&pages, &visit, user, deadline, None))
}

/// Sets it.
pub(super) async fn set(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let (session, user, deadline) = pages.resetting(&visit).await?;
    let password = Zeroizing::new(Form::read(body).await?.get("password").to_owned());
    if let error @ Some(_) = password_refusal(&password) {
        let shown = page(&choose_page(&pages, &visit, user, deadline, error))?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response());
    }
    let hash = pages.hash(password).await?;
    // Whoever reads the account's mail is no stranger to it: strangers who fail to sign in do not keep this browser out.
    let (browser, browser_hash) = pages.new_session();
    let (app, now) = (pages.app.clone(), pages.app.now());
    let former = visit.session(Seat::Browser, &app.site());
    let set = pages.app.store.write(move |tx| {
        let user = password_reset::reset(tx, &app.site(), session, &hash, now)?;
        Ok::<_, ResetError>(tx.know_browser(user.id, former, browser_hash, now)?)
    });
    set.await?;
    let mut answer = pages.seated("/password-reset/done", Seat::Reset, "", 0);
    pages.seat(&mut answer, Seat::Browser, &browser, BROWSER_KNOWN_FOR);
    Ok(answer)
}

/// The end of it; reloading it changes nothing.
pub(super) async fn done(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    page(&DonePage { frame: Frame::new(&pages.app.site(), &visit) })
}

/// Without mail there is no way to whoever forgot a password.
fn sends_mail(site: &Site) -> Result<(), Trouble> {
    let refused = Trouble::Refused(StatusCode::NOT_FOUND, Key("refused-no-mail"));
    if site.config.mail.is_sent() { Ok(()) } else { Err(refused) }
}

impl Pages {
    /// The session of a visit, whose password it changes, and until when.
    async fn resetting(&self, visit: &Visit) -> Result<(TokenHash, User, i64), Trouble> {
        let cookie = visit.session(Seat::Reset, &self.app.site()).ok_or(Trouble::NoReset)?;
        let admission = self.admit(Presented::Session, cookie, visit).await?;
        let now = self.app.now();
        let found = self.app.store.read(move |tx| password_reset::session(tx, cookie, now)).await;
        if matches!(found, Err(ResetError::NoSession)) {
            admission.unknown();
        } else {
            admission.known();
        }
        let (user, deadline) = found?;
        Ok((cookie, user, deadline))
    }
}

fn start_page(pages: &Pages, visit: &Visit, token: Option<String>) -> Result<Response, Trouble> {
    let site = pages.app.site();
    let minutes =
        i64::try_from(site.config.enrollment.session_ttl.as_secs().div_ceil(60)).unwrap_or(i64::MAX);
    let status = if token.is_some() { StatusCode::OK } else { StatusCode::GONE };
    let shown = page(&StartPage { frame: Frame::new(&site, visit), token, minutes })?;
    Ok((status, shown).into_response())
}

fn choose_page(pages: &Pages, visit: &Visit, user: User, deadline: i64, error: Option<Key>) -> ChoosePage {
    ChoosePage {
        frame: Frame::new(&pages.app.site(), visit).until(deadline, pages.app.now()),
        username: user.username,
        error: error.map(|error| visit.language.say(error)),
    }
}
