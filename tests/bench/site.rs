//! A folder with the configuration, the database and the keys of a daemon that is measured.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use postern::config::load_with;
use postern::flows::configure::fit;
use postern::keys::Keys;
use postern::reload::{ReloadError, put_into_force};
use postern::site::Site;
use postern::store::account::NewUser;
use postern::store::{Store, StoreError, Tx};
use postern_gateway::BackendKind;

/// What the daemon's own HTTP listens on.
pub(crate) const LISTEN: &str = "127.0.0.1:8081";

/// And its metrics.
pub(crate) const METRICS: &str = "127.0.0.1:8082";

/// The folder, gone when dropped. It is on the disk that `POSTERN_BENCH_DIR` names, for a commit in the memory of a
/// virtual machine costs nothing.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// With locations `bench1`, `bench2`, ... for everybody, each of 65 000 addresses.
    pub(crate) fn new(locations: u8) -> Self {
        let on = std::env::var_os("POSTERN_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = Self(tempfile::tempdir_in(on).unwrap());
        for name in ["state", "locations.d"] {
            fs::DirBuilder::new().mode(0o700).create(folder.path(name)).unwrap();
        }
        let main = format!(
            "public_url = \"http://{LISTEN}/\"\nstate_dir = \"state\"\nadmin_socket = \"/run/postern-bench.sock\"\n\
             locations_dir = \"locations.d\"\n[http]\nlisten = [\"{LISTEN}\"]\n[contact]\nname = \"Ada\"\n\
             email = \"ada@example.com\"\n[gateway]\nbackend = \"kernel\"\n\
             [metrics]\nlisten = [\"{METRICS}\"]\n"
        );
        fs::write(folder.path("postern.toml"), main).unwrap();
        for number in 1..=locations {
            let text = format!(
                "name = \"bench{number}\"\ninterface = \"{}\"\nlisten_port = {}\n\
                 endpoint = \"vpn.example.com:51820\"\nipv4 = \"10.{}.0.0/16\"\nipv6 = \"fd77:{number}::/64\"\n",
                interface(number),
                51_820 + u16::from(number),
                100 + number
            );
            fs::write(folder.path(&format!("locations.d/bench{number}.toml")), text).unwrap();
        }
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.path("state/postern.db")).unwrap()
    }

    /// What a start does before anything runs: the configuration is read, and every device gets its addresses.
    pub(crate) fn put_into_force(&self, store: &Store) -> Site {
        let keys = Keys::open(&self.path("state")).unwrap();
        let site = store.write_blocking(|tx| {
            let loaded = load_with(&self.path("postern.toml"), None)?;
            let fit = fit(tx, loaded, &[BackendKind::Kernel], &BTreeMap::new())?;
            put_into_force::<ReloadError>(tx, fit, &keys, rand::random::<[u8; 32]>)
        });
        site.unwrap_or_else(|error| panic!("{error}")).0
    }
}

/// The interface of a location.
pub(crate) fn interface(number: u8) -> String {
    format!("pst-bench{number}")
}

/// Does something in one transaction.
pub(crate) fn write<T>(store: &Store, work: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>) -> T {
    store.write_blocking(work).unwrap().0
}

/// A user who has no password yet.
pub(crate) fn person(number: u32) -> NewUser {
    NewUser {
        username: format!("user{number}"),
        first_name: "Ann".to_owned(),
        last_name: "Example".to_owned(),
        email: format!("user{number}@example.com"),
        phone: None,
        is_admin: false,
    }
}

/// Another 32 bytes for every number.
pub(crate) fn random(number: u32) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes.iter_mut().zip(number.to_be_bytes()).for_each(|(byte, of_number)| *byte = of_number);
    bytes
}
