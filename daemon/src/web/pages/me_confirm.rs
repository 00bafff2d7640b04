//! The password once more, before who is signed in changes what guards the account: a browser that was left open, or its
//! stolen session, is not enough for that.

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
use super::sign_in::{Judged, retry_after, too_often};
use super::trouble::{Trouble, page};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::flows::sign_in::{self, SignedIn};
use crate::rules::action::Action;

/// Where one goes from here. No other address is taken: nobody is led elsewhere by a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// What is asked for beside the password.
    SecondFactor,
    /// What signs in without it.
    Passkeys,
}

#[derive(Template)]
#[template(path = "pages/me-confirm.html")]
struct ConfirmPage {
    frame: Frame,
    username: String,
    to: &'static str,
    error: Option<Phrase>,
}

impl Back {
    const ALL: [Self; 2] = [Self::SecondFactor, Self::Passkeys];

    /// As addresses and forms name it.
    fn name(self) -> &'static str {
        match self {
            Self::SecondFactor => "second-factor",
            Self::Passkeys => "passkeys",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|back| back.name() == name)
    }

    fn path(self) -> &'static str {
        match self {
            Self::SecondFactor => "/me/second-factor",
            Self::Passkeys => "/me/passkeys",
        }
    }

    /// The page that asks, and goes there then.
    pub(super) fn asked(self) -> &'static str {
        match self {
            Self::SecondFactor => "/me/confirm?to=second-factor",
            Self::Passkeys => "/me/confirm?to=passkeys",
        }
    }
}

/// A field for the password.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.anybody(&visit).await?;
    let Some(back) = asked(query.as_deref(), "to").and_then(|name| Back::named(&name)) else {
        return Ok(see_other("/me"));
    };
    page(&confirm_page(&pages, &visit, who.user.username, back, None))
}

/// Looks at it, and goes on.
pub(super) async fn confirm(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let username = pages.anybody(&visit).await?.user.username;
    let form = Form::read(body).await?;
    let back = Back::named(form.get("to")).ok_or(Trouble::Malformed)?;
    let password = Zeroizing::new(form.get("password").to_owned());
    let refused = |status, error| {
        let shown = page(&confirm_page(&pages, &visit, username.clone(), back, Some(error)))?;
        Ok((status, shown).into_response())
    };
    match pages.judge(&visit, Action::SessionConfirm, (&username, password)).await? {
        Judged::Right(found) => {
            let confirming =
                pages.change_own(&visit, move |tx, _, who, now| Ok(sign_in::confirm(tx, who, &found, now)?));
            let (is_confirmed, _) = confirming.await??;
            if is_confirmed { Ok(see_other(back.path())) } else { Err(Trouble::SignedOut) }
        }
        Judged::Wrong => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, visit.language.say(Key("refused-present-password")))
        }
        Judged::TooOften(seconds) => {
            let answer = refused(StatusCode::TOO_MANY_REQUESTS, too_often(&visit, seconds));
            answer.map(|answer| retry_after(answer, seconds))
        }
    }
}

impl Pages {
    /// Who is signed in and proved a moment ago who they are; asks them to, if they did not.
    pub(super) async fn fresh(&self, visit: &Visit, back: Back) -> Result<SignedIn, Trouble> {
        let who = self.anybody(visit).await?;
        if who.session.is_fresh(self.app.now()) { Ok(who) } else { Err(Trouble::Confirm(back)) }
    }
}

fn confirm_page(
    pages: &Pages,
    visit: &Visit,
    username: String,
    back: Back,
    error: Option<Phrase>,
) -> ConfirmPage {
    ConfirmPage { frame: Frame::own(&pages.app.site(), visit), username, to: back.name(), error }
}
