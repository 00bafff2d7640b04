//! What guards the account beside the password: set up, recovery codes, and either gone again.

use std::array;
use std::time::Duration;

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use zeroize::Zeroizing;

use super::factor_form::{self, Place, Refused, Shown, method_in};
use super::form::{Form, asked};
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::me_confirm::Back;
use super::trouble::{Trouble, page};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::flows::mailed_code::{self, Sent};
use crate::flows::second_factor::{self, Begun, Given};
use crate::flows::sign_in::SignedIn;
use crate::rules::action::Action;
use crate::rules::ids::UserId;
use crate::rules::second_factor::{Factor, Factors, Method};
use crate::rules::token::Purpose;
use crate::web::limit::Way;

const HERE: Place = Place { action: "/me/second-factor/set-up", back: "/me/second-factor" };

#[derive(Template)]
#[template(path = "pages/me-factor.html")]
struct FactorPage {
    frame: Frame,
    factors: Factors,
    /// Whether one has to have something.
    is_owed: bool,
    sends_mail: bool,
}

#[derive(Template)]
#[template(path = "pages/me-factor-remove.html")]
struct RemovePage {
    frame: Frame,
    factor: &'static str,
    called: Phrase,
}

/// What there is.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let who = pages.anybody(&visit).await?;
    let site = pages.app.site();
    page(&FactorPage {
        frame: Frame::own(&site, &visit),
        is_owed: second_factor::owes(&site, who.factors),
        factors: who.factors,
        sends_mail: site.config.mail.is_sent(),
    })
}

/// Where forms were sent to, looked at again.
pub(super) async fn again() -> Response {
    see_other("/me/second-factor")
}

/// Begins with an authenticator app, or with codes by mail.
pub(super) async fn begin(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    pages.fresh(&visit, Back::SecondFactor).await?;
    let method = factor_form::method(Form::read(body).await?.get("by")).ok_or(Trouble::Malformed)?;
    let (random, may_mail) = (array::from_fn(|_| pages.app.random()), pages.may_mail());
    let begun = pages.change_own(&visit, move |tx, site, who, now| {
        Ok(second_factor::begin_here(tx, site, who, (method, random), may_mail, now)?)
    });
    Ok(see_other(match begun.await??.0 {
        Begun::App(_) => "/me/second-factor/set-up?by=app",
        Begun::Email(Sent::OnItsWay) => "/me/second-factor/set-up?by=email",
        Begun::Email(Sent::NotFor(seconds)) => return Err(Trouble::TooMany(seconds)),
        Begun::Nothing | Begun::Email(Sent::NoMail) => HERE.back,
    }))
}

/// A field for the code.
pub(super) async fn set_up(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.fresh(&visit, Back::SecondFactor).await?;
    let Some(method) = method_in(query.as_deref()) else { return Ok(again().await) };
    let Some(shown) = pages.set_up_of(who, method).await? else { return Ok(again().await) };
    factor_form::form(Frame::own(&pages.app.site(), &visit), HERE, shown, None)
}

/// Has it count, if the code is right, and shows recovery codes.
pub(super) async fn verify(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let who = pages.fresh(&visit, Back::SecondFactor).await?;
    let form = Form::read(body).await?;
    let method = factor_form::method(form.get("by")).ok_or(Trouble::Malformed)?;
    let [code, mailed] = ["code", "mailed"].map(|field| Zeroizing::new(form.get(field).to_owned()));
    let (user, username) = (who.user.id, who.user.username.clone());
    let Some(shown) = pages.set_up_of(who, method).await? else { return Ok(again().await) };
    let frame = Frame::own(&pages.app.site(), &visit);
    if let Err(seconds) = pages.take_code(&visit, Action::SecondFactorSet, (user, &username)).await {
        return factor_form::refused((frame, &visit), HERE, shown, &Refused::TooMany(seconds));
    }
    let random = array::from_fn(|_| pages.app.random());
    let confirmed = pages.change_own(&visit, move |tx, site, who, now| {
        let given = Given { method, code: &code, mailed: &mailed };
        Ok(second_factor::confirm_here(tx, site, who, given, &random, now)?)
    });
    let confirmed = confirmed.await;
    if !matches!(confirmed, Ok(Ok((None, _)))) {
        pages.limits.sign_ins.code_was_right(user);
    }
    if let Some(codes) = confirmed??.0 {
        return factor_form::codes(frame, codes, "/me");
    }
    pages.no_code(&visit, Action::SecondFactorSet, &username).await;
    factor_form::refused((frame, &visit), HERE, shown, &Refused::Wrong)
}

/// Other recovery codes, shown once.
pub(super) async fn renew_codes(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    pages.fresh(&visit, Back::SecondFactor).await?;
    let random = array::from_fn(|_| pages.app.random());
    let renewed = pages.change_own(&visit, move |tx, _, who, now| {
        Ok(second_factor::renew_codes(tx, &who.user, &random, now)?)
    });
    match renewed.await??.0 {
        Some(codes) => factor_form::codes(Frame::own(&pages.app.site(), &visit), codes, "/me"),
        None => Ok(again().await),
    }
}

/// Asks whether it is meant.
pub(super) async fn ask_to_remove(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.fresh(&visit, Back::SecondFactor).await?;
    let there = who.factors.list();
    let named = asked(query.as_deref(), "factor").and_then(|name| removable(&name));
    let Some((factor, called)) = named.filter(|(factor, _)| there.contains(factor)) else {
        return Ok(again().await);
    };
    let called = visit.language.say(called);
    page(&RemovePage { frame: Frame::own(&pages.app.site(), &visit), factor: factor.name(), called })
}

/// Removes it.
pub(super) async fn remove(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    pages.fresh(&visit, Back::SecondFactor).await?;
    let form = Form::read(body).await?;
    let (factor, _) = removable(form.get("factor")).ok_or(Trouble::Malformed)?;
    let removed = pages.change_own(&visit, move |tx, site, who, now| {
        Ok(second_factor::remove(tx, site, &who.user, factor, now)?)
    });
    removed.await??;
    Ok(see_other("/me?done=factor-removed"))
}

impl Pages {
    /// Takes what a code by mail costs who asks for it.
    pub(super) fn may_mail(&self) -> impl Fn(UserId) -> Result<(), Duration> + Send + use<> {
        let (limits, now) = (self.limits.clone(), self.app.now());
        move |user| limits.sign_ins.enter(user, Way::Known, now)
    }

    async fn set_up_of(&self, who: SignedIn, method: Method) -> Result<Option<Shown>, Trouble> {
        let (app, now) = (self.app.clone(), self.app.now());
        let found = self.app.store.read(move |tx| {
            let (site, user) = (app.site(), who.user);
            Ok(match method {
                Method::Totp => second_factor::begun(tx, &site, &user, now)?.map(|set_up| {
                    let asks_mail = second_factor::wants_mail_too(&site, who.factors);
                    Shown::App(set_up, asks_mail.then_some(user.email))
                }),
                Method::Email => {
                    let waiting = mailed_code::waiting(tx, user.id, Purpose::SignIn, now)?;
                    waiting.map(|_| Shown::Email(user.email))
                }
            })
        });
        found.await.map_err(|error: crate::store::StoreError| error.into())
    }
}

/// What can be removed here, and what it is called.
fn removable(name: &str) -> Option<(Factor, Key)> {
    match Factor::from_name(name)? {
        Factor::Totp => Some((Factor::Totp, Key("factor-app"))),
        Factor::Email => Some((Factor::Email, Key("factor-email"))),
        Factor::Passkey | Factor::Recovery => None,
    }
}
