//! A database file, or its write-ahead log, that is damaged: at the start it is refused, and under a running daemon it takes
//! nothing any more. Nothing is done to it.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use super::a_gateway;
use crate::crashes::{Scene, all_ended};
use crate::rig::{eventually, program};

#[test]
fn a_damaged_database_is_refused_and_left_as_it_is() {
    let Some((mut scene, _faults)) = a_gateway() else { return };
    scene.rig.end(Signal::SIGTERM);
    let path = scene.rig.path("state/postern.db");
    let all_in_one =
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)')";
    assert!(program("python3").args(["-c", all_in_one]).arg(&path).status().unwrap().success());
    let whole = fs::read(&path).unwrap();
    // Of an index that no start looks anything up in.
    let page = page_of(&path, "audit_action");
    let damages: [(&str, Damage); 4] = [
        ("a page in the middle", Box::new(|bytes| bytes[4096 * 3..4096 * 5].fill(0xa5))),
        ("a page that nobody reads", Box::new(move |bytes| bytes[4096 * (page - 1)..4096 * page].fill(0xa5))),
        ("its head", Box::new(|bytes| bytes[..100].fill(0))),
        ("its end", Box::new(|bytes| bytes.truncate(4096 * 4 + 100))),
    ];
    for (what, damage) in damages {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let said = scene.rig.run_in_vain(&[]);
        assert_eq!(said.code, 78, "{what}: {said:?}");
        for words in ["the database is damaged", "nothing was changed", "restore", "backup"] {
            assert!(said.errors.contains(words), "{what}: {words}: {said:?}");
        }
        assert!(fs::read(&path).unwrap() == bytes, "{what}: the file was changed");
    }
    fs::write(&path, whole).unwrap();
    scene.start();
    scene.check();
}

#[test]
fn a_damaged_write_ahead_log_is_refused_and_left_as_it_is() {
    let Some((mut scene, _faults)) = a_gateway() else { return };
    scene.rig.end(Signal::SIGKILL);
    all_ended(&scene.rig);
    let path = scene.rig.path("state/postern.db-wal");
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    // Amid the commits of the first start.
    bytes[32 + 5 * 4120 + 100] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let said = scene.rig.run_in_vain(&[]);
    assert_eq!(said.code, 78, "{said:?}");
    for words in ["the database is damaged (its write-ahead log", "nothing was changed", "postern restore"] {
        assert!(said.errors.contains(words), "{words}: {said:?}");
    }
    assert!(fs::read(&path).unwrap() == bytes, "the log was changed");
    fs::write(&path, whole).unwrap();
    scene.start();
    scene.check();
}

#[test]
fn a_database_damaged_under_a_running_daemon_takes_nothing_any_more_and_stops_no_tunnel() {
    let Some((mut scene, _faults)) = a_gateway() else { return };
    let path = scene.rig.path("state/postern.db");
    let all_in_one =
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA wal_checkpoint(TRUNCATE)')";
    assert!(program("python3").args(["-c", all_in_one]).arg(&path).status().unwrap().success());
    let whole = fs::read(&path).unwrap();
    let log = || fs::read(path.with_extension("db-wal")).unwrap();
    // What a stop would write into the file.
    assert_eq!(scene.rig.postern(&["group", "create", "kept"]).code, 0);
    assert!(!log().is_empty());
    let mut bytes = whole.clone();
    bytes[4096..].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let kernel = |scene: &Scene| scene.rig.gateway.sh("ip -o addr; ip route; nft list ruleset");
    let (pid, before) = (scene.rig.pid(), kernel(&scene));
    eventually("a refusal that says what to do", || {
        scene.rig.postern(&["user", "list"]);
        let said = scene.rig.postern(&["group", "create", "ops"]);
        said.code == 1
            && said.errors.contains("the database is damaged")
            && said.errors.contains("postern restore")
    });
    let shown = scene.rig.postern(&["status"]);
    assert!((shown.out + &shown.errors).contains("the database is damaged"));
    assert!(scene.rig.log().contains("the database is damaged: nothing can be changed, tunnels go on"));
    assert_eq!((kernel(&scene), scene.rig.pid()), (before, pid));
    let logged = log();
    scene.rig.end(Signal::SIGTERM);
    all_ended(&scene.rig);
    assert!(fs::read(&path).unwrap() == bytes, "the damaged file was written to");
    assert!(log() == logged, "the log was changed");
    assert_eq!(scene.rig.run_in_vain(&[]).code, 78);
    fs::write(&path, whole).unwrap();
    scene.start();
    scene.check();
}

type Damage = Box<dyn Fn(&mut Vec<u8>)>;

/// The first page of a table or an index of a database, counted from 1.
fn page_of(path: &Path, name: &str) -> usize {
    let script = "import sqlite3, sys
db = sqlite3.connect('file:' + sys.argv[1] + '?immutable=1', uri=True)
print(db.execute('SELECT rootpage FROM sqlite_schema WHERE name = ?', [sys.argv[2]]).fetchone()[0])";
    let found = program("python3").args(["-c", script]).arg(path).arg(name).output().unwrap().stdout;
    String::from_utf8(found).unwrap().trim().parse().unwrap()
}
