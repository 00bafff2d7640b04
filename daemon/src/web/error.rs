//! Every answer that is not a success: a status and `{"error": "text"}` (protocol 0.4). What went wrong inside is logged
//! here, once, and not told.

use postern_gateway::chain;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::flows::connect::ConnectError;
use crate::flows::enroll::EnrollError;
use crate::flows::password_reset::ResetError;
use crate::password::PasswordError;
use crate::store::StoreError;

/// Why a request has no other answer.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// No such path.
    #[error("not found")]
    NotFound,
    /// The path takes other methods.
    #[error("method not allowed")]
    Method,
    /// More than any request needs.
    #[error("the body is too long")]
    TooLong,
    /// Not the JSON that belongs here.
    #[error("malformed request: {0}")]
    Malformed(String),
    /// Too many attempts.
    #[error("too many attempts; try again in {seconds} s")]
    TooMany {
        /// Until the next one may succeed.
        seconds: u64,
    },
    /// More passwords wait to be hashed than can be soon.
    #[error("the server is busy; try again in {seconds} s")]
    Busy {
        /// Until it is worth trying.
        seconds: u8,
    },
    /// The body comes too slowly.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// There is no MFA to set up.
    #[error("this server does not use multi-factor authentication")]
    NoMfa,
    /// The second factor is right, but the gateway has not the peer yet.
    #[error("the gateway is not ready yet; try again in a moment")]
    NotReady,
    /// What an app or a mail says is not what was sent.
    #[error("the code is wrong or was used: try the next one")]
    WrongCode,
    /// The token's account is disabled: 403, because there is no session yet.
    #[error("this account is disabled; ask your administrator")]
    Forbidden,
    /// A flow refused.
    #[error(transparent)]
    Enroll(#[from] EnrollError),
    /// A flow of password resets refused.
    #[error(transparent)]
    Reset(#[from] ResetError),
    /// Connecting was refused.
    #[error(transparent)]
    Connect(ConnectError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A password could not be worked on.
    #[error(transparent)]
    Password(PasswordError),
    /// A handler panicked.
    #[error("a handler panicked")]
    Panicked,
}

#[derive(Serialize)]
struct ErrorBody {
    error: String,
}

impl WebError {
    /// Whether nobody knows the token or the session that was presented.
    pub(super) fn is_about_an_unknown_bearer(&self) -> bool {
        matches!(
            self,
            Self::Enroll(
                EnrollError::InvalidToken
                    | EnrollError::TokenExpired
                    | EnrollError::NoSession
                    | EnrollError::UnknownPollingToken
            ) | Self::Reset(ResetError::InvalidToken | ResetError::NoSession)
                | Self::Connect(ConnectError::InvalidToken | ConnectError::NotAllowed)
        )
    }

    /// Whether a token was refused that opens a session.
    pub(super) fn is_about_a_token(&self) -> bool {
        self.is_about_an_unknown_bearer()
            || matches!(self, Self::Forbidden | Self::Reset(ResetError::Forbidden))
    }

    /// Whether what was sent is at fault, and neither its timing nor the daemon.
    pub(super) fn is_a_refusal(&self) -> bool {
        self.status().is_client_error() && !matches!(self, Self::TooMany { .. } | Self::TooSlow)
    }

    /// Protocol 0.4 and the tables of section 1.
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed(_) | Self::NoMfa | Self::WrongCode => StatusCode::BAD_REQUEST,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy { .. } | Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Enroll(error) => status_of(error),
            Self::Reset(error) => status_of_reset(error),
            Self::Connect(error) => status_of_connect(error),
            Self::Store(_) | Self::Password(_) | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl WebError {
    fn retry_after(&self) -> Option<HeaderValue> {
        if let Self::TooMany { seconds } = self {
            Some(HeaderValue::from(*seconds))
        } else if let Self::Busy { seconds } = self {
            Some(HeaderValue::from(u16::from(*seconds)))
        } else if let Self::Connect(ConnectError::Mailed { seconds }) = self {
            Some(HeaderValue::from(*seconds))
        } else if matches!(self, Self::NotReady) {
            Some(HeaderValue::from(1))
        } else {
            None
        }
    }
}

fn status_of_reset(error: &ResetError) -> StatusCode {
    match error {
        ResetError::InvalidToken | ResetError::NoSession => StatusCode::UNAUTHORIZED,
        ResetError::Forbidden => StatusCode::FORBIDDEN,
        ResetError::Value(_) => StatusCode::BAD_REQUEST,
        ResetError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Clients compare the texts (protocol 0.4); the statuses are the reference server's.
fn status_of_connect(error: &ConnectError) -> StatusCode {
    match error {
        ConnectError::WrongCode => StatusCode::UNAUTHORIZED,
        ConnectError::Mailed { .. } => StatusCode::TOO_MANY_REQUESTS,
        ConnectError::NoMethod
        | ConnectError::InvalidToken
        | ConnectError::Over
        | ConnectError::Key
        | ConnectError::NotAsked
        | ConnectError::NotAllowed => StatusCode::BAD_REQUEST,
        ConnectError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn status_of(error: &EnrollError) -> StatusCode {
    match error {
        EnrollError::InvalidToken
        | EnrollError::TokenExpired
        | EnrollError::NoSession
        | EnrollError::NotYours => StatusCode::UNAUTHORIZED,
        EnrollError::TooManyDevices
        | EnrollError::DeviceLimit(_)
        | EnrollError::TakenOver
        | EnrollError::UnknownPollingToken
        | EnrollError::NothingToPoll
        | EnrollError::NotAPerson => StatusCode::FORBIDDEN,
        EnrollError::Disabled
        | EnrollError::AlreadyActive
        | EnrollError::Value(_)
        | EnrollError::Key(_)
        | EnrollError::LocationKey
        | EnrollError::KeyTaken
        | EnrollError::UnfinishedPerson
        | EnrollError::NeedsDeviceToken => StatusCode::BAD_REQUEST,
        EnrollError::DeviceTaken | EnrollError::NoLocation | EnrollError::Exhausted(_) => {
            StatusCode::CONFLICT
        }
        EnrollError::UnknownDevice => StatusCode::NOT_FOUND,
        EnrollError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let status = self.status();
        let error = if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = chain(&self), "a request failed");
            "something went wrong on the server; try again, and tell your administrator".to_owned()
        } else {
            self.to_string()
        };
        let mut answer = (status, Json(ErrorBody { error })).into_response();
        if let Some(seconds) = self.retry_after() {
            answer.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        answer
    }
}

impl From<ConnectError> for WebError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Store(error) => Self::Store(error),
            refused @ (ConnectError::NoMethod
            | ConnectError::InvalidToken
            | ConnectError::Over
            | ConnectError::WrongCode
            | ConnectError::Key
            | ConnectError::NotAsked
            | ConnectError::NotAllowed
            | ConnectError::Mailed { .. }) => Self::Connect(refused),
        }
    }
}

impl From<PasswordError> for WebError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy { seconds: 5 },
            PasswordError::Hash(_) | PasswordError::Died => Self::Password(error),
        }
    }
}
