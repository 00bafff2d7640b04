//! What is asked of the socket past the command line: whatever it is, the answer is JSON that says what to do.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::running::Postern;

/// The head of an answer, in lower case, and its body.
fn ask(postern: &Postern, request: &str) -> (String, Value) {
    let mut stream = UnixStream::connect(postern.path("admin.sock")).unwrap();
    write!(stream, "{request}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}")))
}

#[test]
fn whatever_cannot_be_answered_is_refused_in_json_with_a_hint() {
    let Some(postern) = Postern::start() else { return };
    let body = "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    for (line, rest, status) in [
        ("GET /nothing", "\r\n", 404),
        ("GET /users/%FF", "\r\n", 400),
        ("PUT /groups/ops/members/%FF", "\r\n", 400),
        ("GET /mail/many", "\r\n", 400),
        ("GET /mail/preview/%FF", "\r\n", 400),
        ("GET /audit?limit=all", "\r\n", 400),
        ("POST /users", body, 400),
        ("POST /users", "\r\n", 400),
        ("TRACE /users", "\r\n", 405),
        ("GET /reload", "\r\n", 405),
    ] {
        let (head, answer) =
            ask(&postern, &format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{rest}"));
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{line}: {head}");
        assert!(head.contains("\r\ncontent-type: application/json"), "{line}: {head}");
        assert_eq!(head.contains("\r\nallow: "), status == 405, "{line}: {head}");
        for field in ["error", "hint"] {
            assert!(answer[field].as_str().is_some_and(|text| !text.is_empty()), "{line}: {answer}");
        }
    }
}

#[test]
fn importing_no_server_is_refused() {
    let Some(postern) = Postern::start() else { return };
    let body = r#"{"servers": [], "endpoint": "vpn.example.com:51820", "deed": "look"}"#;
    let head = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let request = format!("POST /import/wg-quick HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}");
    let (head, answer) = ask(&postern, &request);
    assert!(head.starts_with("http/1.1 422 "), "{head}");
    assert_eq!(answer["error"], "this server cannot be taken over: no file was given");
}
