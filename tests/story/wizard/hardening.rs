//! What holds for every route there is: the routes are read out of the sources, so that a new one is held to it too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::http::{Method, Request};
use serde_json::json;

use crate::browser::{Browser, letters, token_in};
use crate::sign_in::{PASSWORD, enrolled, sign_in};
use crate::support::{Answer, Postern};
use crate::walk::mailing;

const SOURCES: [&str; 2] =
    [include_str!("../../../daemon/src/web/pages.rs"), include_str!("../../../daemon/src/web/client_api.rs")];
/// More than any body may have.
const LIMIT: usize = 64 * 1024;
const CHUNK: usize = 16 * 1024;
/// Read without anything that could be guessed: nothing to limit.
const FREE: [&str; 27] = [
    "GET /enroll/start",
    "GET /enroll/new-link",
    "GET /enroll/skip",
    "GET /password",
    "GET /password/sent",
    "GET /password-reset/done",
    "GET /branding/mark.svg",
    "GET /api/v1/info",
    "GET /api/v1/health",
    "GET /api/v1/health-grpc",
    "GET /sign-in",
    "GET /sign-out",
    "GET /me/sessions",
    "GET /me/passkeys/begin",
    "GET /sign-in/passkey",
    "GET /sign-in/passkey/begin",
    "GET /sign-in/code/passkey",
    "GET /sign-in/code/passkey/begin",
    "GET /me/second-factor/codes",
    "GET /enroll/second-factor/code",
    "GET /enroll/second-factor/passkey",
    "GET /enroll/second-factor/passkey/begin",
    "GET /me/device/key",
    "GET /me/client/withdraw",
    // Limited by name and by browser: see `ten_failures_and_no_password_is_right_for_strangers`.
    "POST /sign-in",
    // Limited by sender and by mailbox; see `a_429_says_when_to_come_back`.
    "POST /password",
    "POST /api/v1/password-reset/request",
];

struct Route {
    path: String,
    methods: Vec<Method>,
}

/// Every path with its methods.
fn routes() -> Vec<Route> {
    let lines = SOURCES.iter().flat_map(|source| source.lines());
    let routes: Vec<Route> = lines
        .filter_map(|line| {
            let (path, handlers) = line.trim().strip_prefix(".route(\"")?.split_once('"')?;
            let path = path.replace("{file}", "hq.conf").replace("{name}", "mark.svg");
            let methods = [(Method::GET, "get("), (Method::POST, "post(")];
            let methods = methods.into_iter().filter(|(_, word)| handlers.contains(word));
            Some(Route { path, methods: methods.map(|(method, _)| method).collect() })
        })
        .collect();
    assert!(routes.len() >= 38 && routes.iter().all(|route| !route.methods.is_empty()));
    routes
}

/// What ends the session that all others are asked in comes last.
fn every_request() -> impl Iterator<Item = (Method, String)> {
    let requests = routes().into_iter().flat_map(|route| {
        let path = route.path;
        route.methods.into_iter().map(move |method| (method, path.clone()))
    });
    let (last, first): (Vec<_>, Vec<_>) =
        requests.partition(|(method, path)| method == Method::POST && path == "/sign-out");
    first.into_iter().chain(last)
}

/// A request as one of our own pages makes it.
fn request(method: &Method, path: &str, cookies: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("accept", "text/html");
    let request = request.header("sec-fetch-site", "same-origin").header("cookie", cookies);
    request.body(body).unwrap()
}

async fn ask(postern: &Postern, method: &Method, path: &str, cookies: &str, body: &str) -> Answer {
    postern.send(request(method, path, cookies, Body::from(body.to_owned()))).await
}

/// A session of each kind that a request could be in.
async fn sessions(postern: &Postern) -> String {
    let client = postern.session_of("client").await;
    let mut browser = Browser::new(postern);
    enrolled(postern, "member").await;
    sign_in(&mut browser, "member", PASSWORD).await.went_to();
    browser.get("/me").await.shows(200, &["member@example.com"]);
    browser.start(&postern.invite("guest")).await;
    let cookies = browser.cookies.iter().map(|(name, value)| format!("; {name}={value}"));
    client.split(';').next().unwrap().to_owned() + &cookies.collect::<String>()
}

/// Cookies of each kind that nobody knows.
const STRANGER: &str = "defguard_proxy=x; defguard_proxy_password_reset=x; __Host-postern_enroll=x; __Host-postern_reset=x; \
     __Host-postern_session=x; __Host-postern_browser=x; __Host-postern_code=x";

#[tokio::test]
async fn every_route_takes_its_own_methods_and_no_other() {
    let postern = Postern::new();
    for route in routes() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND"] {
            let method: Method = method.parse().unwrap();
            if !route.methods.contains(&method) {
                let answer = ask(&postern, &method, &route.path, "", "").await;
                assert_eq!(answer.status, 405, "{method} {}", route.path);
            }
        }
    }
}

#[tokio::test]
async fn every_answer_is_kept_by_nobody_and_taken_for_nothing_else() {
    let postern = Postern::new();
    let cookies = sessions(&postern).await;
    for (method, path) in every_request() {
        for cookies in [cookies.as_str(), STRANGER, ""] {
            let answer = ask(&postern, &method, &path, cookies, "{").await;
            let what = format!("{method} {path}: {} {:?}", answer.status, answer.headers);
            assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{what}");
            let is_file = path.starts_with("/branding/") && answer.status == 200;
            assert!(is_file || answer.headers["cache-control"] == "no-store", "{what}");
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{what}");
            let policy = answer.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{what}");
            assert!(is_file || policy.contains("frame-ancestors 'none'; base-uri 'none'"), "{what}");
            if !path.starts_with("/api/") {
                assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{what}");
            }
        }
    }
}

#[tokio::test]
async fn no_route_of_the_pages_takes_a_form_from_elsewhere() {
    let postern = Postern::new();
    let cookies = sessions(&postern).await;
    let forms = every_request().filter(|(method, path)| method == Method::POST && !path.starts_with("/api/"));
    for (method, path) in forms {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("x-nothing", "at all"),
        ] {
            let mut request = request(&method, &path, &cookies, Body::from("token=x"));
            request.headers_mut().remove("sec-fetch-site");
            request.headers_mut().insert(name, value.parse().unwrap());
            assert_eq!(postern.send(request).await.status, 403, "{name}: {value}: {path}");
        }
    }
}

/// Pages ask for the browser's word on where a form comes from. The client API cannot: desktop clients are no browsers. What
/// protects it is that no browser sends its cookies for another site.
#[tokio::test]
async fn no_browser_sends_the_sessions_of_the_client_api_for_another_site() {
    let postern = Postern::new();
    let (_, cookie) = postern.start(&postern.invite("jdoe")).await;
    assert!(cookie.contains("; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
}

#[tokio::test]
async fn no_route_reads_a_body_without_end() {
    let postern = Postern::new();
    let cookies = sessions(&postern).await;
    for (method, path) in every_request().filter(|(method, _)| method == Method::POST) {
        for cookies in [cookies.as_str(), STRANGER, ""] {
            let read = Arc::new(AtomicUsize::new(0));
            let answer = postern.send(request(&method, &path, cookies, endless(&read))).await;
            let read = read.load(Ordering::Relaxed);
            // Who is at another step is sent there, and the body not looked at.
            assert!(matches!(answer.status, 303 | 400..=499), "{path}: {}", answer.status);
            assert!(read <= LIMIT + 2 * CHUNK, "{path}: {read} bytes");
        }
    }
}

#[tokio::test]
async fn whatever_a_request_calls_this_host_no_answer_and_no_mail_repeats_it() {
    let dir = tempfile::tempdir().unwrap();
    let postern = mailing(dir.path());
    Browser::new(&postern).with_password(&postern.invite("jdoe")).await;
    let cookies = sessions(&postern).await;
    let named = |mut request: Request<Body>| {
        for name in ["host", "x-forwarded-host", "x-original-host"] {
            request.headers_mut().insert(name, "evil.example".parse().unwrap());
        }
        request.headers_mut().insert("forwarded", "host=evil.example;proto=http".parse().unwrap());
        request
    };
    for (method, path) in every_request() {
        for cookies in [cookies.as_str(), ""] {
            let body = Body::from("email=jdoe%40example.com&phone=");
            let answer = postern.send(named(request(&method, &path, cookies, body))).await;
            let said = format!("{:?} {}", answer.headers, answer.text);
            assert!(!said.contains("evil.example"), "{method} {path}: {said}");
        }
    }
    let letters = letters(&postern, dir.path(), 1).await;
    let token = token_in(&letters[0]);
    let link = format!("https://vpn.example.com/password-reset?token={token}");
    assert!(letters[0].contains(&link) && !letters[0].contains("evil"), "{}", letters[0]);
}

#[tokio::test]
async fn a_429_says_when_to_come_back() {
    for (method, path) in every_request() {
        let name = format!("{method} {path}");
        if FREE.contains(&name.as_str()) {
            continue;
        }
        let postern = Postern::new();
        let with_token = if path.ends_with("/new") || path.contains("/enroll/") { "" } else { "?token=x" };
        let mut refused = None;
        for number in 0..200 {
            let takes_json = path.starts_with("/api/") || path.ends_with("/key");
            let body = if takes_json {
                let key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
                json!({ "token": number.to_string(), "device": 1, "pubkey": key, "method": 0, "location_id": 1 })
                    .to_string()
            } else {
                format!("token={number}")
            };
            let answer = ask(&postern, &method, &format!("{path}{with_token}"), STRANGER, &body).await;
            if answer.status == 429 {
                refused = Some(answer);
                break;
            }
        }
        let refused = refused.unwrap_or_else(|| panic!("{name} is limited by nothing"));
        says_when(&name, &refused);
    }
    let dir = tempfile::tempdir().unwrap();
    for (path, body) in
        [("/password", "email=x%40y.z"), ("/api/v1/password-reset/request", "{\"email\":\"x\"}")]
    {
        let postern = mailing(dir.path());
        let asking = (0..11).map(|_| {
            let postern = postern.clone();
            async move { ask(&postern, &Method::POST, path, "", body).await }
        });
        let answers = asking.collect::<tokio::task::JoinSet<_>>().join_all().await;
        let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 429).collect();
        assert_eq!(refused.len(), 1, "{path}");
        says_when(path, refused[0]);
    }
}

fn says_when(name: &str, refused: &Answer) {
    let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{name}: {seconds}");
}

/// A body that never ends, and how much of it was read.
fn endless(read: &Arc<AtomicUsize>) -> Body {
    struct Endless(Arc<AtomicUsize>);
    impl axum::body::HttpBody for Endless {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            self.0.fetch_add(CHUNK, Ordering::Relaxed);
            std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(&[b'x'; CHUNK])))))
        }
    }
    Body::new(Endless(Arc::clone(read)))
}
