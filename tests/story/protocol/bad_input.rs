//! What must be refused, and how: JSON, never a panic, never a 500.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use hyper::body::Frame;
use serde_json::json;

use crate::support::{
    ACTIVATE, CONNECT, CONNECT_FINISH, CREATE, INFO, MFA_START, POLL, POSTS, Postern, START, key,
};

/// Those that read a body; `register-mfa/code/finish` refuses whatever is in it.
const READ: [&str; 8] = [START, CREATE, ACTIVATE, INFO, POLL, MFA_START, CONNECT, CONNECT_FINISH];

#[tokio::test]
async fn bodies_that_are_not_the_json_that_belongs_there_are_400() {
    let deep = "[".repeat(60_000);
    let deep_field = format!(r#"{{"unknown":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    let cases: [&[u8]; 16] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"\"text\"",
        b"1",
        b"\x01",
        b"\xff\xfe{}",
        b"{\"token\":\"\xff\",\"name\":\"\xff\",\"pubkey\":\"\xff\",\"password\":\"\xff\",\"method\":\"\xff\"}",
        br#"{"token":"\ud800","name":"\ud800","pubkey":"\ud800","password":"\ud800","method":"\ud800"}"#,
        br#"{"token":1,"name":[],"pubkey":{},"password":false,"method":1.5}"#,
        br#"{"token":null,"name":null,"pubkey":null,"password":null,"method":null}"#,
        br#"{"Token":"x","Name":"x","Pubkey":"x","Password":"x","Method":"x"}"#,
        deep.as_bytes(),
        deep_field.as_bytes(),
    ];
    for path in READ {
        let postern = Postern::new();
        let cookie = postern.session_of("jdoe").await;
        for body in cases {
            let request = Request::post(path).header("cookie", &cookie).body(Body::from(body.to_vec()));
            let answer = postern.send(request.unwrap()).await;
            let shown = String::from_utf8_lossy(body);
            assert_eq!(answer.status, 400, "{path} {shown:.60}: {}", answer.text);
            assert!(!answer.error().contains("ud800"), "what was sent is not quoted");
        }
    }
}

#[tokio::test]
async fn a_mistyped_password_is_not_quoted_back() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    for body in [r#"{"password":["hunter2"]}"#, r#"{"password":"hunter2""#, r#"{"password":"hunter2"}"#] {
        let answer = postern.post(ACTIVATE, Some(&cookie), body).await;
        assert_eq!(answer.status, 400);
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let postern = Postern::new();
    let token = postern.invite("jdoe");
    let body = json!({ "token": token, "of": { "tomorrow": [1, null] } }).to_string();
    assert_eq!(postern.post(START, None, &body).await.status, 200);
    let cookie = postern.session_of("zoe").await;
    let body = json!({ "name": "laptop", "pubkey": key(1), "token": { "any": "thing" }, "x": 1 }).to_string();
    assert_eq!(postern.post(CREATE, Some(&cookie), &body).await.status, 200);
}

#[tokio::test]
async fn bodies_beyond_64_kib_are_413_with_and_without_a_length() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let long = " ".repeat(64 * 1024 + 1);
    for path in READ {
        let known_length = postern.post(path, Some(&cookie), &long).await;
        assert_eq!(known_length.status, 413, "{path}");
        known_length.error();
        let chunks = Chunks([&long[..1000], &long[1000..]].map(str::to_owned).into());
        let request = Request::post(path).header("cookie", &cookie).body(Body::new(chunks)).unwrap();
        let chunked = postern.send(request).await;
        assert_eq!(chunked.status, 413, "{path}");
        chunked.error();
    }
    let fits = format!(r#"{{"token":"x"}}{}"#, " ".repeat(64 * 1024 - 13));
    assert_eq!(postern.post(START, None, &fits).await.status, 401, "exactly 64 KiB is read");
}

#[tokio::test]
async fn keys_that_are_none_are_400() {
    let url_safe = "-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=";
    let mut cases: Vec<String> =
        ["", "AAAA", "not base64", &"A".repeat(43), &key(1)[..43], url_safe].map(str::to_owned).into();
    cases.push(format!("{} ", key(1)));
    cases.push(format!("{}\n", key(1)));
    cases.push("A".repeat(60_000));
    cases.extend([31, 33, 64, 0].map(|length| base64(&vec![7; length])));
    cases.extend(low_order_points().iter().map(|point| base64(point)));
    let postern = Postern::new();
    cases.extend(postern.app.site().locations().map(|location| location.public_key.to_string()));
    let cookie = postern.session_of("jdoe").await;
    for bad in &cases {
        let created = postern.create_device(&cookie, "laptop", bad).await;
        assert_eq!(created.status, 400, "{bad:.80}: {}", created.text);
        created.error();
    }
    assert!(postern.devices().is_empty());
    let cookie = postern.session_of("zoe").await;
    for bad in ["", "AAAA", url_safe, &base64(&[0; 32])] {
        assert_eq!(postern.network_info(&cookie, bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn device_names_out_of_the_rules_are_400() {
    let postern = Postern::new();
    let cookie = postern.session_of("jdoe").await;
    let long = "ä".repeat(65);
    for bad in ["", "  ", "a\tb", "a\0b", "a\u{7f}b", "a\u{85}b", "a\nb", &long] {
        let answer = postern.create_device(&cookie, bad, &key(1)).await;
        assert_eq!(answer.status, 400, "{bad:?}");
        answer.error();
    }
    for (number, good) in (1..).zip(["Ann's \"laptop\" <b>", "'; DROP TABLE device; --", &"ä".repeat(64)]) {
        let answer = postern.create_device(&cookie, good, &key(number)).await;
        assert_eq!((answer.status, answer.json()["device"]["name"].as_str().unwrap()), (200, good));
    }
}

#[tokio::test]
async fn unknown_paths_are_404() {
    let postern = Postern::new();
    for path in [
        "/api/v1/client-mfa",
        "/api/v1/client-mfa/remote",
        "/api/v1/posture/connect",
        "/api/v1/openid/auth_info",
        "/api/v1/password-reset",
        "/api/v1/enrollment/register_mobile",
        "/api/v1/enrollment/start/",
        "/api/v1/enrollment/start/more",
        "/api/v1",
        "/api/v2/poll",
        "/postern/api/v1/poll",
        "/api/v1/../v1/poll",
        "/api/v1/%70oll%00",
    ] {
        for method in ["GET", "POST", "PUT", "OPTIONS", "BREW"] {
            let request = Request::builder().method(method).uri(path).body(Body::from("{}"));
            let answer = postern.send(request.unwrap()).await;
            assert_eq!(answer.status, 404, "{method} {path}");
            answer.error();
        }
    }
}

#[tokio::test]
async fn unknown_methods_are_405() {
    let postern = Postern::new();
    for path in POSTS {
        for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let request = Request::builder().method(method).uri(path).body(Body::empty());
            let answer = postern.send(request.unwrap()).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.headers["allow"], "POST");
            answer.error();
        }
        let head = Request::builder().method("HEAD").uri(path).body(Body::empty());
        assert_eq!(postern.send(head.unwrap()).await.status, 405, "HEAD {path}");
    }
    let post = postern.post("/api/v1/info", None, "{}").await;
    assert_eq!(post.status, 405);
    post.error();
    let head = Request::builder().method("HEAD").uri("/api/v1/info").body(Body::empty());
    let head = postern.send(head.unwrap()).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

/// The points of small order on the curve and its twist, as X25519 meets them (RFC 7748, section 6.1 warns of them).
fn low_order_points() -> Vec<[u8; 32]> {
    let number = |low: u8, rest: u8, high: u8| {
        let mut bytes = [rest; 32];
        bytes[0] = low;
        bytes[31] = high;
        bytes
    };
    let of_order_eight = [
        [
            0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
            0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
        ],
        [
            0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
            0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
        ],
    ];
    let mut points = vec![
        number(0, 0, 0),
        number(1, 0, 0),
        number(0xec, 0xff, 0x7f),
        number(0xed, 0xff, 0x7f),
        number(0xee, 0xff, 0x7f),
    ];
    points.extend(of_order_eight);
    // The highest bit is ignored in the calculation.
    let with_high_bit: Vec<_> = points
        .iter()
        .map(|point| {
            let mut point = *point;
            point[31] |= 0x80;
            point
        })
        .collect();
    points.extend(with_high_bit);
    points
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A body that does not know its length.
struct Chunks(VecDeque<String>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk.into()))))
    }
}
