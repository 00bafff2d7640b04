//! The objects of protocol section 4 and the answers of section 1. Every field is always there, in this order; the same
//! state gives the same bytes in every answer (4.4).

use serde::Serialize;

use crate::flows::client_config::{ClientConfig, Place};
use crate::flows::session_view::SessionView;
use crate::rules::token::Token;
use crate::site::Site;
use crate::store::device::DeviceOwner;

/// Protocol 1.1.
#[derive(Serialize)]
pub(super) struct StartAnswer {
    admin: Admin,
    user: User,
    pub(super) deadline_timestamp: i64,
    final_page_content: String,
    instance: Instance,
    settings: Settings,
}

#[derive(Serialize)]
struct Admin {
    name: String,
    phone_number: Option<String>,
    email: String,
}

#[derive(Serialize)]
struct User {
    first_name: String,
    last_name: String,
    login: String,
    email: String,
    phone_number: Option<String>,
    is_active: bool,
    device_names: Vec<String>,
    enrolled: bool,
    is_admin: bool,
}

/// Protocol 1.1: what concerns a second factor, while one is still to be set up; nothing else of it is used here.
#[derive(Serialize, Default)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own flags")]
struct Settings {
    vpn_setup_optional: bool,
    only_client_activation: bool,
    admin_device_management: bool,
    smtp_configured: bool,
    mfa_required: bool,
}

/// Protocol 4.2.
#[derive(Serialize)]
struct Instance {
    id: String,
    name: String,
    url: String,
    proxy_url: String,
    username: String,
    enterprise_enabled: bool,
    disable_all_traffic: bool,
    openid_display_name: Option<String>,
    client_traffic_policy: u8,
}

/// Protocol 4.1.
#[derive(Serialize)]
pub(super) struct DeviceConfigAnswer {
    device: Device,
    configs: Vec<DeviceConfig>,
    instance: Instance,
    token: Option<String>,
}

#[derive(Serialize)]
struct Device {
    id: i64,
    name: String,
    pubkey: String,
    user_id: i64,
    created_at: i64,
}

/// Protocol 4.3.
#[derive(Serialize)]
struct DeviceConfig {
    network_id: i64,
    network_name: String,
    config: String,
    endpoint: String,
    assigned_ip: String,
    pubkey: String,
    allowed_ips: String,
    dns: Option<String>,
    mfa_enabled: bool,
    keepalive_interval: u16,
    location_mfa_mode: u8,
    service_location_mode: u8,
}

/// Protocol 1.6.
#[derive(Serialize)]
pub(super) struct PollAnswer {
    pub(super) device_config: DeviceConfigAnswer,
}

/// Protocol 1.7.
#[derive(Serialize)]
pub(super) struct MfaStartAnswer {
    pub(super) totp_secret: Option<String>,
}

/// Protocol 1.7.
#[derive(Serialize)]
pub(super) struct MfaFinishAnswer {
    pub(super) recovery_codes: Vec<String>,
}

/// `{}`.
#[derive(Serialize)]
pub(super) struct NothingAnswer {}

/// Protocol 1.10.
#[derive(Serialize)]
pub(super) struct InfoAnswer {
    version: &'static str,
}

impl StartAnswer {
    pub(super) fn new(site: &Site, started: SessionView) -> Self {
        Self {
            admin: Admin {
                name: started.inviter.name(),
                phone_number: started.inviter.client_phone().map(str::to_owned),
                email: started.inviter.email,
            },
            instance: Instance::new(site, started.username.clone()),
            user: User {
                first_name: started.first_name,
                last_name: started.last_name,
                login: started.username,
                email: started.email,
                phone_number: started.phone,
                is_active: true,
                device_names: started.device_names,
                enrolled: started.enrolled,
                is_admin: started.is_admin,
            },
            deadline_timestamp: started.deadline,
            final_page_content: started.final_page,
            settings: Settings {
                mfa_required: started.owes_factor,
                smtp_configured: started.owes_factor && site.config.mail.is_sent(),
                ..Settings::default()
            },
        }
    }
}

impl Instance {
    fn new(site: &Site, username: String) -> Self {
        Self {
            id: site.instance.to_string(),
            name: site.config.instance_name.clone(),
            url: site.config.public_url.clone(),
            proxy_url: site.config.public_url.clone(),
            username,
            enterprise_enabled: true,
            disable_all_traffic: false,
            openid_display_name: None,
            client_traffic_policy: 0,
        }
    }
}

impl DeviceConfigAnswer {
    /// With `token` when the client shall use another polling token from here on.
    pub(super) fn new(site: &Site, config: ClientConfig, token: Option<&Token>) -> Self {
        let user_id = match config.device.owner {
            DeviceOwner::User(id) => id.0,
            DeviceOwner::Machine(_) => 0,
        };
        Self {
            device: Device {
                id: config.device.id.0,
                name: config.device.name,
                pubkey: config.device.public_key.map(|key| key.to_string()).unwrap_or_default(),
                user_id,
                created_at: config.device.created_at,
            },
            configs: config.places.into_iter().map(DeviceConfig::from).collect(),
            instance: Instance::new(site, config.username),
            token: token.map(|token| token.expose().to_owned()),
        }
    }
}

impl From<Place> for DeviceConfig {
    fn from(place: Place) -> Self {
        Self {
            network_id: place.network_id,
            network_name: place.network_name,
            config: place.config,
            endpoint: place.endpoint,
            assigned_ip: place.assigned_ip,
            pubkey: place.pubkey,
            allowed_ips: place.allowed_ips,
            dns: place.dns,
            mfa_enabled: place.second_factor,
            keepalive_interval: place.keepalive_interval,
            location_mfa_mode: if place.second_factor { 2 } else { 1 },
            service_location_mode: 1,
        }
    }
}

impl InfoAnswer {
    pub(super) fn new() -> Self {
        Self { version: env!("CARGO_PKG_VERSION") }
    }
}
