//! The JSON that desktop clients and their command line tool speak, below `/api/v1`. A thin door: bodies are parsed here,
//! flows decide, answers are typed so that their fields and their order never vary.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::error::WebError;
use crate::app::App;
use crate::flows::enroll::{self, EnrollError};
use crate::flows::session_view::view;
use crate::flows::{client_config, enroll_audit};
use crate::password::Passwords;
use crate::rules::names;
use crate::rules::token::{Token, TokenHash};

mod answers;
mod cookie;
mod limit;

use answers::{DeviceConfigAnswer, InfoAnswer, MfaStartAnswer, NothingAnswer, PollAnswer, StartAnswer};
use limit::StartLimit;

/// How long a registration waits for its peers.
const LIVE_WITHIN: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Api {
    app: App,
    passwords: Passwords,
    starts: Arc<StartLimit>,
}

/// The routes below `/api/v1`.
pub(super) fn routes(app: App) -> Router {
    let api = Api { app, passwords: Passwords::default(), starts: Arc::default() };
    Router::new()
        .route("/api/v1/enrollment/start", post(start))
        .route("/api/v1/enrollment/create_device", post(create_device))
        .route("/api/v1/enrollment/activate_user", post(activate_user))
        .route("/api/v1/enrollment/network_info", post(network_info))
        .route("/api/v1/enrollment/register-mfa/code/start", post(register_mfa_start))
        .route("/api/v1/enrollment/register-mfa/code/finish", post(register_mfa_finish))
        .route("/api/v1/poll", post(poll))
        .route("/api/v1/info", get(|| async { Json(InfoAnswer::new()) }))
        .route("/api/v1/health", get(|| async { "alive" }))
        .route("/api/v1/health-grpc", get(|| async { "alive" }))
        .with_state(api)
}

#[derive(Deserialize)]
struct TokenRequest {
    token: String,
}

#[derive(Deserialize)]
struct CreateDeviceRequest {
    name: String,
    pubkey: String,
}

#[derive(Deserialize)]
struct ActivateRequest {
    password: Zeroized,
    phone_number: Option<String>,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct Zeroized(Zeroizing<String>);

impl From<String> for Zeroized {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

#[derive(Deserialize)]
struct NetworkInfoRequest {
    pubkey: String,
}

#[derive(Deserialize)]
struct MfaRequest {
    #[serde(rename = "method")]
    _method: String,
}

async fn start(State(api): State<Api>, request: Request) -> Result<Response, WebError> {
    let site = api.app.site();
    let client = limit::client_address(&request, &site.config.trusted_proxies);
    api.starts.admit(client).map_err(|wait| WebError::TooMany { seconds: wait.as_secs() + 1 })?;
    let body: TokenRequest = parsed(request.into_body()).await?;
    let token = Token::presented(&body.token);
    let now = api.app.now();
    let session = Zeroizing::new(URL_SAFE_NO_PAD.encode(api.app.random()));
    let session_hash = Token::presented(&session).hash();
    let app = api.app.clone();
    let outcome = api.app.store.write(move |tx| {
        let site = app.site();
        let session = enroll::open(tx, &site, &token, session_hash, now)?;
        let answer = StartAnswer::new(&site, view(tx, &site, &session)?);
        Ok::<_, EnrollError>((answer, site))
    });
    let ((answer, site), _) = outcome.await.map_err(refused_start)?;
    let left = answer.deadline_timestamp.saturating_sub(now.as_second());
    let line = cookie::set(&session, left, site.config.public_url.starts_with("https:"));
    let mut response = Json(answer).into_response();
    if let Ok(line) = HeaderValue::from_str(&line) {
        response.headers_mut().insert(header::SET_COOKIE, line);
    }
    Ok(response)
}

fn refused_start(error: EnrollError) -> WebError {
    if matches!(error, EnrollError::Disabled) { WebError::Forbidden } else { error.into() }
}

async fn create_device(
    State(api): State<Api>,
    request: Request,
) -> Result<Json<DeviceConfigAnswer>, WebError> {
    let (headers, body) = split(request);
    let session = session_of(&headers)?;
    let body: CreateDeviceRequest = parsed(body).await?;
    let (app, now) = (api.app.clone(), api.app.now());
    let outcome = api.app.store.write(move |tx| {
        let site = app.site();
        let session = enroll::session(tx, session, now)?;
        let added = enroll::create_device(tx, &site, &session, &body.name, &body.pubkey, now)?;
        let config = client_config::of_device(tx, &site, &added.device)?;
        Ok::<_, EnrollError>((DeviceConfigAnswer::new(&site, config, Some(&added.polling)), added.device.id))
    });
    let ((answer, device), revision) = outcome.await?;
    api.app.applied(revision, LIVE_WITHIN).await;
    let (app, now) = (api.app.clone(), api.app.now());
    let audited = api.app.store.write(move |tx| enroll_audit::pending(tx, &app.site(), device, now));
    if let Err(error) = audited.await {
        // The device is registered; its client must get its configuration all the same.
        tracing::error!(device.id = device.0, %error, "could not write down whether a device is pending");
    }
    Ok(Json(answer))
}

async fn activate_user(State(api): State<Api>, request: Request) -> Result<Json<NothingAnswer>, WebError> {
    let (headers, body) = split(request);
    let session = session_of(&headers)?;
    let now = api.app.now();
    let outcome = activate(&api, session, body).await;
    if let Err(error) = &outcome {
        let why = error.to_string();
        api.app.store.write(move |tx| enroll_audit::refused_activation(tx, session, &why, now)).await?;
    }
    outcome.map(|()| Json(NothingAnswer {}))
}

async fn activate(api: &Api, session: TokenHash, body: Body) -> Result<(), WebError> {
    let body: ActivateRequest = parsed(body).await?;
    let now = api.app.now();
    names::password(&body.password.0).map_err(EnrollError::from)?;
    // Hashing is expensive: only for who may set a password.
    api.app.store.read(move |tx| enroll::may_activate(&enroll::session(tx, session, now)?).map(drop)).await?;
    let [salt, _] = halves(api.app.random());
    let hash = api.passwords.hash(body.password.0, salt).await?;
    let now = api.app.now();
    let phone = body.phone_number;
    let activated = api.app.store.write(move |tx| {
        let session = enroll::session(tx, session, now)?;
        enroll::activate(tx, &session, &hash, phone.as_deref().unwrap_or_default(), now)
    });
    activated.await?;
    Ok(())
}

async fn network_info(
    State(api): State<Api>,
    request: Request,
) -> Result<Json<DeviceConfigAnswer>, WebError> {
    let (headers, body) = split(request);
    let session = session_of(&headers)?;
    let body: NetworkInfoRequest = parsed(body).await?;
    let (app, now) = (api.app.clone(), api.app.now());
    let outcome = api.app.store.write(move |tx| {
        let site = app.site();
        let session = enroll::session(tx, session, now)?;
        let found = enroll::device_of_key(tx, &site, &session, &body.pubkey)?;
        let config = client_config::of_device(tx, &site, &found.device)?;
        Ok::<_, EnrollError>(DeviceConfigAnswer::new(&site, config, Some(&found.polling)))
    });
    Ok(Json(outcome.await?.0))
}

async fn poll(State(api): State<Api>, request: Request) -> Result<Json<PollAnswer>, WebError> {
    let body: TokenRequest = parsed(request.into_body()).await?;
    let token = Token::presented(&body.token);
    let app = api.app.clone();
    let outcome = api.app.store.read(move |tx| {
        let site = app.site();
        client_config::poll(tx, &site, &token).map(|config| DeviceConfigAnswer::new(&site, config, None))
    });
    Ok(Json(PollAnswer { device_config: outcome.await? }))
}

/// Development heads of the client insist on an answer here before they activate (protocol 1.7).
async fn register_mfa_start(
    State(api): State<Api>,
    request: Request,
) -> Result<Json<MfaStartAnswer>, WebError> {
    let (headers, body) = split(request);
    let session = session_of(&headers)?;
    let _: MfaRequest = parsed(body).await?;
    let now = api.app.now();
    api.app.store.read(move |tx| enroll::session(tx, session, now).map(drop)).await?;
    Ok(Json(MfaStartAnswer { totp_secret: None }))
}

async fn register_mfa_finish(State(api): State<Api>, request: Request) -> Result<Response, WebError> {
    let session = session_of(request.headers())?;
    let now = api.app.now();
    api.app.store.read(move |tx| enroll::session(tx, session, now).map(drop)).await?;
    Err(WebError::NoMfa)
}

fn split(request: Request) -> (HeaderMap, Body) {
    let (parts, body) = request.into_parts();
    (parts.headers, body)
}

fn session_of(headers: &HeaderMap) -> Result<TokenHash, WebError> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let id = cookie::session_id(lines).ok_or(EnrollError::NoSession)?;
    Ok(Token::presented(&id).hash())
}

/// The body as JSON, whatever its content type says.
async fn parsed<T: DeserializeOwned>(body: Body) -> Result<T, WebError> {
    let bytes = super::bytes_of(body).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        // The parser's own text can quote what was sent, and that may be a password.
        let what = match error.classify() {
            serde_json::error::Category::Data => "a field is missing or has the wrong type",
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => "the body is not JSON",
        };
        WebError::Malformed(what.to_owned())
    })
}

fn halves(random: [u8; 32]) -> [[u8; 16]; 2] {
    let (mut first, mut second) = ([0; 16], [0; 16]);
    let (left, right) = random.split_at(16);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    [first, second]
}
