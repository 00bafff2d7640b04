//! What a started session shows: to whom it belongs, who helps, and the onboarding text.

use std::collections::BTreeMap;

use crate::config::Contact;
use crate::flows::enroll::{Owner, Session};
use crate::rules::{names, onboarding};
use crate::site::Site;
use crate::store::account::User;
use crate::store::{StoreError, Tx};

/// What the client of a started session is shown (protocol 1.1).
#[derive(Debug, Clone)]
pub struct SessionView {
    /// When the session ends (Unix seconds).
    pub deadline: i64,
    /// Who helps.
    pub inviter: Contact,
    /// Given name; a machine's name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Login; a machine's name.
    pub username: String,
    /// The user's, or the inviter's for a machine.
    pub email: String,
    /// In a form the desktop client takes.
    pub phone: Option<String>,
    /// Names of the devices there are.
    pub device_names: Vec<String>,
    /// Whether a password is set, or none is needed.
    pub enrolled: bool,
    /// Whether the user administers.
    pub is_admin: bool,
    /// The onboarding text, Markdown.
    pub final_page: String,
}

/// Puts it together.
pub fn view(tx: &Tx<'_>, site: &Site, session: &Session) -> Result<SessionView, StoreError> {
    let deadline = session.deadline;
    let issuer = session.enrollment.issued_by.map(|id| tx.user(id)).transpose()?.flatten();
    let inviter = issuer.as_ref().map_or_else(|| site.config.contact.clone(), contact_of);
    let mut shown = match &session.owner {
        Owner::Person(user) => SessionView {
            deadline,
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            username: user.username.clone(),
            email: user.email.clone(),
            phone: names::client_phone(user.phone.as_deref()).map(str::to_owned),
            device_names: tx.devices_of(user.id)?.into_iter().map(|device| device.name).collect(),
            enrolled: user.password_hash.is_some(),
            is_admin: user.is_admin,
            final_page: String::new(),
            inviter,
        },
        Owner::Machine(device) => SessionView {
            deadline,
            first_name: device.name.clone(),
            last_name: String::new(),
            username: device.name.clone(),
            email: inviter.email.clone(),
            phone: None,
            device_names: Vec::new(),
            enrolled: true,
            is_admin: false,
            final_page: String::new(),
            inviter,
        },
    };
    shown.final_page = final_page(site, &shown, issuer.as_ref());
    Ok(shown)
}

fn contact_of(admin: &User) -> Contact {
    Contact {
        name: format!("{} {}", admin.first_name, admin.last_name).trim().to_owned(),
        email: admin.email.clone(),
        phone: names::client_phone(admin.phone.as_deref()).map(str::to_owned),
    }
}

fn final_page(site: &Site, shown: &SessionView, issuer: Option<&User>) -> String {
    let (first, last) = issuer.map_or_else(
        || (shown.inviter.name.clone(), String::new()),
        |admin| (admin.first_name.clone(), admin.last_name.clone()),
    );
    let values = BTreeMap::from([
        ("first_name", shown.first_name.clone()),
        ("last_name", shown.last_name.clone()),
        ("username", shown.username.clone()),
        ("defguard_url", site.config.public_url.clone()),
        ("defguard_version", site.config.client_versions.core.clone()),
        ("admin_first_name", first),
        ("admin_last_name", last),
        ("admin_email", shown.inviter.email.clone()),
        ("admin_phone", shown.inviter.phone.clone().unwrap_or_default()),
    ]);
    onboarding::expand(&site.config.enrollment.final_message, &values)
}
