//! Asks the daemon over its Unix socket: one request, one connection.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// Longer than anything the daemon waits for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why there is no answer to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// The daemon said no.
    #[error("{error}")]
    Refused {
        /// What was wrong.
        error: String,
        /// What to do.
        hint: Option<String>,
        /// Everything it said.
        answer: Value,
    },
    /// The kernel did not let us.
    #[error("you may not use the daemon's socket {}", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// There is no daemon, or it went away.
    #[error("cannot reach the daemon on {}: {reason}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Sends `body` and gives the answer's JSON. Blocks the calling thread.
pub(super) fn ask(socket: &Path, method: Method, path: &str, body: &Value) -> Result<Value, AskError> {
    let unreachable = |reason: String| AskError::Unreachable { path: socket.to_owned(), reason };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unreachable(error.to_string()))?;
    let exchange = async {
        let stream = UnixStream::connect(socket).await.map_err(|error| {
            if error.kind() == ErrorKind::PermissionDenied {
                AskError::Forbidden { path: socket.to_owned() }
            } else {
                unreachable(error.to_string())
            }
        })?;
        let answer = tokio::time::timeout(PATIENCE, exchange(stream, method, path, body)).await;
        answer.unwrap_or_else(|_| Err("it does not answer".to_owned())).map_err(unreachable)
    };
    let (ok, answer) = runtime.block_on(exchange)?;
    if ok {
        return Ok(answer);
    }
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    let error = text("error").unwrap_or_else(|| "the daemon gave no reason".to_owned());
    let hint = text("hint");
    Err(AskError::Refused { error, hint, answer })
}

/// Whether the daemon agreed, and what it said.
async fn exchange(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: &Value,
) -> Result<(bool, Value), String> {
    let connected = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = connected.map_err(|error| error.to_string())?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "postern")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|error| error.to_string())?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let ok = answer.status().is_success();
        let bytes = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        let value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        Ok((ok, value))
    };
    let mut answer = std::pin::pin!(answer);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        answered = &mut answer => answered,
        // The connection may end right after the answer's last byte.
        _ = &mut connection => answer.await,
    }
}
