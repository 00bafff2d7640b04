//! What a take-over leaves, wherever it is interrupted.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::rc::Rc;

use tokio::sync::watch;

use super::*;
use crate::app::Clock;
use crate::applied::Applied;
use crate::store::Store;

const MAIN: &str = "public_url = \"https://vpn.example.com\"\nlocations_dir = \"sites\"\n[contact]\nname = \"Ada\"\nemail = \"ada@example.com\"\n";
const WG0: &str = "name = \"wg0\"\ninterface = \"wg0\"\nlisten_port = 51820\nendpoint = \"vpn.example.com:51820\"\n\
                   ipv4 = \"10.8.0.0/24\"\n";

fn a_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sites")).unwrap();
    fs::write(dir.path().join("postern.toml"), MAIN).unwrap();
    dir
}

/// As a daemon over this folder that has just started.
fn started(dir: &Path) -> Parts {
    let (path, keys) = (dir.join("postern.toml"), Keys::open(dir).unwrap());
    let store = Store::open(&dir.join("postern.db")).unwrap();
    let available = vec![BackendKind::Kernel];
    let site = store.write_blocking(|tx| {
        let fit = fit(tx, load_with(&path, None)?, &available, &BTreeMap::new())?;
        put_into_force::<ReloadError>(tx, fit, &keys, || [1; 32])
    });
    let site = site.unwrap_or_else(|error| panic!("{error}")).0;
    let app = App::new(store, site, watch::channel(Applied::default()).1, Clock::system());
    Parts { app, path, keys, available, turn: Mutex::default() }
}

/// What every location is called that is managed.
fn managed(parts: &Parts) -> Vec<String> {
    parts.app.site().locations().map(|location| location.config.name.clone()).collect()
}

fn key() -> PrivateKey {
    PrivateKey::from_random([77; 32])
}

fn import(parts: &Parts, within: impl FnOnce(&Tx<'_>)) -> Result<Reloaded<()>, ReloadError> {
    let file = parts.path.with_file_name("sites").join("wg0.toml");
    let draft = Draft { file, text: Some(WG0.to_owned()) };
    let change = Change::Import(vec![Import { draft, name: "wg0".to_owned(), key: key() }]);
    parts.apply(
        |_| Ok(change),
        |tx| {
            within(tx);
            Ok(())
        },
    )
}

fn names(dir: &Path) -> Vec<String> {
    let found = ["sites", "keys"].into_iter().flat_map(|folder| fs::read_dir(dir.join(folder)).unwrap());
    let mut names: Vec<String> =
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_location_that_ran_elsewhere_has_its_key_and_file_only_once_its_peers_are_committed() {
    let dir = a_folder();
    let parts = started(dir.path());
    let at_commit = Rc::new(Cell::new(Vec::new()));
    let (seen, path) = (Rc::clone(&at_commit), dir.path().to_owned());
    import(&parts, |tx| tx.after_commit(move || seen.set(names(&path)))).unwrap();
    assert_eq!(
        at_commit.take(),
        ["location-1.key.new", "seal.key", "token.key", "wg0.toml.new"],
        "a daemon that dies here starts without the location"
    );
    assert_eq!(names(dir.path()), ["location-1.key", "seal.key", "token.key", "wg0.toml"]);
    assert_eq!(managed(&parts), ["wg0"]);
    assert!(started(dir.path()).app.site().locations().all(|location| location.private_key == key()));
}

#[test]
fn nothing_changes_while_somebody_needs_everything_of_one_moment() {
    let dir = a_folder();
    let parts = started(dir.path());
    assert!(parts.undisturbed(|| parts.turn.try_lock().is_err()));
    assert!(parts.turn.try_lock().is_ok());
}

#[test]
fn a_take_over_that_is_not_committed_leaves_no_file() {
    let dir = a_folder();
    let parts = started(dir.path());
    let token = dir.path().join("keys/token.key");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(import(&parts, |_| {}), Err(ReloadError::Keys(_))));
    assert_eq!(names(dir.path()), ["seal.key", "token.key"]);
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    fs::create_dir_all(dir.path().join("sites/wg0.toml.new/full")).unwrap();
    assert!(matches!(import(&parts, |_| {}), Err(ReloadError::File { .. })));
    assert_eq!(names(dir.path()), ["seal.key", "token.key", "wg0.toml.new"]);
    assert_eq!(managed(&parts), Vec::<String>::new());
    let known = parts.app.store.read_blocking(|tx| tx.known_location("wg0"));
    assert_eq!(known.unwrap(), None);
}

#[test]
fn what_was_committed_and_is_not_in_its_place_follows_later() {
    let dir = a_folder();
    let parts = started(dir.path());
    let file = dir.path().join("sites/wg0.toml");
    let full = file.join("full");
    let late = import(&parts, |tx| tx.after_commit(move || fs::create_dir_all(full).unwrap())).unwrap_err();
    assert!(matches!(&late, ReloadError::Late { path, .. } if *path == file), "{late}");
    assert_eq!(managed(&parts), ["wg0"]);
    assert!(finish_renames(&parts.app.store).is_err());
    let next = parts.apply(|_| Ok(Change::Nothing), |_| Ok(())).map(drop).unwrap_err();
    assert!(matches!(&next, ReloadError::Owed { path, .. } if *path == file), "{next}");
    fs::remove_dir_all(&file).unwrap();
    assert!(finish_renames(&parts.app.store).unwrap(), "as at a start");
    assert!(!finish_renames(&parts.app.store).unwrap());
    assert_eq!(managed(&started(dir.path())), ["wg0"]);
    assert_eq!(names(dir.path()), ["location-1.key", "seal.key", "token.key", "wg0.toml"]);
}

#[test]
fn a_change_of_a_location_does_not_take_over_what_a_reload_refuses() {
    let dir = a_folder();
    let main = |name: &str| {
        let http = format!(
            "[http]\ntls = \"files\"\ncertificate_file = \"{name}.pem\"\nkey_file = \"{name}.key\"\n"
        );
        fs::write(dir.path().join("postern.toml"), MAIN.to_owned() + &http).unwrap();
    };
    main("running");
    let parts = started(dir.path());
    let running = parts.app.site().config.http.tls.clone();
    main("missing");
    assert!(matches!(parts.apply(|_| Ok(Change::Nothing), |_| Ok(())), Err(ReloadError::Config(_))));
    import(&parts, |_| {}).unwrap();
    assert_eq!(managed(&parts), ["wg0"]);
    assert_eq!(parts.app.site().config.http.tls, running);
}
