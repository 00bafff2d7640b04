//! Load on the real `postern run` beside ten thousand peers: complete enrollments, ten thousand clients that poll, more
//! than it can take. Plain HTTP on loopback, as behind a proxy: no TLS handshakes are in the numbers. Absolute times in a
//! virtual machine mean little; how they compare with each other is the point.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use postern::app::Clock;
use postern::flows::issue::issue_enrollment;
use postern::password::Passwords;
use postern::rules::enrollment::{EnrollmentKind, Subject};
use postern::rules::token::TokenKind;
use postern::store::StoreError;
use postern_gateway::PrivateKey;
use serde_json::{Value, json};

use crate::daily::Daemon;
use crate::site::{Folder, LISTEN, interface, person, random, write};
use crate::table::{Table, command, runs, timed};

const ENROLLMENTS: u32 = 200;
/// Clients that enroll, or guess, at the same time.
const AT_ONCE: usize = 16;
/// How often every client polls.
const POLL_EVERY: Duration = Duration::from_secs(30);
const GUESSES: u32 = 4000;
/// Names that no other part of the benchmark takes.
const FIRST_USER: u32 = 1_000_000;

/// `folder` has ten thousand devices, each a peer, the first with the key of [`random`] 0.
pub(crate) fn measure(folder: &Folder, table: &mut Table) {
    let (enrollments, polls) = tokens(folder);
    let mut daemon = Daemon::start(folder);
    let _tunnel = Tunnel::of_first_device();
    let pings = Pings::begin();
    enroll(&daemon, &enrollments, table);
    poll(&daemon, &polls, table);
    overload(&polls, table);
    let (sent, lost) = pings.end();
    table.amount("pings through a tunnel meanwhile", f64::from(sent), None);
    table.amount("of them lost", f64::from(lost), Some(0.0));
    table.amount("resident memory at its peak under load, MiB", daemon.mebibytes("VmHWM"), Some(128.0));
    daemon.end();
}

/// Enrollment tokens of new users, and a polling token of every device.
fn tokens(folder: &Folder) -> (Vec<String>, Vec<String>) {
    let (store, now) = (folder.store(), Clock::system().now());
    let site = folder.put_into_force(&store);
    write(&store, |tx| {
        let enrollments = (0..ENROLLMENTS).map(|number| {
            let user = tx.insert_user(&person(FIRST_USER + number), now)?;
            let (day, kind) = (Duration::from_hours(24), EnrollmentKind::Enrollment);
            let issued = issue_enrollment(tx, &site, Subject::User(user), kind, None, day, now)?;
            Ok::<_, StoreError>(issued.1.expose().to_owned())
        });
        let enrollments = enrollments.collect::<Result<_, _>>()?;
        let polls = tx.devices()?.into_iter().map(|device| {
            let token = site.keys.token.derive(TokenKind::Polling, device.id.0, 1);
            tx.set_polling(device.id, 1, token.hash())?;
            Ok::<_, StoreError>(token.expose().to_owned())
        });
        Ok((enrollments, polls.collect::<Result<_, _>>()?))
    })
}

/// Every enrollment whole, [`AT_ONCE`] at the same time.
fn enroll(daemon: &Daemon, tokens: &[String], table: &mut Table) {
    let (times, next) = (Times::default(), AtomicU32::new(0));
    let cpu = daemon.cpu_seconds();
    let took = at_once(|| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(token) = tokens.get(index(number)) else { return };
            enroll_one(&times, FIRST_USER + number, token);
        }
    });
    let cpu = daemon.cpu_seconds() - cpu;
    let per_second = f64::from(ENROLLMENTS) / took.as_secs_f64();
    table.amount("complete enrollments beside 10 000 peers, 1/s", per_second, None);
    times.print(table);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let hash = || runtime.block_on(Passwords::default().hash(PASSWORD.to_owned().into(), [7; 16]));
    let one = (0..5).map(|_| timed(|| hash().unwrap()).0).min().unwrap();
    table.amount(
        "share of argon2 in the daemon's CPU time",
        one.as_secs_f64() * f64::from(ENROLLMENTS) / cpu,
        None,
    );
}

const PASSWORD: &str = "Correct-Horse-7";

/// In the desktop client's order.
fn enroll_one(times: &Times, user: u32, token: &str) {
    let key = PrivateKey::from_random(random(user)).public().to_string();
    let started = times.take("start", || call("enrollment/start", "", &json!({ "token": token })));
    let body = json!({ "name": "laptop", "pubkey": key });
    let created = times.take("create_device", || call("enrollment/create_device", &started.cookie, &body));
    let body = json!({ "password": PASSWORD, "phone_number": null });
    let activated = times.take("activate_user", || call("enrollment/activate_user", &started.cookie, &body));
    for answer in [&started, &created, &activated] {
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let body: Value = serde_json::from_str(&created.body).unwrap();
    let polled = times.take("poll after it", || call("poll", "", &json!({ "token": body.get("token") })));
    assert_eq!(polled.status, 200, "{}", polled.body);
}

/// Every device polls once within [`POLL_EVERY`], evenly spread.
fn poll(daemon: &Daemon, tokens: &[String], table: &mut Table) {
    let (times, next) = (Times::default(), AtomicU32::new(0));
    let cpu = daemon.cpu_seconds();
    let every = POLL_EVERY / u32::try_from(tokens.len()).unwrap();
    let began = Clock::system();
    let begun = began.now();
    let took = at_once(|| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(token) = tokens.get(index(number)) else { return };
            let due = every * number;
            let passed = Duration::try_from(began.now().duration_since(begun)).unwrap_or_default();
            sleep(due.saturating_sub(passed));
            let polled = times
                .take("poll, 10 000 clients every 30 s", || call("poll", "", &json!({ "token": token })));
            assert_eq!(polled.status, 200, "{}", polled.body);
        }
    });
    let share = (daemon.cpu_seconds() - cpu) / took.as_secs_f64();
    times.print(table);
    table.amount("share of one processor these polls take", share, None);
}

/// Tokens that nobody knows, as fast as they go; afterwards a client is served as before.
fn overload(polls: &[String], table: &mut Table) {
    let (times, next, refused) = (Times::default(), AtomicU32::new(0), AtomicU32::new(0));
    let took = at_once(|| {
        while next.fetch_add(1, Ordering::Relaxed) < GUESSES {
            let guess = times
                .take("a guess under overload", || call("enrollment/start", "", &json!({ "token": "x" })));
            let told = guess.head.contains("retry-after");
            assert!(matches!(guess.status, 400 | 401 | 404) || (matches!(guess.status, 429 | 503) && told));
            refused.fetch_add(u32::from(told), Ordering::Relaxed);
        }
    });
    times.print(table);
    table.amount("guesses, 1/s", f64::from(GUESSES) / took.as_secs_f64(), None);
    table.amount(
        "share of them told to come back later",
        f64::from(refused.into_inner()) / f64::from(GUESSES),
        None,
    );
    let (wait, polled) = timed(|| call("poll", "", &json!({ "token": polls.first() })));
    assert_eq!(polled.status, 200, "who is known is served after it: {}", polled.body);
    table.amount("a known client's poll right after, ms", wait.as_secs_f64() * 1000.0, None);
}

/// Runs `work` on [`AT_ONCE`] threads; how long it took.
fn at_once(work: impl Fn() + Sync) -> Duration {
    timed(|| std::thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(&work))))).0
}

/// How long what took.
#[derive(Default)]
struct Times(Mutex<BTreeMap<&'static str, Vec<Duration>>>);

impl Times {
    fn take<T>(&self, what: &'static str, work: impl FnOnce() -> T) -> T {
        let (took, done) = timed(work);
        self.0.lock().unwrap().entry(what).or_default().push(took);
        done
    }

    fn print(self, table: &mut Table) {
        for (what, mut times) in self.0.into_inner().unwrap() {
            times.sort_unstable();
            for percent in [50, 99] {
                let time = times.get((times.len() - 1) * percent / 100).unwrap().as_secs_f64() * 1000.0;
                table.amount(&format!("{what}, p{percent}, ms"), time, None);
            }
        }
    }
}

struct Answer {
    status: u16,
    head: String,
    cookie: String,
    body: String,
}

/// One call of the client API, on a connection of its own.
fn call(path: &str, cookie: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let mut stream = TcpStream::connect(LISTEN).unwrap();
    let head = format!(
        "POST /api/v1/{path} HTTP/1.1\r\nHost: {LISTEN}\r\nContent-Type: application/json\r\nCookie: {cookie}\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
    let cookie = text.lines().find_map(|line| {
        line.to_ascii_lowercase().starts_with("set-cookie: ").then(|| line.get(12..).unwrap())
    });
    let cookie = cookie.and_then(|line| line.split(';').next()).unwrap_or_default().to_owned();
    Answer { status, head, cookie, body: body.to_owned() }
}

/// The first device, in a network namespace of its own, gone when dropped.
struct Tunnel;

const NAMESPACE: &str = "bench-client";

impl Tunnel {
    fn of_first_device() -> Self {
        let key = PrivateKey::from_random(random(0));
        let gateway = interface(1);
        let shown = command("wg").args(["show", &gateway, "allowed-ips"]).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let peer = shown.lines().find_map(|line| line.strip_prefix(&key.public().to_string())).unwrap();
        let address = peer.split_whitespace().find(|address| address.contains('.')).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), key.to_base64().as_bytes()).unwrap();
        let script = format!(
            "ip netns add {NAMESPACE} && ip link add bench-cable type veth peer name cable netns {NAMESPACE}
             ip addr add 192.0.2.1/30 dev bench-cable && ip link set bench-cable up
             ip -n {NAMESPACE} addr add 192.0.2.2/30 dev cable && ip -n {NAMESPACE} link set cable up
             ip -n {NAMESPACE} link add tunnel type wireguard && ip -n {NAMESPACE} addr add {address} dev tunnel
             ip netns exec {NAMESPACE} wg set tunnel private-key {} peer $(wg show {gateway} public-key) \\
                 allowed-ips 10.101.0.0/16 endpoint 192.0.2.1:$(wg show {gateway} listen-port)
             ip -n {NAMESPACE} link set tunnel up && ip -n {NAMESPACE} route add 10.101.0.0/16 dev tunnel",
            file.path().display()
        );
        assert!(runs("sh", &["-ec", &script]), "{script}");
        Self
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        runs("ip", &["netns", "del", NAMESPACE]);
        runs("ip", &["link", "del", "bench-cable"]);
    }
}

struct Pings(Child);

impl Pings {
    /// 50 times a second, once the first came back.
    fn begin() -> Self {
        let base = ["netns", "exec", NAMESPACE, "ping", "-n", "10.101.0.1"];
        assert!(runs("ip", &[&base[..], &["-c", "1", "-w", "10"]].concat()), "no answer through the tunnel");
        Self(command("ip").args(base).args(["-q", "-i", "0.02"]).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// How many were sent, and lost.
    fn end(self) -> (u32, u32) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        let said = String::from_utf8(self.0.wait_with_output().unwrap().stdout).unwrap();
        let words: Vec<&str> = said.split_whitespace().collect();
        let before = |word: &str| {
            let at = words.iter().position(|found| found.starts_with(word)).unwrap();
            words.iter().take(at).rev().find_map(|number| number.parse::<u32>().ok()).unwrap()
        };
        let (sent, received) = (before("transmitted"), before("received"));
        // The last may still be under way.
        (sent, (sent - received).saturating_sub(1))
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap()
}
