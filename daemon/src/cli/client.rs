//! Asks the daemon over its Unix socket: one request, one connection.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::HeaderMap;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// Longer than anything the daemon waits for, and than it takes from one piece of an answer to the next.
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

/// Why an answer is not whole where it was to be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError<E> {
    /// The daemon, or the way to it.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Where the answer goes.
    #[error(transparent)]
    Taking(E),
}

/// Sends `body` and gives the answer's JSON. Blocks the calling thread.
pub(super) fn ask(socket: &Path, method: Method, path: &str, body: &Value) -> Result<Value, AskError> {
    let mut bytes = Vec::new();
    let taking = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok::<_, Infallible>(())
    };
    match fetch(socket, (method, path), body, taking) {
        Ok(_) => serde_json::from_slice(&bytes).map_err(|error| unreachable(socket, error.to_string())),
        Err(FetchError::Ask(error)) => Err(error),
    }
}

/// Sends `body` and hands over the answer, of any length, piece by piece; gives its headers. When this fails, what was
/// handed over is not whole. Blocks the calling thread.
pub(super) fn fetch<E>(
    socket: &Path,
    (method, path): (Method, &str),
    body: &Value,
    taking: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<HeaderMap, FetchError<E>> {
    let failed = |reason: String| unreachable(socket, reason);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "postern")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .map_err(|error| failed(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    runtime.block_on(async {
        let stream = UnixStream::connect(socket).await.map_err(|error| {
            if error.kind() == ErrorKind::PermissionDenied {
                AskError::Forbidden { path: socket.to_owned() }
            } else {
                failed(error.to_string())
            }
        })?;
        let opened = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| failed(error.to_string()))?;
        let mut answer = std::pin::pin!(answered(socket, sender, request, taking));
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            answered = &mut answer => answered,
            // The connection may end right after the answer's last byte.
            _ = &mut connection => answer.await,
        }
    })
}

async fn answered<E>(
    socket: &Path,
    mut sender: http1::SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    mut taking: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<HeaderMap, FetchError<E>> {
    let answer = patiently(socket, sender.send_request(request)).await?;
    let (head, mut body) = answer.into_parts();
    if !head.status.is_success() {
        let bytes = patiently(socket, body.collect()).await?.to_bytes();
        let answer =
            serde_json::from_slice(&bytes).map_err(|error| unreachable(socket, error.to_string()))?;
        return Err(refused(answer).into());
    }
    while let Some(frame) = patiently(socket, async { body.frame().await.transpose() }).await? {
        if let Ok(piece) = frame.into_data() {
            taking(&piece).map_err(FetchError::Taking)?;
        }
    }
    Ok(head.headers)
}

fn refused(answer: Value) -> AskError {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    let error = text("error").unwrap_or_else(|| "the daemon gave no reason".to_owned());
    let hint = text("hint");
    AskError::Refused { error, hint, answer }
}

/// Does not wait for ever.
async fn patiently<T>(
    socket: &Path,
    work: impl Future<Output = Result<T, hyper::Error>>,
) -> Result<T, AskError> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(|error| unreachable(socket, error.to_string())),
        Err(_) => Err(unreachable(socket, "it does not answer".to_owned())),
    }
}

fn unreachable(socket: &Path, reason: String) -> AskError {
    AskError::Unreachable { path: socket.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_that_is_cut_short_is_no_answer() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("admin.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let whole = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
        let cut_at = whole.find("def").unwrap();
        let server = std::thread::spawn(move || {
            for answer in [whole, &whole[..cut_at], &whole[..whole.len() - 5]] {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let fetched = || {
            let mut bytes = Vec::new();
            let taking = |piece: &[u8]| {
                bytes.extend_from_slice(piece);
                Ok::<_, Infallible>(())
            };
            let outcome = fetch(&socket, (Method::POST, "/backup"), &json!({}), taking);
            (outcome.map(drop), bytes)
        };
        let (outcome, bytes) = fetched();
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(bytes, b"abcdef");
        for _ in 0..2 {
            let (outcome, _) = fetched();
            assert!(matches!(outcome, Err(FetchError::Ask(AskError::Unreachable { .. }))), "{outcome:?}");
        }
        server.join().unwrap();
    }
}
