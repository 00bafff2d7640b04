//! The files as they are written: every key optional where a default can answer, unknown keys refused.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use postern_gateway::{HostService, InterfaceName, Mtu};
use serde::Deserialize;

use super::enrollment::RawEnrollment;
use super::portal::{RawDevices, RawPortal};
use super::security::RawGuards;
use super::sign_in::RawSignIn;
use crate::rules::colour::Colour;

/// `postern.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawConfig {
    pub(super) instance_name: String,
    pub(super) public_url: String,
    pub(super) state_dir: PathBuf,
    pub(super) admin_socket: PathBuf,
    pub(super) locations_dir: PathBuf,
    pub(super) http: RawHttp,
    pub(super) contact: RawContact,
    pub(super) branding: RawBranding,
    pub(super) mail: RawMail,
    pub(super) enrollment: RawEnrollment,
    pub(super) sign_in: RawSignIn,
    pub(super) security: RawGuards,
    pub(super) devices: RawDevices,
    pub(super) portal: RawPortal,
    pub(super) gateway: RawGateway,
    pub(super) metrics: RawMetrics,
    pub(super) audit: RawAudit,
    pub(super) backup: RawBackup,
    pub(super) client: RawClient,
}

/// What `postern backup` reads of `postern.toml`.
#[derive(Debug, Deserialize)]
pub(super) struct RawBackups {
    #[serde(default)]
    pub(super) backup: RawBackup,
}

/// What the command line reads of `postern.toml`.
#[derive(Debug, Deserialize)]
pub(super) struct RawSocket {
    #[serde(default = "default_socket")]
    pub(super) admin_socket: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHttp {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) tls: RawTls,
    pub(super) certificate_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) key_credential: Option<String>,
    pub(super) redirect_listen: Vec<SocketAddr>,
    pub(super) acme: RawAcme,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawTls {
    Acme,
    Files,
    Proxy,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAcme {
    pub(super) directory: String,
    pub(super) email: String,
    pub(super) ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawContact {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) phone: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBranding {
    pub(super) company: String,
    pub(super) accent: String,
    pub(super) logo: Option<PathBuf>,
    pub(super) help_text: String,
    pub(super) links: Vec<RawLink>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLink {
    pub(super) text: String,
    pub(super) url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMail {
    pub(super) from: String,
    pub(super) directory: Option<PathBuf>,
    pub(super) templates_dir: PathBuf,
    pub(super) smtp: RawSmtp,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSmtp {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: RawSecurity,
    pub(super) username: String,
    pub(super) password_file: Option<PathBuf>,
    pub(super) password_credential: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) timeout: String,
    pub(super) hello_name: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawSecurity {
    Starttls,
    Tls,
    None,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawGateway {
    pub(super) backend: RawBackend,
    pub(super) reconcile_interval: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMetrics {
    pub(super) listen: Vec<SocketAddr>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAudit {
    pub(super) keep: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawBackup {
    pub(super) recipients: Vec<String>,
    pub(super) directory: PathBuf,
    pub(super) keep: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawClient {
    pub(super) core_version: String,
    pub(super) component_version: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawBackend {
    Auto,
    Kernel,
    Userspace,
}

/// A file of `locations.d`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLocation {
    pub(super) name: String,
    pub(super) interface: InterfaceName,
    pub(super) listen_port: i64,
    pub(super) endpoint: String,
    pub(super) ipv4: Option<Ipv4Net>,
    pub(super) ipv6: Option<Ipv6Net>,
    #[serde(default)]
    pub(super) dns: Vec<String>,
    #[serde(default)]
    pub(super) routes: Vec<IpNet>,
    #[serde(default = "default_mtu")]
    pub(super) mtu: Mtu,
    #[serde(default = "default_keepalive")]
    pub(super) keepalive: i64,
    pub(super) groups: Option<Vec<String>>,
    #[serde(default = "yes")]
    pub(super) masquerade: bool,
    #[serde(default)]
    pub(super) client_to_client: bool,
    #[serde(default)]
    pub(super) host_services: Vec<HostService>,
    #[serde(default)]
    pub(super) second_factor: bool,
    pub(super) backend: Option<RawBackend>,
}

pub(super) fn default_socket() -> PathBuf {
    "/run/postern/admin.sock".into()
}

fn default_mtu() -> Mtu {
    Mtu::DEFAULT
}

fn default_keepalive() -> i64 {
    25
}

fn yes() -> bool {
    true
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            instance_name: "postern".to_owned(),
            public_url: String::new(),
            state_dir: "/var/lib/postern".into(),
            admin_socket: default_socket(),
            locations_dir: "/etc/postern/locations.d".into(),
            http: RawHttp::default(),
            contact: RawContact::default(),
            branding: RawBranding::default(),
            mail: RawMail::default(),
            enrollment: RawEnrollment::default(),
            sign_in: RawSignIn::default(),
            security: RawGuards::default(),
            devices: RawDevices::default(),
            portal: RawPortal::default(),
            gateway: RawGateway::default(),
            metrics: RawMetrics::default(),
            audit: RawAudit::default(),
            backup: RawBackup::default(),
            client: RawClient::default(),
        }
    }
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            trusted_proxies: Vec::new(),
            tls: RawTls::Proxy,
            certificate_file: None,
            key_file: None,
            key_credential: None,
            redirect_listen: vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, 80))],
            acme: RawAcme::default(),
        }
    }
}

impl Default for RawAcme {
    fn default() -> Self {
        Self {
            directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
            email: String::new(),
            ca_file: None,
        }
    }
}

impl Default for RawBranding {
    fn default() -> Self {
        Self {
            company: String::new(),
            accent: Colour::default().to_string(),
            logo: None,
            help_text: String::new(),
            links: Vec::new(),
        }
    }
}

impl Default for RawMail {
    fn default() -> Self {
        Self {
            from: String::new(),
            directory: None,
            templates_dir: "/etc/postern/mail".into(),
            smtp: RawSmtp::default(),
        }
    }
}

impl Default for RawSmtp {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 0,
            security: RawSecurity::Starttls,
            username: String::new(),
            password_file: None,
            password_credential: None,
            ca_file: None,
            timeout: "30s".to_owned(),
            hello_name: String::new(),
        }
    }
}

impl Default for RawGateway {
    fn default() -> Self {
        Self { backend: RawBackend::Auto, reconcile_interval: "30s".to_owned() }
    }
}

impl Default for RawAudit {
    fn default() -> Self {
        Self { keep: "732d".to_owned() }
    }
}

impl Default for RawBackup {
    fn default() -> Self {
        Self { recipients: Vec::new(), directory: "/var/backups/postern".into(), keep: 7 }
    }
}

impl Default for RawClient {
    fn default() -> Self {
        Self { core_version: "2.1.0".to_owned(), component_version: "2.1.0".to_owned() }
    }
}
