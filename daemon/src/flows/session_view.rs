//! What a started session shows: to whom it belongs, who helps, and the onboarding text.

use crate::flows::enroll::{Owner, Session};
use crate::flows::enroll_factor;
use crate::flows::inviter::{Greeted, Inviter};
use crate::rules::names;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// What the client of a started session is shown (protocol 1.1).
#[derive(Debug, Clone)]
pub struct SessionView {
    /// When the session ends (Unix seconds).
    pub deadline: i64,
    /// Who helps.
    pub inviter: Inviter,
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
    /// Whether the user is still to set up a second factor.
    pub owes_factor: bool,
    /// Whether the user administers.
    pub is_admin: bool,
    /// The onboarding text, Markdown.
    pub final_page: String,
}

/// Puts it together.
pub fn view(tx: &Tx<'_>, site: &Site, session: &Session) -> Result<SessionView, StoreError> {
    let inviter = Inviter::of(tx, site, session.enrollment.issued_by)?;
    let mut shown = match &session.owner {
        Owner::Person(user) => SessionView {
            deadline: session.deadline,
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            username: user.username.clone(),
            email: user.email.clone(),
            phone: names::client_phone(user.phone.as_deref()).map(str::to_owned),
            device_names: tx.devices_of(user.id)?.into_iter().map(|device| device.name).collect(),
            enrolled: user.password_hash.is_some(),
            owes_factor: enroll_factor::owes(tx, site, session)?,
            is_admin: user.is_admin,
            final_page: String::new(),
            inviter,
        },
        Owner::Machine(device) => SessionView {
            deadline: session.deadline,
            first_name: device.name.clone(),
            last_name: String::new(),
            username: device.name.clone(),
            email: inviter.email.clone(),
            phone: None,
            device_names: Vec::new(),
            enrolled: true,
            owes_factor: false,
            is_admin: false,
            final_page: String::new(),
            inviter,
        },
    };
    let greeted =
        Greeted { first_name: &shown.first_name, last_name: &shown.last_name, username: &shown.username };
    shown.final_page = shown.inviter.onboarding_text(site, &greeted);
    Ok(shown)
}
