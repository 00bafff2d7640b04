//! What the tests of this crate start from: a configuration, a site of two locations, a person.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use postern_gateway::{BackendKind, Mtu, PrivateKey};

use crate::config::{
    BackendChoice, Backups, Branding, ClientVersions, Config, Contact, DeviceStep, Enrollment, Http,
    Location, Mail, Portal, SecondFactor, Tls,
};
use crate::rules::colour::Colour;
use crate::rules::ids::UserId;
use crate::rules::openid::IdTokenAlg;
use crate::rules::seal::SealKey;
use crate::rules::session::Timeouts;
use crate::rules::token::TokenKey;
use crate::rules::totp::Step;
use crate::site::{Site, SiteKeys, SiteLocation};
use crate::store::account::NewUser;
use crate::store::device::DeviceOwner;
use crate::store::signing_key::SigningKey;
use crate::store::{Store, StoreError, Tx};
use crate::texts::Texts;

/// Seconds since the epoch.
pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// `hq` and `lab`, both for everybody, numbered 1 and 2.
pub(crate) fn a_site(store: &Store) -> Site {
    let ids = store
        .write_blocking(|tx| Ok::<_, StoreError>([tx.location_id("hq")?, tx.location_id("lab")?]))
        .unwrap()
        .0;
    let locations = ids.into_iter().zip([("hq", 1), ("lab", 2)]).map(|(id, (name, number))| {
        SiteLocation::new(
            id,
            location(name, number),
            PrivateKey::from_random([number; 32]),
            BackendKind::Kernel,
        )
    });
    let keys = SiteKeys { token: TokenKey::from_bytes([1; 32]), seal: SealKey::from_bytes([2; 32]) };
    Site::new(config(), uuid::Uuid::nil(), keys, locations)
}

/// An active user without a password.
pub(crate) fn a_person(tx: &Tx<'_>, username: &str) -> UserId {
    let new = NewUser {
        username: username.to_owned(),
        first_name: "Ann".to_owned(),
        last_name: "Example".to_owned(),
        email: format!("{username}@example.com"),
        phone: None,
        is_admin: false,
    };
    tx.insert_user(&new, at(0)).unwrap()
}

/// A device in a new location whose preshared key was sealed under no key that anybody has.
pub(crate) fn a_sealed_place(tx: &Tx<'_>) {
    let location = tx.location_id("hq").unwrap();
    let key = PrivateKey::from_random([20; 32]).public();
    let device = tx.insert_device(DeviceOwner::Machine(location), "sealed", Some(key), None, at(1)).unwrap();
    let device = tx.device(device).unwrap().unwrap();
    let network = "10.77.1.20/32".parse().unwrap();
    tx.insert_fixed_place(&device, location, &[network], Some(b"sealed elsewhere"), None).unwrap();
}

/// All that is sealed under a key that nobody has: a place, an authenticator app, a signing key.
pub(crate) fn everything_sealed(tx: &Tx<'_>) {
    a_sealed_place(tx);
    let ann = a_person(tx, "ann");
    tx.begin_totp(ann, b"sealed elsewhere", at(1)).unwrap();
    tx.confirm_totp(ann, Step(1), at(1)).unwrap();
    let (kid, public_jwk, sealed) = ("kid".to_owned(), "{}".to_owned(), b"sealed elsewhere".to_vec());
    let key = SigningKey { kid, alg: IdTokenAlg::EdDsa, public_jwk, sealed, signs_from: 1 };
    tx.insert_signing_key(&key).unwrap();
}

fn location(name: &str, number: u8) -> Location {
    Location {
        name: name.to_owned(),
        interface: format!("wg-{name}").parse().unwrap(),
        listen_port: (51_820 + u16::from(number)).try_into().unwrap(),
        endpoint: format!("vpn.example.com:{}", 51_820 + u16::from(number)),
        ipv4: format!("10.77.{number}.0/24").parse().ok(),
        ipv6: format!("fd77:{number}::/64").parse().ok(),
        dns: Vec::new(),
        routes: Vec::new(),
        mtu: Mtu::DEFAULT,
        keepalive: 25,
        groups: None,
        masquerade: true,
        client_to_client: false,
        host_services: BTreeSet::new(),
        second_factor: false,
        backend: None,
    }
}

fn config() -> Config {
    let minute = std::time::Duration::from_mins(1);
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
        contact: Contact { name: "Ada".to_owned(), email: "ada@example.com".to_owned(), phone: None },
        branding: Branding {
            company: "Example".to_owned(),
            accent: Colour::default(),
            logo: None,
            help_text: String::new(),
            links: Vec::new(),
        },
        mail: Mail { from: "postern@example.com".to_owned(), directory: None, smtp: None },
        texts: Texts::default(),
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
