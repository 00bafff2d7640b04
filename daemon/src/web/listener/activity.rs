//! Whether anything is asked over a connection: HTTP/2 keeps one open for requests to come, and somebody might never send
//! any.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// The requests of one connection. Clones are the same one's.
#[derive(Clone)]
pub(super) struct Activity(Arc<watch::Sender<usize>>);

/// A request under way, until this is dropped.
pub(super) struct UnderWay(Activity);

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Activity {
    pub(super) fn begin(&self) -> UnderWay {
        self.0.send_modify(|count| *count += 1);
        UnderWay(self.clone())
    }

    /// Returns once nothing was asked for so long, and nothing is under way.
    pub(super) async fn silent_for(&self, length: Duration) {
        let mut count = self.0.subscribe();
        loop {
            // The sender is held here, so neither wait fails.
            let _ = count.wait_for(|count| *count == 0).await;
            if timeout(length, count.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_connection_is_silent_only_while_nothing_is_under_way() {
        let activity = Activity::default();
        let request = activity.begin();
        assert!(timeout(3 * MOMENT, activity.silent_for(MOMENT)).await.is_err());
        drop(request);
        activity.silent_for(MOMENT).await;
    }
}
