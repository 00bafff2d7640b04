//! What the stories start from: an app over a store, a site of three locations, a clock that the story moves, and a
//! gateway that says at once that everything was applied.

pub(crate) mod site;
pub(crate) mod strict;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use postern::app::{App, Clock};
use postern::applied::Applied;
use postern::flows::issue::issue_enrollment;
use postern::flows::sweep::sweep;
use postern::gateway_view::GatewayView;
use postern::rules::enrollment::{EnrollmentKind, Subject};
use postern::rules::ids::UserId;
use postern::store::account::NewUser;
use postern::store::device::{Device, DeviceOwner};
use postern::store::{Revision, Store, StoreError};
use postern_gateway::PrivateKey;
use serde_json::{Value, json};
use site::Plan;
use tokio::sync::watch;
use tower::ServiceExt as _;

/// The time at which every story begins.
pub(crate) const NOW: i64 = 1_795_465_400;

pub(crate) const START: &str = "/api/v1/enrollment/start";
pub(crate) const CREATE: &str = "/api/v1/enrollment/create_device";
pub(crate) const ACTIVATE: &str = "/api/v1/enrollment/activate_user";
pub(crate) const INFO: &str = "/api/v1/enrollment/network_info";
pub(crate) const POLL: &str = "/api/v1/poll";
pub(crate) const MFA_START: &str = "/api/v1/enrollment/register-mfa/code/start";
pub(crate) const MFA_FINISH: &str = "/api/v1/enrollment/register-mfa/code/finish";
pub(crate) const CONNECT: &str = "/api/v1/client-mfa/start";
pub(crate) const CONNECT_FINISH: &str = "/api/v1/client-mfa/finish";
/// Everything that takes a body.
pub(crate) const POSTS: [&str; 9] =
    [START, CREATE, ACTIVATE, INFO, POLL, MFA_START, MFA_FINISH, CONNECT, CONNECT_FINISH];

/// A running postern without a gateway.
#[derive(Clone)]
pub(crate) struct Postern {
    pub(crate) app: App,
    router: Router,
    clock: Arc<AtomicI64>,
    pub(crate) applied: watch::Sender<Applied>,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) cookie: Option<String>,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn error(&self) -> String {
        let body: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(body.as_object().unwrap().len(), 1, "an error body has one field: {body}");
        body["error"].as_str().unwrap().to_owned()
    }

    /// Status and, unless it is 200, the text of the error.
    pub(crate) fn told(&self) -> (u16, String) {
        (self.status, if self.status == 200 { String::new() } else { self.error() })
    }
}

impl Postern {
    /// Over a database in memory.
    pub(crate) fn new() -> Self {
        Self::planned(Store::in_memory().unwrap(), NOW, |_| {})
    }

    /// Over a file, at a time.
    pub(crate) fn over_file(path: &Path, now: i64) -> Self {
        Self::planned(Store::open(path).unwrap(), now, |_| {})
    }

    /// With another site.
    pub(crate) fn planned(store: Store, now: i64, change: impl FnOnce(&mut Plan)) -> Self {
        Self::viewed(store, now, GatewayView::new().0, change)
    }

    /// With another site and a gateway that answers questions.
    pub(crate) fn viewed(store: Store, now: i64, view: GatewayView, change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan::new();
        change(&mut plan);
        let site = plan.site(&store);
        // Everything is applied before it is committed, unless a story says otherwise.
        let published = Applied { revision: Revision(u64::MAX), ..Applied::default() };
        let (applied, receiver) = watch::channel(published);
        let clock = Arc::new(AtomicI64::new(now));
        let read = Arc::clone(&clock);
        let read = Clock::from_fn(move || Timestamp::from_second(read.load(Ordering::Relaxed)).unwrap());
        let app = App::new(store, site, receiver, read);
        Self { router: postern::web::router(app.clone(), view), app, clock, applied }
    }

    /// Moves the clock, and ends what is over.
    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
        let (site, now) = (self.app.site(), self.app.now());
        self.app.store.write_blocking(|tx| sweep(tx, &site, now)).unwrap();
    }

    /// From here on the gateway applies nothing.
    pub(crate) fn halt_gateway(&self) {
        self.applied.send_replace(Applied::default());
    }

    /// An enrollment token of a new user.
    pub(crate) fn invite(&self, username: &str) -> String {
        self.issue(username, EnrollmentKind::Enrollment, Duration::from_hours(24))
    }

    /// A token of some kind and life.
    pub(crate) fn issue(&self, username: &str, kind: EnrollmentKind, ttl: Duration) -> String {
        let (name, site, now) = (username.to_owned(), self.app.site(), self.app.now());
        let issued = self.app.store.write_blocking(|tx| {
            let user = match tx.user_by_name(&name)? {
                Some(user) => user.id,
                None => tx.insert_user(&person(&name), now)?,
            };
            issue_enrollment(tx, &site, Subject::User(user), kind, None, ttl, now)
        });
        issued.map(|done| done.0.1.expose().to_owned()).unwrap()
    }

    /// A device token.
    pub(crate) fn add_machine(&self, name: &str, location: &str) -> String {
        let (site, now) = (self.app.site(), self.app.now());
        let id = site.location_named(location).unwrap().id;
        let issued = self.app.store.write_blocking(|tx| {
            let machine = tx.insert_device(DeviceOwner::Machine(id), name, None, None, now)?;
            let day = Duration::from_hours(24);
            issue_enrollment(tx, &site, Subject::Machine(machine), EnrollmentKind::Machine, None, day, now)
        });
        issued.map(|done| done.0.1.expose().to_owned()).unwrap()
    }

    /// The number of a user.
    pub(crate) fn user(&self, username: &str) -> UserId {
        self.app.store.read_blocking(|tx| tx.user_by_name(username)).unwrap().unwrap().id
    }

    /// Everybody's devices.
    pub(crate) fn devices(&self) -> Vec<Device> {
        self.app
            .store
            .read_blocking(|tx| {
                let devices = tx.devices()?;
                Ok::<_, StoreError>(devices)
            })
            .unwrap()
    }

    /// What was audited: `action object`, oldest first.
    pub(crate) fn audited(&self) -> Vec<String> {
        let entries = self.app.store.read_blocking(|tx| tx.audit_since(0, 1000)).unwrap();
        entries.into_iter().map(|entry| format!("{} {}", entry.action, entry.object)).collect()
    }

    /// Sends JSON, with a `Cookie` line if there is one.
    pub(crate) async fn post(&self, path: &str, cookie: Option<&str>, body: &str) -> Answer {
        let mut request = Request::post(path);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Sends anything.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        self.send_from("192.0.2.1".parse().unwrap(), request).await
    }

    /// Sends anything from an address.
    pub(crate) async fn send_from(&self, address: IpAddr, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 40_000)));
        answer_of(self.router.clone(), request).await
    }

    /// Presents a token.
    pub(crate) async fn present(&self, path: &str, token: &str) -> Answer {
        self.post(path, None, &json!({ "token": token }).to_string()).await
    }

    /// Starts a session and gives the whole `Set-Cookie` value, as the desktop client sends it back.
    pub(crate) async fn start(&self, token: &str) -> (Answer, String) {
        let answer = self.present(START, token).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let cookie = answer.cookie.clone().unwrap();
        (answer, cookie)
    }

    /// The session of a user invited for it.
    pub(crate) async fn session_of(&self, username: &str) -> String {
        self.start(&self.invite(username)).await.1
    }

    /// The session of a user who has a password.
    pub(crate) async fn enrolled(&self, username: &str) -> String {
        let cookie = self.session_of(username).await;
        let activated = self.activate(&cookie, "Correct-Horse-7").await;
        assert_eq!(activated.status, 200, "{}", activated.text);
        cookie
    }

    /// Registers a device.
    pub(crate) async fn create_device(&self, cookie: &str, name: &str, pubkey: &str) -> Answer {
        let body = json!({ "name": name, "pubkey": pubkey, "token": null }).to_string();
        self.post(CREATE, Some(cookie), &body).await
    }

    /// Sets a password.
    pub(crate) async fn activate(&self, cookie: &str, password: &str) -> Answer {
        self.post(ACTIVATE, Some(cookie), &json!({ "password": password }).to_string()).await
    }

    /// Asks for the configuration of a key.
    pub(crate) async fn network_info(&self, cookie: &str, pubkey: &str) -> Answer {
        self.post(INFO, Some(cookie), &json!({ "pubkey": pubkey }).to_string()).await
    }
}

/// A public key, another one for every number.
pub(crate) fn key(number: u8) -> String {
    PrivateKey::from_random([number.wrapping_add(50); 32]).public().to_string()
}

/// The polling token in an answer.
pub(crate) fn polling(answer: &Answer) -> String {
    answer.json()["token"].as_str().unwrap().to_owned()
}

/// Names of the locations in an answer, or in what it holds of a device.
pub(crate) fn places(answer: &Value) -> Vec<String> {
    let configs = answer.pointer("/device_config/configs").unwrap_or(&answer["configs"]);
    configs.as_array().unwrap().iter().map(|c| c["network_name"].as_str().unwrap().to_owned()).collect()
}

/// What a router answers.
pub(crate) async fn answer_of(router: Router, request: Request<Body>) -> Answer {
    let is_api = request.uri().path().starts_with("/api/");
    let response = router.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let cookies: Vec<_> = headers.get_all("set-cookie").iter().collect();
    assert!(cookies.len() <= 1 || !is_api, "at most one Set-Cookie line");
    let cookie = cookies.first().map(|line| line.to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, cookie, headers, text: String::from_utf8(body.to_vec()).unwrap() }
}

fn person(username: &str) -> NewUser {
    NewUser {
        username: username.to_owned(),
        first_name: "John".to_owned(),
        last_name: "Doe".to_owned(),
        email: format!("{username}@example.com"),
        phone: Some("+48 (123) 45".to_owned()),
        is_admin: false,
    }
}
