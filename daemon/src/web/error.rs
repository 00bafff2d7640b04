//! Every answer that is not a success: a status and `{"error": "text"}` (protocol 0.4). What went wrong inside is logged
//! here, once, and not told.

use postern_gateway::chain;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::flows::enroll::EnrollError;
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
    /// There is no MFA to set up.
    #[error("this server does not use multi-factor authentication")]
    NoMfa,
    /// The token's account is disabled: 403, because there is no session yet.
    #[error("this account is disabled; ask your administrator")]
    Forbidden,
    /// A flow refused.
    #[error(transparent)]
    Enroll(#[from] EnrollError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A password could not be worked on.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A handler panicked.
    #[error("a handler panicked")]
    Panicked,
}

#[derive(Serialize)]
struct ErrorBody {
    error: String,
}

impl WebError {
    /// Protocol 0.4 and the tables of section 1.
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed(_) | Self::NoMfa => StatusCode::BAD_REQUEST,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Enroll(error) => status_of(error),
            Self::Store(_) | Self::Password(_) | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn status_of(error: &EnrollError) -> StatusCode {
    match error {
        EnrollError::InvalidToken
        | EnrollError::TokenExpired
        | EnrollError::NoSession
        | EnrollError::NotYours => StatusCode::UNAUTHORIZED,
        EnrollError::TooManyDevices
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
        EnrollError::DeviceTaken | EnrollError::NoLocation => StatusCode::CONFLICT,
        EnrollError::UnknownDevice => StatusCode::NOT_FOUND,
        EnrollError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let status = self.status();
        let error = if status.is_server_error() {
            tracing::error!(error = chain(&self), "a request failed");
            "something went wrong on the server; try again, and tell your administrator".to_owned()
        } else {
            self.to_string()
        };
        let mut answer = (status, Json(ErrorBody { error })).into_response();
        if let Self::TooMany { seconds } = self {
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        answer
    }
}
