//! How a test asks the daemon, over the two sockets it answers on, so that it knows of every request whether an answer
//! came. The thread belongs to the gateway's namespace.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::GATEWAY;

/// Nothing takes longer while the daemon runs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where it is asked. The client API sees addresses of many, as a trusted proxy tells them.
#[derive(Clone)]
pub(crate) struct Talk {
    socket: PathBuf,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The first cookie, its attributes cut off.
    pub(crate) cookie: String,
    pub(crate) body: Value,
}

impl Talk {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Asks as an administrator; `None`: no answer came.
    pub(crate) fn admin(&self, method: &str, path: &str, body: &Value) -> Option<Answer> {
        let stream = UnixStream::connect(&self.socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        exchange(stream, &format!("{method} {path} HTTP/1.1\r\n"), body)
    }

    /// Asks as a client at an address; `None`: no answer came.
    pub(crate) fn client(path: &str, cookie: &str, from: &str, body: &Value) -> Option<Answer> {
        let stream = TcpStream::connect((GATEWAY, 8080)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let head = format!("POST /api/v1/{path} HTTP/1.1\r\nCookie: {cookie}\r\nX-Forwarded-For: {from}\r\n");
        exchange(stream, &head, body)
    }

    /// What must be answered.
    pub(crate) fn look(&self, path: &str) -> Value {
        let answer = self.admin("GET", path, &json!({})).unwrap_or_else(|| panic!("{path}: no answer"));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }
}

fn exchange(mut stream: impl Read + Write, head: &str, body: &Value) -> Option<Answer> {
    let body = body.to_string();
    let rest = "Host: postern\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length:";
    stream.write_all(format!("{head}{rest} {}\r\n\r\n{body}", body.len()).as_bytes()).ok()?;
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert!(error.kind() != std::io::ErrorKind::WouldBlock, "no answer to {head}");
        return None;
    }
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let field = |name: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    };
    // Cut off: the daemon ended before the last byte.
    let length: usize = field("content-length")?.parse().unwrap();
    (body.len() == length).then(|| Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        cookie: field("set-cookie").and_then(|all| all.split(';').next()).unwrap_or_default().to_owned(),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    })
}
