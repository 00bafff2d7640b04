//! Connecting where a second factor is asked for (protocol 1.8).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use postern_gateway::chain;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::requests::parsed;
use super::{Api, settle};
use crate::flows::connect::{self, Beginning, ConnectError};
use crate::rules::token::{Token, TokenHash};
use crate::web::error::WebError;
use crate::web::limit::{Presented, site_of};
use crate::web::seconds_of;

/// How long a client waits for its peer.
const LIVE_WITHIN: Duration = Duration::from_secs(3);

#[derive(Deserialize)]
pub(super) struct StartRequest {
    method: i64,
    pubkey: String,
    location_id: i64,
}

#[derive(Deserialize)]
pub(super) struct FinishRequest {
    token: String,
    #[serde(default)]
    code: Option<String>,
}

#[derive(Serialize)]
pub(super) struct StartAnswer {
    token: String,
}

#[derive(Serialize)]
pub(super) struct FinishAnswer {
    preshared_key: String,
}

/// Says who connects, and how the second factor is given.
pub(super) async fn start(State(api): State<Api>, request: Request) -> Result<Json<StartAnswer>, WebError> {
    let client = api.client_of(&request);
    let body: StartRequest = parsed(request.into_body()).await?;
    // Each network has its own: whoever learned a public key keeps its owner from nothing.
    let key = Token::presented(&format!("{} {}", body.pubkey, site_of(client))).hash();
    let admission = api.admit(Presented::ConnectingKey, key, client).await?;
    let begun = begin(&api, body).await;
    told(&api, client, None, &begun).await;
    settle(admission, begun).map(Json)
}

async fn begin(api: &Api, body: StartRequest) -> Result<StartAnswer, WebError> {
    let (app, now) = (api.app.clone(), api.app.now());
    let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(api.app.random()));
    let hash = Token::presented(&token).hash();
    let limits = api.limits.clone();
    let begun = api.app.store.write(move |tx| {
        let beginning = Beginning { method: body.method, key: &body.pubkey, location: body.location_id };
        let may_mail = |user| limits.mails_connect_code(user, now);
        connect::begin(tx, &app.site(), beginning, hash, may_mail, now)
    });
    begun.await?;
    api.limits.issued(hash, now);
    Ok(StartAnswer { token: token.to_string() })
}

/// Takes the code; answers once the gateway has the peer with its preshared key.
pub(super) async fn finish(State(api): State<Api>, request: Request) -> Result<Json<FinishAnswer>, WebError> {
    let client = api.client_of(&request);
    let body: FinishRequest = parsed(request.into_body()).await?;
    let token = Token::presented(&body.token).hash();
    let admission = api.admit(Presented::ConnectToken, token, client).await?;
    let code = Zeroizing::new(body.code.unwrap_or_default());
    let finished = give(&api, client, token, code).await;
    told(&api, client, Some(token), &finished).await;
    settle(admission, finished).map(Json)
}

async fn give(
    api: &Api,
    client: IpAddr,
    token: TokenHash,
    code: Zeroizing<String>,
) -> Result<FinishAnswer, WebError> {
    let (app, now) = (api.app.clone(), api.app.now());
    let device = api.app.store.read(move |tx| connect::waits_for(tx, token, now)).await?;
    // Taken before the code is looked at: however many come together, so many are looked at.
    if let Err(wait) = api.limits.sign_ins.connects(device, client, now) {
        api.refusals.limited(client, Presented::ConnectToken).await;
        return Err(WebError::TooMany { seconds: seconds_of(wait) });
    }
    let (boot, random) = (crate::app::boot(), [api.app.random(), api.app.random()]);
    let finished =
        api.app.store.write(move |tx| connect::finish(tx, &app.site(), (token, &code), boot, random, now));
    let finished = finished.await;
    if !matches!(finished, Err(ConnectError::WrongCode)) {
        api.limits.sign_ins.connecting_was_right(device, client);
    }
    let (connected, revision) = finished?;
    api.limits.sign_ins.connected_from(device, client, now);
    if !api.app.applied_on(&BTreeSet::from([connected.location]), revision, LIVE_WITHIN).await {
        return Err(WebError::NotReady);
    }
    let answer = FinishAnswer { preshared_key: STANDARD.encode(connected.preshared_key.as_slice()) };
    match api.app.store.write(move |tx| connect::arrived(tx, &connected)).await {
        Ok((true, _)) => {}
        Ok((false, _)) => return Err(WebError::NotReady),
        // It is good until its time is over.
        Err(error) => tracing::error!(error = chain(&error), "a token to connect with is not spent"),
    }
    Ok(answer)
}

/// Writes down who was refused.
async fn told<T>(api: &Api, client: IpAddr, token: Option<TokenHash>, outcome: &Result<T, WebError>) {
    if let Err(WebError::Connect(error)) = outcome
        && let Some(reason) = connect::reason(error)
    {
        api.refusals.no_connection(client, reason, token).await;
    }
}
