//! What applications are told that ask themselves: an error code and what it means (RFC 6749, 5.2; RFC 6750, 3).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_gateway::chain;
use serde_json::json;

use crate::flows::openid_token::TOO_OFTEN;
use crate::flows::signing_keys::SigningError;
use crate::rules::openid::Problem;
use crate::store::StoreError;
use crate::web::error::WebError;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OAuthError {
    status: StatusCode,
    problem: Problem,
    /// Of `WWW-Authenticate`.
    challenge: Option<&'static str>,
    /// How many seconds to wait.
    wait: Option<u64>,
}

impl OAuthError {
    /// What is asked for is refused.
    pub(super) fn refused(problem: Problem) -> Self {
        Self { status: StatusCode::BAD_REQUEST, problem, challenge: None, wait: None }
    }

    /// The request is none.
    pub(super) fn malformed(why: &'static str) -> Self {
        Self::refused(Problem("invalid_request", why))
    }

    /// The application is not known, or its secret is wrong.
    pub(super) fn client(problem: Problem) -> Self {
        let challenge = Some("Basic realm=\"postern\", charset=\"UTF-8\"");
        Self { status: StatusCode::UNAUTHORIZED, challenge, ..Self::refused(problem) }
    }

    /// No access token came along.
    pub(super) fn no_token() -> Self {
        let problem = Problem("invalid_token", "an access token is missing");
        // An error code is for tokens that came.
        Self { challenge: Some("Bearer realm=\"postern\""), ..Self::token_of(problem) }
    }

    /// The access token is good for nothing.
    pub(super) fn token() -> Self {
        Self::token_of(Problem("invalid_token", "the access token is unknown or over"))
    }

    fn token_of(problem: Problem) -> Self {
        let challenge = Some("Bearer realm=\"postern\", error=\"invalid_token\"");
        Self { status: StatusCode::UNAUTHORIZED, challenge, ..Self::refused(problem) }
    }

    /// So many attempts that nobody looks.
    pub(super) fn too_many(wait: u64) -> Self {
        let problem = Problem("temporarily_unavailable", "too many attempts: wait");
        Self { status: StatusCode::TOO_MANY_REQUESTS, wait: Some(wait), ..Self::refused(problem) }
    }

    /// A refusal of the token endpoint, or that it is to be asked later.
    pub(super) fn not_granted(problem: Problem) -> Self {
        if problem == TOO_OFTEN { Self::too_many(60) } else { Self::refused(problem) }
    }

    /// Whether nothing is wrong but how often.
    pub(super) fn is_too_many(&self) -> bool {
        self.wait.is_some()
    }

    fn inside(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "an application was not answered");
        let problem = Problem("server_error", "something failed here; it is logged");
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, ..Self::refused(problem) }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let Problem(error, description) = self.problem;
        let body = Json(json!({ "error": error, "error_description": description }));
        let mut answer = (self.status, body).into_response();
        let headers = answer.headers_mut();
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(wait) = self.wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        answer
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::inside(&error)
    }
}

impl From<SigningError> for OAuthError {
    fn from(error: SigningError) -> Self {
        Self::inside(&error)
    }
}

impl From<WebError> for OAuthError {
    fn from(error: WebError) -> Self {
        match error {
            WebError::TooLong => {
                Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::malformed("too long") }
            }
            WebError::TooSlow => Self { status: StatusCode::REQUEST_TIMEOUT, ..Self::malformed("too slow") },
            WebError::Malformed(_)
            | WebError::NotFound
            | WebError::Method
            | WebError::NoMfa
            | WebError::WrongCode
            | WebError::NotReady
            | WebError::Connect(_)
            | WebError::TooMany { .. }
            | WebError::Busy { .. }
            | WebError::Forbidden
            | WebError::Enroll(_)
            | WebError::Reset(_)
            | WebError::Store(_)
            | WebError::Password(_)
            | WebError::Panicked => Self::malformed("the body could not be read"),
        }
    }
}
