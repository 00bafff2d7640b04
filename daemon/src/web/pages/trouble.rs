//! Why a page cannot be shown as asked for. It is carried to the outermost layer of the pages, which knows the language
//! and shows it as a page, or as JSON to a script.

use askama::Template;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_gateway::chain;
use serde_json::json;

use super::frame::Frame;
use super::language::{Key, Language, Phrase};
use super::me_confirm::Back;
use super::visit::Visit;
use crate::flows::enroll::EnrollError;
use crate::flows::passkeys::PasskeyError;
use crate::flows::password_reset::ResetError;
use crate::flows::refusal::Refusal;
use crate::flows::sign_in::SignInError;
use crate::password::PasswordError;
use crate::rules::names;
use crate::site::Site;
use crate::store::StoreError;
use crate::web::error::WebError;

/// See the variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No such page.
    NotFound,
    /// The page is not for sending something to.
    Method,
    /// A form that none of our pages showed.
    Foreign,
    /// The session is over, or there was none.
    NoSession,
    /// The session of a password reset is over, or there was none.
    NoReset,
    /// Nobody is signed in: people are shown where to.
    SignedOut,
    /// Who is signed in is to give the password again, and where they go then: see [`super::me_confirm`].
    Confirm(Back),
    /// Who is signed in is to set up a second factor before anything else.
    OwesSetUp,
    /// The account is disabled.
    Disabled,
    /// Not what the page's own forms send.
    Malformed,
    /// Larger than any of our forms.
    TooLong,
    /// Did not arrive in time.
    TooSlow,
    /// Too many attempts, and how many seconds to wait.
    TooMany(u64),
    /// Something typed or sent is refused, and why.
    Refused(StatusCode, Key),
    /// Something failed here; it is logged.
    Inside,
}

#[derive(Template)]
#[template(path = "pages/trouble.html")]
struct TroublePage {
    frame: Frame,
    title: Phrase,
    text: Phrase,
}

impl Trouble {
    /// Logs what happened inside, once.
    pub(super) fn inside(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "a page failed");
        Self::Inside
    }

    fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Foreign | Self::Disabled | Self::OwesSetUp => StatusCode::FORBIDDEN,
            Self::NoSession | Self::NoReset | Self::SignedOut | Self::Confirm(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused(status, _) => status,
            Self::Inside => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn keys(self) -> (Key, Key) {
        match self {
            Self::NotFound => (Key("trouble-not-found"), Key("trouble-not-found-text")),
            Self::Method | Self::Malformed | Self::TooLong | Self::TooSlow => {
                (Key("trouble-malformed"), Key("trouble-malformed-text"))
            }
            Self::Foreign => (Key("trouble-foreign"), Key("trouble-foreign-text")),
            Self::NoSession => (Key("trouble-no-session"), Key("trouble-no-session-text")),
            Self::NoReset => (Key("trouble-no-session"), Key("trouble-no-reset-text")),
            Self::SignedOut => (Key("sign-in-title"), Key("trouble-signed-out-text")),
            Self::Confirm(_) => (Key("confirm-title"), Key("confirm-lead")),
            Self::OwesSetUp => (Key("factor-title"), Key("factor-owed")),
            Self::Disabled => (Key("trouble-disabled"), Key("trouble-disabled-text")),
            Self::TooMany(_) => (Key("trouble-too-many"), Key("trouble-too-many-text")),
            Self::Refused(_, why) => (Key("trouble-refused"), why),
            Self::Inside => (Key("trouble-inside"), Key("trouble-inside-text")),
        }
    }

    /// The page on which one can do something about it.
    fn elsewhere(self) -> Option<&'static str> {
        if let Self::Confirm(back) = self {
            return Some(back.asked());
        }
        let pages = [(Self::SignedOut, "/sign-in"), (Self::OwesSetUp, "/me/second-factor")];
        pages.into_iter().find(|(trouble, _)| *trouble == self).map(|(_, page)| page)
    }

    /// As JSON to a script, as a page to a person.
    pub(super) fn shown(self, site: &Site, visit: &Visit) -> Response {
        if let Some(to) = self.elsewhere().filter(|_| visit.takes_pages) {
            return super::see_other(to);
        }
        let text = self.text(visit.language);
        let mut answer = if visit.takes_pages {
            let title = visit.language.say(self.keys().0);
            let answer = page(&TroublePage { frame: Frame::new(site, visit), title, text });
            (self.status(), answer.unwrap_or_else(|_| self.status().into_response())).into_response()
        } else {
            (self.status(), Json(json!({ "error": text.to_string() }))).into_response()
        };
        if let Self::TooMany(seconds) = self {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }

    fn text(self, language: Language) -> Phrase {
        let said = language.say(self.keys().1);
        match self {
            Self::TooMany(seconds) => {
                let minutes = i64::try_from(seconds.div_ceil(60)).unwrap_or(i64::MAX);
                said.count("minutes", minutes)
            }
            Self::NotFound
            | Self::Method
            | Self::Foreign
            | Self::NoSession
            | Self::NoReset
            | Self::SignedOut
            | Self::Confirm(_)
            | Self::OwesSetUp
            | Self::Disabled
            | Self::Malformed
            | Self::TooLong
            | Self::TooSlow
            | Self::Refused(..)
            | Self::Inside => said,
        }
    }
}

/// A template, filled in.
pub(super) fn page(template: &impl Template) -> Result<Response, Trouble> {
    let text = template.render().map_err(|error| Trouble::inside(&error))?;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Why a new password is refused, if it is.
pub(super) fn password_refusal(password: &str) -> Option<Key> {
    names::password(password).err().map(|_| {
        let is_long = password.len() > names::MOST_PASSWORD_BYTES;
        if is_long { Key("refused-password-long") } else { Key("refused-password") }
    })
}

/// Why a passkey is not added or renamed, in the reader's words.
pub(super) fn passkey_refusal(error: &PasskeyError) -> Option<Key> {
    match error {
        PasskeyError::Answer(_) => Some(Key("refused-passkey-add")),
        PasskeyError::Name(_) => Some(Key("refused-passkey-name")),
        PasskeyError::NotFirst => Some(Key("passkey-not-first")),
        PasskeyError::Enough => Some(Key("refused-passkey-enough")),
        PasskeyError::Taken => Some(Key("refused-passkey-taken")),
        PasskeyError::NotHere | PasskeyError::Unknown | PasskeyError::Store(_) => None,
    }
}

/// Why a flow refuses, in the reader's words.
pub(super) fn refusal(error: &EnrollError) -> Option<Key> {
    Some(match error {
        EnrollError::Key(_) => Key("refused-key"),
        EnrollError::LocationKey => Key("refused-key-of-location"),
        EnrollError::KeyTaken => Key("refused-key-taken"),
        EnrollError::DeviceTaken => Key("refused-device-taken"),
        EnrollError::TooManyDevices => Key("refused-too-many-devices"),
        EnrollError::DeviceLimit(_) => Key("refused-device-limit"),
        EnrollError::TakenOver => Key("refused-taken-over"),
        EnrollError::NoLocation | EnrollError::Exhausted(_) => Key("refused-no-location"),
        EnrollError::Value(names::NameError::Password) => Key("refused-password"),
        EnrollError::Value(names::NameError::Phone) => Key("refused-phone"),
        EnrollError::Value(names::NameError::DeviceName)
        | EnrollError::UnfinishedPerson
        | EnrollError::NeedsDeviceToken => Key("refused-device-name"),
        EnrollError::UnknownDevice => Key("refused-unknown-device"),
        EnrollError::InvalidToken
        | EnrollError::TokenExpired
        | EnrollError::NoSession
        | EnrollError::Disabled
        | EnrollError::AlreadyActive
        | EnrollError::Value(_)
        | EnrollError::NotYours
        | EnrollError::UnknownPollingToken
        | EnrollError::NothingToPoll
        | EnrollError::NotAPerson
        | EnrollError::Store(_) => return None,
    })
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut answer = self.status().into_response();
        answer.extensions_mut().insert(self);
        answer
    }
}

impl From<EnrollError> for Trouble {
    fn from(error: EnrollError) -> Self {
        if let Some(why) = refusal(&error) {
            return Self::Refused(StatusCode::CONFLICT, why);
        }
        if let EnrollError::Store(error) = &error {
            return Self::inside(error);
        }
        if matches!(error, EnrollError::Disabled) { Self::Disabled } else { Self::NoSession }
    }
}

impl From<ResetError> for Trouble {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::InvalidToken | ResetError::NoSession => Self::NoReset,
            ResetError::Forbidden => Self::Disabled,
            ResetError::Value(_) => Self::Malformed,
            ResetError::Store(error) => error.into(),
        }
    }
}

impl From<SignInError> for Trouble {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::NoSession => Self::SignedOut,
            SignInError::Store(error) => error.into(),
        }
    }
}

impl From<PasskeyError> for Trouble {
    fn from(error: PasskeyError) -> Self {
        if let Some(why) = passkey_refusal(&error) {
            return Self::Refused(StatusCode::UNPROCESSABLE_ENTITY, why);
        }
        if let PasskeyError::Store(error) = &error { Self::inside(error) } else { Self::NotFound }
    }
}

impl From<Refusal> for Trouble {
    fn from(refused: Refusal) -> Self {
        if let Refusal::Store(error) = &refused {
            return Self::inside(error);
        }
        if matches!(refused, Refusal::UnknownDevice(_) | Refusal::UnknownApp(_)) {
            Self::NotFound
        } else {
            Self::Malformed
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::inside(&error)
    }
}

impl From<PasswordError> for Trouble {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::TooMany(5),
            PasswordError::Hash(_) | PasswordError::Died => Self::inside(&error),
        }
    }
}

impl From<WebError> for Trouble {
    fn from(error: WebError) -> Self {
        match error {
            WebError::NotFound => Self::NotFound,
            WebError::Method => Self::Method,
            WebError::TooLong => Self::TooLong,
            WebError::TooSlow => Self::TooSlow,
            WebError::Malformed(_) | WebError::NoMfa | WebError::WrongCode => Self::Malformed,
            WebError::TooMany { seconds } => Self::TooMany(seconds),
            WebError::Busy { seconds } => Self::TooMany(seconds.into()),
            WebError::Forbidden => Self::Disabled,
            WebError::Enroll(error) => error.into(),
            WebError::Reset(error) => error.into(),
            WebError::Store(error) => error.into(),
            WebError::Password(error) => error.into(),
            // No page connects anybody.
            WebError::Panicked | WebError::NotReady | WebError::Connect(_) => Self::Inside,
        }
    }
}
