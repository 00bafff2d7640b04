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
use std::os::unix::fs::PermissionsExt as _;

use authority::Authority;
use rig::Wireguard::Userspace;
use rig::{GATEWAY, Rig, eventually};
use serde_json::json;
use visitor::Visitor;

/// What the gateway is called.
const NAME: &str = "vpn.example.com";

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
    let mut rig = a_host("tls = \"files\"\ncertificate_file = \"chain.pem\"\nkey_file = \"key.pem\"")?;
    let authority = Authority::new();
    authority.issue(NAME, rig.dir());
    let visitor = Visitor::new(rig.host("visitor"), &authority.pem());
    rig.launch(&[]);
    visitor.waits_until_open(&rig);
    Some((rig, authority, visitor))
}

#[test]
fn only_good_versions_and_suites_are_spoken() {
    let Some((_rig, _authority, visitor)) = a_gateway() else { return };
    for spoken in ["-tls1_2", "-tls1_3", "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305"] {
        let said = visitor.shakes_hands(spoken);
        assert!(said.contains("Verify return code: 0 (ok)"), "{spoken}: {said}");
    }
    for refused in [
        "-tls1 -cipher ALL",
        "-tls1_1 -cipher ALL",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA",
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256",
        "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256",
        "-tls1_2 -cipher AES128-GCM-SHA256",
        "-tls1_2 -cipher NULL",
    ] {
        // The visitor's system would not even offer some of these, which would prove nothing.
        let said = visitor.shakes_hands(&format!("{refused}:@SECLEVEL=0"));
        assert!(said.contains("Cipher is (NONE)") && said.contains("alert"), "{refused}: {said}");
    }
    let said = visitor.shakes_hands("-alpn h2,http/1.1");
    assert!(said.contains("ALPN protocol: h2"), "{said}");
    // The chain as far as to the authority: our own certificate and the one between.
    assert_eq!(visitor.shakes_hands("-showcerts").matches("BEGIN CERTIFICATE").count(), 2);
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
    let Some(rig) = a_host("tls = \"files\"\ncertificate_file = \"chain.pem\"\nkey_file = \"key.pem\"")
    else {
        return;
    };
    Authority::new().issue(NAME, rig.dir());
    fs::set_permissions(rig.path("key.pem"), fs::Permissions::from_mode(0o000)).unwrap();
    let said = rig.run_in_vain(&["setpriv", "--bounding-set=-dac_override,-dac_read_search"]);
    assert!(said.code == 78 && said.errors.contains("chgrp postern"), "{said:?}");
}

#[test]
fn handshakes_that_do_not_go_on_keep_nobody_out() {
    let Some((mut rig, _authority, visitor)) = a_gateway() else { return };
    let crowd = rig.host("crowd");
    crowd.enter(|| {
        let begin = || std::net::TcpStream::connect((GATEWAY, 443)).unwrap();
        let held: Vec<_> = (0..600).map(|_| begin()).collect();
        assert_eq!(visitor.curl(&format!("https://{NAME}/api/v1/health")), "alive");
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
