//! No secret is anywhere that it does not belong. The real daemon, logging everything, lives through everything that has
//! secrets in it; then whatever it wrote, said, answered or shows of itself is searched for each of them in every form.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[path = "https/authority.rs"]
mod authority;
#[path = "secrets/needles.rs"]
mod needles;
#[expect(dead_code, reason = "this suite has no tunnels")]
#[path = "../support/rig/mod.rs"]
mod rig;
#[expect(dead_code, reason = "what the server is asked to spoil is another suite's")]
#[path = "../story/mail/server.rs"]
mod server;
#[path = "secrets/story.rs"]
mod story;
#[expect(dead_code, reason = "certificates are another suite's")]
#[path = "https/visitor.rs"]
mod visitor;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use authority::Authority;
use needles::{Secret, readable};
use nix::sys::signal::Signal;
use postern::config::{PasswordSource, Smtp};
use rig::Wireguard::Userspace;
use rig::{GATEWAY, Rig};
use server::Server;
use story::{Said, Story};
use visitor::Visitor;

/// What the gateway is called.
const NAME: &str = "vpn.example.com";

#[test]
fn no_secret_is_where_it_does_not_belong() {
    let Some(mut rig) = Rig::new(Userspace) else { return };
    let through = ["ip", "netns", "exec", rig.gateway.name()];
    let Some(server) = Server::start_through(&through, "starttls") else { return };
    let authority = Authority::new();
    authority.issue(NAME, rig.dir());
    configure(&rig, &server);
    let visitor = Visitor::new(rig.host("visitor"), &authority.pem());
    let temp = format!("TMPDIR={}", rig.path("temp").display());
    rig.launch(&["env", "POSTERN_LOG=trace", &temp]);
    visitor.waits_until_open(&rig);

    let mut story =
        Story { rig: &rig, visitor: &visitor, server: &server, secrets: Vec::new(), said: Vec::new() };
    story.secrets.extend(of_files(&rig, &server.settings()));
    story.play();
    let (secrets, mut said) = (story.secrets, story.said);
    said.extend(process(&rig));
    said.extend(files(rig.dir()));
    rig.end(Signal::SIGTERM);
    said.extend(files(rig.dir()));
    said.extend(mails(&server));

    let log = rig.log();
    assert!(log.contains(" TRACE "), "not everything was logged");
    assert!(!log.contains("$argon2"), "a password's hash was logged");
    let written: usize = said.iter().map(|said| said.text.len()).sum();
    eprintln!(
        "{} secrets, {} places, {written} bytes, {} of them logged",
        secrets.len(),
        said.len(),
        log.len()
    );
    assert_eq!(
        unmet(&secrets, &said),
        Vec::<String>::new(),
        "a secret that is not where it belongs proves nothing"
    );
    assert_eq!(leaks(&secrets, &said), "");
}

fn configure(rig: &Rig, server: &Server) {
    let smtp = server.settings();
    let PasswordSource::File(password) = &smtp.login.as_ref().unwrap().password else { unreachable!() };
    rig.configure(&format!(
        "\n[mail.smtp]\nhost = \"localhost\"\nport = {}\nusername = \"postern\"\npassword_file = \"{}\"\n\
         ca_file = \"{}\"\n\n[metrics]\nlisten = [\"127.0.0.1:9586\"]\n",
        smtp.port,
        password.display(),
        server.authority().display()
    ));
    let path = rig.path("postern.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(&format!("http://{GATEWAY}:8080/"), &format!("https://{NAME}/"));
    let own = "tls = \"files\"\ncertificate_file = \"chain.pem\"\nkey_file = \"key.pem\"";
    let listen = format!("listen = [\"{GATEWAY}:443\"]\n{own}");
    fs::write(path, text.replace(&format!("listen = [\"{GATEWAY}:8080\"]"), &listen)).unwrap();
    fs::create_dir(rig.path("temp")).unwrap();
    rig.locate("open", 1, "");
}

/// What the administrator put into files.
fn of_files(rig: &Rig, smtp: &Smtp) -> [Secret; 2] {
    let PasswordSource::File(path) = &smtp.login.as_ref().unwrap().password else { unreachable!() };
    let password = fs::read_to_string(path).unwrap();
    // PKCS #8 of a P-256 key: its 32 bytes begin at the 36th.
    let pem = fs::read_to_string(rig.path("key.pem")).unwrap();
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, lines).unwrap();
    [Secret::text("the mail server's password", password.trim()), Secret::bytes("the TLS key", &der[36..68])]
}

/// What the daemon shows of itself to others.
fn process(rig: &Rig) -> Vec<Said> {
    let pids = rig.gateway.look(&format!("pgrep -f 'run --config {}'", rig.path("postern.toml").display()));
    let daemon = pids
        .lines()
        .map(|pid| PathBuf::from(format!("/proc/{pid}")))
        .find(|process| fs::read_link(process.join("exe")).is_ok_and(|program| program.ends_with("postern")));
    let daemon = daemon.unwrap_or_else(|| panic!("no daemon among {pids}"));
    let limits = fs::read_to_string(daemon.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "no core is ever dumped");
    let mut said: Vec<Said> = ["cmdline", "environ"].map(|name| file(&daemon.join(name), &[])).into();
    // Also what has no name any more.
    for descriptor in fs::read_dir(daemon.join("fd")).unwrap().map(|entry| entry.unwrap().path()) {
        let is_file = fs::metadata(&descriptor).is_ok_and(|found| found.is_file());
        let leads_to = fs::read_link(&descriptor).unwrap_or_default();
        if is_file && !leads_to.ends_with("out") {
            said.push(file(&descriptor, &[]));
        }
    }
    said
}

/// Everything below the folder of configuration and state.
fn files(dir: &Path) -> Vec<Said> {
    let (mut said, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                said.push(file(&path, belonging(&path)));
            }
        }
    }
    said
}

/// The secrets that belong into a file.
fn belonging(path: &Path) -> &'static [&'static str] {
    match path.file_name().unwrap().to_str().unwrap() {
        "out" => &["the first administrator's token"],
        "key.pem" => &["the TLS key"],
        "backup-passphrase" => &["the backup's passphrase"],
        "wgsecret0.conf.imported" => &["the key that was taken over", "the preshared key"],
        "token.key" => &["token.key before they were replaced", "token.key at the end"],
        "seal.key" => &["seal.key before they were replaced", "seal.key at the end"],
        "location-1.key" => &["location-1.key at the end"],
        "location-2.key" => &["the key that was taken over"],
        _ => &[],
    }
}

fn mails(server: &Server) -> Vec<Said> {
    let letter = |mail: &server::Mail| Said {
        what: format!("the mail {:?}", mail.header("Subject")),
        text: readable(story::letter(mail).as_bytes()),
        meant: vec!["the first administrator's token", "ann's token", "ben's token", "ben's reset token"],
    };
    server.mails().iter().map(letter).collect()
}

fn file(path: &Path, meant: &[&'static str]) -> Said {
    let mut text = readable(&fs::read(path).unwrap());
    // PEM breaks its lines.
    let unbroken = text.replace(['\r', '\n'], "");
    text.push_str(&unbroken);
    Said { what: path.display().to_string(), text, meant: meant.to_vec() }
}

/// Secrets that are in no place that is meant to have them: the search for them may be wrong. Passwords are in none, and no
/// more are keys that were replaced.
fn unmet(secrets: &[Secret], said: &[Said]) -> Vec<String> {
    let met = |secret: &&Secret| {
        secret.name.contains("password")
            || secret.name.contains("before they were replaced")
            || said.iter().any(|said| {
                said.meant.iter().any(|meant| *meant == secret.name) && secret.found_in(&said.text).is_some()
            })
    };
    secrets.iter().filter(|secret| !met(secret)).map(|secret| secret.name.clone()).collect()
}

fn leaks(secrets: &[Secret], said: &[Said]) -> String {
    let mut report = String::new();
    for said in said {
        for secret in secrets.iter().filter(|secret| !said.meant.iter().any(|meant| *meant == secret.name)) {
            let Some(form) = secret.found_in(&said.text) else { continue };
            let at = said.text.find(form).unwrap();
            let around: String = said
                .text
                .chars()
                .skip(said.text[..at].chars().count().saturating_sub(200))
                .take(500)
                .collect();
            writeln!(report, "{} in {}: …{around}…", secret.name, said.what).unwrap();
        }
    }
    report
}
