//! The real daemon's own TLS, as visitors see it: which versions and suites, whose certificate, and what becomes of it when
//! the files change.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[path = "https/authority.rs"]
mod authority;
#[expect(dead_code, reason = "this suite has no tunnels")]
#[path = "../support/rig/mod.rs"]
mod rig;
#[path = "https/visitor.rs"]
mod visitor;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use authority::Authority;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rig::Wireguard::Userspace;
use rig::{GATEWAY, Rig, eventually};
use serde_json::json;
use visitor::Visitor;

/// What the gateway is called.
const NAME: &str = "vpn.example.com";

/// In `[http]`.
const WITH_FILES: &str = "tls = \"files\"\ncertificate_file = \"chain.pem\"\nkey_file = \"key.pem\"";

/// A gateway host that is to speak TLS with these lines in `[http]`, and no daemon.
fn a_host(http: &str) -> Option<Rig> {
    let rig = Rig::new(Userspace)?;
    rig.configure("");
    let path = rig.path("postern.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace(&format!("http://{GATEWAY}:8080/"), &format!("https://{NAME}/"));
    let listen = format!("listen = [\"{GATEWAY}:443\"]\nredirect_listen = [\"{GATEWAY}:80\"]\n{http}");
    fs::write(path, text.replace(&format!("listen = [\"{GATEWAY}:8080\"]"), &listen)).unwrap();
    rig.locate("open", 1, "");
    Some(rig)
}

/// A gateway with a certificate of one's own, its authority, and somebody who trusts that authority.
fn a_gateway() -> Option<(Rig, Authority, Visitor)> {
    let mut rig = a_host(WITH_FILES)?;
    let authority = Authority::new();
    authority.issue(NAME, rig.dir());
    let visitor = Visitor::new(rig.host("visitor"), &authority.pem());
    rig.launch(&[]);
    visitor.waits_until_open(&rig);
    Some((rig, authority, visitor))
}

#[test]
fn only_good_versions_and_suites_are_spoken() {
    let Some((rig, authority, visitor)) = a_gateway() else { return };
    speaks(&visitor, &["-tls1_2", "-tls1_3", "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305"]);
    refuses(&visitor, &["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "NULL"]);
    // A suite says of what kind the key is: with another kind it would be refused for that alone.
    let first = visitor.serial();
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    authority.issue_for(&rsa, NAME, rig.dir());
    eventually("the certificate of an RSA key", || visitor.serial() != first);
    speaks(&visitor, &["-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "-tls1_3"]);
    let rsa =
        ["DHE-RSA-AES128-GCM-SHA256", "AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "AES128-SHA", "NULL"];
    refuses(&visitor, &rsa);
    let said = visitor.shakes_hands("-alpn h2,http/1.1");
    assert!(said.contains("ALPN protocol: h2"), "{said}");
    // The chain as far as to the authority: our own certificate and the one between.
    assert_eq!(visitor.shakes_hands("-showcerts").matches("BEGIN CERTIFICATE").count(), 2);
}

fn speaks(visitor: &Visitor, spoken: &[&str]) {
    for spoken in spoken {
        let said = visitor.shakes_hands(spoken);
        assert!(is_done(&said), "{spoken}: {said}");
    }
}

/// Whether a handshake came to its end: where no certificate was shown, openssl finds nothing wrong with it.
fn is_done(said: &str) -> bool {
    said.contains("Verify return code: 0 (ok)") && !said.contains("Cipher is (NONE)")
}

/// That none of these is spoken over TLS 1.2, and nothing over the versions before.
fn refuses(visitor: &Visitor, suites: &[&str]) {
    let suites = suites.iter().map(|suite| format!("-tls1_2 -cipher {suite}"));
    for refused in suites.chain(["-tls1 -cipher ALL".to_owned(), "-tls1_1 -cipher ALL".to_owned()]) {
        // The visitor's system would not even offer some of these, which would prove nothing.
        let said = visitor.shakes_hands(&format!("{refused}:@SECLEVEL=0"));
        assert!(said.contains("Cipher is (NONE)") && said.contains("alert"), "{refused}: {said}");
    }
}

#[test]
fn both_versions_of_http_answer_and_bind_browsers_to_https() {
    let Some((_rig, _authority, visitor)) = a_gateway() else { return };
    for (version, said) in [("--http1.1", "HTTP/1.1 200"), ("--http2", "HTTP/2 200")] {
        let head = visitor.curl(&format!("{version} -i https://{NAME}/api/v1/health")).to_lowercase();
        assert!(head.starts_with(&said.to_lowercase()), "{head}");
        assert!(head.contains("strict-transport-security: max-age=31536000"), "{head}");
        assert!(head.ends_with("alive"), "{head}");
    }
}

/// Debian 12's curl takes an answer before the end of what it sends for a broken stream.
#[test]
fn what_is_sent_is_read_before_it_is_refused() {
    let Some((_rig, _authority, visitor)) = a_gateway() else { return };
    for version in ["--http1.1", "--http2"] {
        let many = format!(" https://{NAME}/api/v1/nothing").repeat(300);
        let answers = visitor.curl(&format!("{version} -w ' %{{http_code}}' -d '{{}}' {many}"));
        assert_eq!(answers.matches(" 404").count(), 300, "{version}: {answers}");
    }
}

#[test]
fn plain_http_is_sent_to_https_and_answers_nothing_else() {
    let Some((_rig, _authority, visitor)) = a_gateway() else { return };
    let head = visitor.curl(&format!("-i -H 'Host: evil.example' 'http://{NAME}/?token=abc'")).to_lowercase();
    assert!(
        head.starts_with("http/1.1 308") && head.contains("location: https://vpn.example.com/?token=abc"),
        "{head}"
    );
    assert!(!head.contains("strict-transport-security"), "{head}");
    let refused = visitor.curl(&format!("-i -d '{{}}' http://{NAME}/api/v1/enrollment/start"));
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
}

#[test]
fn a_changed_certificate_is_shown_at_once_and_a_broken_one_never() {
    let Some((rig, authority, visitor)) = a_gateway() else { return };
    let first = visitor.serial();
    authority.issue(NAME, rig.dir());
    eventually("the other certificate", || visitor.serial() != first);
    let second = visitor.serial();
    // The key of another certificate.
    let elsewhere = tempfile::tempdir().unwrap();
    authority.issue(NAME, elsewhere.path());
    fs::copy(elsewhere.path().join("key.pem"), rig.path("key.pem")).unwrap();
    let trouble = || rig.ask(&["status"])["https"]["failure"].as_str().unwrap_or_default().to_owned();
    eventually("the trouble in the status", || trouble().contains("is not the key of the first certificate"));
    let status = rig.ask(&["status"]);
    assert_eq!((&status["healthy"], &status["https"]["source"]), (&json!(false), &json!("files")));
    assert_eq!(status["https"]["names"], json!([NAME]));
    let refused = rig.postern(&["reload"]);
    assert!(refused.code == 1 && refused.errors.contains("http.certificate_file"), "{refused:?}");
    assert_eq!(visitor.serial(), second);
    fs::copy(elsewhere.path().join("chain.pem"), rig.path("chain.pem")).unwrap();
    rig.reload();
    assert_ne!(visitor.serial(), second, "a reload that is done has put it into force");
    assert_eq!(rig.ask(&["status"])["healthy"], json!(true));
}

#[test]
fn a_key_that_the_daemon_may_not_read_is_told_with_the_remedy() {
    let Some(mut rig) = a_host(WITH_FILES) else { return };
    let authority = Authority::new();
    authority.issue(NAME, rig.dir());
    let visitor = Visitor::new(rig.host("visitor"), &authority.pem());
    let key = rig.path("key.pem");
    let has_mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    has_mode(0o000);
    rig.launch(&["setpriv", "--bounding-set=-dac_override,-dac_read_search"]);
    runs_without_certificate(&rig);
    let status = rig.ask(&["status"]);
    let failure = status["https"]["failure"].as_str().unwrap();
    assert!(failure.contains("nobody can come in") && failure.contains("chgrp postern"), "{status}");
    assert!(rig.log().contains("chgrp postern"), "{}", rig.log());
    assert!(visitor.shakes_hands("").contains("alert"), "nothing is presented");
    has_mode(0o640);
    comes_in(&visitor);
    assert_eq!(rig.ask(&["status"])["healthy"], json!(true));
}

/// A broken certificate after a restart of the host: its tunnels do not depend on it.
#[test]
fn a_broken_certificate_keeps_no_tunnel_from_coming_up_and_no_location_from_being_changed() {
    let Some(mut rig) = a_host(WITH_FILES) else { return };
    let authority = Authority::new();
    authority.issue(NAME, rig.dir());
    let visitor = Visitor::new(rig.host("visitor"), &authority.pem());
    let other_key = KeyPair::generate().unwrap().serialize_pem();
    fs::write(rig.path("key.pem"), other_key).unwrap();
    rig.launch(&[]);
    runs_without_certificate(&rig);
    eventually("a location that is up", || rig.complains_of("open").is_empty());
    assert!(rig.gateway.look("ip -o link show pst-open").contains("UP"));
    rig.order(&["location", "edit", "open", "--keepalive", "17"]);
    let added = ["location", "add", "lab", "--endpoint", GATEWAY, "--interface", "pst-lab"];
    let said = rig.postern(&added);
    assert!(said.code == 0 && said.errors.contains("is not the key of the first certificate"), "{said:?}");
    rig.order(&["location", "remove", "lab"]);
    for refused in [["reload"], ["check-config"]] {
        let said = rig.postern(&refused);
        assert!(said.code == 1 && said.errors.contains("http.certificate_file"), "{refused:?}: {said:?}");
    }
    authority.issue(NAME, rig.dir());
    comes_in(&visitor);
    assert_eq!(rig.ask(&["status"])["healthy"], json!(true));
}

fn comes_in(visitor: &Visitor) {
    eventually("a handshake", || is_done(&visitor.shakes_hands("")));
}

fn runs_without_certificate(rig: &Rig) {
    eventually("a daemon", || rig.postern(&["plan"]).code == 0);
}

#[test]
fn handshakes_that_do_not_go_on_keep_nobody_out() {
    let Some((mut rig, _authority, visitor)) = a_gateway() else { return };
    let crowd = rig.host("crowd");
    crowd.enter(|| {
        let begin = || TcpStream::connect((GATEWAY, 443)).unwrap();
        let held: Vec<_> = (0..600).map(|_| begin()).collect();
        assert_eq!(visitor.curl(&format!("https://{NAME}/api/v1/health")), "alive");
        drop(held);
    });
}

#[test]
fn idle_and_slow_connections_at_the_redirect_keep_nobody_out() {
    let Some((mut rig, _authority, visitor)) = a_gateway() else { return };
    rig.host("crowd").enter(|| {
        let begin = || TcpStream::connect((GATEWAY, 80)).unwrap();
        let mut slow = begin();
        slow.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
        let held: Vec<_> = (0..600).map(|_| begin()).collect();
        assert_eq!(visitor.curl(&format!("https://{NAME}/api/v1/health")), "alive");
        assert!(visitor.curl(&format!("-i http://{NAME}/")).starts_with("HTTP/1.1 308"));
        let is_over =
            |slow: &mut TcpStream| slow.write_all(b"a").is_err() || matches!(slow.read(&mut [0]), Ok(0));
        eventually("the end of a connection whose head does not end", || is_over(&mut slow));
        drop(held);
    });
}

#[test]
fn a_machine_enrolls_over_https_with_the_systems_authorities() {
    let Some((rig, _authority, visitor)) = a_gateway() else { return };
    let added = rig.ask(&["device", "add-machine", "--name", "edge", "--location", "open"]);
    assert_eq!(added["url"], format!("https://{NAME}/"));
    let key = postern_gateway::PrivateKey::from_random([9; 32]).public().to_string();
    let answer = visitor.enrolls_a_machine(added["token"].as_str().unwrap(), &key);
    assert_eq!(answer["configs"][0]["network_name"], "open", "{answer}");
    let poll = visitor.polls(answer["token"].as_str().unwrap());
    assert_eq!(poll["device_config"]["configs"], answer["configs"], "{poll}");
}
