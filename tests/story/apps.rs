//! Applications that people sign in to, from the command line.

use serde_json::{Value, json};

use crate::running::{Postern, Said};

const CALLBACK: &str = "https://wiki.example.com/cb";

fn refused(said: &Said, error: &str, hint: &str) {
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    assert!(said.err.contains(error) && said.err.contains(hint), "{}", said.err);
}

#[test]
fn an_application_is_added_shown_changed_and_removed_and_its_secret_is_told_once() {
    let Some(postern) = Postern::start() else { return };
    postern.run(&["group", "create", "staff"]);
    let added = postern.json(&["app", "add", "My wiki", "--redirect-uri", CALLBACK, "--group", "STAFF"]);
    let secret = added["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(
        (secret.len(), added["id_token_alg"].as_str(), &added["applied"]),
        (43, Some("RS256"), &json!(true))
    );
    assert!(
        added["issuer"].as_str().is_some_and(|issuer| issuer.starts_with("http") && !issuer.ends_with('/'))
    );
    let shown = postern.json(&["app", "show", "my WIKI"]);
    assert_eq!((&shown["name"], &shown["groups"]), (&json!("My wiki"), &json!(["staff"])));
    assert_eq!(shown["client_id"], added["client_id"]);
    assert!(
        shown.get("client_secret").is_none()
            && !postern.run(&["app", "show", "My wiki"]).out.contains(&secret)
    );
    let rotated = postern.run(&["app", "rotate-secret", "My wiki"]);
    assert!(rotated.code == 0 && rotated.out.contains("not shown again") && !rotated.out.contains(&secret));
    refused(&postern.run(&["group", "remove", "staff"]), "named by the application", "app edit");
    let edited =
        postern.json(&["app", "edit", "My wiki", "--everybody", "--url", "https://wiki.example.com"]);
    assert_eq!((&edited["groups"], &edited["url"]), (&json!([]), &json!("https://wiki.example.com")));
    assert_eq!(postern.run(&["group", "remove", "staff"]).code, 0);
    assert!(postern.run(&["app", "list"]).out.contains("everybody"));
    assert_eq!(postern.run(&["app", "remove", "My wiki"]).out, "application My wiki is removed\n");
    assert_eq!(postern.json(&["app", "list"]), json!([]));
    let log: Vec<Value> = postern.json(&["audit"]).as_array().unwrap().clone();
    let of_app =
        log.iter().filter_map(|entry| entry["action"].as_str()).filter(|name| name.starts_with("app."));
    assert_eq!(of_app.collect::<Vec<_>>(), ["app.add", "app.rotate-secret", "app.edit", "app.remove"]);
}

#[test]
fn what_cannot_be_an_application_is_refused_with_what_to_do() {
    let Some(postern) = Postern::start() else { return };
    let add = |args: &[&str]| postern.run(&[&["app", "add"], args].concat());
    for uri in ["http://wiki.example.com/cb", "https://*.example.com/", "https://a.example/#x", "nonsense"] {
        refused(&add(&["wiki", "--redirect-uri", uri]), "compared exactly", "correct it");
    }
    refused(&add(&["", "--redirect-uri", CALLBACK]), "1 to 64", "correct it");
    refused(&add(&["wiki", "--redirect-uri", CALLBACK, "--group", "ops"]), "no group", "group create ops");
    refused(
        &add(&["wiki", "--redirect-uri", CALLBACK, "--url", "javascript:alert(1)"]),
        "http or https",
        "correct",
    );
    assert_eq!(add(&["wiki"]).code, 2, "without an address to send people back to");
    assert_eq!(add(&["wiki", "--redirect-uri", CALLBACK, "--public"]).code, 0);
    refused(&add(&["WIKI", "--redirect-uri", CALLBACK]), "already", "another name");
    refused(&postern.run(&["app", "rotate-secret", "wiki"]), "keeps no secret", "--public");
    refused(&postern.run(&["app", "edit", "wiki"]), "nothing to change", "--help");
    refused(&postern.run(&["app", "show", "shop"]), "no application", "app list");
}
