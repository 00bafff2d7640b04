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
use std::process::Child;

use rig::{GATEWAY, Rig, Wireguard, eventually, lacking_tools, skip};

/// The site's, where it has a certificate.
const NAME: &str = "vpn.example.com";

#[test]
fn people_enroll_in_their_browser() {
    let Some(mut rig) = a_gateway() else { return };
    rig.locate("lab", 2, "routes = [\"10.99.0.0/16\"]");
    rig.start();
    browse(&mut rig, &format!("http://{GATEWAY}:8080"), here());
}

#[test]
fn people_enroll_over_https() {
    let Some(mut rig) = a_gateway() else { return };
    launch_as(
        &mut rig,
        &format!(
            "listen = [\"{GATEWAY}:443\"]\nredirect_listen = []\ntls = \"files\"\n\
             certificate_file = \"chain.pem\"\nkey_file = \"key.pem\""
        ),
    );
    is_up(&rig);
    browse(&mut rig, &format!("https://{NAME}"), &here().join("https"));
}

#[test]
fn nginx_lets_people_use_an_application_that_knows_no_openid() {
    let Some(mut rig) = a_gateway() else { return };
    if let Some(lacking) = lacking_tools(&["nginx"]) {
        return skip("browser", &lacking);
    }
    // As config/nginx-forward-auth.conf says.
    launch_as(&mut rig, "tls = \"proxy\"\ntrusted_proxies = [\"127.0.0.1/32\"]");
    let alive = "curl -s http://127.0.0.1:8080/api/v1/health";
    eventually("a daemon that answers", || rig.gateway.look(alive) == "alive");
    let mut application = rig.gateway.program(&own_node().display().to_string());
    let _application = Beside(application.arg(here().join("nginx/application.mjs")).spawn().unwrap());
    let locations = here().join("../../config/nginx-forward-auth.conf");
    let filled = fs::read_to_string(here().join("nginx/nginx.conf")).unwrap();
    let filled = filled.replace("@FOLDER@", &rig.dir().display().to_string()).replace("@NAME@", NAME);
    let filled = filled.replace("@LOCATIONS@", &locations.display().to_string());
    fs::write(rig.path("nginx.conf"), filled).unwrap();
    let mut nginx = rig.gateway.program("nginx");
    nginx.arg("-c").arg(rig.path("nginx.conf")).arg("-e").arg(rig.path("nginx.log"));
    let _nginx = Beside(nginx.spawn().unwrap());
    is_up(&rig);
    browse(&mut rig, &format!("https://{NAME}"), &here().join("nginx"));
    let log = fs::read_to_string(rig.path("nginx.log")).unwrap();
    assert!(!log.contains("[error]") && !log.contains("[crit]"), "{log}");
}

/// A program that runs beside the daemon.
struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the daemon under its name, with a certificate beside it and these lines in `[http]`.
fn launch_as(rig: &mut Rig, http: &str) {
    let own = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    fs::write(rig.path("chain.pem"), own.cert.pem()).unwrap();
    fs::write(rig.path("key.pem"), own.signing_key.serialize_pem()).unwrap();
    let path = rig.path("postern.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(&format!("http://{GATEWAY}:8080/"), &format!("https://{NAME}/"));
    fs::write(path, text.replace(&format!("listen = [\"{GATEWAY}:8080\"]"), http)).unwrap();
    rig.launch(&[]);
}

/// Waits until the site answers under its name.
fn is_up(rig: &Rig) {
    let health = format!("curl -sk --resolve {NAME}:443:{GATEWAY} https://{NAME}/api/v1/health");
    eventually("a site that answers", || rig.gateway.look(&health) == "alive");
}

/// A gateway host with a location, whose mails are files, and no daemon.
fn a_gateway() -> Option<Rig> {
    if let Some(lacking) = lacking() {
        skip("browser", &lacking);
        return None;
    }
    let rig = Rig::new(Wireguard::Userspace)?;
    let mail = rig.path("mail");
    fs::create_dir(&mail).unwrap();
    rig.configure(&format!("\n[mail]\ndirectory = \"{}\"", mail.display()));
    rig.locate("hq", 1, "");
    Some(rig)
}

/// Has a browser do what is written in the suites of a folder.
fn browse(rig: &mut Rig, site: &str, dir: &Path) {
    let host = rig.host("browser");
    let shots = target().join("screenshots");
    fs::create_dir_all(&shots).unwrap();
    // Sockets of wireguard-go are files; in a folder of their own they meet nobody else's.
    let mut node = host.program("sh");
    node.args(["-ec", "mkdir -p /run/wireguard; mount -t tmpfs none /run/wireguard; exec \"$@\"", "sh"]);
    node.arg(own_node());
    node.args(["--test", "--test-concurrency=1", "--test-reporter=spec"]);
    // While working on one of them: what its name contains. Node waits for ever for a file in which there is none such.
    if let Ok(only) = std::env::var("POSTERN_TEST_BROWSER") {
        node.args([format!("--test-name-pattern={only}"), "--test-force-exit".to_owned()]);
    }
    node.args(suites(dir));
    node.env("POSTERN", rig::binary::postern()).env("POSTERN_DIR", rig.dir()).env("POSTERN_SITE", site);
    node.env("POSTERN_SHOTS", shots).env("CHROMIUM", "/usr/bin/chromium");
    assert!(node.status().unwrap().success(), "see above");
}

fn suites(dir: &Path) -> Vec<String> {
    let mut suites: Vec<String> = fs::read_dir(dir)
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
