//! What an application may know of who signed in, for an access token (Core, 5.3; RFC 6750).

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::{Extension, Json};
use serde_json::Value;

use super::{OAuthError, credentials};
use crate::flows::openid_token::{self, Read};
use crate::rules::token::Token;
use crate::store::StoreError;
use crate::web::limit::Admission;
use crate::web::pages::Pages;
use crate::web::pages::visit::{Visit, text};

/// With the token in a header.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
) -> Result<Json<Value>, OAuthError> {
    let token = bearer(&headers)?.ok_or(OAuthError::no_token())?;
    read(&pages, &visit, &token).await
}

/// With the token in a header, or in a form.
pub(super) async fn show_posted(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, OAuthError> {
    if let Some(token) = bearer(&headers)? {
        return read(&pages, &visit, &token).await;
    }
    let params = credentials::form_of(&headers, body).await.map_err(|_| OAuthError::no_token())?;
    let token = params.get("access_token").map(Token::presented).ok_or(OAuthError::no_token())?;
    read(&pages, &visit, &token).await
}

fn bearer(headers: &HeaderMap) -> Result<Option<Token>, OAuthError> {
    let Some(line) = text(headers, header::AUTHORIZATION.as_str()) else { return Ok(None) };
    let pair = line.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    pair.map(|(_, token)| Some(Token::presented(token))).ok_or(OAuthError::no_token())
}

async fn read(pages: &Pages, visit: &Visit, token: &Token) -> Result<Json<Value>, OAuthError> {
    let (app, hash, now) = (pages.app.clone(), token.hash(), pages.app.now());
    let admission = pages.admit_app(visit, hash).await?;
    let found =
        match pages.app.store.read(move |tx| openid_token::user_info(tx, &app.site(), hash, now)).await? {
            Read::Claims(claims) => Ok(claims),
            Read::Unknown => Err(OAuthError::token()),
            Read::Over(grant) => {
                let ended = pages.app.store.write(move |tx| tx.end_grant(grant)).await;
                ended.map_err(|error: StoreError| OAuthError::from(error))?;
                Err(OAuthError::token())
            }
        };
    pages.judged(visit, admission, found, Admission::known).await.map(Json)
}
