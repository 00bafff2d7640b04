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
use std::fs;
use std::time::Duration;

use mail_tables::mail_tables;
use nix::sys::signal::Signal;
use rig::Wireguard::Userspace;
use rig::eventually;
use rig::{Host, Rig};
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

/// A gateway host whose daemon finds the mail server by a name, which it asks `resolver`, a host that drops every question.
fn a_host_without_names() -> Option<(Rig, Server, Host)> {
    let mut rig = Rig::new(Userspace)?;
    let server = Server::start_through(&["ip", "netns", "exec", rig.gateway.name()], "starttls")?;
    let resolver = rig.host("resolver");
    resolver.sh("nft 'add table inet hole; add chain inet hole in { type filter hook input priority 0; policy drop; }'");
    rig.configure(&format!("{}timeout = \"2s\"\n", mail_tables(&server)));
    rig.locate("open", 1, "");
    for (name, text) in
        [("hosts", ""), ("resolv.conf", "nameserver 192.0.2.10\n"), ("nsswitch.conf", "hosts: files dns\n")]
    {
        fs::write(rig.path(name), text).unwrap();
    }
    let over = ["hosts", "resolv.conf", "nsswitch.conf"]
        .map(|name| format!("mount --bind {} /etc/{name}", rig.path(name).display()));
    let script = format!("{}; exec \"$@\"", over.join("; "));
    rig.launch(&["unshare", "--mount", "sh", "-ec", &script, "sh"]);
    rig.answers();
    Some((rig, server, resolver))
}

/// While mail cannot leave: it waits, which is shown with the reason, and nothing else waits with it.
fn only_mail_waits(rig: &Rig, username: &str, words: &str) {
    let email = invite(rig, username);
    let troubled = || {
        let mails = rig.ask(&["mail", "list"]);
        let mut mails = mails.as_array().unwrap().iter();
        mails.any(|mail| mail["to"] == email && mail.to_string().contains(words))
    };
    eventually(words, troubled);
    let shown = rig.order(&["status"]);
    assert!(shown.contains("messages could not be delivered"), "{shown}");
    rig.order(&["group", "create", &format!("of-{username}")]);
    let health = format!("curl -sm 5 http://{}:8080/api/v1/health", rig::GATEWAY);
    assert_eq!(rig.gateway.look(&health), "alive");
    rig.gateway.sh("ip addr flush dev pst-open");
    let address = || rig.gateway.look("ip -o addr show dev pst-open").contains("10.77.1.1");
    eventually("a repaired address", address);
}

/// Everything that waits leaves.
fn mail_leaves(rig: &Rig, server: &Server, count: usize) {
    eventually("every mail", || {
        for mail in rig.ask(&["mail", "list"]).as_array().unwrap() {
            // It would be tried again in half a minute by itself; the administrator may be quicker.
            rig.postern(&["mail", "retry", &mail["id"].to_string()]);
        }
        server.mails().len() >= count
    });
    eventually("an empty outbox", || rig.ask(&["mail", "list"]) == Value::Array(Vec::new()));
    assert!(rig.order(&["status"]).contains("All is well."));
}

#[test]
fn a_mail_server_whose_name_is_never_resolved_or_that_never_speaks_delays_mail_alone() {
    let Some((rig, server, _resolver)) = a_host_without_names() else { return };
    let pid = rig.pid();
    only_mail_waits(&rig, "ann", "did not answer within 2 s");
    fs::write(rig.path("hosts"), "127.0.0.1 localhost\n").unwrap();
    mail_leaves(&rig, &server, 1);
    server.behave("starttls stall");
    only_mail_waits(&rig, "ben", "at the greeting");
    server.behave("starttls");
    mail_leaves(&rig, &server, 2);
    assert_eq!(rig.pid(), pid);
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
