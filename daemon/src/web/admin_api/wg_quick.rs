//! `/import/wg-quick` and `/locations/{name}/wg-quick`: a server of `wg-quick` becomes a location, and the way out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Admin;
use super::caller::Caller;
use super::error::AdminError;
use crate::config::Loaded;
use crate::config::edit::LocationKeys;
use crate::flows::invite::Actor;
use crate::flows::refusal::Refusal;
use crate::flows::take_over::{self, Takeover, Wish};
use crate::location_files;
use crate::reload::{Change, Import, ReloadError};
use crate::rules::wg_quick::{WgQuick, parse};
use crate::store::Tx;
use crate::taken::Taken;

/// Twenty thousand peers.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// All names together.
const RESOLVED_WITHIN: Duration = Duration::from_secs(20);

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/import/wg-quick", post(import).layer(DefaultBodyLimit::max(MOST_BYTES)))
        .route("/locations/{name}/wg-quick", post(export))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportRequest {
    name: String,
    interface: String,
    endpoint: String,
    text: String,
    #[serde(default)]
    keys: LocationKeys,
    deed: Deed,
}

/// How far to go.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Deed {
    /// Say what would be.
    Look,
    /// Do it.
    TakeOver,
}

async fn import(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Result<Json<ImportRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    let ImportRequest { name, interface, endpoint, text, keys, deed } = request?.0;
    let parsed = parse(&Zeroizing::new(text)).map_err(|error| Refusal::Takeover(error.0))?;
    let link = interface.parse().map_err(|error| Refusal::Takeover(vec![format!("{error}")]))?;
    let link = admin.gateway.link(link).await.map_err(AdminError::Gateway)?;
    let called = resolved(&parsed.server).await;
    let wish = Wish { name, interface, endpoint, keys };
    let takeover = take_over::judge(wish, parsed, &link, called)?;
    let mut answer = match deed {
        Deed::Look => shown(&takeover),
        Deed::TakeOver => perform(&admin, caller, takeover).await?,
    };
    if let Value::Object(fields) = &mut answer {
        fields.insert("taken_over".to_owned(), json!(deed == Deed::TakeOver));
    }
    Ok(Json(answer))
}

fn shown(takeover: &Takeover) -> Value {
    json!({
        "name": takeover.name,
        "interface": takeover.keys.interface,
        "listen_port": takeover.keys.listen_port,
        "ipv4": takeover.keys.ipv4,
        "ipv6": takeover.keys.ipv6,
        "public_key": takeover.server.private_key.public(),
        "peers": takeover.peers(),
        "changes": takeover.changes,
    })
}

async fn perform(admin: &Admin, caller: Caller, takeover: Takeover) -> Result<Value, AdminError> {
    let mut answer = shown(&takeover);
    let (name, key) = (takeover.name.clone(), takeover.server.private_key.clone());
    let (keys, without) = (takeover.keys.clone(), takeover.without.clone());
    let plan =
        move |present: &Loaded| match location_files::add(present, keys, &without, Taken::default(), 0)? {
            Change::File(draft) => Ok(Change::Import(Box::new(Import { draft, name, key }))),
            other @ (Change::Nothing | Change::Key(_) | Change::Import(_)) => Ok::<_, ReloadError>(other),
        };
    let (app, now) = (admin.app.clone(), admin.app.now());
    let within = move |tx: &Tx<'_>, actor: &Actor| {
        let seal = app.site().keys.seal.clone();
        take_over::take_over(tx, &takeover, &seal, &|| app.random(), (actor, now))
    };
    let reloaded = admin.reconfigure(caller, plan, within).await?;
    if let (Value::Object(fields), Value::Object(outcome)) = (&mut answer, admin.outcome(&reloaded).await) {
        fields.extend(outcome);
        fields.insert("peers".to_owned(), json!(reloaded.value));
        fields.insert("file".to_owned(), json!(reloaded.file));
    }
    Ok(answer)
}

/// Where the endpoints of peers are; those that are not found are left out.
async fn resolved(server: &WgQuick) -> BTreeMap<String, SocketAddr> {
    let mut found = BTreeMap::new();
    let resolving = async {
        for endpoint in server.peers.iter().filter_map(|peer| peer.endpoint.as_ref()) {
            if let Ok(mut addresses) = tokio::net::lookup_host(endpoint).await {
                found.extend(addresses.next().map(|address| (endpoint.clone(), address)));
            }
        }
    };
    // What was found until then is found.
    let _ = tokio::time::timeout(RESOLVED_WITHIN, resolving).await;
    found
}

async fn export(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Value>, AdminError> {
    let written =
        admin.change(caller, move |tx, site, actor, now| take_over::export(tx, site, &name, (actor, now)));
    let (text, _) = written.await?;
    Ok(Json(json!({ "text": text.as_str() })))
}
