//! The site of every story: `HQ` and `Lab` for everybody, `Closed` for nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postern::config::{
    BackendChoice, Backups, Branding, ClientVersions, Config, Contact, DeviceStep, Enrollment, Http,
    Location, Mail, Portal, SecondFactor, Tls,
};
use postern::rules::colour::Colour;
use postern::rules::seal::SealKey;
use postern::rules::session::Timeouts;
use postern::rules::token::TokenKey;
use postern::site::{Site, SiteKeys, SiteLocation};
use postern::store::Store;
use postern::texts::Texts;
use postern_gateway::{BackendKind, Mtu, PrivateKey};

/// What a story may change before the site is made.
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) locations: Vec<Location>,
}

impl Plan {
    pub(crate) fn new() -> Self {
        let locations = [("HQ", 1), ("Lab", 2), ("Closed", 3)].map(|(name, number)| location(name, number));
        Self { config: config(), locations: locations.into() }
    }

    /// A location to be changed.
    pub(crate) fn location(&mut self, name: &str) -> &mut Location {
        self.locations.iter_mut().find(|location| location.name == name).unwrap()
    }

    /// The same locations always have the same numbers and keys.
    pub(crate) fn site(self, store: &Store) -> Site {
        let locations = self.locations.into_iter().map(|location| {
            let name = location.name.clone();
            let id = store.write_blocking(|tx| tx.location_id(&name)).unwrap().0;
            let seed = u8::try_from(location.listen_port.get() - 51_820).unwrap();
            SiteLocation::new(id, location, PrivateKey::from_random([seed; 32]), BackendKind::Kernel)
        });
        let locations: Vec<_> = locations.collect();
        let asking = locations.iter().filter(|location| location.config.second_factor);
        let asking = asking.map(|location| location.id).collect();
        store.write_blocking(|tx| tx.ask_for_second_factor(&asking)).unwrap();
        let keys = SiteKeys { token: TokenKey::from_bytes([1; 32]), seal: SealKey::from_bytes([2; 32]) };
        Site::new(self.config, uuid::Uuid::from_u128(7), keys, locations)
    }
}

fn location(name: &str, number: u8) -> Location {
    let port = 51_820 + u16::from(number);
    Location {
        name: name.to_owned(),
        interface: format!("wg-{number}").parse().unwrap(),
        listen_port: port.try_into().unwrap(),
        endpoint: format!("vpn.example.com:{port}"),
        ipv4: format!("10.77.{number}.0/24").parse().ok(),
        ipv6: format!("fd77:{number}::/64").parse().ok(),
        dns: if number == 1 { vec!["10.77.1.1".to_owned(), "example.com".to_owned()] } else { Vec::new() },
        routes: vec!["10.0.0.0/8".parse().unwrap()],
        mtu: Mtu::DEFAULT,
        keepalive: 25,
        groups: (number == 3).then(BTreeSet::new),
        masquerade: true,
        client_to_client: false,
        host_services: BTreeSet::new(),
        second_factor: false,
        backend: None,
    }
}

fn config() -> Config {
    let minute = Duration::from_mins(1);
    Config {
        instance_name: "Example".to_owned(),
        public_url: "https://vpn.example.com/".to_owned(),
        state_dir: "state".into(),
        admin_socket: "admin.sock".into(),
        locations_dir: "locations.d".into(),
        http: Http {
            listen: Vec::new(),
            redirect_listen: Vec::new(),
            trusted_proxies: Vec::new(),
            tls: Tls::Proxy,
        },
        contact: Contact { name: "Ann Admin".to_owned(), email: "ann@example.com".to_owned(), phone: None },
        branding: Branding {
            company: "Example".to_owned(),
            accent: Colour::default(),
            logo: None,
            help_text: String::new(),
            links: Vec::new(),
        },
        mail: Mail { from: "postern@example.com".to_owned(), directory: Some("mail".into()), smtp: None },
        texts: texts(),
        enrollment: Enrollment {
            token_ttl: 24 * 60 * minute,
            session_ttl: 10 * minute,
            device_step: DeviceStep::Required,
            devices_per_session: 3,
        },
        portal: Portal::default(),
        sign_in: Timeouts { idle: 60 * minute, absolute: 24 * 60 * minute },
        second_factor: SecondFactor::default(),
        backend: BackendChoice::Auto,
        reconcile_interval: minute / 2,
        metrics_listen: Vec::new(),
        audit_keep: 732 * 24 * 60 * minute,
        backups: Backups { recipients: Vec::new(), directory: "backups".into(), keep: 7 },
        client_versions: ClientVersions { core: "2.1.0".to_owned(), component: "2.1.0".to_owned() },
        locations: BTreeMap::new(),
    }
}

fn texts() -> Texts {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("final.md"), "# Welcome {{ first_name }}").unwrap();
    Texts::read(dir.path()).texts
}
