//! A running postern: the admin API on a real socket, a database in a file, real configuration files, the reconcile loop
//! and a pretend kernel; and the real command line to ask it.

#![expect(clippy::print_stderr, reason = "a skipped suite says so")]

#[path = "../support/binary.rs"]
mod binary;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::Duration;

use postern::app::{App, Clock};
use postern::applied::Applied;
use postern::background::reconcile::Reconciler;
use postern::config::load_with;
use postern::flows::configure::fit;
use postern::flows::permit::settle_all;
use postern::gateway_view::GatewayView;
use postern::keys::Keys;
use postern::pulse::Pulses;
use postern::reload::{ReloadError, Reloader, put_into_force};
use postern::site::Site;
use postern::store::account::NewUser;
use postern::store::device::DeviceOwner;
use postern::store::{Revision, Store, StoreError};
use postern::web::admin_api;
use postern_gateway::backend::memory::MemoryBackend;
use postern_gateway::{BackendKind, PrivateKey, PublicKey};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;

pub(crate) use binary::postern;

const MAIN: &str = "public_url = \"https://vpn.example.com\"\nstate_dir = \"state\"\nadmin_socket = \"admin.sock\"\n\
                    locations_dir = \"sites\"\n[contact]\nname = \"Ada\"\nemail = \"ada@example.com\"\n";
/// The one location there is at first.
pub(crate) const HQ: &str = "# The first of all.\nname = \"hq\"\ninterface = \"wg-hq\"\nlisten_port = 51820\n\
                             endpoint = \"vpn.example.com:51820\"\nipv4 = \"10.77.0.0/24\" # for ever\n";

/// A running postern over a pretend kernel.
pub(crate) struct Postern {
    dir: Option<tempfile::TempDir>,
    pub(crate) app: App,
    pub(crate) kernel: MemoryBackend,
    stop: watch::Sender<bool>,
    reconcile: Option<JoinHandle<()>>,
    runtime: Runtime,
}

/// What a command did.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        Self { code: output.status.code().unwrap(), out, err }
    }
}

impl Postern {
    /// With one location; `None` where the socket would admit nobody.
    pub(crate) fn start() -> Option<Self> {
        if !is_root() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sites")).unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        fs::write(dir.path().join("sites/hq.toml"), HQ).unwrap();
        fs::write(dir.path().join("postern.toml"), MAIN).unwrap();
        Some(Self::over(dir))
    }

    /// Over what another one left.
    pub(crate) fn over(dir: tempfile::TempDir) -> Self {
        let main = dir.path().join("postern.toml");
        let keys = Keys::open(&dir.path().join("state")).unwrap();
        let store = Store::open(&dir.path().join("state/postern.db")).unwrap();
        let available = vec![BackendKind::Kernel];
        let site = site_of(&dir, &store, &available).unwrap_or_else(|error| panic!("{error}"));
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
        let pulse = Pulses::default().pulse("the reconcile loop");
        let reconciler = Reconciler { app: app.clone(), backend, published, questions, pulse, shutdown };
        let reconcile = Some(reconciler.spawn().unwrap());
        let booted = app.applied(Revision(1), Duration::from_secs(10));
        assert!(runtime.block_on(booted), "the gateway did not follow");
        Self { dir: Some(dir), app, kernel, stop, reconcile, runtime }
    }

    /// Why nothing starts over what another one left.
    pub(crate) fn would_not_start(dir: &tempfile::TempDir) -> String {
        let store = Store::open(&dir.path().join("state/postern.db")).unwrap();
        site_of(dir, &store, &[BackendKind::Kernel]).err().unwrap().to_string()
    }

    /// Ends it and gives its folder.
    pub(crate) fn stop(mut self) -> tempfile::TempDir {
        self.dir.take().unwrap()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        let config = self.path("postern.toml");
        self.run_alone(&[&["--config", config.to_str().unwrap()], args].concat())
    }

    /// Without saying where the daemon is.
    #[expect(clippy::unused_self, reason = "it has to run meanwhile")]
    #[expect(clippy::disallowed_methods, reason = "the command line under test is a program")]
    pub(crate) fn run_alone(&self, args: &[&str]) -> Said {
        Said::of(Command::new(postern()).args(args))
    }

    /// With these programs where it looks first.
    #[expect(clippy::disallowed_methods, reason = "the command line under test is a program")]
    pub(crate) fn run_beside(&self, programs: &Path, args: &[&str]) -> Said {
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(postern());
        Said::of(command.env("PATH", path).arg("--config").arg(self.path("postern.toml")).args(args))
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let said = self.run(&[args, &["--json"]].concat());
        assert_eq!(said.code, 0, "{args:?}: {}", said.err);
        serde_json::from_str(&said.out).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.as_ref().unwrap().path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Devices of a new user.
    pub(crate) fn register(&self, names: &[&str]) {
        let (site, now) = (self.app.site(), self.app.now());
        let ((), revision) = self
            .app
            .store
            .write_blocking(|tx| {
                let new = NewUser {
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

    pub(crate) fn interfaces(&self) -> Vec<String> {
        self.kernel.observed().interfaces.keys().map(ToString::to_string).collect()
    }

    pub(crate) fn peers(&self) -> Vec<usize> {
        self.kernel.observed().interfaces.values().map(|interface| interface.peers.len()).collect()
    }

    pub(crate) fn public_keys(&self) -> Vec<String> {
        let observed = self.kernel.observed();
        let keys = observed.interfaces.values().filter_map(|interface| interface.public_key);
        keys.map(|key| key.to_string()).collect()
    }

    /// Every file that a command might leave behind, and every interface.
    pub(crate) fn everything(&self) -> Vec<String> {
        let files = ["sites", "state/keys"].into_iter().flat_map(|dir| {
            let names = fs::read_dir(self.path(dir)).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names.into_iter().map(move |name| format!("{dir}/{name}"))
        });
        files.map(|name| format!("{name}: {}", self.read(&name))).chain(self.interfaces()).collect()
    }

    pub(crate) fn audited(&self) -> Vec<String> {
        let entries = self.app.store.read_blocking(|tx| tx.audit_since(0, 100)).unwrap();
        entries.into_iter().map(|entry| format!("{} {}", entry.actor, entry.action)).collect()
    }
}

fn site_of(dir: &tempfile::TempDir, store: &Store, available: &[BackendKind]) -> Result<Site, ReloadError> {
    let main = dir.path().join("postern.toml");
    let keys = Keys::open(&dir.path().join("state")).unwrap();
    let made = store.write_blocking(|tx| {
        let fit = fit(tx, load_with(&main, None)?, available, &BTreeMap::new())?;
        put_into_force::<ReloadError>(tx, fit, &keys, rand::random::<[u8; 32]>)
    });
    made.map(|(site, _)| site)
}

impl Drop for Postern {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(reconcile) = self.reconcile.take() {
            reconcile.join().unwrap();
        }
    }
}

/// Without, what needs root is skipped loudly, or fails where it is required.
pub(crate) fn is_root() -> bool {
    if nix::unistd::Uid::effective().is_root() {
        return true;
    }
    let required = std::env::var("POSTERN_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.contains("netns"), "what needs root is required, and this is not root");
    eprintln!("SKIPPED: the admin socket admits root; run as root");
    false
}

/// Another one for every number.
pub(crate) fn key(number: u8) -> PublicKey {
    PrivateKey::from_random([number; 32]).public()
}
