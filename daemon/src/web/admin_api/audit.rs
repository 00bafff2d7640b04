//! `/audit`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::error::AdminError;
use super::users::time;

/// More entries than this are never given at once.
const MOST: u32 = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListRequest {
    since_seconds: Option<u64>,
    #[serde(default)]
    refused: bool,
    limit: u32,
}

/// The newest entries, oldest first.
pub(super) async fn list(
    State(admin): State<Admin>,
    request: Result<Query<ListRequest>, QueryRejection>,
) -> Result<Json<Value>, AdminError> {
    let Query(request) = request?;
    let entries = admin
        .look(move |tx, _, now| {
            let length = request.since_seconds.map(|since| i64::try_from(since).unwrap_or(i64::MAX));
            let since = length.map_or(i64::MIN, |length| now.as_second().saturating_sub(length));
            let limit = request.limit.min(MOST);
            Ok(if request.refused { tx.refused_since(since, limit) } else { tx.audit_since(since, limit) }?)
        })
        .await?;
    let shown = entries.into_iter().map(|entry| {
        json!({
            "at": time(entry.at), "actor": entry.actor, "action": entry.action, "object": entry.object,
            "detail": entry.detail, "source": entry.source,
            "outcome": if entry.refused.is_some() { "refused" } else { "done" }, "reason": entry.refused,
        })
    });
    Ok(Json(shown.collect()))
}
