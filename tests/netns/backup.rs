//! The real daemon lost with everything it had, and put back from a backup: what was acknowledged is there and clients go on
//! with what they have. And every backup that is not whole, or not meant for this host, changes nothing.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "JSON that lacks a field is null")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[expect(dead_code, reason = "this suite neither pings in a row nor looks behind the gateway")]
#[path = "../support/rig/mod.rs"]
mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use rig::Wireguard::Userspace;
use rig::{Rig, eventually};

const PASSPHRASE: &str = "correct horse battery staple";

/// A daemon with one location, `open`, and a passphrase in a file; `more` goes below the configuration's last table.
fn a_daemon(more: &str) -> Option<Rig> {
    let mut rig = Rig::new(Userspace)?;
    rig.configure(more);
    rig.locate("open", 1, "");
    secret(&rig, "passphrase", PASSPHRASE);
    rig.start();
    Some(rig)
}

fn secret(rig: &Rig, name: &str, text: &str) {
    fs::write(rig.path(name), text).unwrap();
    fs::set_permissions(rig.path(name), fs::Permissions::from_mode(0o600)).unwrap();
}

fn shown(rig: &Rig, name: &str) -> String {
    rig.path(name).display().to_string()
}

fn back_up(rig: &Rig, file: &str) -> serde_json::Value {
    rig.ask(&["backup", &shown(rig, file), "--passphrase-file", &shown(rig, "passphrase")])
}

/// Runs `postern restore` of a file; `more` are further arguments.
fn restore(rig: &Rig, file: &str, more: &[&str]) -> rig::daemon::Said {
    let (file, passphrase) = (shown(rig, file), shown(rig, "passphrase"));
    let key: &[&str] = if more.contains(&"--identity") { &[] } else { &["--passphrase-file", &passphrase] };
    rig.postern(&[&["restore", &file], key, more].concat())
}

/// The host burns down; only `kept` is on another one.
fn lose_everything(rig: &mut Rig) {
    rig.end(Signal::SIGKILL);
    for folder in ["state", "locations.d"] {
        fs::remove_dir_all(rig.path(folder)).unwrap();
    }
    fs::remove_file(rig.path("postern.toml")).unwrap();
}

/// Every file and folder below a folder, with owner, mode and content; sockets, pipes and the daemon's log apart.
fn everything(dir: &Path) -> BTreeMap<String, (u32, u32, Vec<u8>)> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(dir).unwrap().display().to_string();
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() && name != "log" {
                found.insert(name, (metadata.uid(), metadata.mode(), fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// Takes a backup while others write; who was invited before it began.
fn back_up_while_people_are_invited(rig: &Rig) -> Vec<String> {
    let (acknowledged, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..500 {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let name = format!("user{number}");
                rig.invite(&name, &[]);
                acknowledged.lock().unwrap().push(name);
            }
        });
        eventually("writers", || acknowledged.lock().unwrap().len() >= 3);
        let before = acknowledged.lock().unwrap().clone();
        let said = back_up(rig, "kept");
        stop.store(true, Ordering::SeqCst);
        assert_eq!((&said["with_keys"], &said["left_out"]), (&true.into(), &serde_json::json!([])), "{said}");
        before
    })
}

fn audited_with_their_sources(rig: &Rig) {
    let log = rig.ask(&["audit", "--limit", "5000"]);
    let entry =
        |action: &str| log.as_array().unwrap().iter().find(|entry| entry["action"] == action).unwrap();
    assert_eq!(entry("backup.take")["actor"], "unix:root", "{log}");
    assert_eq!(entry("enrollment.start")["source"], "192.0.2.10", "{log}");
    assert_eq!(entry("user.invite")["source"], serde_json::Value::Null, "{log}");
}

#[test]
fn clients_reconnect_to_what_was_restored_on_an_empty_host() {
    let Some(mut rig) = a_daemon("") else { return };
    let mut ann = rig.client("ann");
    let token = rig.invite("ann", &[]);
    let configs = ann.enroll(&token);
    let _tunnel = ann.connect(&configs[0]);
    eventually("a tunnel", || ann.host.reaches("10.77.1.1"));
    let before = back_up_while_people_are_invited(&rig);
    assert_eq!(fs::metadata(rig.path("kept")).unwrap().mode() & 0o777, 0o600);
    rig.invite("late", &[]);
    audited_with_their_sources(&rig);
    let said = restore(&rig, "kept", &["--force"]);
    assert!(said.code == 1 && said.errors.contains("another postern uses the state folder"), "{said:?}");

    lose_everything(&mut rig);
    let said = restore(&rig, "kept", &[]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("systemctl start postern"), "{said:?}");
    assert_eq!(rig.gateway.sh(&format!("find {} -perm /077", shown(&rig, "state"))), "");
    rig.start();
    let users = rig.ask(&["user", "list"]);
    let has = |name: &str| users.as_array().unwrap().iter().any(|user| user["username"] == name);
    assert!(has("ann") && before.iter().all(|name| has(name)) && !has("late"), "{before:?}: {users}");
    let log = rig.ask(&["audit", "--limit", "5000"]);
    assert!(log.as_array().unwrap().iter().any(|entry| entry["action"] == "backup.restore"), "{log}");
    assert_eq!(ann.configs(), configs);
    eventually("the same tunnel again", || ann.host.reaches("10.77.1.1"));
}

#[test]
fn a_backup_that_is_not_whole_or_not_opened_changes_nothing() {
    let Some(mut rig) = a_daemon("") else { return };
    back_up(&rig, "kept");
    let identity = age::x25519::Identity::generate();
    rig.order(&["backup", &shown(&rig, "for-key"), "--recipient", &identity.to_public().to_string()]);
    let private = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    secret(&rig, "identity", &format!("# mine\n{private}\n"));
    let other = age::x25519::Identity::generate().to_string();
    secret(&rig, "stranger", age::secrecy::ExposeSecret::expose_secret(&other));
    let kept = fs::read(rig.path("kept")).unwrap();
    fs::write(rig.path("cut"), &kept[..kept.len() - 1000]).unwrap();
    let mut changed = kept.clone();
    changed[kept.len() / 2] ^= 1;
    fs::write(rig.path("changed"), changed).unwrap();
    fs::write(rig.path("other"), "no backup at all").unwrap();
    lose_everything(&mut rig);
    let before = everything(rig.dir());
    let unchanged = |file: &str, more: &[&str], words: &str| {
        let said = restore(&rig, file, more);
        assert!(said.code == 1 && said.errors.contains(words), "{file}: {said:?}");
        assert!(said.errors.contains("nothing was changed") || said.errors.contains("give --"), "{said:?}");
        assert!(everything(rig.dir()) == before, "{file}: something was changed");
    };
    unchanged("cut", &[], "the backup is damaged");
    unchanged("changed", &[], "the backup is damaged");
    unchanged("other", &[], "not a file encrypted by age");
    unchanged("missing", &[], "No such file");
    unchanged("for-key", &["--identity", &shown(&rig, "stranger")], "for other keys than this one");
    unchanged("for-key", &[], "give --identity FILE");
    secret(&rig, "passphrase", "another passphrase than that");
    let before = everything(rig.dir());
    let said = restore(&rig, "kept", &[]);
    assert!(said.code == 1 && said.errors.contains("the passphrase is wrong"), "{said:?}");
    assert!(everything(rig.dir()) == before, "something was changed");
    let said = restore(&rig, "for-key", &["--identity", &shown(&rig, "identity")]);
    assert_eq!(said.code, 0, "{said:?}");
    rig.start();
}

#[test]
fn what_is_there_is_refused_and_by_force_moved_aside() {
    let Some(mut rig) = a_daemon("") else { return };
    rig.invite("ann", &[]);
    back_up(&rig, "kept");
    rig.invite("bob", &[]);
    rig.end(Signal::SIGTERM);
    let before = everything(rig.dir());
    let said = restore(&rig, "kept", &[]);
    assert!(said.code == 1 && said.errors.contains("holds the data of an installation"), "{said:?}");
    assert!(everything(rig.dir()) == before);
    // Data of its own gone, but a configuration: neither is that overwritten.
    fs::rename(rig.path("state"), rig.path("elsewhere")).unwrap();
    rig.locate("lab", 2, "");
    rig.locate("open", 1, "mtu = 1400");
    let before = everything(rig.dir());
    let said = restore(&rig, "kept", &[]);
    assert!(said.code == 1 && said.errors.contains("this host has a configuration"), "{said:?}");
    assert!(everything(rig.dir()) == before);
    fs::rename(rig.path("elsewhere"), rig.path("state")).unwrap();
    let said = restore(&rig, "kept", &["--force"]);
    assert_eq!(said.code, 0, "{said:?}");
    let names: Vec<String> = everything(rig.dir()).into_keys().collect();
    for aside in
        ["state.before-restore-", "locations.d/open.toml.before-restore-", "locations.d/lab.toml.before-"]
    {
        assert!(said.out.contains(aside), "{aside}: {said:?}");
        assert!(names.iter().any(|name| name.starts_with(aside)), "{aside}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("restoring")), "{names:?}");
    rig.start();
    let users = rig.order(&["user", "list"]);
    assert!(users.contains("ann") && !users.contains("bob"), "{users}");
    assert!(!rig.order(&["location", "list"]).contains("lab"));
}

#[test]
fn without_the_configuration_only_data_and_keys_come_back() {
    let Some(mut rig) = a_daemon("") else { return };
    rig.invite("ann", &[]);
    back_up(&rig, "kept");
    rig.end(Signal::SIGTERM);
    fs::remove_dir_all(rig.path("state")).unwrap();
    rig.locate("open", 1, "mtu = 1400");
    let said = restore(&rig, "kept", &["--without-config"]);
    assert_eq!(said.code, 0, "{said:?}");
    rig.start();
    assert!(rig.order(&["user", "list"]).contains("ann"));
    assert!(fs::read_to_string(rig.path("locations.d/open.toml")).unwrap().contains("mtu = 1400"));
}

#[test]
fn without_keys_a_host_with_preshared_keys_starts_anew() {
    let Some(mut rig) = a_daemon("") else { return };
    let [private, public, preshared] =
        [7, 8, 9].map(|number| postern_gateway::PrivateKey::from_random([number; 32]));
    let text = format!(
        "[Interface]\nPrivateKey = {}\nAddress = 10.8.0.1/24\nListenPort = 51999\n\n[Peer]\nPublicKey = {}\n\
         PresharedKey = {}\nAllowedIPs = 10.8.0.2/32\n",
        private.to_base64().as_str(),
        public.public(),
        preshared.to_base64().as_str()
    );
    secret(&rig, "old0.conf", &text);
    rig.order(&["import", "wg-quick", "--endpoint", "vpn.example.com", "--yes", &shown(&rig, "old0.conf")]);
    assert!(rig.order(&["export", "wg-quick", "old0"]).contains("PresharedKey"));
    let (file, passphrase) = (shown(&rig, "kept"), shown(&rig, "passphrase"));
    rig.order(&["backup", &file, "--without-keys", "--passphrase-file", &passphrase]);
    lose_everything(&mut rig);
    let said = restore(&rig, "kept", &[]);
    assert!(said.code == 0 && said.out.contains("preshared key"), "{said:?}");
    rig.start();
    assert!(!rig.order(&["export", "wg-quick", "old0"]).contains("PresharedKey"));
}

#[test]
fn a_backup_is_made_though_the_audit_log_cannot_be_written() {
    let Some(mut rig) = a_daemon("") else { return };
    let refuse = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('''CREATE TRIGGER refuse
BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'refused'); END''')";
    let database = rig.path("state/postern.db");
    assert!(rig::program("python3").args(["-c", refuse]).arg(database).status().unwrap().success());
    back_up(&rig, "kept");
    rig.end(Signal::SIGTERM);
    assert!(rig.path("kept").exists());
}

#[test]
fn a_state_folder_that_is_a_mount_point_stays_as_it_is() {
    let Some(mut rig) = a_daemon("") else { return };
    back_up(&rig, "kept");
    lose_everything(&mut rig);
    fs::create_dir(rig.path("state")).unwrap();
    let before = everything(rig.dir());
    let mut command = rig::program("unshare");
    command.args(["--mount", "sh", "-ec", "mount -t tmpfs -o mode=700 tmpfs \"$0\"; exec \"$@\""]);
    command.arg(rig.path("state")).arg(rig::binary::postern()).arg("--config").arg(rig.path("postern.toml"));
    command.arg("restore").arg(rig.path("kept")).arg("--passphrase-file").arg(rig.path("passphrase"));
    let said = rig::daemon::Said::from(command.output().unwrap());
    assert!(said.code == 1 && said.errors.contains("is a mount point"), "{said:?}");
    assert!(everything(rig.dir()) == before, "something was changed");
}

#[test]
fn where_no_daemon_runs_root_makes_the_backup_and_leaves_every_file_to_its_owner() {
    let Some(mut rig) = a_daemon("") else { return };
    rig.invite("ann", &[]);
    // Killed, so that what was committed is in the write-ahead log.
    rig.end(Signal::SIGKILL);
    fs::remove_file(rig.path("state/postern.lock")).unwrap();
    rig.gateway.sh(&format!(
        "chown -R 12345:12345 {}; chmod 711 {}",
        shown(&rig, "state"),
        rig.dir().display()
    ));
    back_up(&rig, "kept");
    let owned = everything(&rig.path("state"));
    assert!(owned.contains_key("postern.lock") && owned.values().all(|(uid, ..)| *uid == 12345), "{owned:?}");
    assert!(!owned.contains_key("backup.tmp"));
    // What its owner may not read, root does not read for them.
    secret(&rig, "roots", "private\n");
    std::os::unix::fs::symlink(rig.path("roots"), rig.path("state/keys/stolen.key")).unwrap();
    let stolen =
        rig.postern(&["backup", &shown(&rig, "new"), "--passphrase-file", &shown(&rig, "passphrase")]);
    assert!(stolen.code == 1 && stolen.errors.contains("stolen.key"), "{stolen:?}");
    fs::remove_file(rig.path("state/keys/stolen.key")).unwrap();
    let there =
        rig.postern(&["backup", &shown(&rig, "kept"), "--passphrase-file", &shown(&rig, "passphrase")]);
    assert!(there.code == 1 && there.errors.contains("--force"), "{there:?}");
    secret(&rig, "short", "too short");
    let short = rig.postern(&["backup", &shown(&rig, "new"), "--passphrase-file", &shown(&rig, "short")]);
    assert!(short.code == 1 && short.errors.contains("12 characters or more"), "{short:?}");
    assert!(!everything(rig.dir()).keys().any(|name| name.starts_with("new")));
    assert_eq!(restore(&rig, "kept", &["--force"]).code, 0);
    rig.start();
    assert!(rig.order(&["user", "list"]).contains("ann"));
}

#[test]
fn the_timer_keeps_the_newest_and_nothing_without_a_recipient() {
    let Some(mut rig) = a_daemon("") else { return };
    let said = rig.postern(&["backup", "--scheduled"]);
    assert!(said.code == 1 && said.errors.contains("[backup] recipients"), "{said:?}");
    let key = age::x25519::Identity::generate().to_public();
    rig.end(Signal::SIGTERM);
    rig.configure(&format!("\n[backup]\nrecipients = [\"{key}\"]\ndirectory = \"backups\"\nkeep = 2"));
    rig.start();
    let mut made = Vec::new();
    eventually("three backups of different seconds", || {
        let file = rig.ask(&["backup", "--scheduled"])["file"].as_str().unwrap().to_owned();
        if !made.contains(&file) {
            made.push(file);
        }
        made.len() == 3
    });
    fs::write(rig.path("backups/notes.txt"), "mine").unwrap();
    rig.order(&["backup", "--scheduled"]);
    let names: Vec<String> = everything(&rig.path("backups")).into_keys().collect();
    assert!(names.len() == 3 && names.contains(&"notes.txt".to_owned()), "{names:?}");
    assert!(!made[0].ends_with(&names[1]), "the oldest is still there: {names:?}");
    // Nothing is removed where nothing new was made.
    rig.end(Signal::SIGTERM);
    let said = rig.postern(&["backup", "--scheduled"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert_eq!(everything(&rig.path("backups")).into_keys().collect::<Vec<_>>(), names);
}
