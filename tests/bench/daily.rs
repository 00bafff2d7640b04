//! The real `postern run` with ten thousand peers: how long it takes to start, what it holds in memory, what it costs
//! while nothing happens; and how long an administrator waits for a list of ten thousand users.

use std::fs::{self, File};
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postern::app::Clock;
use postern::store::device::DeviceOwner;
use postern_gateway::PrivateKey;

use crate::site::{Folder, METRICS, interface, person, random, write};
use crate::table::{Table, command, runs, timed};

const POSTERN: &str = env!("CARGO_BIN_EXE_postern");
const USERS: u32 = 1000;
const DEVICES_OF_USER: u32 = 10;
const MANY_USERS: u32 = 10_000;
/// The rows that `user list` is made of, read and written as JSON by a script that somebody could write in its place.
const LIST: &str = "import json, sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)
rows = [db.execute('SELECT * FROM ' + table).fetchall() for table in ('user', 'device', 'device_address')]
json.dump([[str(field) for field in row] for table in rows for row in table], sys.stdout)";
/// Two turns by the clock, at the interval that is configured by default.
const TWO_TURNS: Duration = Duration::from_secs(62);

pub(crate) fn measure(table: &mut Table) {
    let folder = Folder::new(1);
    fill(&folder);
    start(&folder, table);
    idle(&folder, table);
    list(&folder, table);
    crate::load::measure(&folder, table);
    assert!(runs("ip", &["link", "del", &interface(1)]));
}

fn fill(folder: &Folder) {
    let now = Clock::system().now();
    write(&folder.store(), |tx| {
        for number in 0..USERS {
            let owner = DeviceOwner::User(tx.insert_user(&person(number), now)?);
            for device in 0..DEVICES_OF_USER {
                let key = PrivateKey::from_random(random(number * DEVICES_OF_USER + device)).public();
                tx.insert_device(owner, &format!("device {device}"), Some(key), None, now)?;
            }
        }
        Ok(())
    });
}

fn start(folder: &Folder, table: &mut Table) {
    let store = folder.store();
    folder.put_into_force(&store);
    let settled = timed(|| folder.put_into_force(&store)).0;
    table.amount("configuration put into force, 10 000 devices, s", settled.as_secs_f64(), None);
    drop(store);

    let (first, mut daemon) = timed(|| Daemon::start(folder));
    table.amount("start to the first answer, 10 000 new peers, s", first.as_secs_f64(), None);
    daemon.end();
    let (again, mut daemon) = timed(|| Daemon::start(folder));
    table.amount("start to the first answer, 10 000 peers there, s", again.as_secs_f64(), None);
    daemon.end();
}

fn idle(folder: &Folder, table: &mut Table) {
    let mut daemon = Daemon::start(folder);
    let before = daemon.cpu_seconds();
    sleep(TWO_TURNS);
    let spent = (daemon.cpu_seconds() - before) * 60.0 / TWO_TURNS.as_secs_f64();
    assert_eq!(peers(), USERS * DEVICES_OF_USER);
    table.amount("resident memory with 10 000 peers, MiB", daemon.mebibytes("VmRSS"), Some(64.0));
    table.amount("the same at its peak, MiB", daemon.mebibytes("VmHWM"), None);
    table.amount("CPU while nothing happens, 10 000 peers, s/min", spent, None);
    let ours = best(|| assert!(runs("curl", &["-sfo", "/dev/null", &format!("http://{METRICS}/metrics")])));
    let theirs = best(|| assert!(runs("wg", &["show", "all", "dump"])));
    table.ratio("a scrape of /metrics, 10 000 peers / wg show dump", (ours, theirs), 1.0);
    daemon.end();
}

fn list(folder: &Folder, table: &mut Table) {
    let (store, now) = (folder.store(), Clock::system().now());
    write(&store, |tx| {
        (USERS..MANY_USERS).try_for_each(|number| tx.insert_user(&person(number), now).map(drop))
    });
    drop(store);
    let mut daemon = Daemon::start(folder);
    let ours = best(|| daemon.order(&["user", "list", "--json"]));
    let database = folder.path("state/postern.db").to_string_lossy().into_owned();
    let theirs = best(|| assert!(runs("python3", &["-c", LIST, &database])));
    table.ratio("user list --json, 10 000 users / Python's sqlite3", (ours, theirs), 10.0);
    daemon.end();
}

/// The shortest of three.
fn best(work: impl Fn()) -> Duration {
    (0..3).map(|_| timed(&work).0).min().unwrap()
}

fn peers() -> u32 {
    let shown = command("wg").args(["show", &interface(1), "peers"]).output().unwrap();
    u32::try_from(String::from_utf8(shown.stdout).unwrap().lines().count()).unwrap()
}

/// A running daemon, killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    config: String,
}

impl Daemon {
    /// Starts it, and returns when it has followed the database.
    pub(crate) fn start(folder: &Folder) -> Self {
        let config = folder.path("postern.toml").to_string_lossy().into_owned();
        let log = |name: &str| File::options().create(true).append(true).open(folder.path(name)).unwrap();
        let mut started = command(POSTERN);
        started.args(["run", "--config", &config]).stdout(log("out")).stderr(log("log"));
        let mut daemon = Self { child: started.spawn().unwrap(), config };
        while !daemon.obeys(&["plan"]) {
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended: {}", fs::read_to_string(folder.path("log")).unwrap());
            sleep(Duration::from_millis(20));
        }
        daemon
    }

    fn obeys(&self, arguments: &[&str]) -> bool {
        runs(POSTERN, &[&["--config", &self.config], arguments].concat())
    }

    fn order(&self, arguments: &[&str]) {
        assert!(self.obeys(arguments), "{arguments:?}");
    }

    /// A line of `/proc/PID/status`.
    pub(crate) fn mebibytes(&self, name: &str) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// User and system time, in `/proc/PID/stat`: the 14th and 15th field, in hundredths.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        let after_name = stat.rsplit(')').next().unwrap();
        after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<f64>().unwrap() / 100.0)
            .sum()
    }

    fn proc(&self, name: &str) -> String {
        fs::read_to_string(Path::new("/proc").join(self.child.id().to_string()).join(name)).unwrap()
    }

    /// Ends it as systemd does.
    pub(crate) fn end(&mut self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
