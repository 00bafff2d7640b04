//! `/users`.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::caller::Caller;
use super::error::AdminError;
use super::named::Named;
use crate::flows::invite::{self, Actor, Delivery, Further, Guest, Invitation, MailTo};
use crate::flows::refusal::Refusal;
use crate::site::Site;
use crate::store::Tx;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryRequest {
    by: Option<String>,
    ttl_seconds: Option<u64>,
    send_to: Option<String>,
    #[serde(default)]
    no_mail: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InviteRequest {
    username: String,
    first_name: String,
    last_name: String,
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    admin: bool,
    delivery: DeliveryRequest,
}

impl From<DeliveryRequest> for Delivery {
    fn from(request: DeliveryRequest) -> Self {
        let mail = match request.send_to {
            _ if request.no_mail => MailTo::Nobody,
            Some(address) => MailTo::Address(address),
            None => MailTo::Account,
        };
        Self { by: request.by, ttl: request.ttl_seconds.map(Duration::from_secs), mail }
    }
}

pub(super) async fn invite(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Result<Json<InviteRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    let Json(request) = request?;
    let guest = Guest {
        username: request.username,
        first_name: request.first_name,
        last_name: request.last_name,
        email: request.email,
        phone: request.phone,
        groups: request.groups,
        is_admin: request.admin,
    };
    let delivery = request.delivery.into();
    issued(&admin, caller, move |tx, site, actor, now| {
        invite::invite(tx, site, actor, &guest, &delivery, now)
    })
    .await
}

pub(super) async fn reinvite(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(username): Named<String>,
    request: Result<Json<DeliveryRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    further_token(&admin, caller, username, Further::Enrolling, request?.0).await
}

pub(super) async fn activate_client(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(username): Named<String>,
    request: Result<Json<DeliveryRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    further_token(&admin, caller, username, Further::Client, request?.0).await
}

async fn further_token(
    admin: &Admin,
    caller: Caller,
    username: String,
    further: Further,
    request: DeliveryRequest,
) -> Result<Json<Value>, AdminError> {
    let delivery = request.into();
    issued(admin, caller, move |tx, site, actor, now| {
        invite::further_token(tx, site, actor, (&username, further), &delivery, now)
    })
    .await
}

async fn issued(
    admin: &Admin,
    caller: Caller,
    work: impl FnOnce(&Tx<'_>, &Site, &Actor, jiff::Timestamp) -> Result<Invitation, Refusal> + Send + 'static,
) -> Result<Json<Value>, AdminError> {
    let (invitation, applied) = admin.change(caller, work).await?;
    Ok(Json(json!({
        "username": invitation.username,
        "enrollment_url": invitation.enrollment_url,
        "token": invitation.token.expose(),
        "expires_at": time(invitation.expires_at),
        "mailed_to": invitation.mailed_to,
        "applied": applied,
    })))
}

pub(super) fn time(second: i64) -> Option<String> {
    jiff::Timestamp::from_second(second).ok().map(|time| time.to_string())
}
