//! What guards the account beside the password: an authenticator app set up, recovery codes, and either gone again.

use std::array;

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use zeroize::Zeroizing;

use super::form::Form;
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::me_confirm::Back;
use super::sign_in::retry_after;
use super::sign_in_code::too_many_codes;
use super::trouble::{Trouble, page};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::flows::second_factor::{self, RecoveryCodes, SetUp};
use crate::rules::action::Action;
use crate::rules::second_factor::{Factor, Factors};

/// Letters of a secret in one group, as people read it.
const GROUP: usize = 4;

#[derive(Template)]
#[template(path = "pages/me-factor.html")]
struct FactorPage {
    frame: Frame,
    factors: Factors,
    /// Whether one has to have something.
    is_required: bool,
}

#[derive(Template)]
#[template(path = "pages/me-factor-set-up.html")]
struct SetUpPage {
    frame: Frame,
    set_up: ShownSetUp,
    error: Option<Phrase>,
}

/// What an app is given.
pub(super) struct ShownSetUp {
    uri: Zeroizing<String>,
    /// In groups.
    secret: Zeroizing<String>,
}

#[derive(Template)]
#[template(path = "pages/me-codes.html")]
struct CodesPage {
    frame: Frame,
    codes: RecoveryCodes,
    /// Where to go on.
    next: &'static str,
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
    let is_required = site.config.second_factor.is_required();
    page(&FactorPage { frame: Frame::new(&site, &visit), factors: who.factors, is_required })
}

/// Where forms were sent to, looked at again.
pub(super) async fn again() -> Response {
    see_other("/me/second-factor")
}

/// Begins with an authenticator app.
pub(super) async fn begin(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    pages.fresh(&visit, Back::SecondFactor).await?;
    let random = array::from_fn(|_| pages.app.random());
    let begun = pages.change_own(&visit, move |tx, site, who, now| {
        Ok(second_factor::begin(tx, site, &who.user, random, now)?.is_some())
    });
    let (is_begun, _) = begun.await??;
    Ok(see_other(if is_begun { "/me/second-factor/set-up" } else { "/me/second-factor" }))
}

/// What the app is shown, and a field for its code.
pub(super) async fn set_up(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let who = pages.fresh(&visit, Back::SecondFactor).await?;
    let Some(set_up) = pages.set_up_of(who.user).await? else { return Ok(again().await) };
    page(&SetUpPage { frame: Frame::new(&pages.app.site(), &visit), set_up, error: None })
}

/// Has it count, if the code is right, and shows recovery codes.
pub(super) async fn verify(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let who = pages.fresh(&visit, Back::SecondFactor).await?;
    let code = Zeroizing::new(Form::read(body).await?.get("code").to_owned());
    let Some(set_up) = pages.set_up_of(who.user.clone()).await? else { return Ok(again().await) };
    let refused = |status, error| {
        let frame = Frame::new(&pages.app.site(), &visit);
        Ok((status, page(&SetUpPage { frame, set_up, error: Some(error) })?).into_response())
    };
    let (user, username) = (who.user.id, &who.user.username);
    if let Err(seconds) = pages.take_code(&visit, Action::SecondFactorSet, (user, username)).await {
        let answer = refused(StatusCode::TOO_MANY_REQUESTS, too_many_codes(&visit, seconds));
        return answer.map(|answer| retry_after(answer, seconds));
    }
    let random = array::from_fn(|_| pages.app.random());
    let confirmed = pages.change_own(&visit, move |tx, site, who, now| {
        Ok(second_factor::confirm_here(tx, site, who, &code, &random, now)?)
    });
    match confirmed.await??.0 {
        Some(codes) => {
            pages.limits.sign_ins.code_was_right(user);
            codes_page(&pages, &visit, codes)
        }
        None => refused(StatusCode::UNPROCESSABLE_ENTITY, visit.language.say(Key("refused-set-up-code"))),
    }
}

/// Other recovery codes, shown once.
pub(super) async fn renew_codes(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let who = pages.fresh(&visit, Back::SecondFactor).await?;
    if !who.factors.any() {
        return Ok(again().await);
    }
    let random = array::from_fn(|_| pages.app.random());
    let renewed = pages.change_own(&visit, move |tx, _, who, now| {
        Ok(second_factor::renew_codes(tx, &who.user, &random, now)?)
    });
    codes_page(&pages, &visit, renewed.await??.0)
}

/// Asks whether it is meant.
pub(super) async fn ask_to_remove(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.fresh(&visit, Back::SecondFactor).await?;
    let query = query.unwrap_or_default();
    let named = form_urlencoded::parse(query.as_bytes()).find(|pair| pair.0 == "factor");
    let asked =
        named.and_then(|pair| removable(&pair.1)).filter(|(factor, _)| who.factors.list().contains(factor));
    let Some((factor, called)) = asked else { return Ok(again().await) };
    let called = visit.language.say(called);
    page(&RemovePage { frame: Frame::new(&pages.app.site(), &visit), factor: factor.name(), called })
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
    async fn set_up_of(&self, user: crate::store::account::User) -> Result<Option<ShownSetUp>, Trouble> {
        let (app, now) = (self.app.clone(), self.app.now());
        let found = self.app.store.read(move |tx| second_factor::begun(tx, &app.site(), &user, now)).await?;
        Ok(found.map(ShownSetUp::from))
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

fn codes_page(pages: &Pages, visit: &Visit, codes: RecoveryCodes) -> Result<Response, Trouble> {
    page(&CodesPage { frame: Frame::new(&pages.app.site(), visit), codes, next: "/me" })
}

impl From<SetUp> for ShownSetUp {
    fn from(set_up: SetUp) -> Self {
        let mut secret = Zeroizing::new(String::new());
        for (at, letter) in set_up.secret.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                secret.push(' ');
            }
            secret.push(letter);
        }
        Self { uri: set_up.uri, secret }
    }
}
