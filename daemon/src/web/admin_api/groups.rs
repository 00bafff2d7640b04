//! `/groups`.

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::routing::{delete, get, put};
use axum::{Json, Router};
use serde::Deserialize;

use super::caller::Caller;
use super::error::AdminError;
use super::named::Named;
use super::{Admin, Changed};
use crate::flows::groups::{self, Created, Membership, Removed};
use crate::flows::roster::{self, GroupView};

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/groups", get(list).post(create))
        .route("/groups/{group}", delete(remove))
        .route("/groups/{group}/members/{username}", put(add_user).delete(remove_user))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRequest {
    group: String,
}

async fn list(State(admin): State<Admin>) -> Result<Json<Vec<GroupView>>, AdminError> {
    Ok(Json(admin.look(|tx, site, _| Ok(roster::groups(tx, site)?)).await?))
}

async fn create(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Result<Json<CreateRequest>, JsonRejection>,
) -> Result<Json<Changed<Created>>, AdminError> {
    let Json(CreateRequest { group }) = request?;
    admin.answer(caller, move |tx, _, actor, now| groups::create(tx, actor, &group, now)).await
}

async fn remove(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(group): Named<String>,
) -> Result<Json<Changed<Removed>>, AdminError> {
    admin.answer(caller, move |tx, site, actor, now| groups::remove(tx, site, actor, &group, now)).await
}

async fn add_user(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named((group, username)): Named<(String, String)>,
) -> Result<Json<Changed<Membership>>, AdminError> {
    admin
        .answer(caller, move |tx, site, actor, now| groups::add_user(tx, site, actor, &group, &username, now))
        .await
}

async fn remove_user(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named((group, username)): Named<(String, String)>,
) -> Result<Json<Changed<Membership>>, AdminError> {
    admin
        .answer(caller, move |tx, site, actor, now| {
            groups::remove_user(tx, site, actor, &group, &username, now)
        })
        .await
}
