//! What `daemon/openapi` says of the two APIs is what the real daemon does: schemathesis makes requests of every kind out of
//! the descriptions, good and bad, and holds each answer against them. `POSTERN_SCHEMATHESIS_SECONDS` and
//! `POSTERN_TEST_SEED` say for how long and which.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[expect(dead_code, reason = "nobody has a tunnel here")]
#[path = "../support/rig/mod.rs"]
mod rig;

use std::fs;
use std::io::copy;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use rig::{GATEWAY, Rig, Wireguard, program, skip};

/// Where the socket of administrators can be reached over TCP, for it knows nothing else.
const ADMIN: &str = "127.0.0.1:8081";

#[test]
fn clients_are_answered_as_it_is_described() {
    let Some(rig) = a_gateway() else { return };
    ask(&rig, "client.yaml", &format!("http://{GATEWAY}:8080"));
}

#[test]
fn administrators_are_answered_as_it_is_described() {
    let Some(rig) = a_gateway() else { return };
    ask(&rig, "admin.yaml", &format!("http://{ADMIN}"));
}

/// With two locations. Who else is there is made by `hooks.py`, again and again.
fn a_gateway() -> Option<Rig> {
    let installed = program(&schemathesis().display().to_string()).arg("--version").output().is_ok();
    if !installed {
        skip("schemathesis", "schemathesis is missing; `make test` installs it");
        return None;
    }
    let mut rig = Rig::new(Wireguard::Userspace)?;
    let mail = rig.path("mail");
    fs::create_dir(&mail).unwrap();
    rig.configure(&format!("\n[mail]\ndirectory = \"{}\"", mail.display()));
    // Every request names another client: the limits of one address would be all there is to see.
    let (path, listen) = (rig.path("postern.toml"), format!("listen = [\"{GATEWAY}:8080\"]"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replace(&listen, &format!("{listen}\ntrusted_proxies = [\"{GATEWAY}/32\"]")))
        .unwrap();
    rig.locate("hq", 1, "");
    rig.locate("lab", 2, "groups = [\"ops\"]");
    rig.start();
    let listener = rig.gateway.enter(|| TcpListener::bind(ADMIN).unwrap());
    let socket = rig.path("admin.sock");
    thread::spawn(move || listener.incoming().try_for_each(|caller| forward(&caller?, &socket)));
    Some(rig)
}

/// Joins a connection with one to the socket, until either ends.
fn forward(caller: &TcpStream, socket: &Path) -> std::io::Result<()> {
    let daemon = UnixStream::connect(socket)?;
    let (mut from, mut to) = (caller.try_clone()?, daemon.try_clone()?);
    thread::spawn(move || copy(&mut from, &mut to).and_then(|_| to.shutdown(std::net::Shutdown::Write)));
    let (mut from, mut to) = (daemon, caller.try_clone()?);
    thread::spawn(move || copy(&mut from, &mut to).and_then(|_| to.shutdown(std::net::Shutdown::Write)));
    Ok(())
}

fn ask(rig: &Rig, description: &str, url: &str) {
    let from_environment = |name| std::env::var(name).ok();
    let seconds = from_environment("POSTERN_SCHEMATHESIS_SECONDS").unwrap_or_else(|| {
        if std::env::var_os("POSTERN_TEST_LONG").is_some() { "600" } else { "25" }.to_owned()
    });
    let seed = from_environment("POSTERN_TEST_SEED").unwrap_or_else(|| "1".to_owned());
    let described = here().join("../../daemon/openapi").join(description);
    let mut command = rig.gateway.program(&schemathesis().display().to_string());
    // The configuration names its hooks relative to the folder.
    command.current_dir(here()).arg("--config-file").arg("schemathesis.toml").arg("run").arg(described);
    command.args(["--url", url, "--seed", &seed, "--max-time", &seconds]);
    command.env("CLIENT", format!("http://{GATEWAY}:8080")).env("ADMIN", format!("http://{ADMIN}"));
    command.args(["--warnings", "off"]);
    command.env("MAIL", rig.path("mail")).env("PYTHONDONTWRITEBYTECODE", "1");
    assert!(command.status().unwrap().success(), "see above");
}

fn schemathesis() -> PathBuf {
    here().join(".venv/bin/schemathesis")
}

fn here() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/schemathesis"))
}
