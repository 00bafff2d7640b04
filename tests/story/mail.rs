//! Mail against a real mail server, with everything that can go wrong on the way: each a clear error in the list,
//! nothing lost, delivered once the cause is gone.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[path = "mail/failures.rs"]
mod failures;
#[path = "mail/looks.rs"]
mod looks;
#[path = "mail/server.rs"]
mod server;
#[expect(dead_code, reason = "these stories need no particular location")]
#[path = "support/site.rs"]
mod site;
#[path = "mail/station.rs"]
mod station;

use postern::config::{Login, PasswordSource, Security};
use server::Server;
use station::Station;

#[tokio::test]
async fn mails_arrive_over_starttls_with_a_login_each_once() {
    let Some(server) = Server::start("starttls") else { return };
    let mut station = Station::of(server.settings());
    for number in 0..40 {
        station.tell_of(&format!("loc-{number}"));
    }
    station.deliver();

    let mails = station.eventually(|| Some(server.mails()).filter(|mails| mails.len() >= 40)).await;

    station.wait_until_nothing_is_left().await;
    let mut subjects: Vec<&str> = mails.iter().map(|mail| mail.header("Subject")).collect();
    subjects.sort_unstable();
    subjects.dedup();
    assert_eq!((mails.len(), subjects.len(), server.mails().len()), (40, 40, 40));
    let mail = &mails[0];
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("postern@example.com", &["ann@example.com".to_owned()][..])
    );
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert!(mail.header("Content-Type").starts_with("multipart/alternative"));
    assert!(mail.header("Message-ID").ends_with("@example.com>") && !mail.header("Date").is_empty());
    let connections = server.connections();
    assert!(connections <= 8, "{connections} conversations for 40 mails");
}

#[tokio::test]
async fn mails_arrive_over_implicit_tls() {
    let Some(server) = Server::start("tls") else { return };
    let mut settings = server.settings();
    settings.security = Security::Tls;
    let mut station = Station::of(settings);
    station.tell_of("hq");
    station.deliver();
    station.eventually(|| Some(()).filter(|()| server.mails().len() == 1)).await;
}

#[tokio::test]
async fn mails_arrive_unencrypted_and_without_a_login_where_that_is_configured() {
    let Some(server) = Server::start("plain") else { return };
    let mut settings = server.settings();
    (settings.security, settings.login, settings.ca) = (Security::Unencrypted, None, None);
    let mut station = Station::of(settings);
    station.tell_of("hq");
    station.deliver();
    station.eventually(|| Some(()).filter(|()| server.mails().len() == 1)).await;
}

#[tokio::test]
async fn a_changed_password_needs_no_reload() {
    let Some(server) = Server::start("starttls") else { return };
    let mut settings = server.settings();
    let wrong = server.secret("wrong", "not it\n");
    settings.login = Some(Login { username: "postern".to_owned(), password: PasswordSource::File(wrong) });
    let mut station = Station::of(settings);
    let id = station.tell_of("hq");
    station.deliver();
    let error = station.error_of(id).await;
    assert!(error.contains("refuses the login as \"postern\""), "{error}");

    server.secret("wrong", "hunter22\n");
    station.retry(id);

    station.eventually(|| Some(()).filter(|()| server.mails().len() == 1)).await;
}
