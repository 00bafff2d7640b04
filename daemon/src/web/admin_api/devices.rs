//! `/devices`.

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{ConnectInfo, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::Caller;
use super::error::AdminError;
use super::named::Named;
use super::users::time;
use super::{Admin, Changed};
use crate::flows::devices::{
    self, Changed as ChangedDevice, Limit, MachineToken, NewMachine, Removed, Terms,
};
use crate::flows::roster::{self, DeviceView};

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/devices", get(list).post(add_machine))
        .route("/devices/{device}", get(show).patch(rename).delete(remove))
        .route("/devices/{device}/reissue", post(reissue))
        .route("/devices/{device}/give", post(give))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListRequest {
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenameRequest {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GiveRequest {
    user: String,
    #[serde(default)]
    beyond_limit: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermsRequest {
    by: Option<String>,
    ttl_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MachineRequest {
    name: String,
    location: String,
    terms: TermsRequest,
}

impl From<TermsRequest> for Terms {
    fn from(request: TermsRequest) -> Self {
        Self { by: request.by, ttl: request.ttl_seconds.map(Duration::from_secs) }
    }
}

async fn list(
    State(admin): State<Admin>,
    request: Result<Query<ListRequest>, QueryRejection>,
) -> Result<Json<Vec<DeviceView>>, AdminError> {
    let Query(request) = request?;
    let devices = admin.look(move |tx, site, now| roster::devices(tx, site, request.user.as_deref(), now));
    Ok(Json(devices.await?))
}

async fn show(
    State(admin): State<Admin>,
    Named(device): Named<String>,
) -> Result<Json<DeviceView>, AdminError> {
    let found = admin.look(move |tx, site, now| roster::device(tx, site, &device, now)).await?;
    let stats = admin.gateway.stats().await.map_err(AdminError::Gateway)?;
    Ok(Json(found.with_traffic(&stats)))
}

async fn rename(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(device): Named<String>,
    request: Result<Json<RenameRequest>, JsonRejection>,
) -> Result<Json<Changed<ChangedDevice>>, AdminError> {
    let Json(RenameRequest { name }) = request?;
    admin.answer(caller, move |tx, _, actor, now| devices::rename(tx, actor, &device, &name, now)).await
}

async fn give(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(device): Named<String>,
    request: Result<Json<GiveRequest>, JsonRejection>,
) -> Result<Json<Changed<ChangedDevice>>, AdminError> {
    let Json(GiveRequest { user, beyond_limit }) = request?;
    let limit = if beyond_limit { Limit::Passed } else { Limit::Kept };
    admin
        .answer(caller, move |tx, site, actor, now| {
            devices::give(tx, site, actor, (&device, &user, limit), now)
        })
        .await
}

async fn remove(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(device): Named<String>,
) -> Result<Json<Changed<Removed>>, AdminError> {
    admin.answer(caller, move |tx, site, actor, now| devices::remove(tx, site, actor, &device, now)).await
}

async fn add_machine(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Result<Json<MachineRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    let Json(MachineRequest { name, location, terms }) = request?;
    let (new, terms) = (NewMachine { name, location }, terms.into());
    let issued = admin
        .change(caller, move |tx, site, actor, now| devices::add_machine(tx, site, actor, &new, &terms, now));
    issued.await.map(|(issued, applied)| shown(&issued, applied))
}

async fn reissue(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(device): Named<String>,
    request: Result<Json<TermsRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    let terms = request?.0.into();
    let issued = admin
        .change(caller, move |tx, site, actor, now| devices::reissue(tx, site, actor, &device, &terms, now));
    issued.await.map(|(issued, applied)| shown(&issued, applied))
}

fn shown(issued: &MachineToken, applied: bool) -> Json<Value> {
    Json(json!({
        "id": issued.id,
        "name": issued.name,
        "location": issued.location,
        "url": issued.url,
        "token": issued.token.expose(),
        "expires_at": time(issued.expires_at),
        "applied": applied,
    }))
}
