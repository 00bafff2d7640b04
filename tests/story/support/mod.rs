//! What the stories start from: an app over a store, a site of three locations, a clock that stands still, and a gateway
//! that says at once that everything was applied.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use postern::app::{App, Clock};
use postern::applied::Applied;
use postern::config::{BackendChoice, ClientVersions, Config, Contact, Enrollment, Location, Mail};
use postern::flows::issue::issue_enrollment;
use postern::rules::enrollment::{EnrollmentKind, Subject};
use postern::rules::ids::UserId;
use postern::rules::token::TokenKey;
use postern::site::{Site, SiteLocation};
use postern::store::account::NewUser;
use postern::store::device::DeviceOwner;
use postern::store::{Revision, Store};
use postern_gateway::{BackendKind, Mtu, PrivateKey};
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt as _;

/// The time in every story.
pub(crate) const NOW: i64 = 1_795_465_400;

/// A running postern without a gateway.
pub(crate) struct Postern {
    pub(crate) app: App,
    router: Router,
    _applied: watch::Sender<Applied>,
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
}

impl Postern {
    /// Over a database in memory.
    pub(crate) fn new() -> Self {
        Self::over(Store::in_memory().unwrap(), NOW)
    }

    /// Over a file, at a time.
    pub(crate) fn over_file(path: &Path, now: i64) -> Self {
        Self::over(Store::open(path).unwrap(), now)
    }

    fn over(store: Store, now: i64) -> Self {
        let site = a_site(&store);
        // Everything is applied before it is committed: no story here waits for a gateway.
        let published = Applied { revision: Revision(u64::MAX), ..Applied::default() };
        let (applied, receiver) = watch::channel(published);
        let clock = Clock::from_fn(move || Timestamp::from_second(now).unwrap());
        let app = App::new(store, site, receiver, clock);
        Self { router: postern::web::router(app.clone()), app, _applied: applied }
    }

    /// An enrollment token of a new user.
    pub(crate) fn invite(&self, username: &str) -> String {
        self.invite_as(username, EnrollmentKind::Enrollment, Duration::from_hours(24))
    }

    /// A token of some kind and life.
    pub(crate) fn invite_as(&self, username: &str, kind: EnrollmentKind, ttl: Duration) -> String {
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

    /// What was audited, action by action.
    pub(crate) fn audited(&self) -> Vec<String> {
        let entries = self.app.store.read_blocking(|tx| tx.audit_since(0, 100)).unwrap();
        entries.into_iter().map(|entry| entry.action).collect()
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
        read(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// Starts a session and gives the whole `Set-Cookie` value, as the desktop client sends it back.
    pub(crate) async fn start(&self, token: &str) -> (Answer, String) {
        let body = serde_json::json!({ "token": token }).to_string();
        let answer = self.post("/api/v1/enrollment/start", None, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let cookie = answer.cookie.clone().unwrap();
        (answer, cookie)
    }

    /// Registers a device.
    pub(crate) async fn create_device(&self, cookie: &str, name: &str, pubkey: &str) -> Answer {
        let body = serde_json::json!({ "name": name, "pubkey": pubkey, "token": null }).to_string();
        self.post("/api/v1/enrollment/create_device", Some(cookie), &body).await
    }
}

/// A public key, another one for every number.
pub(crate) fn key(number: u8) -> String {
    PrivateKey::from_random([number + 50; 32]).public().to_string()
}

async fn read(response: Response<Body>) -> Answer {
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let cookies: Vec<_> = headers.get_all("set-cookie").iter().collect();
    assert!(cookies.len() <= 1, "at most one Set-Cookie line");
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

fn a_site(store: &Store) -> Site {
    let named = [("HQ", 1), ("Lab", 2), ("Closed", 3)];
    let locations = named.map(|(name, number)| {
        let id = store.write_blocking(|tx| tx.location_id(name)).unwrap().0;
        SiteLocation::new(
            id,
            location(name, number),
            PrivateKey::from_random([number; 32]),
            BackendKind::Kernel,
        )
    });
    Site::new(config(), uuid::Uuid::from_u128(7), TokenKey::from_bytes([1; 32]), locations)
}

fn location(name: &str, number: u8) -> Location {
    let port = 51_820 + u16::from(number);
    Location {
        name: name.to_owned(),
        interface: format!("wg-{number}").parse().unwrap(),
        listen_port: port.try_into().unwrap(),
        endpoint: format!("vpn.example.com:{port}"),
        ipv4: format!("10.77.{number}.0/24").parse().ok(),
        ipv6: format!("fd77:{number}::/64").parse().ok(),
        dns: if number == 1 { vec!["10.77.1.1".to_owned(), "example.com".to_owned()] } else { Vec::new() },
        routes: vec!["10.0.0.0/8".parse().unwrap()],
        mtu: Mtu::DEFAULT,
        keepalive: 25,
        groups: (number == 3).then(BTreeSet::new),
        masquerade: true,
        client_to_client: false,
        host_services: BTreeSet::new(),
        backend: None,
    }
}

fn config() -> Config {
    let minute = Duration::from_mins(1);
    Config {
        instance_name: "Example".to_owned(),
        public_url: "https://vpn.example.com/".to_owned(),
        state_dir: "state".into(),
        admin_socket: "admin.sock".into(),
        locations_dir: "locations.d".into(),
        listen: Vec::new(),
        trusted_proxies: Vec::new(),
        contact: Contact { name: "Ann Admin".to_owned(), email: "ann@example.com".to_owned(), phone: None },
        mail: Mail { from: "postern@example.com".to_owned(), directory: None },
        enrollment: Enrollment {
            token_ttl: 24 * 60 * minute,
            session_ttl: 10 * minute,
            devices_per_session: 3,
            final_message: "# Welcome {{ first_name }}".to_owned(),
            welcome_subject: String::new(),
        },
        backend: BackendChoice::Auto,
        reconcile_interval: minute / 2,
        client_versions: ClientVersions { core: "2.1.0".to_owned(), component: "2.1.0".to_owned() },
        locations: BTreeMap::new(),
    }
}
