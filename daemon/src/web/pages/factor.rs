//! The page after the password, where everybody has to have a second factor: an authenticator app, a passkey, or codes by mail.

use std::array;

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use zeroize::Zeroizing;

use super::factor_form::{self, NewPasskey, Place, Refused, Shown, method_in};
use super::form::Form;
use super::frame::Frame;
use super::language::Phrase;
use super::step::{frame, path};
use super::trouble::{Trouble, page};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::flows::enroll_factor;
use crate::flows::mailed_code::{self, Sent};
use crate::flows::passkeys;
use crate::flows::second_factor::Begun;
use crate::flows::wizard::Progress;
use crate::rules::action::Action;
use crate::rules::browser;
use crate::rules::second_factor::Method;
use crate::rules::token::Purpose;
use crate::rules::wizard::Step;

pub(super) const HERE: Place = Place { action: "/enroll/second-factor/code", back: "/enroll/second-factor" };

#[derive(Template)]
#[template(path = "pages/factor.html")]
struct ChoicePage {
    frame: Frame,
    sends_mail: bool,
    /// Where browsers have passkeys.
    adding: Option<NewPasskey>,
}

/// The choice, or what was chosen.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let progress = match pages.at_step(&visit, Step::Factor).await? {
        Ok(progress) => progress,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let Some(method) = method_in(query.as_deref()) else {
        return choice(&pages, &visit, &progress, browser::name(visit.user_agent()), None);
    };
    let frame = frame(&pages.app.site(), &visit, &progress, Step::Factor, &pages);
    match pages.begun(&visit, progress, method).await? {
        Some(shown) => factor_form::form(frame, HERE, shown, None),
        None => Ok(see_other(HERE.back)),
    }
}

/// What there is to choose from; a passkey has a name, as proposed or typed, and perhaps what is wrong with it.
pub(super) fn choice(
    pages: &Pages,
    visit: &Visit,
    progress: &Progress,
    name: String,
    error: Option<Phrase>,
) -> Result<Response, Trouble> {
    let site = pages.app.site();
    let [action, begin] = ["/enroll/second-factor/passkey", "/enroll/second-factor/passkey/begin"];
    let adding = NewPasskey { action, begin, name, error };
    page(&ChoicePage {
        frame: frame(&site, visit, progress, Step::Factor, pages),
        sends_mail: site.config.mail.is_sent(),
        adding: passkeys::are_possible(&site).then_some(adding),
    })
}

/// Begins with what was chosen.
pub(super) async fn begin(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    if let Err(elsewhere) = pages.at_step(&visit, Step::Factor).await? {
        return Ok(elsewhere);
    }
    let method = factor_form::method(Form::read(body).await?.get("by")).ok_or(Trouble::Malformed)?;
    let may_mail = pages.may_mail();
    let (random, now) = (array::from_fn(|_| pages.app.random()), pages.app.now());
    let begun = pages.change(&visit, move |tx, site, session| {
        enroll_factor::begin(tx, site, session, (method, random), may_mail, now)
    });
    Ok(see_other(match begun.await??.0 {
        Begun::App(_) => "/enroll/second-factor?by=app",
        Begun::Email(Sent::OnItsWay) => "/enroll/second-factor?by=email",
        Begun::Email(Sent::NotFor(seconds)) => return Err(Trouble::TooMany(seconds)),
        Begun::Nothing | Begun::Email(Sent::NoMail) => HERE.back,
    }))
}

/// Where forms and scripts send something to, looked at again.
pub(super) async fn again() -> Response {
    see_other(HERE.back)
}

/// Has it count, if the code is right, and shows recovery codes.
pub(super) async fn verify(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let progress = match pages.at_step(&visit, Step::Factor).await? {
        Ok(progress) => progress,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let form = Form::read(body).await?;
    let method = factor_form::method(form.get("by")).ok_or(Trouble::Malformed)?;
    let code = Zeroizing::new(form.get("code").to_owned());
    let frame = frame(&pages.app.site(), &visit, &progress, Step::Factor, &pages);
    let (user, username) = (progress.user.id, progress.user.username.clone());
    let Some(shown) = pages.begun(&visit, progress, method).await? else { return Ok(see_other(HERE.back)) };
    if let Err(seconds) = pages.take_code(&visit, Action::SecondFactorSet, (user, &username)).await {
        return factor_form::refused((frame, &visit), HERE, shown, &Refused::TooMany(seconds));
    }
    let (random, now) = (array::from_fn(|_| pages.app.random()), pages.app.now());
    let confirmed = pages.change(&visit, move |tx, site, session| {
        enroll_factor::confirm(tx, site, session, (method, &code), &random, now)
    });
    let confirmed = confirmed.await;
    if !matches!(confirmed, Ok(Ok((None, _)))) {
        pages.limits.sign_ins.code_was_right(user);
    }
    if let Some(codes) = confirmed??.0 {
        return factor_form::codes(frame, codes, path(Step::Device));
    }
    pages.no_code(&visit, Action::SecondFactorSet, &username).await;
    factor_form::refused((frame, &visit), HERE, shown, &Refused::Wrong)
}

impl Pages {
    async fn begun(
        &self,
        visit: &Visit,
        progress: Progress,
        method: Method,
    ) -> Result<Option<Shown>, Trouble> {
        let email = progress.user.email;
        self.within(visit, move |tx, site, cookie, now| {
            let session = crate::flows::enroll::session(tx, cookie, now)?;
            match (method, session.person()) {
                (Method::Totp, _) => {
                    Ok(enroll_factor::begun(tx, site, &session, now)?.map(|set_up| Shown::App(set_up, None)))
                }
                (Method::Email, Some(user)) => {
                    let waiting = mailed_code::waiting(tx, user.id, Purpose::SignIn, now)?;
                    Ok(waiting.map(|_| Shown::Email(email)))
                }
                (Method::Email, None) => Ok(None),
            }
        })
        .await
    }
}
