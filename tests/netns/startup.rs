//! The real daemon where it cannot start: it says what is wrong and what to do, ends with a status that tells whether to try
//! again, and has touched nothing.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[expect(dead_code, reason = "this suite has no clients")]
#[path = "../support/rig/mod.rs"]
mod rig;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use rig::Wireguard::Userspace;
use rig::{Rig, eventually};

/// Without the capabilities of root that go round a file's mode.
const NO_OVERRIDE: [&str; 2] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];
const NO_NET_ADMIN: [&str; 2] = ["setpriv", "--bounding-set=-net_admin"];

/// A gateway host with one location, and no daemon.
fn a_host() -> Option<Rig> {
    let rig = Rig::new(Userspace)?;
    rig.configure("");
    rig.locate("open", 1, "");
    Some(rig)
}

/// Changes text of `postern.toml`.
fn edit(rig: &Rig, from: &str, to: &str) {
    let path = rig.path("postern.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// That it ended with 1, for another try, said all of this, in lines a person can read, and made no interface.
fn refuses(rig: &Rig, through: &[&str], said: &[&str]) {
    refuses_with(1, rig, through, said);
}

/// Ends with this status.
fn refuses_with(status: i32, rig: &Rig, through: &[&str], said: &[&str]) {
    let links = || rig.gateway.sh("ip -o link");
    let before = links();
    let outcome = rig.run_in_vain(through);
    assert_eq!(outcome.code, status, "{outcome:?}");
    for words in said {
        assert!(outcome.errors.contains(words), "{words} is not in {outcome:?}");
    }
    assert!(outcome.errors.lines().last().is_some_and(|line| !line.is_empty()));
    assert!(!outcome.errors.contains("panicked"), "{outcome:?}");
    assert_eq!((outcome.out.as_str(), links()), ("", before));
}

#[test]
fn a_second_daemon_is_refused_and_the_first_goes_on() {
    let Some(mut rig) = a_host() else { return };
    rig.start();
    refuses(&rig, &[], &["another postern uses the state folder", "state"]);
    edit(&rig, "\"state\"", "\"another\"");
    edit(&rig, "listen = [\"192.0.2.1:8080\"]", "listen = [\"192.0.2.1:8081\"]");
    refuses(&rig, &[], &["another postern answers on", "admin.sock"]);
    rig.order(&["plan"]);
}

#[test]
fn the_state_folder_is_free_again_however_the_daemon_ended() {
    let Some(mut rig) = a_host() else { return };
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        rig.start();
        rig.end(signal);
    }
    rig.start();
    assert_eq!(rig.printed().matches("Enroll yourself first").count(), 1, "{}", rig.printed());
}

/// As in a terminal that systemd started in somebody's session.
#[test]
fn who_starts_it_by_hand_is_greeted_though_there_is_a_journal_elsewhere() {
    let Some(mut rig) = a_host() else { return };
    rig.launch(&["env", "JOURNAL_STREAM=1:2"]);
    rig.answers();
    eventually("a greeting", || rig.printed().contains("Enroll yourself first"));
}

#[test]
fn a_signal_to_reload_that_comes_during_the_start_is_heeded_after_it() {
    let Some(mut rig) = a_host() else { return };
    rig.launch(&[]);
    let lock = rig.path("state/postern.lock");
    eventually("a state folder that is held", || lock.exists());
    rig.signal(Signal::SIGHUP);
    rig.answers();
    eventually("a reload", || rig.log().contains("configuration reloaded"));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let Some(rig) = a_host() else { return };
    let _occupant = rig.gateway.enter(|| TcpListener::bind("192.0.2.1:8080").unwrap());
    refuses(&rig, &[], &["cannot listen on 192.0.2.1:8080", "another program listens there"]);
    edit(&rig, "192.0.2.1:8080\"]", "198.51.100.1:8080\"]");
    refuses(&rig, &[], &["cannot listen on 198.51.100.1:8080", "no interface of this host"]);
}

#[test]
fn a_state_folder_that_cannot_be_used_is_named() {
    let Some(rig) = a_host() else { return };
    edit(&rig, "\"state\"", "\"postern.toml/state\"");
    refuses(&rig, &[], &["cannot use the state folder", "postern.toml/state", "Not a directory"]);
    edit(&rig, "\"postern.toml/state\"", "\"locked\"");
    rig.gateway.sh(&format!("mkdir -m 0 {}", rig.path("locked").display()));
    refuses(&rig, &NO_OVERRIDE, &["cannot use the state folder", "locked", "Permission denied"]);
}

#[test]
fn nobody_else_may_read_what_it_keeps_and_everybody_may_reach_its_socket() {
    let Some(mut rig) = a_host() else { return };
    edit(&rig, "\"admin.sock\"", "\"sockets/admin.sock\"");
    rig.start();
    let open_to_others = format!("cd {} && find state -perm /077", rig.dir().display());
    assert_eq!(rig.gateway.sh(&open_to_others), "");
    assert!(rig.path("state/postern.db-wal").exists());
    let mode = fs::metadata(rig.path("sockets")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn a_state_folder_that_others_may_read_is_refused() {
    let Some(mut rig) = a_host() else { return };
    rig.gateway.sh(&format!("mkdir -m 750 {}", rig.path("state").display()));
    refuses_with(77, &rig, &[], &["others may use the state folder", "state: run `chmod 700 "]);
    rig.gateway.sh(&format!("chmod 700 {}", rig.path("state").display()));
    rig.start();
}

#[test]
fn without_the_right_to_change_interfaces_it_says_which_right_is_missing() {
    let Some(rig) = a_host() else { return };
    refuses_with(77, &rig, &NO_NET_ADMIN, &["run as root, or with CAP_NET_ADMIN", "Operation not permitted"]);
}

#[test]
fn an_error_in_the_files_is_told_with_file_and_key() {
    let Some(rig) = a_host() else { return };
    for (from, to, said) in [
        ("name = \"Ada\"", "name = \"Ada", "postern.toml"),
        ("name = \"Ada", "name = \"\"", "contact.name"),
        ("name = \"\"", "nmae = \"Ada\"", "nmae"),
        ("nmae = \"Ada\"", "name = 7", "contact.name"),
    ] {
        edit(&rig, from, to);
        refuses_with(78, &rig, &[], &["postern.toml", said]);
    }
    edit(&rig, "name = 7", "name = \"Ada\"");
    rig.locate("open", 1, "mtu = 1");
    refuses_with(78, &rig, &[], &["locations.d/open.toml", "mtu"]);
    fs::remove_file(rig.path("postern.toml")).unwrap();
    refuses_with(78, &rig, &[], &["postern.toml", "No such file"]);
}

#[test]
fn a_group_that_is_not_there_yet_stops_a_reload_and_no_start() {
    let Some(mut rig) = a_host() else { return };
    rig.locate("open", 1, "groups = [\"staff\"]");
    rig.start();
    assert!(rig.log().contains("there is no group \"staff\""), "{}", rig.log());
    assert!(rig.order(&["status"]).contains("staff"));
    let said = rig.postern(&["reload"]);
    assert_eq!(said.code, 1, "{said:?}");
    for words in ["locations.d/open.toml", "groups", "postern group create staff"] {
        assert!(said.errors.contains(words), "{words} is not in {said:?}");
    }
    rig.order(&["group", "create", "staff"]);
    rig.reload();
    assert!(!rig.order(&["status"]).contains("staff"));
}

#[test]
fn a_command_without_a_daemon_ends_with_3_and_says_where_it_looked() {
    let Some(mut rig) = a_host() else { return };
    let said = rig.postern(&["plan"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.errors.contains("admin.sock") && said.errors.contains("postern run"), "{said:?}");
    rig.start();
    rig.order(&["plan"]);
    rig.end(Signal::SIGKILL);
    assert_eq!(rig.postern(&["plan"]).code, 3);
}
