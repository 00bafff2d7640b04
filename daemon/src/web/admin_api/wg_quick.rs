//! `/import/wg-quick` and `/locations/{name}/wg-quick`: a server of `wg-quick` becomes a location, and the way out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Admin;
use super::caller::Caller;
use super::error::AdminError;
use super::named::Named;
use crate::config::Loaded;
use crate::config::edit::LocationKeys;
use crate::flows::invite::Actor;
use crate::flows::refusal::Refusal;
use crate::flows::take_over::{self, TakenPeer, Takeover, Wish};
use crate::location_files;
use crate::reload::{Change, Import, ReloadError};
use crate::rules::wg_quick::{WgQuick, parse};
use crate::store::Tx;
use crate::taken::Taken;

/// What the command sends at most, in JSON: see `cli::wg_quick`.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// All names of a file together.
const RESOLVED_WITHIN: Duration = Duration::from_secs(20);

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/import/wg-quick", post(import).layer(DefaultBodyLimit::max(MOST_BYTES)))
        .route("/locations/{name}/wg-quick", post(export))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportRequest {
    servers: Vec<Server>,
    endpoint: String,
    #[serde(default)]
    keys: LocationKeys,
    deed: Deed,
}

/// A file, and what is to be made of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    name: String,
    interface: String,
    text: String,
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

/// All of the servers, or none.
async fn import(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Result<Json<ImportRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    let ImportRequest { servers, endpoint, keys, deed } = request?.0;
    if servers.is_empty() {
        return Err(Refusal::Takeover(vec!["no file was given".to_owned()]).into());
    }
    let mut takeovers = Vec::new();
    for Server { name, interface, text } in servers {
        let parsed = parse(&Zeroizing::new(text)).map_err(|error| Refusal::Takeover(error.0))?;
        let link = interface.parse().map_err(|error| Refusal::Takeover(vec![format!("{error}")]))?;
        let host = admin.gateway.link(link).await.map_err(AdminError::Gateway)?;
        let called = resolved(&parsed.server).await;
        let wish = Wish { name, interface, endpoint: endpoint.clone(), keys: keys.clone() };
        takeovers.push(take_over::judge(wish, parsed, &host, called)?);
    }
    let mut answers: Vec<Value> = takeovers.iter().map(|takeover| shown(takeover, deed)).collect();
    match deed {
        Deed::Look => {
            let (plan, within) = (plan_of(&takeovers), within(&admin, takeovers));
            admin.files.judge(plan, move |tx: &Tx<'_>| within(tx, &caller.actor(tx)?)).await?;
        }
        Deed::TakeOver => perform(&admin, caller, takeovers, &mut answers).await?,
    }
    Ok(Json(Value::Array(answers)))
}

fn shown(takeover: &Takeover, deed: Deed) -> Value {
    json!({
        "name": takeover.name,
        "interface": takeover.keys.interface,
        "listen_port": takeover.keys.listen_port,
        "ipv4": takeover.keys.ipv4,
        "ipv6": takeover.keys.ipv6,
        "public_key": takeover.server.private_key.public(),
        "peers": takeover.peers(),
        "changes": takeover.changes,
        "taken_over": deed == Deed::TakeOver,
    })
}

async fn perform(
    admin: &Admin,
    caller: Caller,
    takeovers: Vec<Takeover>,
    answers: &mut [Value],
) -> Result<(), AdminError> {
    let (plan, within) = (plan_of(&takeovers), within(admin, takeovers));
    let reloaded = admin.reconfigure(caller, plan, within).await?;
    let outcome = admin.outcome(&reloaded).await;
    for ((answer, peers), file) in answers.iter_mut().zip(&reloaded.value).zip(&reloaded.files) {
        let (Value::Object(fields), Value::Object(outcome)) = (answer, outcome.clone()) else { continue };
        fields.extend(outcome);
        fields.insert("peers".to_owned(), json!(peers));
        fields.insert("file".to_owned(), json!(file));
    }
    Ok(())
}

/// A file for each.
fn plan_of(
    takeovers: &[Takeover],
) -> impl FnOnce(&Loaded) -> Result<Change, ReloadError> + Send + 'static + use<> {
    let of = |takeover: &Takeover| {
        let (name, key) = (takeover.name.clone(), takeover.server.private_key.clone());
        (name, key, takeover.keys.clone(), takeover.without.clone())
    };
    let wanted: Vec<_> = takeovers.iter().map(of).collect();
    move |present: &Loaded| {
        let mut imports: Vec<Import> = Vec::new();
        for (name, key, keys, without) in wanted {
            let draft = location_files::draft(present, keys, &without, Taken::default(), 0)?;
            if imports.iter().any(|other| other.draft.file == draft.file) {
                return Err(Refusal::LocationFileTaken(draft.file).into());
            }
            imports.push(Import { draft, name, key });
        }
        Ok(Change::Import(imports))
    }
}

/// What is done in the transaction.
fn within(
    admin: &Admin,
    takeovers: Vec<Takeover>,
) -> impl FnOnce(&Tx<'_>, &Actor) -> Result<Vec<Vec<TakenPeer>>, Refusal> + Send + 'static + use<> {
    let (app, now) = (admin.app.clone(), admin.app.now());
    move |tx: &Tx<'_>, actor: &Actor| {
        take_over::take_over(tx, &app.site(), &takeovers, &|| app.random(), (actor, now))
    }
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
    Named(name): Named<String>,
) -> Result<Json<Value>, AdminError> {
    let written =
        admin.change(caller, move |tx, site, actor, now| take_over::export(tx, site, &name, (actor, now)));
    let (text, _) = written.await?;
    Ok(Json(json!({ "text": text.as_str() })))
}
