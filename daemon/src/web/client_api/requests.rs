//! What clients send (protocol section 1). Fields nobody knows are ignored; an optional one may be absent or null.

use axum::body::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::web::error::WebError;

#[derive(Deserialize)]
pub(super) struct TokenRequest {
    pub(super) token: String,
}

#[derive(Deserialize)]
pub(super) struct ForgottenRequest {
    pub(super) email: String,
}

#[derive(Deserialize)]
pub(super) struct ResetRequest {
    pub(super) password: Zeroized,
}

#[derive(Deserialize)]
pub(super) struct CreateDeviceRequest {
    pub(super) name: String,
    pub(super) pubkey: String,
}

#[derive(Deserialize)]
pub(super) struct ActivateRequest {
    pub(super) password: Zeroized,
    pub(super) phone_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(from = "String")]
pub(super) struct Zeroized(pub(super) Zeroizing<String>);

impl From<String> for Zeroized {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

#[derive(Deserialize)]
pub(super) struct NetworkInfoRequest {
    pub(super) pubkey: String,
}

#[derive(Deserialize)]
pub(super) struct MfaRequest {
    pub(super) method: String,
}

#[derive(Deserialize)]
pub(super) struct MfaCodeRequest {
    pub(super) code: Zeroized,
    pub(super) method: String,
}

/// The body as JSON, whatever its content type says.
pub(super) async fn parsed<T: DeserializeOwned>(body: Body) -> Result<T, WebError> {
    let bytes = crate::web::bytes_of(body).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        // The parser's own text can quote what was sent, and that may be a password.
        let what = match error.classify() {
            serde_json::error::Category::Data => "a field is missing or has the wrong type",
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => "the body is not JSON",
        };
        WebError::Malformed(what.to_owned())
    })
}
