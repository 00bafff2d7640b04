//! A request's body that is read to its end, whatever becomes of the request. Over HTTP/2 an answer before that comes with a
//! word to send no more (RFC 9113, section 8.1), which curl 7.88 takes for a broken stream; over HTTP/1 it may come with a
//! connection reset.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::timeout;

/// What nobody wanted to read: more than any request here needs.
const MOST_BYTES: usize = 1024 * 1024;
/// Whoever sends no faster, or without end, gets the answer all the same.
const WITHIN: Duration = Duration::from_secs(1);

/// The body. Clones are the same one.
#[derive(Clone)]
pub(super) struct Whole(Arc<Mutex<Incoming>>);

impl Whole {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Reads what is left.
    pub(super) async fn finish(mut self) {
        let read = async {
            let mut left = MOST_BYTES;
            while let Some(Ok(frame)) = self.frame().await {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let Some(rest) = left.checked_sub(bytes) else { return };
                left = rest;
            }
        };
        // Late or not, the answer is due now.
        let _ = timeout(WITHIN, read).await;
    }

    fn body(&self) -> MutexGuard<'_, Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}
