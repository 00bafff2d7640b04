//! Who helps a user: the administrator who issued the token, else the configured contact. Never nobody.

use crate::rules::ids::UserId;
use crate::rules::names;
use crate::site::Site;
use crate::store::{StoreError, Tx};
use crate::template::Values;
use crate::texts::FINAL_PAGE;

/// Whom users are told to turn to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inviter {
    /// Given name; the whole name of a configured contact.
    pub first_name: String,
    /// Family name; empty for a configured contact.
    pub last_name: String,
    /// Never empty.
    pub email: String,
    /// In a form the desktop client takes (protocol 3.6).
    pub phone: Option<String>,
}

/// Whom the onboarding text speaks to.
pub struct Greeted<'a> {
    /// Given name; a machine's name.
    pub first_name: &'a str,
    /// Family name.
    pub last_name: &'a str,
    /// Login; a machine's name.
    pub username: &'a str,
}

impl Inviter {
    /// The administrator `issued_by`, if there is still one of that number.
    pub fn of(tx: &Tx<'_>, site: &Site, issued_by: Option<UserId>) -> Result<Self, StoreError> {
        let issuer = issued_by.map(|id| tx.user(id)).transpose()?.flatten();
        let contact = &site.config.contact;
        let (first_name, last_name, email, phone) = match issuer {
            Some(admin) => (admin.first_name, admin.last_name, admin.email, admin.phone),
            None => (contact.name.clone(), String::new(), contact.email.clone(), contact.phone.clone()),
        };
        let phone = names::client_phone(phone.as_deref()).map(str::to_owned);
        Ok(Self { first_name, last_name, email, phone })
    }

    /// Both names.
    pub fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// The company's text for the last page (protocol 3.13), Markdown.
    pub fn onboarding_text(&self, site: &Site, greeted: &Greeted<'_>) -> String {
        site.config.texts.render(FINAL_PAGE, &self.variables(site, greeted))
    }

    /// The variables that every text of the company may name (protocol 3.13).
    pub fn variables(&self, site: &Site, greeted: &Greeted<'_>) -> Values {
        Values::from([
            ("first_name", greeted.first_name.to_owned()),
            ("last_name", greeted.last_name.to_owned()),
            ("username", greeted.username.to_owned()),
            ("defguard_url", site.config.public_url.clone()),
            ("defguard_version", site.config.client_versions.core.clone()),
            ("admin_first_name", self.first_name.clone()),
            ("admin_last_name", self.last_name.clone()),
            ("admin_email", self.email.clone()),
            ("admin_phone", self.phone.clone().unwrap_or_default()),
        ])
    }
}
