//! The pages in a real browser, Chromium, against the real daemon: on a host of its own, whose only way out is the gateway.
//! What happens there is written in the `*.test.mjs` beside this file; here the scene is set.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[expect(dead_code, reason = "the browser's is not the client's side of the rig")]
#[path = "../support/rig/mod.rs"]
mod rig;

use std::fs;
use std::path::{Path, PathBuf};

use rig::{Rig, Wireguard, lacking_tools, skip};

#[test]
fn people_enroll_in_their_browser() {
    if let Some(lacking) = lacking() {
        return skip("browser", &lacking);
    }
    let Some(mut rig) = Rig::new(Wireguard::Userspace) else { return };
    let mail = rig.path("mail");
    fs::create_dir(&mail).unwrap();
    rig.configure(&format!("\n[mail]\ndirectory = \"{}\"", mail.display()));
    rig.locate("hq", 1, "");
    rig.locate("lab", 2, "routes = [\"10.99.0.0/16\"]");
    rig.start();
    let host = rig.host("browser");
    let shots = target().join("screenshots");
    fs::create_dir_all(&shots).unwrap();
    // Sockets of wireguard-go are files; in a folder of their own they meet nobody else's.
    let mut node = host.program("sh");
    node.args(["-ec", "mkdir -p /run/wireguard; mount -t tmpfs none /run/wireguard; exec \"$@\"", "sh"]);
    node.arg(own_node());
    node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"]);
    // While working on one of them: what its name contains.
    node.args(std::env::var("POSTERN_TEST_BROWSER").map(|only| format!("--test-name-pattern={only}")));
    node.args(suites());
    node.env("POSTERN", rig::binary::postern()).env("POSTERN_DIR", rig.dir());
    node.env("POSTERN_SHOTS", shots).env("CHROMIUM", "/usr/bin/chromium");
    assert!(node.status().unwrap().success(), "see above");
}

fn suites() -> Vec<String> {
    let mut suites: Vec<String> = fs::read_dir(here())
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|path| path.ends_with(".test.mjs"))
        .collect();
    suites.sort();
    assert!(!suites.is_empty());
    suites
}

fn lacking() -> Option<String> {
    if !here().join("node_modules/playwright-core").exists() {
        return Some("the npm packages of tests/browser are missing; `make test` installs them".to_owned());
    }
    lacking_tools(&["wg-quick", "/usr/bin/chromium"]).or_else(|| {
        let runs = rig::program(&own_node().display().to_string()).arg("--version").output().is_ok();
        (!runs).then(|| format!("{} does not run; `make test` installs it", own_node().display()))
    })
}

/// A Node of the suite's own: Playwright wants a later one than Debian 12 and Ubuntu 24.04 have.
fn own_node() -> PathBuf {
    let machine = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "x64" };
    here().join(format!("node_modules/node-linux-{machine}/bin/node"))
}

fn here() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/browser"))
}

/// Where cargo builds.
fn target() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_postern"));
    built.ancestors().nth(2).unwrap().to_path_buf()
}
