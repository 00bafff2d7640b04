//! What applications find out by themselves (OpenID Connect Discovery 1.0; RFC 8414), and the keys that ID tokens are
//! verified with. Both are the same for everybody and are kept for an hour; keys are published a day before they sign.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::OAuthError;
use crate::flows::signing_keys::{self, issuer};
use crate::rules::openid::{ACR_MFA, ACR_PASSWORD, IdTokenAlg, Scope};
use crate::site::Site;
use crate::web::pages::Pages;

/// The document.
pub(super) async fn document(State(pages): State<Pages>) -> Response {
    kept(&described(&pages.app.site()))
}

/// The keys.
pub(super) async fn keys(State(pages): State<Pages>) -> Result<Response, OAuthError> {
    pages.ensure_keys().await?;
    let now = pages.app.now();
    let keys = pages.app.store.read(move |tx| signing_keys::published(tx, now)).await?;
    let keys: Vec<Value> = keys.iter().filter_map(|key| serde_json::from_str(&key.public_jwk).ok()).collect();
    Ok(kept(&json!({ "keys": keys })))
}

fn kept(document: &Value) -> Response {
    let for_an_hour = HeaderValue::from_static("public, max-age=3600");
    ([(header::CACHE_CONTROL, for_an_hour)], Json(document)).into_response()
}

fn described(site: &Site) -> Value {
    let issuer = issuer(site);
    let at = |path: &str| format!("{issuer}/openid/{path}");
    let who = ["client_secret_basic", "client_secret_post", "none"];
    json!({
        "issuer": issuer,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "userinfo_endpoint": at("userinfo"),
        "jwks_uri": at("jwks"),
        "revocation_endpoint": at("revoke"),
        "end_session_endpoint": at("logout"),
        "scopes_supported": Scope::ALL.map(Scope::name),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "acr_values_supported": [ACR_PASSWORD, ACR_MFA],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": IdTokenAlg::ALL.map(IdTokenAlg::name),
        "token_endpoint_auth_methods_supported": who,
        "revocation_endpoint_auth_methods_supported": who,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claim_types_supported": ["normal"],
        "claims_supported": [
            "iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "acr", "amr", "at_hash", "name", "given_name",
            "family_name", "preferred_username", "email", "email_verified", "phone_number", "groups",
        ],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "require_request_uri_registration": false,
    })
}
