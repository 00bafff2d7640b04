//! `/users`, apart from invitations: see them, change them, disable, enable and remove them.

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use nix::unistd::User;
use serde::Deserialize;

use super::caller::Caller;
use super::error::AdminError;
use super::named::Named;
use super::{Admin, Changed};
use crate::flows::accounts::{self, Edit, Edited, Removed, Switched, UnixAccount};
use crate::flows::invite::Actor;
use crate::flows::refusal::Refusal;
use crate::flows::roster::{self, UserView};
use crate::flows::second_factor::{self, Reset};
use crate::site::Site;
use crate::store::Tx;

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/users/{username}", get(show).patch(edit).delete(remove))
        .route("/users/{username}/disable", post(disable))
        .route("/users/{username}/enable", post(enable))
        .route("/users/{username}/reset-second-factor", post(reset_second_factor))
}

/// Absent: stays. An empty `unix_user`: none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EditRequest {
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    admin: Option<bool>,
    unix_user: Option<String>,
}

impl TryFrom<EditRequest> for Edit {
    type Error = Refusal;

    fn try_from(request: EditRequest) -> Result<Self, Refusal> {
        Ok(Self {
            username: request.username,
            first_name: request.first_name,
            last_name: request.last_name,
            email: request.email,
            phone: request.phone,
            is_admin: request.admin,
            unix_account: request.unix_user.map(unix_account).transpose()?,
        })
    }
}

pub(super) async fn list(State(admin): State<Admin>) -> Result<Json<Vec<UserView>>, AdminError> {
    Ok(Json(admin.look(|tx, site, now| Ok(roster::users(tx, site, now)?)).await?))
}

async fn show(
    State(admin): State<Admin>,
    Named(username): Named<String>,
) -> Result<Json<UserView>, AdminError> {
    Ok(Json(admin.look(move |tx, site, now| roster::user(tx, site, &username, now)).await?))
}

async fn edit(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(username): Named<String>,
    request: Result<Json<EditRequest>, JsonRejection>,
) -> Result<Json<Changed<Edited>>, AdminError> {
    let edit = Edit::try_from(request?.0)?;
    admin
        .answer(caller, move |tx, site, actor, now| accounts::edit(tx, site, actor, &username, &edit, now))
        .await
}

async fn disable(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(username): Named<String>,
) -> Result<Json<Changed<Switched>>, AdminError> {
    admin.answer(caller, move |tx, site, actor, now| accounts::disable(tx, site, actor, &username, now)).await
}

async fn enable(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(username): Named<String>,
) -> Result<Json<Changed<Switched>>, AdminError> {
    admin.answer(caller, move |tx, site, actor, now| accounts::enable(tx, site, actor, &username, now)).await
}

async fn reset_second_factor(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(username): Named<String>,
) -> Result<Json<Changed<Reset>>, AdminError> {
    let reset = move |tx: &Tx<'_>, site: &Site, actor: &Actor, now| {
        second_factor::reset(tx, site, actor, &username, now)
    };
    admin.answer(caller, reset).await
}

async fn remove(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(username): Named<String>,
) -> Result<Json<Changed<Removed>>, AdminError> {
    admin.answer(caller, move |tx, site, actor, now| accounts::remove(tx, site, actor, &username, now)).await
}

/// An account of this host, by name or number.
fn unix_account(text: String) -> Result<UnixAccount, Refusal> {
    if text.is_empty() {
        return Ok(UnixAccount::Unmapped);
    }
    if let Ok(uid) = text.parse() {
        return Ok(UnixAccount::Uid(uid));
    }
    match User::from_name(&text) {
        Ok(Some(user)) => Ok(UnixAccount::Uid(user.uid.as_raw())),
        Ok(None) | Err(_) => Err(Refusal::UnknownUnixAccount(text)),
    }
}
