//! The OpenID provider over HTTP: discovery, signing in to applications, their tokens, and signing out. What browsers are led
//! through are pages like all others; what applications ask themselves is JSON, open to every origin where it needs no cookie.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, options, post};

use super::trouble::Trouble;
use super::{Pages, me_apps};
use crate::flows::signing_keys::{self, SigningError};
use crate::jose::{self, JoseError};
use crate::rules::openid::Params;

mod answer;
mod authorize;
mod credentials;
mod discovery;
mod forward_auth;
mod logout;
mod pages;
mod token;
mod user_info;

use answer::OAuthError;
pub(super) use authorize::Waiting;
pub(super) use pages::meaning;

/// Pages whose forms come from here.
pub(super) fn from_here() -> Router<Pages> {
    Router::new()
        .route("/openid/continue", get(authorize::go_on))
        .route("/openid/consent", get(super::me::again).post(authorize::consent))
        .route("/me/apps", get(me_apps::show).post(me_apps::withdraw))
        .route("/openid/logout/confirm", get(super::me::again).post(logout::confirm))
}

/// What applications and their pages ask.
pub(super) fn from_anywhere() -> Router<Pages> {
    let open = Router::new()
        .route("/.well-known/openid-configuration", get(discovery::document))
        .route("/.well-known/oauth-authorization-server", get(discovery::document))
        .route("/openid/jwks", get(discovery::keys))
        .route("/openid/token", post(token::give).merge(options(preflight)))
        .route("/openid/revoke", post(token::take_back).merge(options(preflight)))
        .route(
            "/openid/userinfo",
            get(user_info::show).post(user_info::show_posted).merge(options(preflight)),
        )
        .layer(from_fn(open_to_every_origin));
    open.route("/openid/authorize", get(authorize::show).post(authorize::posted))
        .route("/openid/logout", get(logout::show).post(logout::posted))
        .route("/forward-auth", get(forward_auth::judge))
        .route("/forward-auth/enter", get(forward_auth::enter))
}

async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Nothing here looks at cookies, so a script of any origin learns no more than whoever sends the same request.
async fn open_to_every_origin(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "3600"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// The parameters in the query of an address.
fn params_of(query: Option<&str>) -> Params {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    Params::read(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())))
}

impl Pages {
    /// Makes the keys that are due.
    async fn ensure_keys(&self) -> Result<(), SigningError> {
        let (app, now) = (self.app.clone(), self.app.now());
        for alg in self.app.store.read(move |tx| signing_keys::due(tx, &app.site(), now)).await? {
            let (random, nonce, app) = (self.app.random(), self.app.random(), self.app.clone());
            let made = tokio::task::spawn_blocking(move || jose::generate(alg, random)).await;
            let made = made.map_err(|_| JoseError::Unreadable)??;
            let kept = self.app.store.write(move |tx| signing_keys::keep(tx, &app.site(), &made, nonce, now));
            kept.await?;
        }
        Ok(())
    }
}

impl From<SigningError> for Trouble {
    fn from(error: SigningError) -> Self {
        Self::inside(&error)
    }
}
