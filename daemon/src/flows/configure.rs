//! Puts a configuration into force, at boot and at a reload: numbers and keys for its locations, and every device's
//! addresses where they now belong.

use std::collections::{BTreeMap, BTreeSet};

use postern_gateway::{BackendKind, PrivateKey};

use super::permit::settle_all;
use crate::config::{BackendChoice, Config, ConfigErrors, Loaded, Location, Problem};
use crate::rules::ids::LocationId;
use crate::site::{Site, SiteKeys, SiteLocation};
use crate::store::{StoreError, Tx};

/// Why a configuration that is valid by itself is not put into force.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// It does not fit the database or the host.
    #[error("the configuration cannot be put into force here")]
    Unfit(#[from] ConfigErrors),
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A configuration that nothing speaks against any more.
pub struct Fit {
    config: Config,
    backends: Vec<BackendKind>,
}

/// Judges a configuration: groups must be there, and backends. Nothing is changed or made.
///
/// `available` is what the host can run; `running` where each location runs that is in force: it stays there while it may,
/// for moving it would end its tunnels.
pub fn fit(
    tx: &Tx<'_>,
    loaded: Loaded,
    available: &[BackendKind],
    running: &BTreeMap<String, BackendKind>,
) -> Result<Fit, ConfigureError> {
    let problems = unknown_groups(tx, &loaded)?;
    judged(loaded, problems, |location, choice| match (choice, running.get(&location.name)) {
        (BackendChoice::Auto | BackendChoice::Kernel, Some(BackendKind::Kernel)) => Ok(BackendKind::Kernel),
        (BackendChoice::Auto | BackendChoice::Userspace, Some(BackendKind::Userspace)) => {
            Ok(BackendKind::Userspace)
        }
        (_, Some(_) | None) => backend(choice, available),
    })
}

/// The same for a daemon that starts: groups are made while it runs, so one that is not there yet keeps nobody from
/// starting it; nobody joins by it. Says which these are. Nor does a module that may be loaded later: until then the location
/// waits.
pub fn fit_at_start(
    tx: &Tx<'_>,
    loaded: Loaded,
    available: &[BackendKind],
) -> Result<(Fit, Vec<Problem>), ConfigureError> {
    let unknown = unknown_groups(tx, &loaded)?;
    let fit = judged(loaded, Vec::new(), |_, choice| {
        backend(choice, available).or_else(|missing| match choice {
            BackendChoice::Auto | BackendChoice::Kernel => Ok(BackendKind::Kernel),
            BackendChoice::Userspace => Err(missing),
        })
    })?;
    Ok((fit, unknown))
}

fn unknown_groups(tx: &Tx<'_>, loaded: &Loaded) -> Result<Vec<Problem>, StoreError> {
    let mut problems = Vec::new();
    for (name, location) in &loaded.config.locations {
        for group in location.groups.iter().flatten() {
            if tx.group_by_name(group)?.is_none() {
                let create = format!("create it first (postern group create {group})");
                let reason = format!("there is no group {group:?}: {create}");
                problems.push(loaded.problem(name, "groups", reason));
            }
        }
    }
    Ok(problems)
}

fn judged(
    loaded: Loaded,
    mut problems: Vec<Problem>,
    backend: impl Fn(&Location, BackendChoice) -> Result<BackendKind, String>,
) -> Result<Fit, ConfigureError> {
    let mut backends = Vec::new();
    for (name, location) in &loaded.config.locations {
        match backend(location, location.backend.unwrap_or(loaded.config.backend)) {
            Ok(backend) => backends.push(backend),
            Err(reason) => problems.push(loaded.problem(name, "backend", reason)),
        }
    }
    if problems.is_empty() {
        Ok(Fit { config: loaded.config, backends })
    } else {
        Err(ConfigErrors(problems).into())
    }
}

impl Fit {
    /// Puts the configuration into force. `key_of` gives a location's own key; `random` is what
    /// an instance is made of that is not known yet.
    pub fn put_into_force<E: From<StoreError>>(
        self,
        tx: &Tx<'_>,
        keys: SiteKeys,
        key_of: impl Fn(LocationId) -> Result<PrivateKey, E>,
        random: [u8; 32],
    ) -> Result<Site, E> {
        let mut locations = Vec::new();
        for (location, backend) in self.config.locations.values().zip(self.backends) {
            let id = tx.location_id(&location.name)?;
            locations.push(SiteLocation::new(id, location.clone(), key_of(id)?, backend));
        }
        let mut uuid = [0; 16];
        uuid.iter_mut().zip(random).for_each(|(to, from)| *to = from);
        let instance = tx.instance(uuid::Builder::from_random_bytes(uuid).into_uuid())?;
        let site = Site::new(self.config, instance, keys, locations);
        readdress(tx, &site)?;
        settle_all(tx, &site)?;
        tx.ask_for_second_factor(&asking(&site))?;
        tx.locations_changed();
        Ok(site)
    }
}

fn backend(choice: BackendChoice, available: &[BackendKind]) -> Result<BackendKind, String> {
    let missing = |wanted, hint| Err(format!("this host has no {wanted} WireGuard: {hint}"));
    let has = |kind| available.contains(&kind);
    match choice {
        BackendChoice::Auto | BackendChoice::Kernel if has(BackendKind::Kernel) => Ok(BackendKind::Kernel),
        BackendChoice::Kernel => {
            missing("kernel", "load the module (modprobe wireguard), or use backend = \"auto\"")
        }
        BackendChoice::Auto | BackendChoice::Userspace if has(BackendKind::Userspace) => {
            Ok(BackendKind::Userspace)
        }
        BackendChoice::Auto | BackendChoice::Userspace => {
            missing("userspace", "it needs /dev/net/tun (modprobe tun)")
        }
    }
}

/// The locations that ask for a second factor.
fn asking(site: &Site) -> BTreeSet<LocationId> {
    site.locations().filter(|location| location.config.second_factor).map(|location| location.id).collect()
}

/// Where a location's subnets changed, all its addresses are cleared first: one device's new address may be
/// another's old one.
fn readdress(tx: &Tx<'_>, site: &Site) -> Result<(), StoreError> {
    let held = tx.addresses()?;
    for location in site.locations() {
        let pool = location.config.pool();
        let moved = held
            .iter()
            .filter(|held| held.location == location.id)
            .any(|held| pool.addresses(held.slot) != Some(held.addresses));
        if moved {
            tx.blank_addresses(location.id)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load_with;
    use crate::store::Store;

    const MAIN: &str = "locations_dir = \"sites\"\npublic_url = \"https://vpn.example.com\"\n[contact]\nname = \"Ada\"\n\
                        email = \"ada@example.com\"\n";
    const HQ: &str = "name = \"hq\"\ninterface = \"wg-hq\"\nlisten_port = 51820\nendpoint = \"vpn.example.com:51820\"\n\
                      ipv4 = \"10.77.0.0/24\"\n";

    #[test]
    fn an_unknown_group_and_a_missing_backend_are_told_with_file_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let loaded = loaded(dir.path(), "groups = [\"ops\"]\nbackend = \"kernel\"\n");
        let refused = fitting(loaded, &[BackendKind::Userspace]).err().unwrap();
        let ConfigureError::Unfit(ConfigErrors(problems)) = refused else { panic!("{refused}") };
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let file = dir.path().join("sites/hq.toml");
        let [group, backend] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!(
            *group,
            format!(
                "{}: groups: there is no group \"ops\": create it first (postern group create ops)",
                file.display()
            )
        );
        assert!(
            backend.starts_with(&format!("{}: backend: this host has no kernel WireGuard", file.display()))
        );
    }

    #[test]
    fn without_a_choice_the_kernel_is_taken_and_else_userspace() {
        let dir = tempfile::tempdir().unwrap();
        for (available, taken) in [
            (vec![BackendKind::Userspace, BackendKind::Kernel], BackendKind::Kernel),
            (vec![BackendKind::Userspace], BackendKind::Userspace),
        ] {
            assert_eq!(fitting(loaded(dir.path(), ""), &available).unwrap().backends, [taken]);
        }
        assert!(fitting(loaded(dir.path(), ""), &[]).is_err());
    }

    #[test]
    fn a_start_waits_for_the_kernels_module_and_a_reload_moves_no_location_that_runs() {
        use BackendKind::{Kernel, Userspace};
        let dir = tempfile::tempdir().unwrap();
        let at_start = |more: &str, available: &[BackendKind]| {
            let (loaded, store) = (loaded(dir.path(), more), Store::in_memory().unwrap());
            store.read_blocking(|tx| fit_at_start(tx, loaded, available)).map(|(fit, _)| fit.backends).ok()
        };
        let now = |more: &str, available: &[BackendKind], running| {
            let (loaded, running) = (loaded(dir.path(), more), [("hq".to_owned(), running)].into());
            let store = Store::in_memory().unwrap();
            store.read_blocking(|tx| fit(tx, loaded, available, &running)).map(|fit| fit.backends).ok()
        };
        let (kernel, userspace) = ("backend = \"kernel\"\n", "backend = \"userspace\"\n");
        assert_eq!(at_start(kernel, &[Userspace]), Some(vec![Kernel]));
        assert_eq!(at_start("", &[]), Some(vec![Kernel]));
        assert_eq!(at_start("", &[Userspace]), Some(vec![Userspace]));
        assert_eq!(at_start(userspace, &[]), None);
        assert_eq!(now(kernel, &[Userspace], Kernel), Some(vec![Kernel]), "it waits already");
        assert_eq!(now("", &[Userspace], Kernel), Some(vec![Kernel]));
        assert_eq!(now("", &[Kernel, Userspace], Userspace), Some(vec![Userspace]), "its tunnels go on");
        assert_eq!(now(kernel, &[Userspace], Userspace), None, "its tunnels would end for nothing");
        assert_eq!(now(kernel, &[Kernel, Userspace], Userspace), Some(vec![Kernel]), "as was asked for");
    }

    #[test]
    fn a_start_waits_for_no_group_but_says_which_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let loaded = loaded(dir.path(), "groups = [\"ops\"]\n");
        let store = Store::in_memory().unwrap();
        let (_, unknown) =
            store.read_blocking(|tx| fit_at_start(tx, loaded, &[BackendKind::Kernel])).unwrap();
        assert!(unknown[0].reason.starts_with("there is no group \"ops\""), "{unknown:?}");
    }

    fn loaded(dir: &Path, more: &str) -> Loaded {
        std::fs::create_dir_all(dir.join("sites")).unwrap();
        std::fs::write(dir.join("sites/hq.toml"), format!("{HQ}{more}")).unwrap();
        std::fs::write(dir.join("postern.toml"), MAIN).unwrap();
        load_with(&dir.join("postern.toml"), None).unwrap()
    }

    fn fitting(loaded: Loaded, available: &[BackendKind]) -> Result<Fit, ConfigureError> {
        Store::in_memory().unwrap().read_blocking(|tx| fit(tx, loaded, available, &BTreeMap::new()))
    }
}
