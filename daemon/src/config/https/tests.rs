//! Every way in which `[http]` can be wrong, and what it means where it says nothing.

use std::fs;

use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::config::{ConfigErrors, Loaded, load_with};

/// Loads a configuration with these lines in `[http]`, beside the files of a pair for vpn.example.com.
fn loaded(public_url: &str, lines: &str) -> Result<Loaded, ConfigErrors> {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["vpn.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(dir.path().join("chain.pem"), own.pem()).unwrap();
    fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(dir.path().join("other.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let text = format!(
        "public_url = \"{public_url}\"\nlocations_dir = \"locations.d\"\n[contact]\nname = \"Ada\"\n\
         email = \"ada@example.com\"\n[http]\n{lines}\n"
    );
    let path = dir.path().join("postern.toml");
    fs::write(&path, text).unwrap();
    load_with(&path, None)
}

const HTTPS: &str = "https://vpn.example.com";
const FILES: &str = "tls = \"files\"\ncertificate_file = \"chain.pem\"\nkey_file = \"key.pem\"\n";

/// The key is seen by the daemon alone.
const CREDENTIAL: &str = "tls = \"files\"\ncertificate_file = \"chain.pem\"\nkey_credential = \"tls-key\"\n";

#[test]
fn where_we_listen_follows_from_who_speaks_tls() {
    for (lines, listen, redirect) in [
        ("", "127.0.0.1:8080", None),
        (FILES, "[::]:443", Some("[::]:80")),
        ("tls = \"acme\"", "[::]:443", Some("[::]:80")),
    ] {
        let http = loaded(HTTPS, lines).unwrap().config.http;
        assert_eq!(http.listen, [listen.parse().unwrap()], "{lines}");
        let redirect: Vec<SocketAddr> =
            redirect.into_iter().map(|address| address.parse().unwrap()).collect();
        assert_eq!(http.redirect_listen, redirect, "{lines}");
    }
}

#[test]
fn an_authority_is_asked_for_the_host_and_writes_to_the_contact() {
    let Tls::Acme(acme) = loaded(HTTPS, "tls = \"acme\"").unwrap().config.http.tls else { panic!() };
    assert_eq!((acme.host.as_str(), acme.email.as_str()), ("vpn.example.com", "ada@example.com"));
}

#[test]
fn every_mistake_is_named_with_its_key() {
    let mismatch = FILES.replace("key.pem", "other.pem");
    let nothing = FILES.replace("chain.pem", "none.pem");
    for (public_url, lines, said) in [
        (HTTPS, "tls = \"files\"", "http.certificate_file: is missing"),
        (HTTPS, "tls = \"files\"\ncertificate_file = \"chain.pem\"", "http.key_file: is missing"),
        (HTTPS, "certificate_file = \"chain.pem\"", "http.certificate_file: is used only with http.tls"),
        (HTTPS, &mismatch, "http.certificate_file: "),
        (HTTPS, &mismatch, "other.pem is not the key of the first certificate in "),
        (HTTPS, &nothing, "cannot read "),
        (HTTPS, &format!("{FILES}key_credential = \"x\""), "http.key_credential: there is a key_file too"),
        (
            HTTPS,
            "tls = \"acme\"\nlisten = [\"[::]:80\"]",
            "http.redirect_listen: [::]:80 is in http.listen too",
        ),
        ("http://vpn.example.com", FILES, "public_url: \"http://vpn.example.com/\" is not https"),
        ("https://192.0.2.1", "tls = \"acme\"", "public_url: \"192.0.2.1\" is no name that an authority"),
        (
            HTTPS,
            "tls = \"acme\"\nacme.directory = \"http://x\"",
            "http.acme.directory: \"http://x\" is not an https URL",
        ),
        (HTTPS, "tls = \"acme\"\nacme.email = \"x\"", "http.acme.email: \"x\" is not an e-mail address"),
    ] {
        let refused = loaded(public_url, lines).and_then(Loaded::with_https).unwrap_err().to_string();
        assert!(refused.contains(said), "{said}: {refused}");
    }
}

#[test]
fn a_certificate_that_cannot_be_used_keeps_only_those_from_going_on_who_ask_for_https() {
    let acme = "tls = \"acme\"\nacme.ca_file = \"none.pem\"".to_owned();
    for (lines, key) in [
        (FILES.replace("key.pem", "other.pem"), "http.certificate_file"),
        (FILES.replace("chain.pem", "none.pem"), "http.certificate_file"),
        (CREDENTIAL.replace("chain.pem", "key.pem"), "http.certificate_file"),
        (acme, "http.acme.ca_file"),
    ] {
        let there = loaded(HTTPS, &lines).unwrap();
        assert_eq!(there.https.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(), [key]);
        assert_eq!(there.clone().with_https(), Err(ConfigErrors(there.https)));
        // Who has to mend something else is told all of it.
        let said = loaded("https://vpn.example.com/x y", &lines).unwrap_err().to_string();
        assert!(said.contains("public_url") && said.contains(key), "{said}");
    }
    let well = loaded(HTTPS, FILES).unwrap();
    assert_eq!(well.clone().with_https(), Ok(well));
}

#[test]
fn plain_http_on_a_public_address_and_a_certificate_for_another_name_are_told_loudly() {
    let warned = |public_url: &str, lines: &str| {
        let warnings = loaded(public_url, lines).unwrap().warnings;
        warnings.iter().map(|warning| warning.reason.clone()).collect::<Vec<_>>().join("\n")
    };
    for open in ["0.0.0.0:80", "[::]:80", "203.0.113.5:8080"] {
        let said = warned(HTTPS, &format!("listen = [\"{open}\"]"));
        assert!(said.contains("PLAIN HTTP ON A PUBLIC ADDRESS"), "{open}: {said}");
    }
    for closed in ["127.0.0.1:80", "[::1]:80", "10.0.0.1:80", "[fd00::1]:80"] {
        assert_eq!(warned(HTTPS, &format!("listen = [\"{closed}\"]")), "", "{closed}");
    }
    for lines in [FILES, CREDENTIAL] {
        let said = warned("https://www.example.com", lines);
        assert!(said.contains("is for vpn.example.com, not for www.example.com"), "{said}");
    }
}
