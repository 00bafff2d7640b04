//! The real daemon and a real mail server: killed at any moment while mails flow, the daemon loses none; administrators
//! see and steer mail from the command line.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[path = "support/mail_tables.rs"]
mod mail_tables;
#[expect(dead_code, reason = "this suite has no clients")]
#[path = "../support/rig/mod.rs"]
mod rig;
#[expect(dead_code, reason = "what the server is asked to spoil is another suite's")]
#[path = "../story/mail/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::time::Duration;

use mail_tables::mail_tables;
use nix::sys::signal::Signal;
use rig::Rig;
use rig::Wireguard::Userspace;
use rig::eventually;
use serde_json::Value;
use server::Server;

/// A gateway host whose daemon sends through a mail server on the same host.
fn a_host(mode: &str) -> Option<(Rig, Server)> {
    let mut rig = Rig::new(Userspace)?;
    let server = Server::start_through(&["ip", "netns", "exec", rig.gateway.name()], mode)?;
    rig.configure(&mail_tables(&server));
    rig.locate("open", 1, "");
    rig.start();
    Some((rig, server))
}

/// Invites somebody by mail; gives the address.
fn invite(rig: &Rig, username: &str) -> String {
    let email = format!("{username}@example.org");
    let names = ["--first-name", "Ann", "--last-name", "Example", "--email", &email];
    rig.order(&[&["user", "invite", username][..], &names].concat());
    email
}

#[test]
fn a_daemon_killed_at_any_moment_loses_no_mail() {
    let Some((mut rig, server)) = a_host("starttls") else { return };
    let kills = if std::env::var_os("POSTERN_TEST_LONG").is_some() { 200 } else { 10 };
    let mut invited = BTreeSet::new();
    for round in 0..kills {
        invited.extend(["a", "b", "c"].map(|name| invite(&rig, &format!("{name}{round}"))));
        // From before the first byte to after the last record, another moment every time.
        std::thread::sleep(Duration::from_millis(round * 13 % 110));
        rig.end(Signal::SIGKILL);
        rig.start();
    }
    let reached = || server.mails().into_iter().flat_map(|mail| mail.to).collect::<BTreeSet<_>>();
    eventually("every invitation", || reached() == invited);
    eventually("an empty outbox", || rig.ask(&["mail", "list"]) == Value::Array(Vec::new()));

    let mails = server.mails();
    let identifiers: BTreeSet<&str> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    assert_eq!(identifiers.len(), invited.len(), "a repeated mail can be recognised");
    eprintln!("{kills} kills: {} mails, {} of them repeated", invited.len(), mails.len() - invited.len());
}

#[test]
fn administrators_see_and_steer_mail_from_the_command_line() {
    let Some((rig, server)) = a_host("starttls refuse=eve@example.org") else { return };
    assert!(
        rig.order(&["mail", "test", "me@example.org"])
            .contains("sent to me@example.org: 2.0.0 Ok: queued as")
    );
    let preview = rig.order(&["mail", "preview", "invitation"]);
    assert!(preview.starts_with("Subject: ") && preview.contains("ann"), "{preview}");
    assert!(rig.order(&["mail", "preview", "welcome", "--html"]).starts_with("<!DOCTYPE html>"));

    let [eve, bob] = ["eve", "bob"].map(|name| invite(&rig, name));
    let state = |to: &str| {
        let mails = rig.ask(&["mail", "list", "--all"]);
        mails.as_array().unwrap().iter().find(|mail| mail["to"] == to).unwrap().clone()
    };
    eventually("bob's invitation", || state(&bob)["state"] == "sent");
    eventually("eve's refusal", || state(&eve)["state"] == "parked");
    let listed = rig.order(&["mail", "list"]);
    assert!(listed.contains("invitation") && listed.contains("550"), "{listed}");
    assert!(!listed.contains("token="), "{listed}");

    let parked = state(&eve)["id"].to_string();
    server.behave("starttls");
    rig.order(&["mail", "retry", &parked]);
    eventually("eve's invitation", || rig.ask(&["mail", "show", &parked])["state"] == "sent");
    assert_eq!(rig.postern(&["mail", "retry", &parked]).code, 1);
    rig.order(&["mail", "discard", &parked]);
    let gone = rig.postern(&["mail", "show", &parked]);
    assert!(gone.code == 1 && gone.errors.contains("there is no mail"), "{gone:?}");

    server.behave("starttls refuse-login");
    let refused = rig.postern(&["mail", "test", "me@example.org"]);
    assert!(refused.code == 1 && refused.errors.contains("refuses the login as \"postern\""), "{refused:?}");
}
