//! Requests of administrators out of bytes, as [`crate::http`] makes them, over a real socket: who asks is known by it.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use axum::http::{Method, Request};

use crate::Trial;
use crate::http::request_of;
use crate::running::Postern;

/// So many requests meet one postern: a fresh one costs more than they do.
const MOST: usize = 1000;
/// Longer than anything the daemon waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// What keeps a message together is not for the case to say.
const FRAMING: [&str; 6] = ["connection", "content-length", "expect", "te", "transfer-encoding", "upgrade"];

/// What is there at first: people, groups, a machine.
const FIRST: [&str; 4] = [
    "POST /groups content-type application/json\n\n{\"group\":\"ops\"}",
    "POST /users content-type application/json\n\n{\"username\":\"ann\",\"first_name\":\"A\",\"last_name\":\"B\",\
     \"email\":\"ann@example.com\",\"groups\":[\"ops\"],\"admin\":true,\"delivery\":{}}",
    "POST /users content-type application/json\n\n{\"username\":\"ben\",\"first_name\":\"B\",\"last_name\":\"C\",\
     \"email\":\"ben@example.com\",\"delivery\":{\"no_mail\":true}}",
    "POST /devices content-type application/json\n\n{\"name\":\"printer\",\"location\":\"hq\",\"terms\":{}}",
];

/// A target.
pub(crate) fn nothing_asked_of_the_socket_is_too_strange() -> Trial {
    let mut office = Office::new();
    Box::new(move |bytes| office.ask(bytes))
}

struct Office {
    postern: Postern,
    asked: usize,
}

impl Office {
    fn new() -> Self {
        let postern = Postern::start().unwrap_or_else(|| panic!("the socket admits root: run it as root"));
        for request in FIRST {
            assert_eq!(status(&postern, &request_of(request.as_bytes(), &[]).unwrap()), 200, "{request}");
        }
        Self { postern, asked: 0 }
    }

    fn ask(&mut self, bytes: &[u8]) {
        if self.asked == MOST {
            *self = Self::new();
        }
        let Some(request) = request_of(bytes, &[]) else { return };
        if request.method() == Method::CONNECT
            || FRAMING.iter().any(|name| request.headers().contains_key(*name))
        {
            return;
        }
        self.asked += 1;
        let status = status(&self.postern, &request);
        assert!(matches!(status, 200 | 400..=499), "{} {}: {status}", request.method(), request.uri());
    }
}

/// The status of the answer; where it refuses, it does so in words.
fn status(postern: &Postern, request: &Request<Vec<u8>>) -> u16 {
    let mut stream = UnixStream::connect(postern.path("admin.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    for (name, value) in request.headers() {
        bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    if !request.headers().contains_key("host") {
        bytes.extend(b"host: postern\r\n");
    }
    let length = format!("connection: close\r\ncontent-length: {}\r\n\r\n", request.body().len());
    bytes.extend([length.as_bytes(), request.body()].concat());
    // Whoever is refused before the end of the body may be answered before it.
    let _ = stream.write_all(&bytes);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    if status != 200 && request.method() != Method::HEAD {
        assert!(text.contains("\r\n\r\n{\"error\":\""), "{} {}: {text}", request.method(), request.uri());
    }
    status
}
