//! `/status` and `/plan`: the two questions about how things stand.

use axum::Json;
use axum::extract::State;
use postern_gateway::backend::host::is_kernel_wireguard_loaded;
use serde_json::{Value, json};

use super::Admin;
use super::error::AdminError;
use crate::flows::status::{Status, World, status};
use crate::store::StoreError;

pub(super) async fn overview(State(admin): State<Admin>) -> Result<Json<Status>, AdminError> {
    // A gateway that cannot be asked is part of the answer.
    let stats = admin.gateway.stats().await;
    let has_kernel_wireguard = tokio::task::spawn_blocking(is_kernel_wireguard_loaded).await.unwrap_or(false);
    let app = admin.app.clone();
    let seen = admin.app.store.read(move |tx| {
        let applied = app.applied.borrow().clone();
        let world = World {
            applied: &applied,
            stats,
            started_at: app.started_at,
            has_kernel_wireguard,
            certificate: app.presented.certificate(),
            store_trouble: app.store.trouble(),
            certificate_trouble: app.presented.trouble().map(|trouble| (trouble.at, trouble.reason)),
        };
        status(tx, &app.site(), &world, app.now())
    });
    Ok(Json(seen.await.map_err(|error: StoreError| error)?))
}

pub(super) async fn plan(State(admin): State<Admin>) -> Result<Json<Value>, AdminError> {
    let plan = admin.gateway.plan().await.map_err(AdminError::Gateway)?;
    Ok(Json(json!({ "plan": plan })))
}
