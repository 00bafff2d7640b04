//! One's own certificate: read again when its files have changed, and on every reload. A new pair that cannot be used
//! changes nothing but the status. Where the daemon starts with a pair that cannot be used none is presented, until there
//! is one: tunnels do not wait for it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use postern_gateway::chain;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::app::App;
use crate::config::{OwnFiles, Tls};
use crate::pulse::Pulse;
use crate::tls::pair::{Pair, PairError};
use crate::tls::presented::Trouble;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What tells one state of the two files from another, symbolic links followed.
pub type Marks = [Option<Mark>; 2];

/// Device, inode, size, and when the file or its rights last changed: nobody can set that, unlike the time of the content.
type Mark = (u64, u64, u64, i64, i64);

/// Presents what the files hold, or says why not and keeps what is presented; the files as they were before.
pub fn present(app: &App) -> Marks {
    let Tls::Files(files) = &app.site().config.http.tls else { return [None; 2] };
    let found = marks(files);
    match files.read() {
        Ok(pair) => {
            tracing::info!(not_after = %pair.certificate.not_after, "presenting the certificate of the files");
            app.presented.present(pair);
        }
        Err(error) => {
            let error = chain(&error);
            let reason = if app.presented.certificate().is_some() {
                format!("the certificate was not replaced, the one before stays: {error}")
            } else {
                format!("nobody can come in until the files of the certificate are mended: {error}")
            };
            tracing::error!("https: {reason}");
            app.presented.keep_for(Trouble { at: app.now(), reason });
        }
    }
    found
}

/// Watches the files until `stop`; `read` is what was read already. Certificate and key change one after the other: only
/// what is the same at two looks is read.
pub async fn run(app: App, mut read: Marks, mut pulse: Pulse, mut stop: watch::Receiver<bool>) {
    let mut seen = read;
    loop {
        let pause = async {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                () = sleep(LOOK_EVERY) => false,
            }
        };
        if pulse.while_waiting(pause).await {
            return;
        }
        let app = app.clone();
        // A file system that hangs holds up nobody else: another start of the daemon would not mend it.
        let look = tokio::task::spawn_blocking(move || look(&app, read, seen));
        if let Ok((now_read, now_seen)) = pulse.while_waiting(look).await {
            (read, seen) = (now_read, now_seen);
        }
    }
}

/// One look: what was read last, and what is seen.
fn look(app: &App, read: Marks, seen: Marks) -> (Marks, Marks) {
    let Tls::Files(files) = &app.site().config.http.tls else { return (read, seen) };
    let found = marks(files);
    let read = if found == seen && found != read { present(app) } else { read };
    (read, found)
}

fn marks(files: &OwnFiles) -> Marks {
    let key = files.key.path().ok();
    [mark(&files.certificate), key.as_deref().and_then(mark)]
}

fn mark(path: &Path) -> Option<Mark> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.size(), metadata.ctime(), metadata.ctime_nsec()))
}

impl OwnFiles {
    /// What the files hold.
    pub fn read(&self) -> Result<Pair, PairError> {
        Pair::read(&self.certificate, &self.key)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use tokio::time::timeout;

    use super::*;
    use crate::app::Clock;
    use crate::applied::Applied;
    use crate::fixtures::{a_site, at};
    use crate::pulse::Pulses;
    use crate::store::Store;
    use crate::tls::pair::KeySource;

    #[tokio::test]
    async fn it_comes_round_and_nothing_is_presented_of_files_that_are_not_there() {
        let store = Store::in_memory().unwrap();
        let mut site = a_site(&store);
        let key = KeySource::File("/nowhere/key.pem".into());
        site.config.http.tls = Tls::Files(OwnFiles { certificate: "/nowhere/chain.pem".into(), key });
        let app = App::new(store, site, watch::channel(Applied::default()).1, Clock::from_fn(|| at(0)));
        let read = present(&app);
        assert!(app.presented.trouble().unwrap().reason.contains("nobody can come in"));
        let (mut pulses, (_stop, stopped)) = (Pulses::default(), watch::channel(false));
        let pulse = pulses.pulse("the watch over the certificate");
        tokio::select! {
            () = run(app, read, pulse, stopped) => unreachable!("nobody stops it"),
            answered = timeout(Duration::from_secs(30), pulses.all_answer()) => assert!(answered.is_ok()),
        }
    }

    #[test]
    fn a_file_with_another_content_of_the_same_size_and_time_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chain.pem");
        fs::write(&path, "one").unwrap();
        let (before, time) = (mark(&path), fs::metadata(&path).unwrap().modified().unwrap());
        assert_eq!(mark(&path), before);
        // The kernel's clock is coarse: until it has moved on, nothing tells the two apart.
        let other = || {
            fs::write(&path, "two").unwrap();
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_times(FileTimes::new().set_modified(time))
                .unwrap();
            fs::metadata(&path).unwrap().modified().unwrap() == time && mark(&path) != before
        };
        assert!((0..100_000).any(|_| other()));
    }
}
