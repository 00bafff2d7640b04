//! What becomes of answers.

use super::*;
use crate::config::settings::{DOCUMENTED, set};

#[test]
fn a_first_setup_takes_what_was_found_and_a_certificate_for_a_public_name() {
    let text = apply(DOCUMENTED, &Answers::default(), &found()).unwrap();
    assert_eq!(
        differences(&text),
        [
            "public_url = \"https://gw.example.com/\"",
            "tls = \"acme\"",
            "name = \"Ada Example\"",
            "email = \"ada@example.com\"",
        ]
    );
}

#[test]
fn a_second_setup_changes_only_what_is_asked() {
    let first =
        apply(DOCUMENTED, &Answers { tls: Some(Tls::Proxy), ..Answers::default() }, &found()).unwrap();
    assert_eq!(apply(&first, &Answers::default(), &Found::default()).unwrap(), first);
    let name = Answers { contact_name: Some("Eve".to_owned()), ..Answers::default() };
    let second = apply(&first, &name, &Found::default()).unwrap();
    assert_eq!(second, first.replace("Ada Example", "Eve"));
}

#[test]
fn plain_http_is_for_loopback_alone() {
    let answers = |url: &str| Answers { public_name: Some(url.to_owned()), ..Answers::default() };
    let said = apply(DOCUMENTED, &answers("http://vpn.example.com"), &found()).unwrap_err();
    assert!(said.contains("could read passwords") && said.contains("--tls"), "{said}");
    let text = apply(DOCUMENTED, &answers("http://127.0.0.1:8080/"), &found()).unwrap();
    assert!(!text.contains("\ntls = \"acme\""), "{text}");
}

#[test]
fn what_no_public_authority_certifies_needs_a_word_about_its_certificate() {
    for name in ["gw.local", "192.0.2.1", "vpn.example.com:8443"] {
        let answers = Answers { public_name: Some(name.to_owned()), ..Answers::default() };
        let said = apply(DOCUMENTED, &answers, &found()).unwrap_err();
        assert!(said.contains("--tls files"), "{said}");
    }
    let files = Answers {
        public_name: Some("gw.local:8443".to_owned()),
        tls: Some(Tls::Files),
        certificate_file: Some("/c.pem".into()),
        ..Answers::default()
    };
    assert!(apply(DOCUMENTED, &files, &found()).unwrap_err().contains("--key-file"));
    let files = files.or(&Answers { key_file: Some("/k.pem".into()), ..Answers::default() });
    let text = apply(DOCUMENTED, &files, &found()).unwrap();
    for line in [
        "tls = \"files\"",
        "certificate_file = \"/c.pem\"",
        "key_file = \"/k.pem\"",
        "listen = [\"[::]:8443\"]",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[test]
fn a_mail_servers_port_tells_its_encryption_and_a_new_one_forgets_the_login() {
    let mut login = Answers {
        mail_host: Some("mail.example.com:465".to_owned()),
        mail_username: Some("vpn".to_owned()),
        ..Answers::default()
    };
    assert!(apply(DOCUMENTED, &login, &found()).unwrap_err().contains("--mail-password-file"));
    login.set_password("secret".to_owned().into());
    let text = apply(DOCUMENTED, &login, &found()).unwrap();
    let at = |text: &str, key| text_at(text, "mail.smtp", key).unwrap_or_default();
    assert_eq!(
        ["host", "security", "username", "password_file"].map(|key| at(&text, key)),
        ["mail.example.com", "tls", "vpn", "/p"]
    );
    assert!(!text.contains("secret"));
    let other = Answers { mail_host: Some("localhost".to_owned()), ..Answers::default() };
    let text = apply(&text, &other, &found()).unwrap();
    assert_eq!(
        ["host", "security", "username", "password_file"].map(|key| at(&text, key)),
        ["localhost", "none", "", ""]
    );
    let none = Answers { mail_host: Some("none".to_owned()), ..Answers::default() };
    assert_eq!(at(&apply(&text, &none, &found()).unwrap(), "host"), "");
}

#[test]
fn a_password_that_systemd_hands_in_is_one() {
    let login = Answers {
        mail_host: Some("mail.example.com".to_owned()),
        mail_username: Some("vpn".to_owned()),
        ..Answers::default()
    };
    let handed_in = [
        Setting::new("", "public_url", "https://gw.example.com/"),
        Setting::new("mail.smtp", "username", "old"),
        Setting::new("mail.smtp", "password_credential", "smtp-password"),
    ];
    let present = set(DOCUMENTED, &handed_in).unwrap();
    let at = |text: &str| {
        ["username", "password_file", "password_credential"].map(|key| text_at(text, "mail.smtp", key))
    };
    let texts = |texts: [Option<&str>; 3]| texts.map(|text| text.map(str::to_owned));
    let same = apply(&present, &login, &found()).unwrap();
    assert_eq!(at(&same), texts([Some("vpn"), None, Some("smtp-password")]));
    let mut typed = login.clone();
    typed.set_password("secret".to_owned().into());
    let typed = apply(&present, &typed, &found()).unwrap();
    assert_eq!(at(&typed), texts([Some("vpn"), Some("/p"), None]));
    let other = apply(&present, &Answers { mail_username: None, ..login }, &found()).unwrap();
    assert_eq!(at(&other), texts([Some(""), None, None]));
}

#[test]
fn the_first_location_is_made_unasked_and_a_further_one_only_by_name() {
    let made = |answers: &Answers, has_locations| {
        location(answers, "https://gw.example.com:8443/", has_locations).unwrap()
    };
    let first = made(&Answers::default(), false).unwrap();
    assert_eq!((first.name.as_deref(), first.endpoint.as_deref()), (Some("hq"), Some("gw.example.com")));
    assert_eq!(made(&Answers::default(), true), None);
    let named = Answers { location: Some("lab".to_owned()), port: Some(1), ..Answers::default() };
    assert_eq!(made(&named, true).unwrap().listen_port, Some(1));
    let nameless = Answers { location: None, ..named.clone() };
    assert_eq!(made(&nameless, false).unwrap().listen_port, Some(1));
    assert!(location(&nameless, "https://gw.example.com/", true).unwrap_err().contains("--location"));
    let taken_over = Answers { wg_quick: Some("/etc/wireguard/wg0.conf".into()), ..named };
    assert_eq!(made(&taken_over, false), None);
}

#[test]
fn what_is_said_of_the_certificate_alone_is_heeded_and_the_rest_stays() {
    let files = Answers {
        public_name: Some("gw.example.com:8443".to_owned()),
        certificate_file: Some("/c.pem".into()),
        key_file: Some("/k.pem".into()),
        ..Answers::default()
    };
    let first = apply(DOCUMENTED, &files, &found()).unwrap();
    assert_eq!(text_at(&first, "http", "tls").as_deref(), Some("files"));
    let edited = first.replace("[\"[::]:8443\"]", "[\"192.0.2.1:8443\"]");
    let other = Answers { certificate_file: Some("/new.pem".into()), ..Answers::default() };
    assert_eq!(apply(&edited, &other, &found()).unwrap(), edited.replace("/c.pem", "/new.pem"));
    let renamed = Answers { public_name: Some("vpn.example.com".to_owned()), ..Answers::default() };
    let expected = edited.replace("https://gw.example.com:8443/", "https://vpn.example.com:8443/");
    assert_eq!(apply(&edited, &renamed, &found()).unwrap(), expected);
    let moved = Answers { public_name: Some("vpn.example.com:9443".to_owned()), ..Answers::default() };
    assert!(apply(&edited, &moved, &found()).unwrap().contains("listen = [\"[::]:9443\"]"));
    let usual = Answers { public_name: Some("https://gw.example.com/".to_owned()), ..Answers::default() };
    assert!(apply(&edited, &usual, &found()).unwrap().contains("\nlisten = []\n"));
    let both = Answers { tls: Some(Tls::Proxy), ..other };
    assert!(apply(&edited, &both, &found()).unwrap_err().contains("does not go with"));
}

#[test]
fn an_authority_that_is_named_later_is_heeded() {
    let first = apply(DOCUMENTED, &Answers::default(), &found()).unwrap();
    let directory = "https://ca.example.com/directory";
    let answers = Answers { acme_directory: Some(directory.to_owned()), ..Answers::default() };
    let second = apply(&first, &answers, &found()).unwrap();
    assert_eq!(text_at(&second, "http.acme", "directory").as_deref(), Some(directory));
    assert_eq!(text_at(&second, "http", "tls").as_deref(), Some("acme"));
}

fn found() -> Found {
    Found {
        full_name: Some("gw.example.com".to_owned()),
        person: Some("Ada Example".to_owned()),
        email: Some("ada@example.com".to_owned()),
        ..Found::default()
    }
}

fn apply(text: &str, answers: &Answers, found: &Found) -> Result<String, String> {
    Ok(set(text, &settings(answers, text, found, "/p")?).unwrap())
}

/// Lines that are not in the documented file.
fn differences(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !DOCUMENTED.lines().any(|known| known == *line)).collect()
}
