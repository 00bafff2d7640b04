//! Who helps a user: the administrator who issued the token, as long as he is one, else the configured contact. Never
//! nobody.

use crate::rules::ids::UserId;
use crate::rules::names;
use crate::site::Site;
use crate::store::account::User;
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
    /// As people write it.
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
    /// The administrator `issued_by`, if that is still somebody who can help.
    pub fn of(tx: &Tx<'_>, site: &Site, issued_by: Option<UserId>) -> Result<Self, StoreError> {
        let issuer = issued_by.map(|id| tx.user(id)).transpose()?.flatten();
        let issuer = issuer.filter(|issuer| issuer.is_admin && issuer.disabled_at.is_none());
        Ok(issuer.map_or_else(
            || Self::contact(site),
            |User { first_name, last_name, email, phone, .. }| Self { first_name, last_name, email, phone },
        ))
    }

    /// The configured contact.
    pub fn contact(site: &Site) -> Self {
        let contact = &site.config.contact;
        let (email, phone) = (contact.email.clone(), contact.phone.clone());
        Self { first_name: contact.name.clone(), last_name: String::new(), email, phone }
    }

    /// The phone number in a form the desktop client takes (protocol 3.6).
    pub fn client_phone(&self) -> Option<&str> {
        names::client_phone(self.phone.as_deref())
    }

    /// Whether the company wrote the text for the last page itself.
    pub fn has_own_text(site: &Site) -> bool {
        site.config.texts.replaces(FINAL_PAGE)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::store::Store;

    #[test]
    fn an_administrator_who_left_helps_nobody_and_the_contact_does() {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let helps = |tx: &Tx<'_>, id| Inviter::of(tx, &site, Some(id)).unwrap().email;
        store
            .write_blocking(|tx| {
                let ann = a_person(tx, "ann");
                let mut account = tx.user(ann)?.unwrap();
                account.is_admin = true;
                tx.update_user(&account)?;
                assert_eq!(helps(tx, ann), "ann@example.com");
                tx.set_disabled(ann, Some(at(1)))?;
                assert_eq!(helps(tx, ann), site.config.contact.email);
                tx.set_disabled(ann, None)?;
                account.is_admin = false;
                tx.update_user(&account)?;
                assert_eq!(helps(tx, ann), site.config.contact.email);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }

    #[test]
    fn people_are_shown_a_phone_number_that_desktop_clients_do_not_take() {
        let store = Store::in_memory().unwrap();
        let mut site = a_site(&store);
        site.config.contact.phone = Some("+48 (22) 123-456".to_owned());
        let contact = store.read_blocking(|tx| Inviter::of(tx, &site, None)).unwrap();
        assert_eq!(contact.phone.as_deref(), Some("+48 (22) 123-456"));
        assert_eq!(contact.client_phone(), None);
    }
}
