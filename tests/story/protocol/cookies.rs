//! The session cookie (protocol 1.2): what is set, and what comes back in every shape there is.

use axum::body::Body;
use axum::http::{HeaderValue, Request};
use postern::store::Store;
use serde_json::json;

use crate::support::{ACTIVATE, CREATE, INFO, MFA_START, NOW, Postern, START, key};

#[tokio::test]
async fn the_cookie_has_the_attributes_that_every_client_takes() {
    for (url, secure) in [("https://vpn.example.com/", true), ("http://10.0.0.1:8080/", false)] {
        let postern = Postern::planned(Store::in_memory().unwrap(), NOW, |plan| {
            plan.config.public_url = url.to_owned();
        });
        let (_, line) = postern.start(&postern.invite("jdoe")).await;
        let mut parts = line.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        assert_eq!(name, "defguard_proxy");
        assert!(value.len() >= 22, "at least 128 bits");
        assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'), "{value}");
        let mut expected = vec!["Max-Age=600", "Path=/", "HttpOnly", "SameSite=Strict"];
        expected.extend(secure.then_some("Secure"));
        assert_eq!(parts.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn every_start_gives_another_cookie_as_good_as_the_first() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let (first, one) = postern.start(&token).await;
    postern.pass(10);
    let (second, two) = postern.start(&token).await;
    assert_eq!(first.json()["deadline_timestamp"], second.json()["deadline_timestamp"]);
    assert_ne!(one, two);
    assert!(two.contains("; Max-Age=590;"));
    for cookie in [one, two] {
        assert_eq!(postern.network_info(&cookie, &key(1)).await.status, 404, "{cookie}");
    }
}

#[tokio::test]
async fn the_first_cookie_of_the_exact_name_counts_whatever_surrounds_it() {
    let postern = Postern::new();
    let line = postern.session_of("jdoe").await;
    let id = line.split(';').next().unwrap();
    let huge = format!("big={}; {id}", "x".repeat(60_000));
    for mangled in [
        line.clone(),
        format!("undefined; {id}"),
        format!("; ;;{id};;"),
        format!("no-equals-sign; {id}"),
        format!("=; =x; a=; {id}"),
        format!("a=b,c d, e; {id}"),
        format!("a=\"quoted; {id}"),
        format!("a==b=c; {id}"),
        format!("defguard_proxy_password_reset=zzz; {id}"),
        format!("xdefguard_proxy=zzz; {id}"),
        format!("Defguard_Proxy=zzz; {id}"),
        format!("defguard_proxy; {id}"),
        format!("{id}; defguard_proxy=second"),
        format!("{id} ; Path=/"),
        format!("  {id}"),
        huge,
    ] {
        assert_eq!(postern.network_info(&mangled, &key(1)).await.status, 404, "{mangled:.80}");
    }
}

#[tokio::test]
async fn several_lines_and_bytes_that_are_no_text_are_looked_through() {
    let postern = Postern::new();
    let line = postern.session_of("jdoe").await;
    let id = line.split(';').next().unwrap();
    let first_lines: [&[u8]; 3] = [b"a=b", b"\xff\xfe=\xfd", b"undefined"];
    for first in first_lines {
        let request = Request::post(INFO)
            .header("cookie", HeaderValue::from_bytes(first).unwrap())
            .header("cookie", id)
            .body(Body::from(json!({ "pubkey": key(1) }).to_string()));
        assert_eq!(postern.send(request.unwrap()).await.status, 404, "{first:?}");
    }
}

#[tokio::test]
async fn without_a_good_cookie_of_that_name_there_is_no_session() {
    let postern = Postern::new();
    let line = postern.session_of("jdoe").await;
    let value = line.split(';').next().unwrap().split_once('=').unwrap().1;
    assert_eq!(postern.post(INFO, None, "{}").await.status, 401);
    for bad in [
        String::new(),
        "undefined".to_owned(),
        "defguard_proxy".to_owned(),
        "defguard_proxy=".to_owned(),
        "defguard_proxy=wrong".to_owned(),
        format!("DEFGUARD_PROXY={value}"),
        format!("defguard_proxy_password_reset={value}"),
        format!("xdefguard_proxy={value}"),
        format!("defguard_proxy={value}x"),
        format!("defguard_proxy=first; defguard_proxy={value}"),
        format!("defguard_proxy={}", "x".repeat(60_000)),
        value.to_owned(),
    ] {
        let answer = postern.network_info(&bad, &key(1)).await;
        assert_eq!(answer.status, 401, "{bad:.80}");
        answer.error();
    }
}

#[tokio::test]
async fn who_has_no_session_is_told_so_whatever_the_body_is() {
    let postern = Postern::new();
    for path in [CREATE, ACTIVATE, INFO, MFA_START] {
        for body in ["", "{", "{}", "null"] {
            assert_eq!(postern.post(path, None, body).await.status, 401, "{path} {body}");
        }
    }
}

#[tokio::test]
async fn start_ignores_whatever_cookie_there_is() {
    let postern = Postern::new();
    for cookie in ["undefined", "defguard_proxy=stale; Max-Age=600; Path=/", ""] {
        let body = json!({ "token": postern.invite("jdoe") }).to_string();
        assert_eq!(postern.post(START, Some(cookie), &body).await.status, 200, "{cookie}");
    }
}
