//! What is refused: a status and `{"error": "…", "hint": "…"}`; where files are to blame also
//! `"problems": [{"file", "key", "reason"}]`.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postern_gateway::chain;
use serde_json::json;

use crate::config::ConfigErrors;
use crate::flows::refusal::Refusal;
use crate::reload::ReloadError;
use crate::store::StoreError;

/// Why a request has no other answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// Not root and not in the group.
    #[error("you may not administer postern")]
    NotAllowed,
    /// An older or newer command line.
    #[error("this daemon does not know that request")]
    UnknownPath,
    /// The same, where the path is known.
    #[error("this daemon does not know that request")]
    UnknownMethod,
    /// Not the JSON that belongs here.
    #[error("malformed request: {0}")]
    Malformed(String),
    /// A flow refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The configuration stays as it was.
    #[error(transparent)]
    NotReloaded(ReloadError),
    /// A mail did not leave.
    #[error("{0}")]
    NotSent(String),
    /// No backup could be taken, with a hint.
    #[error("{0}")]
    NoBackup(String, Option<&'static str>),
    /// The reconcile loop did not answer.
    #[error("{0}")]
    Gateway(String),
}

impl AdminError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::UnknownMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Refused(Refusal::Store(_))
            | Self::NotReloaded(
                ReloadError::File { .. }
                | ReloadError::Late { .. }
                | ReloadError::Owed { .. }
                | ReloadError::Keys(_),
            ) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Refused(_) | Self::NotReloaded(_) | Self::NotSent(_) | Self::NoBackup(..) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Gateway(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotAllowed => "use sudo, or join the group postern-admin (usermod -aG postern-admin USER)",
            Self::UnknownPath | Self::UnknownMethod => {
                "the command and the daemon are of different versions: restart the daemon"
            }
            Self::Malformed(_) => {
                "the command and the daemon may be of different versions: restart the daemon"
            }
            Self::Refused(refusal) | Self::NotReloaded(ReloadError::Refused(refusal)) => {
                return refusal.hint();
            }
            Self::NotReloaded(ReloadError::Config(_)) => "correct it and try again",
            Self::NotReloaded(ReloadError::File { .. }) => {
                "may postern write in that folder? If not, change the file yourself and run `postern reload`"
            }
            Self::NotReloaded(ReloadError::Late { .. }) => {
                "mend what keeps it from there, then `postern reload`"
            }
            Self::NotReloaded(ReloadError::Owed { .. }) => {
                "nothing was changed: mend what keeps it from there, then try again"
            }
            Self::NotReloaded(ReloadError::Keys(_)) => return None,
            Self::NotSent(_) => "correct [mail] in the configuration, then `postern reload`, and try again",
            Self::NoBackup(_, hint) => return hint.map(str::to_owned),
            Self::Gateway(_) => "try again; the daemon's log says more",
        };
        Some(text.to_owned())
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = chain(&self), "an administrator's request failed");
        }
        // Administrators may read the daemon's log; they are told the whole chain.
        let mut body = json!({ "error": chain(&self), "hint": self.hint() });
        if let Self::NotReloaded(error @ ReloadError::Config(ConfigErrors(problems))) = &self {
            body = json!({ "error": error.to_string(), "hint": self.hint(), "problems": problems });
        }
        (status, Json(body)).into_response()
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Refused(Refusal::Store(error))
    }
}

impl From<ReloadError> for AdminError {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::Refused(refusal) => Self::Refused(refusal),
            error @ (ReloadError::Config(_)
            | ReloadError::File { .. }
            | ReloadError::Late { .. }
            | ReloadError::Owed { .. }
            | ReloadError::Keys(_)) => Self::NotReloaded(error),
        }
    }
}

impl From<JsonRejection> for AdminError {
    fn from(rejection: JsonRejection) -> Self {
        Self::Malformed(rejection.body_text())
    }
}

impl From<PathRejection> for AdminError {
    fn from(rejection: PathRejection) -> Self {
        Self::Malformed(rejection.body_text())
    }
}

impl From<QueryRejection> for AdminError {
    fn from(rejection: QueryRejection) -> Self {
        Self::Malformed(rejection.body_text())
    }
}
