//! Anything at all, at every route: never a panic, never a 500, always the headers and, for a refusal, the JSON.

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Answer, POSTS, Postern, key};

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("POSTERN_TEST_LONG").is_some() { 20_000 } else { 400 },
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_that_is_sent_is_answered_with_500(request in a_request()) {
        let answer = block_on(answered(&request));
        prop_assert!(answer.status < 500, "{} {}", answer.status, answer.text);
        prop_assert!(answer.headers.contains_key("defguard-core-version"));
        if answer.status >= 400 && request.method != Method::HEAD {
            let body: Value = serde_json::from_str(&answer.text).unwrap();
            prop_assert!(body["error"].is_string());
        }
    }
}

#[derive(Debug, Clone)]
struct Sent {
    method: Method,
    path: String,
    cookie: Cookie,
    header: (String, Vec<u8>),
    body: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Cookie {
    None,
    OfPerson,
    OfMachine,
    Bytes(Vec<u8>),
}

async fn answered(sent: &Sent) -> Answer {
    let postern = Postern::new();
    let mut request = Request::builder().method(&sent.method).uri(&sent.path);
    let cookie = match &sent.cookie {
        Cookie::None => None,
        Cookie::OfPerson => Some(postern.session_of("jdoe").await.into_bytes()),
        Cookie::OfMachine => Some(postern.start(&postern.add_machine("edge", "Lab")).await.1.into_bytes()),
        Cookie::Bytes(bytes) => Some(bytes.clone()),
    };
    if let Some(cookie) = cookie.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()) {
        request = request.header("cookie", cookie);
    }
    if let Ok(value) = HeaderValue::from_bytes(&sent.header.1) {
        request = request.header(sent.header.0.as_str(), value);
    }
    postern.send(request.body(Body::from(sent.body.clone())).unwrap()).await
}

fn a_request() -> impl Strategy<Value = Sent> {
    let methods = ["GET", "HEAD", "OPTIONS", "PUT", "BREW"].map(|name| name.parse::<Method>().unwrap());
    let method = prop_oneof![8 => Just(Method::POST), 1 => prop::sample::select(methods.to_vec())];
    let path = prop_oneof![
        8 => prop::sample::select(POSTS.to_vec()).prop_map(str::to_owned),
        1 => "/[a-zA-Z0-9/._~%?=&-]{0,60}",
        1 => "/api/v1/(enrollment|poll|info|health)?/{0,3}[a-z_]{0,12}",
    ];
    let cookie = prop_oneof![
        1 => Just(Cookie::None),
        4 => Just(Cookie::OfPerson),
        2 => Just(Cookie::OfMachine),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Cookie::Bytes),
        1 => "defguard_proxy=[ -~]{0,80}".prop_map(|text| Cookie::Bytes(text.into_bytes())),
    ];
    let header = prop_oneof![
        Just("content-type"),
        Just("content-length"),
        Just("x-forwarded-for"),
        Just("origin"),
        Just("accept-encoding"),
        Just("defguard-client-platform"),
    ];
    let header = (header.prop_map(str::to_owned), prop::collection::vec(any::<u8>(), 0..80));
    let path = path.prop_filter("a URI", |path| path.parse::<axum::http::Uri>().is_ok());
    (method, path, cookie, header, a_body()).prop_map(|(method, path, cookie, header, body)| Sent {
        method,
        path,
        cookie,
        header,
        body,
    })
}

fn a_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..300),
        1 => any_json().prop_map(|value| value.to_string().into_bytes()),
        6 => almost_right().prop_map(|value| value.to_string().into_bytes()),
        1 => (almost_right(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
            let mut bytes = value.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
    ]
}

/// The fields that are read, with values that may fit.
fn almost_right() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        3 => any::<String>().prop_map(Value::from),
        1 => prop_oneof![Just(""), Just("  "), Just("laptop"), Just("Totp"), Just("+48 1")].prop_map(Value::from),
        2 => any::<u8>().prop_map(|number| Value::from(key(number))),
        1 => "[A-Za-z0-9+/_=-]{40,46}".prop_map(Value::from),
        1 => any_json(),
    ];
    // Passwords cost time when they are good.
    let password = prop_oneof![9 => "[^ ]{0,7}".prop_map(Value::from), 1 => any_json()];
    (text.clone(), text.clone(), text.clone(), text, password).prop_map(
        |(token, name, pubkey, other, password)| {
            json!({ "token": token, "name": name, "pubkey": pubkey, "phone_number": other, "method": other,
                "password": password })
        },
    )
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{0,8}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
