//! `/apps`.

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::caller::Caller;
use super::error::AdminError;
use super::named::Named;
use super::{Admin, Changed};
use crate::flows::apps::{self, AppView, Edit, Plan};
use crate::flows::refusal::Refusal;
use crate::flows::signing_keys::issuer;
use crate::rules::openid::IdTokenAlg;
use crate::rules::token::Token;

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/apps", get(list).post(add))
        .route("/apps/{app}", get(show).patch(edit).delete(remove))
        .route("/apps/{app}/rotate-secret", post(rotate_secret))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddRequest {
    app: String,
    redirect_uris: Vec<String>,
    #[serde(default)]
    post_logout_uris: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    url: String,
    #[serde(default)]
    public: bool,
    #[serde(default)]
    skip_consent: bool,
    id_token_alg: Option<String>,
}

/// Absent: stays. An empty `url`: none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditRequest {
    redirect_uris: Option<Vec<String>>,
    post_logout_uris: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    url: Option<String>,
    skip_consent: Option<bool>,
    id_token_alg: Option<String>,
}

/// An application with the secret that it has from now on, which is not shown again.
#[derive(Serialize)]
struct WithSecret {
    #[serde(flatten)]
    app: AppView,
    issuer: String,
    client_secret: Option<String>,
}

impl TryFrom<AddRequest> for Plan {
    type Error = Refusal;

    fn try_from(request: AddRequest) -> Result<Self, Refusal> {
        let alg = request.id_token_alg.map(|alg| apps::id_token_alg(&alg)).transpose()?;
        Ok(Self {
            name: request.app,
            redirect_uris: request.redirect_uris,
            post_logout_uris: request.post_logout_uris,
            groups: request.groups,
            url: request.url,
            is_public: request.public,
            skips_consent: request.skip_consent,
            id_token_alg: alg.unwrap_or(IdTokenAlg::Rs256),
        })
    }
}

impl TryFrom<EditRequest> for Edit {
    type Error = Refusal;

    fn try_from(request: EditRequest) -> Result<Self, Refusal> {
        Ok(Self {
            redirect_uris: request.redirect_uris,
            post_logout_uris: request.post_logout_uris,
            groups: request.groups,
            url: request.url,
            skips_consent: request.skip_consent,
            id_token_alg: request.id_token_alg.map(|alg| apps::id_token_alg(&alg)).transpose()?,
        })
    }
}

async fn list(State(admin): State<Admin>) -> Result<Json<Vec<AppView>>, AdminError> {
    Ok(Json(admin.look(|tx, _, _| apps::list(tx)).await?))
}

async fn show(State(admin): State<Admin>, Named(app): Named<String>) -> Result<Json<AppView>, AdminError> {
    Ok(Json(admin.look(move |tx, _, _| apps::show(tx, &app)).await?))
}

async fn add(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Result<Json<AddRequest>, JsonRejection>,
) -> Result<Json<Changed<WithSecret>>, AdminError> {
    let plan = Plan::try_from(request?.0)?;
    let (client_id, secret) = (fresh_client_id(admin.app.random()), fresh_secret(&admin));
    let added = admin.answer(caller, move |tx, site, actor, now| {
        let app = apps::add(tx, actor, &plan, (client_id, &secret), now)?;
        let client_secret = (!plan.is_public).then(|| secret.expose().to_owned());
        Ok(WithSecret { app, issuer: issuer(site).to_owned(), client_secret })
    });
    added.await
}

async fn edit(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(app): Named<String>,
    request: Result<Json<EditRequest>, JsonRejection>,
) -> Result<Json<Changed<AppView>>, AdminError> {
    let edit = Edit::try_from(request?.0)?;
    admin.answer(caller, move |tx, _, actor, now| apps::edit(tx, actor, &app, &edit, now)).await
}

async fn rotate_secret(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(app): Named<String>,
) -> Result<Json<Changed<WithSecret>>, AdminError> {
    let secret = fresh_secret(&admin);
    let rotated = admin.answer(caller, move |tx, site, actor, now| {
        let app = apps::rotate_secret(tx, actor, &app, secret.hash(), now)?;
        let client_secret = Some(secret.expose().to_owned());
        Ok(WithSecret { app, issuer: issuer(site).to_owned(), client_secret })
    });
    rotated.await
}

async fn remove(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(app): Named<String>,
) -> Result<Json<Changed<AppView>>, AdminError> {
    admin.answer(caller, move |tx, _, actor, now| apps::remove(tx, actor, &app, now)).await
}

/// Letters and digits alone: it is copied into all kinds of files.
fn fresh_client_id(random: [u8; 32]) -> String {
    let (half, _) = random.split_first_chunk().unwrap_or((&[0; 16], &[]));
    uuid::Builder::from_random_bytes(*half).into_uuid().simple().to_string()
}

fn fresh_secret(admin: &Admin) -> Token {
    Token::presented(&URL_SAFE_NO_PAD.encode(admin.app.random()))
}
