//! The real daemon's HTTP connections: many of them, idle or slow, stop neither the gateway nor anybody else, and what is
//! asked when the daemon ends is answered.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[expect(dead_code, reason = "this suite has no clients")]
#[path = "../support/rig/mod.rs"]
mod rig;

use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use rig::Wireguard::Userspace;
use rig::{GATEWAY, Host, Rig, eventually};

/// Of these descriptors half are for connections, 128, and of those an eighth for one client.
const FEW_DESCRIPTORS: [&str; 2] = ["prlimit", "--nofile=256:256"];
const OF_ONE_CLIENT: usize = 16;
/// Connections of commands at once.
const OF_COMMANDS: usize = 64;

/// A gateway whose daemon has few descriptors.
fn a_small_gateway(http: &str) -> Option<Rig> {
    let mut rig = Rig::new(Userspace)?;
    rig.configure("");
    let path = rig.path("postern.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replace("[http]", &format!("[http]\n{http}"))).unwrap();
    rig.locate("open", 1, "");
    rig.launch(&FEW_DESCRIPTORS);
    rig.answers();
    Some(rig)
}

fn connect() -> TcpStream {
    let stream = TcpStream::connect((GATEWAY, 8080)).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream
}

/// Whether the daemon ended a connection; waits a moment for that.
fn ended(mut stream: impl Read) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock),
    }
}

/// Asks over `count` connections at once that stay open; over how many the answer came.
fn answered(host: &Host, count: usize) -> usize {
    host.enter(|| {
        let connections: Vec<_> = (0..count).map(|_| connect()).collect();
        let asked = connections.into_iter().map(|mut stream| {
            // What is written to a connection that was ended is lost, which the answer shows.
            let _ = stream.write_all(b"GET /api/v1/health HTTP/1.1\r\nHost: a\r\n\r\n");
            (heard(&mut stream) == "HTTP/1.1 200 OK", stream)
        });
        let asked: Vec<_> = asked.collect();
        asked.iter().filter(|(answered, _)| *answered).count()
    })
}

#[test]
fn idle_connections_stop_neither_the_turns_nor_other_clients() {
    let Some(mut rig) = a_small_gateway("") else { return };
    let (crowd, other) = (rig.host("crowd"), rig.host("other"));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (crowd, is_over) = (&crowd, &is_over);
        scope.spawn(move || {
            crowd.enter(|| {
                let mut held: Vec<_> = (0..300).map(|_| connect()).collect();
                ready.send(()).unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    // Whoever is sent away comes again.
                    for stream in &mut held {
                        stream.set_nonblocking(true).unwrap();
                        if ended(&*stream) {
                            *stream = connect();
                        }
                    }
                }
            });
        });
        is_ready.recv().unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let url = format!("http://{GATEWAY}:8080/api/v1/health");
            assert_eq!(other.look(&format!("curl -sm 5 {url}")), "alive");
            rig.gateway.sh("ip addr flush dev pst-open");
            let shown = || rig.gateway.look("ip -o addr show dev pst-open");
            eventually("a repaired address", || shown().contains("10.77.1.1"));
            assert_eq!(rig.complains_of("open"), "");
        }));
        is_over.store(true, Ordering::Relaxed);
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn a_head_that_does_not_come_is_not_waited_for() {
    let Some(mut rig) = a_small_gateway("") else { return };
    let host = rig.host("slow");
    host.enter(|| {
        let (idle, mut slow) = (connect(), connect());
        slow.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
        eventually("the end of a connection whose head does not end", || {
            slow.write_all(b"a").is_err() || ended(&slow)
        });
        eventually("the end of a connection without a request", || ended(&idle));
    });
    assert_eq!(answered(&host, 1), 1);
}

#[test]
fn the_command_lines_socket_has_so_many_places_and_waits_for_nobody_who_does_not_ask() {
    let Some(rig) = a_small_gateway("") else { return };
    let connect = || {
        let stream = UnixStream::connect(rig.path("admin.sock")).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        stream
    };
    let mut held: Vec<_> = (0..OF_COMMANDS).map(|_| connect()).collect();
    for slow in held.iter_mut().take(5) {
        slow.write_all(b"GET /status HTTP/1.1\r\nHost: ").unwrap();
    }
    eventually("the end of one too many", || ended(&connect()));
    assert!(!ended(&held[OF_COMMANDS - 1]));
    assert!(rig.log().contains(&format!("{OF_COMMANDS} commands ask at once")));
    let url = format!("http://{GATEWAY}:8080/api/v1/health");
    assert_eq!(rig.gateway.look(&format!("curl -sm 5 {url}")), "alive");
    rig.gateway.sh("ip addr flush dev pst-open");
    let shown = || rig.gateway.look("ip -o addr show dev pst-open");
    eventually("a repaired address", || shown().contains("10.77.1.1"));
    eventually("the end of all that do not ask", || held.iter().all(ended));
    assert_eq!(rig.complains_of("open"), "");
}

#[test]
fn one_client_has_so_many_connections_and_a_trusted_proxy_more() {
    let Some(mut rig) = a_small_gateway("trusted_proxies = [\"192.0.2.10/32\"]") else { return };
    let (proxy, client) = (rig.host("proxy"), rig.host("client"));
    assert_eq!(answered(&client, 2 * OF_ONE_CLIENT), OF_ONE_CLIENT);
    assert_eq!(answered(&proxy, 2 * OF_ONE_CLIENT), 2 * OF_ONE_CLIENT);
}

#[test]
fn a_request_under_way_is_answered_when_the_daemon_ends() {
    let Some(mut rig) = a_small_gateway("") else { return };
    rig.host("client").enter(|| {
        let mut stream = connect();
        let head = "POST /api/v1/enrollment/start HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                    Content-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        assert_eq!(heard(&mut stream), "HTTP/1.1 100 Continue");
        rig.signal(Signal::SIGTERM);
        eventually("no further connections", || TcpStream::connect((GATEWAY, 8080)).is_err());
        stream.write_all(b"{}").unwrap();
        assert_eq!(heard(&mut stream), "HTTP/1.1 400 Bad Request");
    });
    assert!(rig.end(Signal::SIGTERM).success());
}

/// The first line of what the daemon says next.
fn heard(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(None).unwrap();
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).unwrap_or(0);
    let answer = String::from_utf8_lossy(&answer[..length]);
    answer.lines().next().unwrap_or_default().to_owned()
}
