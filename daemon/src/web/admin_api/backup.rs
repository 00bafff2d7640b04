//! `/backup`: the archive, unencrypted: what is asked over this socket stays on the host, and whoever may ask is told every
//! secret anyway. The command line encrypts it before it is on any disk.

use std::io::{self, BufWriter, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Frame;
use postern_gateway::chain;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::Admin;
use super::caller::Caller;
use super::error::AdminError;
use crate::backup::{self, BackupError, KeyFiles, Taken};
use crate::rules::action::Action;

const PIECE_BYTES: usize = 256 * 1024;
/// So many pieces wait for a slow reader.
const PIECES: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakeRequest {
    with_keys: bool,
}

pub(super) async fn take(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Result<Json<TakeRequest>, JsonRejection>,
) -> Result<Response, AdminError> {
    let keys = if request?.0.with_keys { KeyFiles::With } else { KeyFiles::Without };
    let (config_path, state_dir) = (admin.files.path(), admin.app.site().config.state_dir.clone());
    let now = admin.app.now();
    let taken = admin.files.undisturbed(move || backup::take(&config_path, &state_dir, keys, now)).await;
    let taken = taken??;
    let detail = format!(
        "{} files, {}",
        taken.manifest.files.len(),
        if taken.manifest.with_keys { "with keys" } else { "without keys" }
    );
    let audited = admin.change(caller, move |tx, _, actor, now| {
        Ok(tx.audit(&actor.name, Action::BackupTake, "postern", Some(&detail), now)?)
    });
    if let Err(error) = audited.await {
        // A backup is wanted most when nothing can be written any more.
        tracing::error!(error = chain(&error), "that a backup was taken is not in the audit log");
    }
    let summary = HeaderValue::from_bytes(taken.manifest.summary().to_string().as_bytes());
    let summary = summary.map_err(|error| AdminError::NoBackup(error.to_string(), None))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/x-tar")),
        (HeaderName::from_static(backup::SUMMARY), summary),
    ];
    Ok((headers, Body::new(streamed(taken))).into_response())
}

fn streamed(taken: Taken) -> Pieces {
    let (pieces, body) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let out = BufWriter::with_capacity(PIECE_BYTES, Sending(pieces.clone()));
        if let Err(error) = taken.write(out) {
            tracing::warn!(error = chain(&error), "a backup was not read to its end");
            // The connection ends with it, so that nobody takes what came for the whole. Nobody reads it any more otherwise.
            let _ = pieces.blocking_send(Err(error));
        }
    });
    Pieces(body)
}

/// A body that is written elsewhere.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// The other end of it.
struct Sending(mpsc::Sender<io::Result<Bytes>>);

impl Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<BackupError> for AdminError {
    fn from(error: BackupError) -> Self {
        let hint = match &error {
            BackupError::Config(_) => "correct it and try again",
            BackupError::Busy => "try again",
            BackupError::Database(error) if error.is_lasting() => {
                "put back the last backup: postern restore FILE"
            }
            BackupError::Database(_) | BackupError::File { .. } => {
                "is the disk full, or may postern not read it?"
            }
            // Nothing that is taken, only what is put back, is refused for these.
            BackupError::Copy(_)
            | BackupError::Damaged(_)
            | BackupError::Differs(_)
            | BackupError::Foreign(_)
            | BackupError::NoManifest
            | BackupError::MountPoint(_)
            | BackupError::Newer { .. } => return Self::NoBackup(chain(&error), None),
        };
        Self::NoBackup(chain(&error), Some(hint))
    }
}
