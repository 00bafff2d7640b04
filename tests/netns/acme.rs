//! The real daemon and a real ACME server, Pebble, that looks for its proofs by really connecting.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[path = "https/authority.rs"]
mod authority;
#[path = "https/pebble.rs"]
mod pebble;
#[expect(dead_code, reason = "this suite has no tunnels")]
#[path = "../support/rig/mod.rs"]
mod rig;
#[expect(dead_code, reason = "this suite asks little of who visits")]
#[path = "https/visitor.rs"]
mod visitor;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use instant_acme::CertificateIdentifier;
use nix::sys::signal::Signal;
use pebble::Pebble;
use rig::Wireguard::Userspace;
use rig::{GATEWAY, Rig, eventually};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

/// What the gateway is called.
const NAME: &str = "vpn.example.com";

/// A gateway host that is to ask an authority, and no daemon; `redirect` are the addresses for plain http.
fn a_host(redirect: &str) -> Option<(Rig, Pebble)> {
    let mut rig = Rig::new(Userspace)?;
    if let Some(lacking) = rig::lacking_tools(&["pebble", "openssl", "perl"]) {
        rig::skip("netns", &lacking);
        return None;
    }
    let pebble = Pebble::new(rig.host("authority"));
    rig.configure("");
    let path = rig.path("postern.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(&format!("http://{GATEWAY}:8080/"), &format!("https://{NAME}/"));
    let listen = format!(
        "tls = \"acme\"\nlisten = [\"{GATEWAY}:443\"]\nredirect_listen = [{redirect}]\n\n[http.acme]\n\
         directory = \"{}\"\nca_file = \"{}\"\n",
        pebble::DIRECTORY,
        pebble.authority().display()
    );
    let text = text.replace(&format!("listen = [\"{GATEWAY}:8080\"]"), &listen);
    fs::write(path, text + "\n[mail]\ndirectory = \"mail\"\n").unwrap();
    rig.locate("open", 1, "");
    Some((rig, pebble))
}

/// Changes text of `postern.toml`.
fn edit(rig: &Rig, from: &str, to: &str) {
    let path = rig.path("postern.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// To whom it was written that there is a certificate no more.
fn warned(rig: &Rig) -> Vec<String> {
    let mails = fs::read_dir(rig.path("mail")).into_iter().flatten();
    let texts = mails.map(|mail| fs::read_to_string(mail.unwrap().path()).unwrap_or_default());
    let warnings = texts.filter(|text| text.contains("Subject: No certificate for"));
    let to = |text: String| text.lines().find_map(|line| line.strip_prefix("To: ").map(str::to_owned));
    let mut to: Vec<_> = warnings.filter_map(to).collect();
    to.sort();
    to
}

fn failure(rig: &Rig) -> String {
    https(rig)["failure"].as_str().unwrap_or_default().to_owned()
}

fn port_80() -> String {
    format!("\"{GATEWAY}:80\"")
}

fn https(rig: &Rig) -> Value {
    rig.ask(&["status"])["https"].clone()
}

/// Waits for the first certificate, and lets the daemon try again meanwhile.
fn obtains(rig: &Rig) {
    eventually("a certificate", || {
        let said = rig.postern(&["status", "--json"]);
        let status: Value = serde_json::from_str(&said.out).unwrap_or_default();
        if status["https"]["failure"].is_string() {
            rig.postern(&["reload"]);
        }
        status["https"]["issuer"].is_string()
    });
}

fn runs_without_certificate(rig: &Rig) {
    eventually("a daemon", || rig.postern(&["plan"]).code == 0);
}

#[test]
fn the_first_certificate_is_proven_on_port_80_and_kept_for_the_daemon_alone() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.start(&[]);
    rig.launch(&[]);
    obtains(&rig);
    assert!(rig.log().contains("way=Http") && !rig.log().contains("way=TlsAlpn"), "{}", rig.log());
    let visitor = pebble.visitor(&mut rig);
    assert_eq!(visitor.curl(&format!("https://{NAME}/api/v1/health")), "alive");
    assert_eq!((https(&rig)["source"].clone(), https(&rig)["names"].clone()), (json!("acme"), json!([NAME])));
    assert_eq!(rig.ask(&["status"])["healthy"], json!(true));
    for (name, mode) in [("acme", 0o700), ("acme/account.json", 0o600), ("acme/certificate.pem", 0o600)] {
        let found = fs::metadata(rig.path("state").join(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
    assert!(!rig.log().contains("PRIVATE"), "{}", rig.log());
}

#[test]
fn an_authority_that_nothing_is_heard_of_keeps_visitors_out_and_nothing_else() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.start(&[]);
    pebble.swallows(true);
    rig.launch(&[]);
    runs_without_certificate(&rig);
    assert!(rig.order(&["status"]).contains("there is no certificate yet"));
    eventually("a failure that is shown", || failure(&rig).contains("took longer than"));
    rig.order(&["group", "create", "ops"]);
    rig.gateway.sh("ip addr flush dev pst-open");
    let address = || rig.gateway.look("ip -o addr show dev pst-open").contains("10.77.1.1");
    eventually("a repaired address", address);
    let pid = rig.pid();
    pebble.swallows(false);
    obtains(&rig);
    assert_eq!(rig.pid(), pid);
}

#[test]
fn without_a_listener_on_port_80_it_is_proven_on_port_443() {
    let Some((mut rig, mut pebble)) = a_host("") else { return };
    pebble.start(&[]);
    rig.launch(&[]);
    obtains(&rig);
    assert!(rig.log().contains("way=TlsAlpn") && !rig.log().contains("way=Http"), "{}", rig.log());
    let visitor = pebble.visitor(&mut rig);
    assert_eq!(visitor.curl(&format!("https://{NAME}/api/v1/health")), "alive");
    // Nobody but an authority speaks that, and only while it looks.
    let said = visitor.shakes_hands("-alpn acme-tls/1");
    assert!(said.contains("alert"), "{said}");
}

/// Opens a socket on port 80 as systemd does, and becomes the program after it.
const WITH_A_SOCKET: &str = "BEGIN { $^F = 9 } use Socket; socket(S, PF_INET, SOCK_STREAM, 0) && setsockopt(S, SOL_SOCKET, SO_REUSEADDR, 1) \
                             && bind(S, sockaddr_in(80, INADDR_ANY)) && listen(S, 9) or die $!; use POSIX; \
                             dup2(fileno(S), 3) // die $!; $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1; \
                             $ENV{LISTEN_FDNAMES} = 'http'; exec @ARGV";

#[test]
fn a_socket_of_systemd_on_port_80_is_as_good_as_a_listener_and_takes_no_other_ones_place() {
    let Some((mut rig, mut pebble)) = a_host("") else { return };
    pebble.start(&[]);
    rig.launch(&["perl", "-e", WITH_A_SOCKET]);
    obtains(&rig);
    assert!(rig.log().contains("way=Http") && !rig.log().contains("way=TlsAlpn"), "{}", rig.log());
    assert!(rig.log().contains("http.redirect_listen is not looked at"), "{}", rig.log());
    let visitor = pebble.visitor(&mut rig);
    assert_eq!(visitor.curl(&format!("https://{NAME}/api/v1/health")), "alive");
}

#[test]
fn a_certificate_is_renewed_in_time_with_the_account_there_is() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.valid_for(45);
    pebble.start(&[]);
    rig.launch(&[]);
    obtains(&rig);
    let account = || fs::read(rig.path("state/acme/account.json")).unwrap();
    let (first, account_before) = (https(&rig)["not_after"].clone(), account());
    eventually("another certificate", || https(&rig)["not_after"] != first);
    assert_eq!(https(&rig)["failure"], Value::Null);
    assert_eq!(account(), account_before);
}

#[test]
fn while_there_is_no_authority_the_rest_runs_and_it_is_asked_seldom() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    rig.launch(&[]);
    runs_without_certificate(&rig);
    eventually("the trouble in the status", || https(&rig)["failure"].is_string());
    assert_eq!(rig.complains_of("open"), "");
    let problems = rig.ask(&["status"])["problems"].to_string();
    assert!(problems.contains("there is no certificate yet"), "{problems}");
    assert_eq!(rig.log().matches("asking for a certificate").count(), 1, "{}", rig.log());
    pebble.start(&[]);
    obtains(&rig);
    assert_eq!(https(&rig)["failure"], Value::Null);
    // What was obtained outlives daemon and authority.
    pebble.stop();
    let shown = https(&rig)["not_after"].clone();
    rig.end(Signal::SIGKILL);
    rig.launch(&[]);
    runs_without_certificate(&rig);
    assert_eq!(https(&rig)["not_after"], shown);
}

#[test]
fn an_authority_that_forgot_the_account_gets_another() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.start(&[]);
    rig.launch(&[]);
    obtains(&rig);
    rig.end(Signal::SIGTERM);
    // Pebble keeps nothing.
    pebble.stop();
    pebble.start(&[]);
    fs::remove_file(rig.path("state/acme/certificate.pem")).unwrap();
    let before = fs::read(rig.path("state/acme/account.json")).unwrap();
    rig.launch(&[]);
    runs_without_certificate(&rig);
    obtains(&rig);
    assert_ne!(fs::read(rig.path("state/acme/account.json")).unwrap(), before);
}

#[test]
fn an_authority_that_refuses_good_nonces_is_asked_again() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.start(&[("PEBBLE_WFE_NONCEREJECT", "25")]);
    rig.launch(&[]);
    runs_without_certificate(&rig);
    obtains(&rig);
}

#[test]
fn a_name_that_leads_elsewhere_is_told_with_what_the_authority_says() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.name_leads_to("192.0.2.99");
    pebble.start(&[]);
    rig.launch(&[]);
    runs_without_certificate(&rig);
    eventually("the trouble in the status", || failure(&rig).contains("does the name lead here"));
    assert!(failure(&rig).contains("HTTP-01, on port 80"), "{}", failure(&rig));
}

#[test]
fn a_renewal_that_fails_is_told_in_time_and_the_certificate_there_is_shown_meanwhile() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.valid_for(60);
    pebble.start(&[]);
    rig.launch(&[]);
    obtains(&rig);
    let visitor = pebble.visitor(&mut rig);
    let first = visitor.serial();
    let invited = ["--first-name", "Ben", "--last-name", "B", "--email", "ben@example.com", "--admin"];
    rig.order(&[&["user", "invite", "ben"], &invited[..]].concat());
    pebble.stop();
    eventually("the trouble in the status", || failure(&rig).contains("the certificate was not renewed"));
    assert_eq!((visitor.serial(), warned(&rig)), (first.clone(), Vec::new()));
    assert_eq!(rig.ask(&["status"])["healthy"], json!(false));
    // Each reload is another attempt.
    eventually("mails", || {
        rig.reload();
        warned(&rig) == ["ada@example.com", "ben@example.com"]
    });
    assert_eq!(visitor.serial(), first);
    pebble.valid_for(24 * 60 * 60);
    pebble.start(&[]);
    eventually("another certificate", || {
        rig.reload();
        failure(&rig).is_empty()
    });
    assert_ne!(pebble.visitor(&mut rig).serial(), first);
    assert_eq!(rig.ask(&["status"])["healthy"], json!(true));
}

#[test]
fn a_certificate_is_renewed_when_the_authority_suggests_it() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.start(&[]);
    pebble.advise();
    edit(&rig, pebble::DIRECTORY, pebble::ADVISER);
    rig.launch(&[]);
    obtains(&rig);
    let visitor = pebble.visitor(&mut rig);
    let first = visitor.serial();
    rig.end(Signal::SIGTERM);
    let kept = CertificateDer::from_pem_file(rig.path("state/acme/certificate.pem")).unwrap();
    let known_as = CertificateIdentifier::try_from(&kept).unwrap().to_string();
    // As if it were going to be revoked; all are good for 90 days.
    pebble.suggests(&known_as, ["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"]);
    rig.launch(&[]);
    runs_without_certificate(&rig);
    eventually("another certificate", || visitor.serial() != first);
    assert_eq!(https(&rig)["failure"], Value::Null);
    assert_eq!(rig.log().matches("asking for a certificate").count(), 2, "{}", rig.log());
}

#[test]
fn a_certificate_of_another_authority_is_replaced_after_a_reload_and_after_a_start() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.start(&[]);
    rig.launch(&[]);
    obtains(&rig);
    let visitor = pebble.visitor(&mut rig);
    let first = visitor.serial();
    // The same authority, as far as nobody but a test knows.
    edit(&rig, pebble::DIRECTORY, "https://192.0.2.10:14000/dir?another");
    rig.reload();
    eventually("a certificate of the other one", || visitor.serial() != first);
    let second = visitor.serial();
    rig.end(Signal::SIGTERM);
    edit(&rig, "dir?another", "dir?third");
    rig.launch(&[]);
    runs_without_certificate(&rig);
    eventually("a certificate of the third", || visitor.serial() != second);
    let third = visitor.serial();
    rig.end(Signal::SIGTERM);
    rig.launch(&[]);
    runs_without_certificate(&rig);
    assert_eq!(visitor.serial(), third);
    assert_eq!(rig.log().matches("asking for a certificate").count(), 3, "{}", rig.log());
}

#[test]
fn a_certificate_that_cannot_be_written_is_shown_all_the_same_and_written_later() {
    let Some((mut rig, mut pebble)) = a_host(&port_80()) else { return };
    pebble.start(&[]);
    // What no file can be put in the place of.
    rig.gateway.sh(&format!(
        "cd {}; mkdir -m 700 state; mkdir -p state/acme/certificate.pem/x",
        rig.dir().display()
    ));
    rig.launch(&[]);
    obtains(&rig);
    assert!(failure(&rig).contains("would be lost with the next start"), "{}", failure(&rig));
    let shown = pebble.visitor(&mut rig).serial();
    rig.gateway.sh(&format!("rm -r {}/state/acme/certificate.pem", rig.dir().display()));
    rig.reload();
    eventually("nothing wrong", || failure(&rig).is_empty());
    rig.end(Signal::SIGKILL);
    rig.launch(&[]);
    runs_without_certificate(&rig);
    assert_eq!(pebble.visitor(&mut rig).serial(), shown);
}
