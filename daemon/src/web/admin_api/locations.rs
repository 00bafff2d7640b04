//! `/locations`.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::caller::Caller;
use super::error::AdminError;
use super::named::Named;
use crate::config::Loaded;
use crate::config::edit::{LocationKeys, OptionalKey};
use crate::flows::invite::Actor;
use crate::flows::locations::{self, LocationView, Machines};
use crate::flows::refusal::Refusal;
use crate::location_files;
use crate::reload::{Change, ReloadError, aside};
use crate::rules::action::Action;
use crate::store::Tx;
use crate::taken::Taken;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddRequest {
    name: String,
    endpoint: String,
    #[serde(default)]
    keys: LocationKeys,
    #[serde(default)]
    without: BTreeSet<OptionalKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EditRequest {
    #[serde(default)]
    keys: LocationKeys,
    #[serde(default)]
    without: BTreeSet<OptionalKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RemoveRequest {
    force: bool,
}

pub(super) async fn list(State(admin): State<Admin>) -> Result<Json<Vec<LocationView>>, AdminError> {
    let (files, applied, app) =
        (admin.files.files().await, admin.app.applied.borrow().clone(), admin.app.clone());
    let views = admin.app.store.read(move |tx| {
        let site = app.site();
        let views = site.locations().map(|location| locations::view(tx, location, &applied, &files));
        views.collect::<Result<Vec<_>, _>>()
    });
    Ok(Json(views.await?))
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Named(name): Named<String>,
) -> Result<Json<LocationView>, AdminError> {
    Ok(Json(admin.location(name).await?))
}

pub(super) async fn add(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Result<Json<AddRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    let AddRequest { name, endpoint, keys, without } = request?.0;
    let keys = LocationKeys { name: Some(name.clone()), endpoint: Some(endpoint), ..keys };
    let random = admin.app.random().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let plan =
        move |present: &Loaded| location_files::add(present, keys, &without, Taken::on_this_host(), random);
    changed(&admin, caller, name, plan, (Action::LocationAdd, None)).await
}

pub(super) async fn edit(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(name): Named<String>,
    request: Result<Json<EditRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    let EditRequest { keys, without } = request?.0;
    let named = without.iter().map(|key| key.name());
    let detail = keys.given().into_iter().chain(named).collect::<Vec<_>>().join(", ");
    let wanted = name.clone();
    let plan = move |present: &Loaded| location_files::edit(present, &wanted, keys, &without);
    changed(&admin, caller, name, plan, (Action::LocationEdit, Some(detail))).await
}

pub(super) async fn rotate_key(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(name): Named<String>,
) -> Result<Json<Value>, AdminError> {
    let wanted = name.clone();
    let plan = move |present: &Loaded| location_files::rotate_key(present, &wanted);
    changed(&admin, caller, name, plan, (Action::LocationRotateKey, None)).await
}

pub(super) async fn remove(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(name): Named<String>,
    request: Result<Json<RemoveRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    let machines = if request?.0.force { Machines::Removed } else { Machines::Spared };
    let (wanted, now) = (name.clone(), admin.app.now());
    let within = move |tx: &Tx<'_>, actor: &Actor| {
        tx.audit(&actor.name, Action::LocationRemove, &wanted, None, now)?;
        locations::clear(tx, &wanted, machines, actor, now)
    };
    let wanted = name.clone();
    let plan = move |present: &Loaded| location_files::remove(present, &wanted);
    let reloaded = admin.reconfigure(caller, plan, within).await?;
    let mut answer = admin.outcome(&reloaded).await;
    extend(&mut answer, "name", json!(name));
    extend(&mut answer, "file", json!(reloaded.files.first().map(|file| aside(file))));
    extend(&mut answer, "machines_removed", json!(reloaded.value));
    Ok(Json(answer))
}

/// Makes a change, waits for the gateway, and answers with the location as it is then.
async fn changed(
    admin: &Admin,
    caller: Caller,
    name: String,
    plan: impl FnOnce(&Loaded) -> Result<Change, ReloadError> + Send + 'static,
    (action, detail): (Action, Option<String>),
) -> Result<Json<Value>, AdminError> {
    let (object, now) = (name.clone(), admin.app.now());
    let within = move |tx: &Tx<'_>, actor: &Actor| {
        Ok(tx.audit(&actor.name, action, &object, detail.as_deref(), now)?)
    };
    let reloaded = admin.reconfigure(caller, plan, within).await?;
    let mut answer = admin.outcome(&reloaded).await;
    extend(&mut answer, "location", json!(admin.location(name).await?));
    Ok(Json(answer))
}

impl Admin {
    async fn location(&self, name: String) -> Result<LocationView, AdminError> {
        let (files, applied, app) =
            (self.files.files().await, self.app.applied.borrow().clone(), self.app.clone());
        let view = self.app.store.read(move |tx| {
            let site = app.site();
            Ok::<_, Refusal>(locations::view(tx, locations::named(&site, &name)?, &applied, &files)?)
        });
        Ok(view.await?)
    }
}

fn extend(answer: &mut Value, key: &str, value: Value) {
    if let Value::Object(fields) = answer {
        fields.insert(key.to_owned(), value);
    }
}
