//! The token endpoint (RFC 6749, 3.2; Core, 3.1.3 and 12), and giving tokens back (RFC 7009).

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde_json::json;

use super::{OAuthError, credentials};
use crate::flows::openid_token::{self, Credentials, Fresh, Issued};
use crate::flows::signing_keys::SigningError;
use crate::rules::openid::{ACCESS_FOR, Params, Problem};
use crate::rules::token::{Token, TokenHash};
use crate::store::StoreError;
use crate::web::limit::{Admission, Presented};
use crate::web::pages::Pages;
use crate::web::pages::visit::Visit;
use crate::web::seconds_of;

/// What is exchanged for tokens.
enum Wanted {
    /// A code with the address it was sent to and its verifier.
    Code(TokenHash, String, String),
    /// A refresh token and what is asked for.
    Refresh(TokenHash, Option<String>),
}

/// Tokens for a code or a refresh token.
pub(super) async fn give(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, OAuthError> {
    let params = credentials::form_of(&headers, body).await?;
    let (who, wanted) = (credentials::of(&headers, &params)?, Wanted::of(&params)?);
    let admission = pages.admit_app(&visit, wanted.presented()).await?;
    pages.ensure_keys().await?;
    let (app, now) = (pages.app.clone(), pages.app.now());
    let fresh = pages.fresh_tokens();
    let given = pages.app.store.write(move |tx| {
        let site = app.site();
        let app = match openid_token::client(tx, &who)? {
            Ok(app) => app,
            Err(problem) => return Ok(Err(OAuthError::client(problem))),
        };
        let issued = match wanted {
            Wanted::Code(code, uri, verifier) => {
                openid_token::exchange(tx, &site, &app, (code, &uri, &verifier), &fresh, now)?
            }
            Wanted::Refresh(token, scope) => {
                openid_token::refresh(tx, &site, &app, (token, scope.as_deref()), &fresh, now)?
            }
        };
        Ok::<_, SigningError>(issued.map(|issued| (issued, fresh)).map_err(OAuthError::not_granted))
    });
    let (given, _) = given.await?;
    let (issued, fresh) = pages.judged(&visit, admission, given, Admission::spent).await?;
    Ok(pages.handed_out(&issued, &fresh))
}

/// Ends a token.
pub(super) async fn take_back(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, OAuthError> {
    let params = credentials::form_of(&headers, body).await?;
    let who: Credentials = credentials::of(&headers, &params)?;
    let token = params.get("token").ok_or(OAuthError::malformed("token is missing"))?;
    let token = Token::presented(token).hash();
    let admission = pages.admit_app(&visit, token).await?;
    let ended = pages.app.store.write(move |tx| {
        Ok::<_, StoreError>(match openid_token::client(tx, &who)? {
            Ok(app) => openid_token::revoke(tx, &app, token)?.map_err(OAuthError::refused),
            Err(problem) => Err(OAuthError::client(problem)),
        })
    });
    let (ended, _) = ended.await?;
    pages.judged(&visit, admission, ended, Admission::spent).await?;
    Ok(StatusCode::OK.into_response())
}

impl Wanted {
    fn of(params: &Params) -> Result<Self, OAuthError> {
        let needed = |name, why| params.get(name).ok_or(OAuthError::malformed(why));
        match needed("grant_type", "grant_type is missing")? {
            "authorization_code" => Ok(Self::Code(
                Token::presented(needed("code", "code is missing")?).hash(),
                needed("redirect_uri", "redirect_uri is missing")?.to_owned(),
                needed("code_verifier", "code_verifier is missing")?.to_owned(),
            )),
            "refresh_token" => Ok(Self::Refresh(
                Token::presented(needed("refresh_token", "refresh_token is missing")?).hash(),
                params.get("scope").map(str::to_owned),
            )),
            _ => {
                let why = "grant_type is authorization_code or refresh_token";
                Err(OAuthError::refused(Problem("unsupported_grant_type", why)))
            }
        }
    }

    fn presented(&self) -> TokenHash {
        match self {
            Self::Code(hash, ..) | Self::Refresh(hash, _) => *hash,
        }
    }
}

impl Pages {
    /// Counts a request of an application that presents something.
    pub(super) async fn admit_app(
        &self,
        visit: &Visit,
        bearer: TokenHash,
    ) -> Result<Admission<'_>, OAuthError> {
        match self.limits.admit(Presented::AppToken, bearer, visit.client, self.app.now()) {
            Ok(admission) => Ok(admission),
            Err(wait) => {
                self.refusals.limited(visit.client, Presented::AppToken).await;
                Err(OAuthError::too_many(seconds_of(wait)))
            }
        }
    }

    /// Settles what a request cost, as `settle` does where it was granted, and writes down that it was refused.
    pub(super) async fn judged<'a, T>(
        &self,
        visit: &Visit,
        admission: Admission<'a>,
        outcome: Result<T, OAuthError>,
        settle: fn(Admission<'a>),
    ) -> Result<T, OAuthError> {
        match &outcome {
            Ok(_) => settle(admission),
            Err(error) if error.is_too_many() => admission.known(),
            Err(_) => {
                admission.unknown();
                self.refusals.no_app_token(visit.client).await;
            }
        }
        outcome
    }

    fn fresh_tokens(&self) -> Fresh {
        let token = || Token::presented(&self.new_session().0);
        Fresh { access: token(), refresh: token(), subject: self.app.random() }
    }

    fn handed_out(&self, issued: &Issued, fresh: &Fresh) -> Response {
        let now = self.app.now();
        self.limits.issued_to_app(fresh.access.hash(), now);
        let mut said = json!({
            "access_token": fresh.access.expose(),
            "token_type": "Bearer",
            "expires_in": ACCESS_FOR,
            "scope": issued.scopes.to_string(),
            "id_token": issued.id_token,
        });
        if let Some(said) = said.as_object_mut().filter(|_| issued.is_offline) {
            self.limits.issued_to_app(fresh.refresh.hash(), now);
            said.insert("refresh_token".to_owned(), json!(fresh.refresh.expose()));
        }
        let not_kept = [
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::PRAGMA, HeaderValue::from_static("no-cache")),
        ];
        (not_kept, Json(said)).into_response()
    }
}
