//! What it costs to try a name and a password, whatever there is under that name.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt as _;
use tokio::sync::watch;
use tower::ServiceExt as _;
use zeroize::Zeroizing;

use crate::app::{App, Clock};
use crate::applied::Applied;
use crate::fixtures::{a_person, a_site, at};
use crate::gateway_view::GatewayView;
use crate::password::Passwords;
use crate::rules::action::Action;
use crate::store::{Store, StoreError};
use crate::web::limit::Limits;
use crate::web::pages;
use crate::web::refusals::Refusals;

const RIGHT: &str = "correct horse";

/// The pages over a database on disk, in which `ann` has a password, `dora` too but is disabled, and `una` has none.
struct World {
    pages: Router,
    passwords: Passwords,
    app: App,
    journal: PathBuf,
    clients: AtomicU8,
    _dir: tempfile::TempDir,
}

/// What an attempt was answered, and what it cost.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    headers: String,
    text: String,
    hashed: u64,
    written: u64,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postern.db");
        let store = Store::open(&path).unwrap();
        let site = a_site(&store);
        let hash = Passwords::default().hash(Zeroizing::new(RIGHT.to_owned()), [7; 16]).await.unwrap();
        let made = store.write_blocking(|tx| {
            for name in ["ann", "dora"] {
                tx.activate_user(a_person(tx, name), &hash, None)?;
            }
            a_person(tx, "una");
            let dora = tx.user_by_name("dora")?.unwrap();
            tx.set_disabled(dora.id, Some(at(0)))
        });
        made.unwrap_or_else(|error: StoreError| panic!("{error}"));
        let (_, applied) = watch::channel(Applied::default());
        let app = App::new(store, site, applied, Clock::from_fn(|| at(1000)));
        let passwords = Passwords::default();
        let (view, _) = GatewayView::new();
        let (limits, refusals) = (Arc::new(Limits::knowing(&app)), Arc::new(Refusals::new(app.clone())));
        let pages = pages::routes(app.clone(), passwords.clone(), limits, refusals, view);
        Self {
            pages,
            passwords,
            app,
            journal: path.with_extension("db-wal"),
            clients: AtomicU8::new(100),
            _dir: dir,
        }
    }

    /// From another address each time: what the audit log takes of one is another matter.
    async fn attempt(&self, name: &str, password: &str) -> Outcome {
        let client = self.clients.fetch_add(1, Ordering::Relaxed);
        self.attempt_from(client, name, password).await
    }

    async fn attempt_from(&self, client: u8, name: &str, password: &str) -> Outcome {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs([("username", name), ("password", password)]);
        let from = ConnectInfo(SocketAddr::from(([192, 0, 2, client], 40_000)));
        let request = Request::post("/sign-in").extension(from).header("accept", "text/html");
        let request =
            request.header("sec-fetch-site", "same-origin").body(Body::from(body.finish())).unwrap();
        let written = || std::fs::metadata(&self.journal).unwrap().len();
        let before = (self.passwords.count(), written());
        let mut answer = self.pages.clone().oneshot(request).await.unwrap();
        // The name is on the page.
        answer.headers_mut().remove("content-length");
        let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(text.to_vec()).unwrap().replace(&format!("value=\"{name}\""), "NAME");
        let (hashed, written) = (self.passwords.count() - before.0, written() - before.1);
        Outcome { status, headers, text, hashed, written }
    }
}

#[tokio::test]
async fn whatever_there_is_under_a_name_it_takes_one_verification_and_the_same_writes() {
    let world = World::new().await;
    let wrong = world.attempt("ann", "wrong horse").await;
    assert_eq!((wrong.status, wrong.hashed), (401, 1));
    assert!(wrong.written > 0 && wrong.text.contains("NAME"), "{wrong:?}");
    for (name, password) in [
        ("nobody", "wrong horse"),
        ("nobody@example.com", "wrong horse"),
        ("ann@example.com", "wrong horse"),
        ("dora", "wrong horse"),
        ("dora", RIGHT),
        ("una", "wrong horse"),
        ("no such name", "x"),
    ] {
        assert_eq!(world.attempt(name, password).await, wrong, "{name}");
    }
    let right = world.attempt("ann", RIGHT).await;
    assert_eq!((right.status, right.hashed), (303, 1));
}

#[tokio::test]
async fn beyond_the_limit_nothing_is_verified_and_the_writes_are_the_same_too() {
    let world = World::new().await;
    for name in ["ann", "nobody"] {
        for _ in 0..10 {
            assert_eq!(world.attempt(name, "wrong horse").await.status, 401, "{name}");
        }
    }
    let limited = async |client, name| world.attempt_from(client, name, RIGHT).await;
    let (first, later) = (limited(1, "ann").await, limited(1, "ann").await);
    assert_eq!((first.status, first.hashed, later.hashed), (429, 0, 0));
    assert!(first.written > 0 && later.written == 0, "told once");
    assert_eq!(limited(2, "nobody").await, first);
    assert_eq!(limited(2, "nobody").await, later);
}

/// The permit is taken before the hash is made.
#[tokio::test]
async fn attempts_that_come_together_are_verified_ten_times_and_no_more() {
    let world = World::new().await;
    let attempts = (0..25).map(|_| world.attempt_from(1, "ann", "wrong horse"));
    let answers = futures_join(attempts).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 10);
    assert_eq!(world.passwords.count(), 10);
    let told = world.app.store.read_blocking(|tx| tx.audit_of(Action::SessionStart, 99)).unwrap();
    let told: Vec<_> = told.iter().map(|entry| (entry.actor.as_str(), entry.refused.as_deref())).collect();
    assert_eq!(told, [("ann", Some("password")), ("ann", Some("limit"))]);
}

/// All at once.
async fn futures_join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in waiting.iter_mut().filter(|waiting| waiting.1.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if waiting.iter().all(|waiting| waiting.1.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    waiting.into_iter().filter_map(|waiting| waiting.1).collect()
}
