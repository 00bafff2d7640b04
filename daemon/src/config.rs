//! The configuration as the rest of the daemon sees it: valid once it exists.

mod backup;
mod branding;
mod check;
pub mod edit;
mod enrollment;
mod https;
#[cfg(test)]
mod keys;
mod load;
mod portal;
mod problem;
mod raw;
mod restart;
mod security;
pub mod settings;
mod sign_in;
mod smtp;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use postern_gateway::{HostService, InterfaceName, ListenPort, Mtu};

use crate::rules::addressing::Pool;
use crate::rules::session::Timeouts;
use crate::texts::Texts;

pub use backup::{Backups, Named, Parts, backups, parts, parts_of};
pub use branding::{Branding, Link, Logo, LogoKind};
pub use https::{Acme, Http, OwnFiles, Tls};
pub use load::{DEFAULT_FILE, Draft, Loaded, admin_socket, load, load_drafts, load_with};
pub use portal::{Particular, Portal};
pub use problem::{ConfigErrors, Problem};
pub use security::SecondFactor;
pub use smtp::{Login, PasswordError, PasswordSource, Security, Smtp};
pub use values::{host_of, is_public_name, mail_host, public_url};

/// A validated configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Shown to people and clients as the name of this installation.
    pub instance_name: String,
    /// Where people and clients reach us: absolute, without a path, ending in `/`.
    pub public_url: String,
    /// Database and keys.
    pub state_dir: PathBuf,
    /// The Unix socket of the command line.
    pub admin_socket: PathBuf,
    /// Where the location files are.
    pub locations_dir: PathBuf,
    /// Where we are reached, and who speaks TLS.
    pub http: Http,
    /// Who helps users: the inviter shown when there is no other.
    pub contact: Contact,
    /// How the pages and mails look.
    pub branding: Branding,
    /// How mail leaves.
    pub mail: Mail,
    /// What mails and the last page say.
    pub texts: Texts,
    /// Tokens, sessions and what people are told.
    pub enrollment: Enrollment,
    /// How long people stay signed in.
    pub sign_in: Timeouts,
    /// Whether that takes more than a password.
    pub second_factor: SecondFactor,
    /// What people may do about their own account.
    pub portal: Portal,
    /// Where WireGuard runs, unless a location says otherwise.
    pub backend: BackendChoice,
    /// How often everything is compared with the kernel even if nothing happened.
    pub reconcile_interval: Duration,
    /// Where Prometheus may ask; empty: nowhere.
    pub metrics_listen: Vec<SocketAddr>,
    /// How long the audit log is kept.
    pub audit_keep: Duration,
    /// What the timer does.
    pub backups: Backups,
    /// What we claim to be, for the desktop client's version check (protocol 0.5).
    pub client_versions: ClientVersions,
    /// By name.
    pub locations: BTreeMap<String, Location>,
}

/// A person to turn to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Never empty.
    pub name: String,
    /// Never empty.
    pub email: String,
    /// In a form the desktop client takes (protocol 3.6).
    pub phone: Option<String>,
}

/// How mail leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The sender.
    pub from: String,
    /// `.eml` files go here.
    pub directory: Option<PathBuf>,
    /// Mail goes there; never together with `directory`.
    pub smtp: Option<Smtp>,
}

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Into a folder, as `.eml` files.
    Directory(PathBuf),
    /// To a mail server.
    Smtp(Smtp),
}

/// Tokens, sessions and what people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrollment {
    /// How long an unused token is good.
    pub token_ttl: Duration,
    /// How long a started session lasts.
    pub session_ttl: Duration,
    /// Whether the pages let somebody finish without a device.
    pub device_step: DeviceStep,
    /// How many devices one session may register (protocol 3.2).
    pub devices_per_session: u32,
}

/// Whether enrolling in the browser ends with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceStep {
    /// It does.
    Required,
    /// It may be skipped.
    Optional,
}

/// The versions sent in protocol 0.5's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientVersions {
    /// `defguard-core-version`.
    pub core: String,
    /// `defguard-component-version`.
    pub component: String,
}

/// Which WireGuard to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendChoice {
    /// The kernel's if there is one, else userspace.
    Auto,
    /// The kernel's, or an error.
    Kernel,
    /// The embedded one.
    Userspace,
}

/// A VPN network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Shown to people; has an ASCII letter or digit (protocol 3.7).
    pub name: String,
    /// The link.
    pub interface: InterfaceName,
    /// UDP.
    pub listen_port: ListenPort,
    /// `host:port` as clients reach it; IPv6 literals in brackets.
    pub endpoint: String,
    /// At least one of the two subnets is there.
    pub ipv4: Option<Ipv4Net>,
    /// At least one of the two subnets is there.
    pub ipv6: Option<Ipv6Net>,
    /// Resolvers and search domains given to clients.
    pub dns: Vec<String>,
    /// Networks behind the gateway that clients route here, besides the subnets.
    pub routes: Vec<IpNet>,
    /// Of the link.
    pub mtu: Mtu,
    /// Seconds, told to clients; never set on the gateway's own peers.
    pub keepalive: u16,
    /// Who may join: `None` everybody, an empty set nobody.
    pub groups: Option<BTreeSet<String>>,
    /// Whether what leaves carries the gateway's address.
    pub masquerade: bool,
    /// Whether peers reach each other.
    pub client_to_client: bool,
    /// Services of the gateway host that peers may reach.
    pub host_services: BTreeSet<HostService>,
    /// Whether nobody is connected without a second factor, given anew each time.
    pub second_factor: bool,
    /// `None`: as the whole configuration says.
    pub backend: Option<BackendChoice>,
}

impl Config {
    /// The host people and clients know us by.
    pub fn host(&self) -> &str {
        host_of(&self.public_url)
    }

    /// Whether people and clients reach us over TLS.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https:")
    }
}

impl Mail {
    /// Whether mail leaves at all.
    pub fn is_sent(&self) -> bool {
        self.directory.is_some() || self.smtp.is_some()
    }

    /// Where it goes; `None`: mail is not sent (links are still printed).
    pub fn transport(&self) -> Option<Transport> {
        let directory = self.directory.clone().map(Transport::Directory);
        directory.or_else(|| self.smtp.clone().map(Transport::Smtp))
    }
}

impl Location {
    /// The addresses it can give.
    pub fn pool(&self) -> Pool {
        Pool { v4: self.ipv4, v6: self.ipv6 }
    }
}
