//! The JSON that desktop clients and their command line tool speak, below `/api/v1`. A thin door: bodies are parsed here,
//! flows decide, answers are typed so that their fields and their order never vary.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_gateway::chain;
use zeroize::Zeroizing;

use super::cookie::{self, Cookie, SameSite};
use super::error::WebError;
use super::limit::{self, Admission, Limits, Presented};
use super::live;
use super::refusals::Refusals;
use super::seconds_of;
use crate::app::App;
use crate::flows::enroll::{self, EnrollError};
use crate::flows::session_view::view;
use crate::flows::{client_config, enroll_audit};
use crate::password::Passwords;
use crate::rules::action::Action;
use crate::rules::names;
use crate::rules::token::{Token, TokenHash};

mod answers;
mod connect;
mod mfa;
mod password_reset;
mod requests;

use answers::{DeviceConfigAnswer, InfoAnswer, NothingAnswer, PollAnswer, StartAnswer};
use requests::{ActivateRequest, CreateDeviceRequest, NetworkInfoRequest, TokenRequest, parsed};

#[derive(Clone)]
struct Api {
    app: App,
    passwords: Passwords,
    limits: Arc<Limits>,
    refusals: Arc<Refusals>,
}

/// The routes below `/api/v1`.
pub(super) fn routes(app: App, passwords: Passwords, limits: Arc<Limits>, refusals: Arc<Refusals>) -> Router {
    let api = Api { app, passwords, limits, refusals };
    Router::new()
        .route("/api/v1/enrollment/start", post(start))
        .route("/api/v1/enrollment/create_device", post(create_device))
        .route("/api/v1/enrollment/activate_user", post(activate_user))
        .route("/api/v1/enrollment/network_info", post(network_info))
        .route("/api/v1/enrollment/register-mfa/code/start", post(mfa::start))
        .route("/api/v1/enrollment/register-mfa/code/finish", post(mfa::finish))
        .route("/api/v1/password-reset/request", post(password_reset::request))
        .route("/api/v1/password-reset/start", post(password_reset::start))
        .route("/api/v1/password-reset/reset", post(password_reset::reset))
        .route("/api/v1/client-mfa/start", post(connect::start))
        .route("/api/v1/client-mfa/finish", post(connect::finish))
        .route("/api/v1/poll", post(poll))
        .route("/api/v1/info", get(|| async { Json(InfoAnswer::new()) }))
        .route("/api/v1/health", get(|| async { "alive" }))
        .route("/api/v1/health-grpc", get(|| async { "alive" }))
        .with_state(api)
}

async fn start(State(api): State<Api>, request: Request) -> Result<Response, WebError> {
    let client = api.client_of(&request);
    let body: TokenRequest = parsed(request.into_body()).await?;
    let token = Token::presented(&body.token);
    let hash = token.hash();
    let admission = api.admit(Presented::EnrollmentToken, hash, client).await?;
    let started = settle(admission, open_session(&api, token).await);
    if started.as_ref().is_err_and(WebError::is_about_a_token) {
        api.refusals.no_start(client, hash).await;
    }
    started
}

async fn open_session(api: &Api, token: Token) -> Result<Response, WebError> {
    let (app, now) = (api.app.clone(), api.app.now());
    let session = Zeroizing::new(URL_SAFE_NO_PAD.encode(api.app.random()));
    let session_hash = Token::presented(&session).hash();
    let outcome = api.app.store.write(move |tx| {
        let site = app.site();
        let session = enroll::open(tx, &site, &token, session_hash, now)?;
        let answer = StartAnswer::new(&site, view(tx, &site, &session)?);
        Ok::<_, EnrollError>((answer, site))
    });
    let ((answer, site), _) = outcome.await.map_err(refused_start)?;
    api.limits.issued(session_hash, now);
    let left = answer.deadline_timestamp.saturating_sub(now.as_second());
    let mut response = Json(answer).into_response();
    let cookie = Cookie {
        name: cookie::CLIENT,
        value: &session,
        seconds: left,
        same_site: SameSite::Strict,
        secure: site.config.is_https(),
    };
    cookie.add_to(response.headers_mut());
    Ok(response)
}

fn refused_start(error: EnrollError) -> WebError {
    if matches!(error, EnrollError::Disabled) { WebError::Forbidden } else { error.into() }
}

async fn create_device(
    State(api): State<Api>,
    request: Request,
) -> Result<Json<DeviceConfigAnswer>, WebError> {
    let client = api.client_of(&request);
    let (session, admission) = api.session_of(request.headers(), client).await?;
    let created = register(&api, session, request.into_body()).await;
    if let Err(WebError::Enroll(refused)) = &created {
        api.refusals.no_device(client, Action::DeviceRegister, session, refused).await;
    }
    settle(admission, created).map(Json)
}

async fn register(api: &Api, session: TokenHash, body: Body) -> Result<DeviceConfigAnswer, WebError> {
    let body: CreateDeviceRequest = parsed(body).await?;
    let (app, now) = (api.app.clone(), api.app.now());
    let outcome = api.app.store.write(move |tx| {
        let site = app.site();
        let session = enroll::session(tx, session, now)?;
        let added = enroll::create_device(tx, &site, &session, &body.name, &body.pubkey, now)?;
        let config = client_config::of_device(tx, &site, &added.device)?;
        let answer = DeviceConfigAnswer::new(&site, config, Some(&added.polling));
        Ok::<_, EnrollError>((answer, added.device.id, added.polling.hash()))
    });
    let outcome = outcome.await;
    if let Err(refused) = &outcome {
        live::tell_exhausted(&api.app, session, refused).await?;
    }
    let ((answer, device, polling), revision) = outcome?;
    api.limits.issued(polling, now);
    live::until_live(&api.app, device, revision).await;
    Ok(answer)
}

async fn activate_user(State(api): State<Api>, request: Request) -> Result<Json<NothingAnswer>, WebError> {
    let client = api.client_of(&request);
    let (session, admission) = api.session_of(request.headers(), client).await?;
    let now = api.app.now();
    let outcome = activate(&api, session, request.into_body()).await;
    // Load and a failing database are nobody's doing, and a write for each would make them worse.
    if let Err(error) = &outcome
        && error.is_a_refusal()
        && !error.is_about_an_unknown_bearer()
    {
        let why = error.to_string();
        let told = api.app.store.write(move |tx| enroll_audit::refused_activation(tx, session, &why, now));
        if let Err(error) = told.await {
            tracing::error!(error = chain(&error), "a refusal is not in the audit log");
        }
    }
    settle(admission, outcome).map(|()| Json(NothingAnswer {}))
}

async fn activate(api: &Api, session: TokenHash, body: Body) -> Result<(), WebError> {
    let now = api.app.now();
    // Hashing is expensive: only for who may set a password.
    api.app.store.read(move |tx| enroll::may_activate(&enroll::session(tx, session, now)?).map(drop)).await?;
    let body: ActivateRequest = parsed(body).await?;
    names::password(&body.password.0).map_err(EnrollError::from)?;
    let [salt, _] = halves(api.app.random());
    let hash = api.passwords.hash(body.password.0, salt).await?;
    let now = api.app.now();
    let (app, phone) = (api.app.clone(), body.phone_number);
    let activated = api.app.store.write(move |tx| {
        let session = enroll::session(tx, session, now)?;
        enroll::activate(tx, &app.site(), &session, &hash, phone.as_deref().unwrap_or_default(), now)
    });
    activated.await?;
    Ok(())
}

async fn network_info(
    State(api): State<Api>,
    request: Request,
) -> Result<Json<DeviceConfigAnswer>, WebError> {
    let client = api.client_of(&request);
    let (session, admission) = api.session_of(request.headers(), client).await?;
    let found = configuration_of_key(&api, session, request.into_body()).await;
    settle(admission, found).map(Json)
}

async fn configuration_of_key(
    api: &Api,
    session: TokenHash,
    body: Body,
) -> Result<DeviceConfigAnswer, WebError> {
    let body: NetworkInfoRequest = parsed(body).await?;
    let (app, now) = (api.app.clone(), api.app.now());
    let outcome = api.app.store.write(move |tx| {
        let site = app.site();
        let session = enroll::session(tx, session, now)?;
        let found = enroll::device_of_key(tx, &site, &session, &body.pubkey, now)?;
        let config = client_config::of_device(tx, &site, &found.device)?;
        let answer = DeviceConfigAnswer::new(&site, config, Some(&found.polling));
        Ok::<_, EnrollError>((answer, found.polling.hash()))
    });
    let ((answer, polling), _) = outcome.await?;
    api.limits.issued(polling, now);
    Ok(answer)
}

async fn poll(State(api): State<Api>, request: Request) -> Result<Json<PollAnswer>, WebError> {
    let client = api.client_of(&request);
    let body: TokenRequest = parsed(request.into_body()).await?;
    let token = Token::presented(&body.token);
    let admission = api.admit(Presented::PollingToken, token.hash(), client).await?;
    let app = api.app.clone();
    let outcome = api.app.store.read(move |tx| {
        let site = app.site();
        client_config::poll(tx, &site, &token).map(|config| DeviceConfigAnswer::new(&site, config, None))
    });
    let polled = outcome.await.map_err(WebError::from);
    api.refusals.no_poll(client, &polled).await;
    settle(admission, polled).map(|device_config| Json(PollAnswer { device_config }))
}

/// Refuses who has no session.
async fn any_session(api: &Api, (session, admission): (TokenHash, Admission<'_>)) -> Result<(), WebError> {
    let now = api.app.now();
    let outcome = api.app.store.read(move |tx| enroll::session(tx, session, now).map(drop)).await;
    settle(admission, outcome.map_err(WebError::from))
}

impl Api {
    fn client_of(&self, request: &Request) -> IpAddr {
        limit::client_address(request, &self.app.site().config.http.trusted_proxies)
    }

    async fn admit(
        &self,
        what: Presented,
        bearer: TokenHash,
        client: IpAddr,
    ) -> Result<Admission<'_>, WebError> {
        match self.limits.admit(what, bearer, client, self.app.now()) {
            Ok(admission) => Ok(admission),
            Err(wait) => {
                self.refusals.limited(client, what).await;
                Err(WebError::TooMany { seconds: seconds_of(wait) })
            }
        }
    }

    /// The session that a request's cookie names, which may be none.
    async fn session_of(
        &self,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> Result<(TokenHash, Admission<'_>), WebError> {
        self.session_in(cookie::CLIENT, headers, client).await
    }

    async fn session_in(
        &self,
        name: &str,
        headers: &HeaderMap,
        client: IpAddr,
    ) -> Result<(TokenHash, Admission<'_>), WebError> {
        let id = cookie::find(headers, name).ok_or(EnrollError::NoSession)?;
        let session = Token::presented(&id).hash();
        Ok((session, self.admit(Presented::Session, session, client).await?))
    }
}

/// Learns from the outcome whether what was presented is good. An outcome that does not tell counts against the address.
fn settle<T>(admission: Admission<'_>, outcome: Result<T, WebError>) -> Result<T, WebError> {
    let knows =
        |error: &WebError| matches!(error, WebError::Connect(error) if error.is_about_a_known_device());
    if outcome.as_ref().is_err_and(WebError::is_about_an_unknown_bearer) {
        admission.unknown();
    } else if outcome.as_ref().is_err_and(knows)
        || matches!(outcome, Ok(_) | Err(WebError::Enroll(_) | WebError::Reset(_) | WebError::Forbidden))
    {
        admission.known();
    }
    outcome
}

fn halves(random: [u8; 32]) -> [[u8; 16]; 2] {
    let (mut first, mut second) = ([0; 16], [0; 16]);
    let (left, right) = random.split_at(16);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    [first, second]
}
