//! One's own certificate: read again when its files have changed, and on every reload. A new pair that cannot be used
//! changes nothing but the status.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use postern_gateway::chain;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::app::App;
use crate::config::{OwnFiles, Tls};
use crate::tls::pair::{Pair, PairError};
use crate::tls::presented::Trouble;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What tells one state of a file from another, symbolic links followed.
type Mark = Option<(u64, u64, i64, i64, u64)>;

/// Presents what the files hold, or says why not and keeps what is presented.
pub fn present(app: &App) {
    let Tls::Files(files) = &app.site().config.http.tls else { return };
    match files.read() {
        Ok(pair) => {
            tracing::info!(not_after = %pair.certificate.not_after, "presenting the certificate of the files");
            app.presented.present(pair);
        }
        Err(error) => {
            tracing::error!(error = chain(&error), "the certificate was not replaced; the one before stays");
            app.presented.keep_for(Trouble { at: app.now(), reason: chain(&error) });
        }
    }
}

/// Watches the files until `stop`. Certificate and key change one after the other: only what is the same at two looks is
/// read.
pub async fn run(app: App, mut stop: watch::Receiver<bool>) {
    let mut presented = marks(&app);
    let mut seen = presented;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(LOOK_EVERY) => {}
        }
        let found = marks(&app);
        if found == seen && found != presented {
            present(&app);
            presented = found;
        }
        seen = found;
    }
}

fn marks(app: &App) -> [Mark; 2] {
    let Tls::Files(files) = &app.site().config.http.tls else { return [None; 2] };
    let key = files.key.path().ok();
    [mark(&files.certificate), key.as_deref().and_then(mark)]
}

fn mark(path: &Path) -> Mark {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.size()))
}

impl OwnFiles {
    /// What the files hold.
    pub fn read(&self) -> Result<Pair, PairError> {
        Pair::read(&self.certificate, &self.key)
    }
}
