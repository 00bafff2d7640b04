//! Locations and reloads as an administrator does them: the real command line, over a real socket, against the admin
//! API, a database in a file, real configuration files and a pretend kernel.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use postern::app::{App, Clock};
use postern::applied::Applied;
use postern::background::reconcile::Reconciler;
use postern::config::load_with;
use postern::flows::configure::{ConfigureError, fit};
use postern::flows::permit::settle_all;
use postern::gateway_view::GatewayView;
use postern::keys::Keys;
use postern::reload::Reloader;
use postern::store::device::DeviceOwner;
use postern::store::{Revision, Store, StoreError};
use postern::web::admin_api;
use postern_gateway::backend::memory::MemoryBackend;
use postern_gateway::{BackendKind, PrivateKey};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;

const MAIN: &str = "public_url = \"https://vpn.example.com\"\nstate_dir = \"state\"\nadmin_socket = \"admin.sock\"\n\
                    locations_dir = \"sites\"\n[contact]\nname = \"Ada\"\nemail = \"ada@example.com\"\n";
const HQ: &str = "# The first of all.\nname = \"hq\"\ninterface = \"wg-hq\"\nlisten_port = 51820\n\
                  endpoint = \"vpn.example.com:51820\"\nipv4 = \"10.77.0.0/24\" # for ever\n";

#[test]
fn a_location_comes_changes_and_goes_and_every_command_returns_when_it_is_so() {
    let Some(postern) = Postern::start() else { return };
    let added = postern.json(&[
        "location",
        "add",
        "Lab 1",
        "--endpoint",
        "vpn.example.com",
        "--route",
        "10.9.0.0/16",
    ]);
    assert_eq!((&added["applied"], &added["needs_restart"]), (&Value::Bool(true), &Value::Array(Vec::new())));
    let lab = &added["location"];
    assert_eq!((lab["name"].as_str(), lab["interface"].as_str()), (Some("Lab 1"), Some("wg-lab1")));
    assert_eq!(lab["endpoint"], format!("vpn.example.com:{}", lab["listen_port"]));
    assert!(lab["listen_port"].as_u64().unwrap() > 51_820, "{lab}");
    assert_eq!(postern.interfaces(), ["wg-hq", "wg-lab1"]);
    let file = postern.path("sites/Lab-1.toml");
    assert_eq!(lab["file"].as_str().unwrap(), file.to_str().unwrap());
    assert!(fs::read_to_string(&file).unwrap().contains("# Networks behind this host"));

    postern.register(&["one", "two"]);
    let shown = postern.json(&["location", "show", "lab 1"]);
    assert_eq!((&shown["devices"], &shown["free_addresses"]), (&Value::from(2), &Value::from(251)));
    let said = postern.run(&["location", "edit", "hq", "--mtu", "1400", "--dns", "10.0.0.53", "--nobody"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let said = postern.run(&["location", "edit", "hq", "--ipv4", "10.78.0.0/24"]);
    assert!(said.err.contains("clients of hq are cut off"), "{}", said.err);
    let text = format!("{}dns = [\"10.0.0.53\"]\nmtu = 1400\ngroups = []\n", HQ.replace("10.77", "10.78"));
    assert_eq!(postern.read("sites/hq.toml"), text);
    assert_eq!(
        postern.peers(),
        [0, 2],
        "nobody may join hq any more, and that is so when the command returns"
    );

    let said = postern.run(&["location", "rotate-key", "lab 1"]);
    assert!(said.err.contains("clients of Lab 1 are cut off until they have fetched"), "{}", said.err);
    let rotated = postern.json(&["location", "show", "Lab 1"]);
    assert_ne!(rotated["public_key"], lab["public_key"]);
    assert_eq!(rotated["peers"], 2);
    assert_eq!(postern.public_keys()[1], rotated["public_key"].as_str().unwrap());

    let said = postern.run(&["location", "remove", "Lab 1"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(postern.interfaces(), ["wg-hq"]);
    assert!(!file.exists() && postern.path("sites/Lab-1.toml.removed").exists());
    assert!(said.out.contains("Lab-1.toml.removed"), "{}", said.out);
    let table = postern.run(&["location", "list"]).out;
    assert!(table.starts_with("NAME") && table.contains("nobody") && !table.contains("Lab"), "{table}");
    let deeds = ["location.add", "location.edit", "location.edit", "location.rotate-key", "location.remove"];
    assert_eq!(postern.audited(), deeds.map(|deed| format!("unix:root {deed}")));
}

#[test]
fn what_is_refused_leaves_no_file_no_key_and_no_interface() {
    let Some(postern) = Postern::start() else { return };
    let before = postern.everything();
    let overlap = ["--ipv4", "10.77.0.128/25"];
    let unknown = ["--group", "ops"];
    for (more, said) in [
        (&overlap, "sites/lab.toml: ipv4: 10.77.0.128/25 overlaps 10.77.0.0/24"),
        (
            &unknown,
            "sites/lab.toml: groups: there is no group \"ops\": create it first (postern group create ops)",
        ),
        (&["--port", "51820"], "sites/lab.toml: listen_port: \"51820\" is taken by"),
        (&["--interface", "wg-hq"], "sites/lab.toml: interface: \"wg-hq\" is taken by"),
        (&["--mtu", "100"], "sites/lab.toml: mtu: line "),
        (&["--ipv6", "fd77::1"], "sites/lab.toml: ipv6: line "),
    ] {
        let mut args = vec!["location", "add", "lab", "--endpoint", "vpn.example.com"];
        args.extend(*more);
        let refused = postern.run(&args);
        assert_eq!(refused.code, 1, "{more:?}");
        assert!(refused.err.contains(said), "{more:?}: {}", refused.err);
        assert!(refused.err.contains("nothing was changed"), "{}", refused.err);
        assert_eq!(postern.everything(), before, "{more:?}");
    }
    for (args, said) in [
        (
            vec!["location", "edit", "hq", "--group", "ops"],
            "sites/hq.toml: groups: there is no group \"ops\"",
        ),
        (vec!["location", "edit", "hq", "--no-ipv4"], "neither ipv4 nor ipv6 is there"),
        (vec!["location", "edit", "hq"], "nothing to change was given"),
        (vec!["location", "edit", "lab", "--mtu", "1400"], "there is no location \"lab\""),
        (vec!["location", "show", "lab"], "there is no location \"lab\""),
        (vec!["location", "remove", "lab"], "there is no location \"lab\""),
        (vec!["location", "rotate-key", "lab"], "there is no location \"lab\""),
        (vec!["location", "add", "HQ", "--endpoint", "x"], "there is a location \"HQ\" already"),
    ] {
        let refused = postern.run(&args);
        assert_eq!(refused.code, 1, "{args:?}");
        assert!(refused.err.contains(said), "{args:?}: {}", refused.err);
        assert_eq!(postern.everything(), before, "{args:?}");
    }
    assert_eq!(postern.audited(), [""; 0]);
}

#[test]
fn a_failure_after_the_file_was_written_takes_it_back() {
    let Some(postern) = Postern::start() else { return };
    // The key of the next location is damaged: it is read after the file is in place.
    fs::write(postern.path("state/keys/location-2.key"), "damaged").unwrap();
    fs::set_permissions(postern.path("state/keys/location-2.key"), fs::Permissions::from_mode(0o600))
        .unwrap();
    let before = postern.everything();
    let refused = postern.run(&["location", "add", "lab", "--endpoint", "vpn.example.com"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("location-2.key holds no key"), "{}", refused.err);
    assert_eq!(postern.everything(), before);

    fs::remove_dir_all(postern.path("sites")).unwrap();
    let refused = postern.run(&["location", "add", "lab", "--endpoint", "vpn.example.com"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("cannot write") && refused.err.contains("sites/lab.toml"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("may postern write in that folder?"), "{}", refused.err);
    assert_eq!(postern.interfaces(), ["wg-hq"]);
}

#[test]
fn a_reload_with_errors_tells_each_on_its_line_and_the_running_one_stays() {
    let Some(postern) = Postern::start() else { return };
    let good = postern.read("sites/hq.toml");
    fs::write(postern.path("sites/hq.toml"), good.replace("51820\n", "0\nkeepalive = -1\n")).unwrap();
    let refused = postern.run(&["reload"]);
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    let lines: Vec<&str> = refused.err.lines().collect();
    let file = postern.path("sites/hq.toml");
    assert_eq!(lines[1], format!("  {}: listen_port: 0 is not a UDP port: 1 to 65535", file.display()));
    assert!(lines[2].starts_with(&format!("  {}: keepalive: -1 is not", file.display())), "{}", refused.err);
    let json: Value = serde_json::from_str(&postern.run(&["reload", "--json"]).out).unwrap();
    assert_eq!(json["problems"][0]["key"], "listen_port");
    assert_eq!(json["problems"][0]["file"].as_str(), file.to_str());
    assert_eq!(postern.json(&["location", "show", "hq"])["listen_port"], 51_820);

    fs::write(&file, good.replace("51820\n", "51999\n")).unwrap();
    assert_eq!(postern.run(&["reload"]).code, 0);
    assert_eq!(postern.json(&["location", "show", "hq"])["listen_port"], 51_999);
    assert_eq!(postern.audited(), ["unix:root configuration.reload"]);
}

#[test]
fn a_key_that_only_a_restart_changes_is_named_until_it_is_put_back() {
    let Some(postern) = Postern::start() else { return };
    let main = postern.read("postern.toml");
    let changed =
        main.replace("\"state\"", "\"elsewhere\"").replace("[contact]", "instance_name = \"New\"\n[contact]");
    fs::write(postern.path("postern.toml"), changed).unwrap();
    for _ in 0..2 {
        let said = postern.run(&["reload"]);
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(
            said.err,
            "postern: warning: state_dir was changed: restart postern to put that into force\n"
        );
        assert_eq!(postern.app.site().config.instance_name, "New");
    }
    fs::write(postern.path("postern.toml"), main).unwrap();
    assert_eq!(postern.run(&["reload"]).err, "");
}

#[test]
fn a_location_with_machines_goes_only_by_force_and_they_go_with_it() {
    let Some(postern) = Postern::start() else { return };
    let id = postern.app.site().location_named("hq").unwrap().id;
    let added = postern.app.store.write_blocking(|tx| {
        tx.insert_device(DeviceOwner::Machine(id), "printer", Some(key(9)), None, postern.app.now())?;
        settle_all(tx, &postern.app.site())
    });
    added.unwrap();
    let refused = postern.run(&["location", "remove", "hq"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("machines belong to the location \"hq\": printer"), "{}", refused.err);
    assert_eq!(postern.interfaces(), ["wg-hq"]);
    let removed = postern.json(&["location", "remove", "hq", "--force"]);
    assert_eq!(removed["machines_removed"][0], "printer");
    assert_eq!(postern.interfaces(), [""; 0]);
    assert_eq!(
        postern.app.store.read_blocking(|tx| tx.device_by_key(key(9))).unwrap().map(|_| "there"),
        None
    );
    assert_eq!(postern.audited(), ["unix:root location.remove", "unix:root device.remove"]);
}

#[test]
fn a_location_the_gateway_cannot_make_is_told_as_failing() {
    let Some(postern) = Postern::start() else { return };
    postern.kernel.make_foreign(&"wg-lab".parse().unwrap());
    let args = ["location", "add", "lab", "--endpoint", "vpn.example.com", "--interface", "wg-lab"];
    let said = postern.run(&args);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("warning: location lab is failing, and tried again: "), "{}", said.err);
    assert_eq!(postern.json(&["reload"])["failing"][0]["location"], "lab");
}

/// A running postern over a pretend kernel.
struct Postern {
    dir: tempfile::TempDir,
    app: App,
    kernel: MemoryBackend,
    stop: watch::Sender<bool>,
    reconcile: Option<JoinHandle<()>>,
    runtime: Runtime,
}

/// What a command did.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Postern {
    /// With one location; `None` where the socket would admit nobody.
    fn start() -> Option<Self> {
        if !nix::unistd::Uid::effective().is_root() {
            let required = std::env::var("POSTERN_TEST_REQUIRE").unwrap_or_default();
            assert!(!required.contains("netns"), "what needs root is required, and this is not root");
            eprintln!("SKIPPED: the admin socket admits root; run as root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sites")).unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        fs::write(dir.path().join("sites/hq.toml"), HQ).unwrap();
        let main = dir.path().join("postern.toml");
        fs::write(&main, MAIN).unwrap();
        let keys = Keys::open(&dir.path().join("state")).unwrap();
        let store = Store::open(&dir.path().join("state/postern.db")).unwrap();
        let available = vec![BackendKind::Kernel];
        let site = store.write_blocking(|tx| {
            let fit = fit(tx, load_with(&main, None)?, &available)?;
            fit.put_into_force(tx, &keys, &rand::random::<[u8; 32]>)
        });
        let site = site.unwrap_or_else(|error: ConfigureError| panic!("{error}")).0;
        let (published, applied) = watch::channel(Applied::default());
        let (stop, shutdown) = watch::channel(false);
        let app = App::new(store, site, applied, Clock::system());
        let (view, questions) = GatewayView::new();
        let reloader = Reloader::new(app.clone(), &main, keys, available);
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(async { admin_api::bind(&dir.path().join("admin.sock")) }).unwrap();
        let router = admin_api::router(app.clone(), view, reloader);
        runtime.spawn(admin_api::serve(listener, router, shutdown.clone()));
        let kernel = MemoryBackend::default();
        let backend = Box::new(kernel.clone());
        let reconciler = Reconciler { app: app.clone(), backend, published, questions, shutdown };
        let reconcile = Some(reconciler.spawn().unwrap());
        let booted = app.applied(Revision(1), Duration::from_secs(10));
        assert!(runtime.block_on(booted), "the gateway did not follow");
        Some(Self { dir, app, kernel, stop, reconcile, runtime })
    }

    #[expect(clippy::disallowed_methods, reason = "the command line under test is a program")]
    fn run(&self, args: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        let output = command.arg("--config").arg(self.path("postern.toml")).args(args).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        Said { code: output.status.code().unwrap(), out, err }
    }

    fn json(&self, args: &[&str]) -> Value {
        let said = self.run(&[args, &["--json"]].concat());
        assert_eq!(said.code, 0, "{args:?}: {}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Devices of a new user.
    fn register(&self, names: &[&str]) {
        let (site, now) = (self.app.site(), self.app.now());
        let ((), revision) = self
            .app
            .store
            .write_blocking(|tx| {
                let new = postern::store::account::NewUser {
                    username: "ann".to_owned(),
                    first_name: "Ann".to_owned(),
                    last_name: "Example".to_owned(),
                    email: "ann@example.com".to_owned(),
                    phone: None,
                    is_admin: false,
                };
                let user = DeviceOwner::User(tx.insert_user(&new, now)?);
                for (number, name) in (1..).zip(names) {
                    tx.insert_device(user, name, Some(key(number)), None, now)?;
                }
                settle_all(tx, &site)
            })
            .unwrap_or_else(|error: StoreError| panic!("{error}"));
        let applied = self.app.applied(revision, Duration::from_secs(10));
        assert!(self.runtime.block_on(applied));
    }

    fn interfaces(&self) -> Vec<String> {
        self.kernel.observed().interfaces.keys().map(ToString::to_string).collect()
    }

    fn peers(&self) -> Vec<usize> {
        self.kernel.observed().interfaces.values().map(|interface| interface.peers.len()).collect()
    }

    fn public_keys(&self) -> Vec<String> {
        let observed = self.kernel.observed();
        let keys = observed.interfaces.values().filter_map(|interface| interface.public_key);
        keys.map(|key| key.to_string()).collect()
    }

    /// Every file that a command might leave behind, and every interface.
    fn everything(&self) -> Vec<String> {
        let files = ["sites", "state/keys"].into_iter().flat_map(|dir| {
            let names = fs::read_dir(self.path(dir)).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names.into_iter().map(move |name| format!("{dir}/{name}"))
        });
        files.map(|name| format!("{name}: {}", self.read(&name))).chain(self.interfaces()).collect()
    }

    fn audited(&self) -> Vec<String> {
        let entries = self.app.store.read_blocking(|tx| tx.audit_since(0, 100)).unwrap();
        entries.into_iter().map(|entry| format!("{} {}", entry.actor, entry.action)).collect()
    }
}

impl Drop for Postern {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(reconcile) = self.reconcile.take() {
            reconcile.join().unwrap();
        }
    }
}

fn key(number: u8) -> postern_gateway::PublicKey {
    PrivateKey::from_random([number; 32]).public()
}
