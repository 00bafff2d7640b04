//! `create_device` of the real router over a database on a disk, answered when the real loop has made the peer live on
//! ten locations; against ten `wg set` processes on ten other interfaces, in turns.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt as _;
use postern::app::{App, Clock};
use postern::applied::Applied;
use postern::background::reconcile::Reconciler;
use postern::flows::issue::issue_enrollment;
use postern::gateway_view::GatewayView;
use postern::pulse::Pulses;
use postern::rules::enrollment::{EnrollmentKind, Subject};
use postern::web;
use postern_gateway::PrivateKey;
use postern_gateway::backend::host::Host;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::site::{Folder, interface, person, random, write};
use crate::table::{Table, command, runs, timed};

const LOCATIONS: u8 = 10;
const SESSIONS: u32 = 30;
const DEVICES_OF_SESSION: u32 = 3;

pub(crate) fn measure(table: &mut Table) {
    (1..=LOCATIONS).for_each(make_theirs);
    let folder = Folder::new(LOCATIONS);
    let store = folder.store();
    let site = folder.put_into_force(&store);
    let backend = Box::new(Host::new(site.owner()).unwrap());
    let (published, applied) = watch::channel(Applied::default());
    let (stop, shutdown) = watch::channel(false);
    let app = App::new(store, site, applied, Clock::system());
    let (view, questions) = GatewayView::new();
    let router = web::router(app.clone(), view);
    let pulse = Pulses::default().pulse("the reconcile loop");
    let reconciler = Reconciler { app: app.clone(), backend, published, questions, pulse, shutdown };
    let reconciler = reconciler.spawn().unwrap();
    let runtime = Runtime::new().unwrap();
    let booted = app.applied(app.store.changes().revisions().borrow().to_owned(), Duration::from_mins(1));
    assert!(runtime.block_on(booted), "the gateway did not follow");

    let times = in_turns(&app, &router, &runtime);
    table.ratio("create_device live on 10 locations / 10 wg set", times, 0.3);
    stop.send_replace(true);
    reconciler.join().unwrap();
    for location in 1..=LOCATIONS {
        assert!(runs("ip", &["link", "del", &interface(location)]));
        assert!(runs("ip", &["link", "del", &format!("wg-theirs{location}")]));
    }
}

/// The medians of both sides.
fn in_turns(app: &App, router: &Router, runtime: &Runtime) -> (Duration, Duration) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for session in 1..=SESSIONS {
        let cookie = runtime.block_on(session_of(app, router, session));
        for device in 1..=DEVICES_OF_SESSION {
            let number = session * DEVICES_OF_SESSION + device;
            let key = PrivateKey::from_random(random(number)).public().to_string();
            let body = format!("{{\"name\": \"device {device}\", \"pubkey\": \"{key}\", \"token\": null}}");
            let request = post("create_device", Some(&cookie), body);
            ours.push(timed(|| runtime.block_on(answer(router, request))).0);
            (1..=LOCATIONS).for_each(|location| assert_live(&interface(location), &key));
            theirs.push(timed(|| (1..=LOCATIONS).for_each(|location| set_peer(location, number, &key))).0);
        }
    }
    (median(ours), median(theirs))
}

/// The cookie of a fresh session of another person.
async fn session_of(app: &App, router: &Router, number: u32) -> String {
    let (site, now) = (app.site(), app.now());
    let token = write(&app.store, |tx| {
        let user = Subject::User(tx.insert_user(&person(number), now)?);
        let day = Duration::from_hours(24);
        issue_enrollment(tx, &site, user, EnrollmentKind::Enrollment, None, day, now)
    });
    let started = post("start", None, format!("{{\"token\": \"{}\"}}", token.1.expose()));
    answer(router, started).await.unwrap()
}

fn post(path: &str, cookie: Option<&str>, body: String) -> Request<Body> {
    let from = ConnectInfo(std::net::SocketAddr::from(([192, 0, 2, 1], 40_000)));
    let request = Request::post(format!("/api/v1/enrollment/{path}")).extension(from);
    let request = cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie));
    request.body(Body::from(body)).unwrap()
}

/// The cookie of an answer that must be 200, read to its end.
async fn answer(router: &Router, request: Request<Body>) -> Option<String> {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let cookie = response.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    cookie
}

fn assert_live(interface: &str, key: &str) {
    let shown = command("wg").args(["show", interface, "peers"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.lines().any(|peer| peer == key), "{key} was answered before it was live on {interface}");
}

/// An interface that is not ours.
fn make_theirs(number: u8) {
    let name = format!("wg-theirs{number}");
    assert!(runs("ip", &["link", "add", &name, "type", "wireguard"]));
    assert!(runs("ip", &["link", "set", &name, "up"]));
}

fn set_peer(location: u8, number: u32, key: &str) {
    let allowed_ips = format!("10.{}.1.{number}/32,fd78:{location}::{number}/128", 200 + location);
    let name = format!("wg-theirs{location}");
    assert!(runs("wg", &["set", &name, "peer", key, "allowed-ips", &allowed_ips]));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    *times.get(times.len() / 2).unwrap()
}
