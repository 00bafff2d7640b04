//! The forms with which a second factor is set up: the same while enrolling and at /me.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use zeroize::Zeroizing;

use super::form::asked;
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::sign_in::retry_after;
use super::sign_in_code::too_many_codes;
use super::trouble::{Trouble, page};
use super::visit::Visit;
use crate::flows::second_factor::{RecoveryCodes, SetUp};
use crate::rules::second_factor::Method;

/// Letters of a secret in one group, as people read it.
const GROUP: usize = 4;

/// Where the forms are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// What takes the code.
    pub(super) action: &'static str,
    /// Where one chooses something else.
    pub(super) back: &'static str,
}

#[derive(Template)]
#[template(path = "pages/factor-app.html")]
struct AppPage {
    frame: Frame,
    at: Place,
    set_up: ShownSetUp,
    /// Where a code was mailed to that is asked for, too.
    mailed_to: Option<String>,
    error: Option<Phrase>,
}

#[derive(Template)]
#[template(path = "pages/factor-email.html")]
struct EmailPage {
    frame: Frame,
    at: Place,
    email: String,
    error: Option<Phrase>,
}

#[derive(Template)]
#[template(path = "pages/factor-codes.html")]
struct CodesPage {
    frame: Frame,
    codes: RecoveryCodes,
    /// Where to go on.
    next: &'static str,
}

/// Fields for another passkey.
pub(super) struct NewPasskey {
    /// What takes what the browser made.
    pub(super) action: &'static str,
    /// Where a script asks what to make.
    pub(super) begin: &'static str,
    /// As proposed or typed.
    pub(super) name: String,
    pub(super) error: Option<Phrase>,
}

/// What is being set up.
pub(super) enum Shown {
    /// An app is shown this; a code is on its way to this address, too.
    App(SetUp, Option<String>),
    /// A code is on its way to this address.
    Email(String),
}

/// What an app is given.
struct ShownSetUp {
    uri: Zeroizing<String>,
    /// In groups.
    secret: Zeroizing<String>,
}

/// Why a code is not taken.
pub(super) enum Refused {
    /// It is not the right one.
    Wrong,
    /// For so many seconds none is.
    TooMany(u64),
}

/// A field for the first code, with all it takes to have one.
pub(super) fn form(
    frame: Frame,
    at: Place,
    shown: Shown,
    error: Option<Phrase>,
) -> Result<Response, Trouble> {
    match shown {
        Shown::App(set_up, mailed_to) => {
            page(&AppPage { frame, at, set_up: set_up.into(), mailed_to, error })
        }
        Shown::Email(email) => page(&EmailPage { frame, at, email, error }),
    }
}

/// The same, with why the code is not taken.
pub(super) fn refused(
    (frame, visit): (Frame, &Visit),
    at: Place,
    shown: Shown,
    why: &Refused,
) -> Result<Response, Trouble> {
    let wrong = match shown {
        Shown::App(_, None) => Key("refused-set-up-code"),
        Shown::App(_, Some(_)) => Key("refused-set-up-codes"),
        Shown::Email(_) => Key("refused-email-code"),
    };
    match *why {
        Refused::Wrong => {
            let shown = form(frame, at, shown, Some(visit.language.say(wrong)))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
        Refused::TooMany(seconds) => {
            let shown = form(frame, at, shown, Some(too_many_codes(visit, seconds)))?;
            Ok(retry_after((StatusCode::TOO_MANY_REQUESTS, shown).into_response(), seconds))
        }
    }
}

/// The recovery codes, this once.
pub(super) fn codes(frame: Frame, codes: RecoveryCodes, next: &'static str) -> Result<Response, Trouble> {
    page(&CodesPage { frame, codes, next })
}

/// What an address or a form means to set up.
pub(super) fn method(named: &str) -> Option<Method> {
    match named {
        "app" => Some(Method::Totp),
        "email" => Some(Method::Email),
        _ => None,
    }
}

/// What the query of an address means to set up.
pub(super) fn method_in(query: Option<&str>) -> Option<Method> {
    method(&asked(query, "by")?)
}

impl From<SetUp> for ShownSetUp {
    fn from(set_up: SetUp) -> Self {
        let mut secret = Zeroizing::new(String::with_capacity(set_up.secret.len() * 2));
        for (at, letter) in set_up.secret.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                secret.push(' ');
            }
            secret.push(letter);
        }
        Self { uri: set_up.uri, secret }
    }
}
