//! What holds for every answer (protocol 0.3 to 0.5): headers, JSON, paths, no compression, exactly 200.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::Request;
use postern::app::{App, Clock};
use postern::applied::Applied;
use postern::store::Store;
use serde_json::json;

use crate::support::site::Plan;
use crate::support::{ACTIVATE, Answer, INFO, MFA_START, POLL, Postern, START, answer_of, key, polling};

#[tokio::test]
async fn every_answer_carries_the_version_headers_and_json() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let created = postern.create_device(&cookie, "laptop", &key(1)).await;
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let long = " ".repeat(64 * 1024 + 1);
    let polled = postern.present(POLL, &polling(&created)).await;
    let answers = [
        (200, created),
        (200, polled),
        (200, postern.send(get("/api/v1/info")).await),
        (200, postern.activate(&cookie, "Correct-Horse-7").await),
        (400, postern.post(POLL, None, "{").await),
        (401, postern.present(START, "x").await),
        (403, postern.present(POLL, "x").await),
        (404, postern.send(get("/api/v1/openid/auth_info")).await),
        (404, postern.send(get("/api/v1")).await),
        (405, postern.send(get(START)).await),
        (409, postern.create_device(&cookie, "LAPTOP", &key(2)).await),
        (413, postern.post(POLL, None, &long).await),
        (429, exhausted(&postern).await),
        (500, broken().await),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_versions(&answer);
        assert_eq!(answer.headers["content-type"], "application/json", "{status}");
        if status >= 400 {
            answer.error();
        }
    }
}

#[tokio::test]
async fn nothing_is_compressed_and_nothing_redirects() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let body = json!({ "name": "laptop", "pubkey": key(1) }).to_string();
    let request = Request::post("/api/v1/enrollment/create_device")
        .header("cookie", cookie)
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .body(Body::from(body));
    let answer = postern.send(request.unwrap()).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.headers.contains_key("content-encoding"));
    answer.json();
}

#[tokio::test]
async fn doubled_slashes_and_query_strings_do_not_matter() {
    let postern = Postern::new();
    for path in
        ["//api/v1/enrollment/start", "/api/v1/enrollment/start?a=b", "///api//v1/enrollment//start?x=//y"]
    {
        let body = json!({ "token": postern.invite("jdoe") }).to_string();
        assert_eq!(postern.post(path, None, &body).await.status, 200, "{path}");
    }
    assert_eq!(postern.present("//api/v1/poll?token=y", "x").await.status, 403);
}

#[tokio::test]
async fn no_header_of_the_request_is_required_or_refused() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://evil.example.com"),
        ("origin", "null"),
        ("referer", "https://evil.example.com/"),
        ("user-agent", ""),
        ("accept", "text/html"),
        ("sec-fetch-site", "cross-site"),
        ("x-forwarded-for", "nonsense"),
    ] {
        let body = Body::from(json!({ "token": token }).to_string());
        let request = Request::post(START).header(name, value).body(body).unwrap();
        assert_eq!(postern.send(request).await.status, 200, "{name}: {value}");
    }
    assert_eq!(postern.present(START, &token).await.status, 200, "nor any header at all");
}

#[tokio::test]
async fn every_success_is_exactly_200() {
    let postern = Postern::new();
    let (start, cookie) = postern.start(&postern.invite("jdoe")).await;
    let created = postern.create_device(&cookie, "laptop", &key(1)).await;
    let mfa = postern.post(MFA_START, Some(&cookie), r#"{"method":"Email"}"#).await;
    let activated = postern.post(ACTIVATE, Some(&cookie), r#"{"password":"Correct-Horse-7"}"#).await;
    let info = postern.post(INFO, Some(&cookie), &json!({ "pubkey": key(1) }).to_string()).await;
    let polled = postern.present(POLL, &polling(&info)).await;
    for answer in [start, created, mfa, activated, info, polled] {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.json().is_object(), "and an object: some clients parse it always");
    }
}

#[tokio::test]
async fn monitoring_finds_what_the_protocol_has_for_it() {
    let postern = Postern::new();
    let get = |path: &str| postern.send(Request::get(path).body(Body::empty()).unwrap());
    assert_eq!(get("/api/v1/info").await.json(), json!({ "version": env!("CARGO_PKG_VERSION") }));
    for path in ["/api/v1/health", "/api/v1/health-grpc"] {
        let answer = get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "alive"));
        assert_versions(&answer);
    }
}

fn assert_versions(answer: &Answer) {
    assert_eq!(answer.headers["defguard-core-version"], "2.1.0", "{}", answer.text);
    assert_eq!(answer.headers["defguard-component-version"], "2.1.0");
    assert_eq!(answer.headers["defguard-core-connected"], "true");
    assert!(!answer.headers.contains_key("content-encoding"));
}

async fn exhausted(postern: &Postern) -> Answer {
    loop {
        let answer = postern.present(START, "guess").await;
        if answer.status != 401 {
            return answer;
        }
    }
}

/// A handler that panics: its clock does.
async fn broken() -> Answer {
    static ARMED: AtomicBool = AtomicBool::new(false);
    let store = Store::in_memory().unwrap();
    let site = Plan::new().site(&store);
    let (_, applied) = tokio::sync::watch::channel(Applied::default());
    let clock = Clock::from_fn(|| {
        assert!(!ARMED.load(Ordering::Relaxed), "on purpose");
        jiff::Timestamp::UNIX_EPOCH
    });
    let app = App::new(store, site, applied, clock);
    let router = postern::web::router(app, postern::gateway_view::GatewayView::new().0);
    ARMED.store(true, Ordering::Relaxed);
    let request = Request::post(POLL).body(Body::from(r#"{"token":"x"}"#)).unwrap();
    answer_of(router, request).await
}
