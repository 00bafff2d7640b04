//! The first start: somebody has to be able to enroll before anybody can invite.

use jiff::Timestamp;

use super::issue::issue_enrollment;
use crate::rules::action::Action;
use crate::rules::enrollment::{EnrollmentKind, Subject};
use crate::rules::token::Token;
use crate::site::Site;
use crate::store::account::NewUser;
use crate::store::{StoreError, Tx};

/// The username of the first administrator.
pub const FIRST_ADMIN: &str = "admin";

/// While there is no user at all, makes the administrator [`FIRST_ADMIN`] with the contact's name and address and issues an
/// enrollment. `None`: there are users.
pub fn first_admin(tx: &Tx<'_>, site: &Site, now: Timestamp) -> Result<Option<Token>, StoreError> {
    if !tx.users()?.is_empty() {
        return Ok(None);
    }
    let contact = &site.config.contact;
    let (first, last) = contact.name.split_once(' ').unwrap_or((&contact.name, ""));
    let admin = NewUser {
        username: FIRST_ADMIN.to_owned(),
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        email: contact.email.clone(),
        phone: contact.phone.clone(),
        is_admin: true,
    };
    let id = tx.insert_user(&admin, now)?;
    tx.audit("postern", Action::UserCreateFirst, &admin.username, None, now)?;
    let ttl = site.config.enrollment.token_ttl;
    let (_, token, _) =
        issue_enrollment(tx, site, Subject::User(id), EnrollmentKind::Enrollment, None, ttl, now)?;
    Ok(Some(token))
}

/// Who to invite again while no administrator has enrolled: an administrator that waits. `None`: one has enrolled.
pub fn waiting_admin(tx: &Tx<'_>) -> Result<Option<String>, StoreError> {
    let users = tx.users()?;
    let mut admins = users.iter().filter(|user| user.is_admin && user.disabled_at.is_none());
    if admins.clone().any(|user| user.password_hash.is_some()) {
        return Ok(None);
    }
    Ok(admins.next().map(|user| user.username.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_site, at};
    use crate::store::Store;

    #[test]
    fn the_first_administrator_is_made_once_and_holds_a_good_token() {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let make = || store.write_blocking(|tx| first_admin(tx, &site, at(0))).unwrap().0;
        let token = make().unwrap();
        assert!(make().is_none());
        assert_eq!(store.read_blocking(waiting_admin).unwrap().as_deref(), Some(FIRST_ADMIN));
        let found = store.read_blocking(|tx| tx.enrollment_by_token(token.hash())).unwrap();
        assert!(found.is_some());
    }

    #[test]
    fn nobody_has_to_be_invited_again_once_an_administrator_has_enrolled() {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        store.write_blocking(|tx| first_admin(tx, &site, at(0))).unwrap();
        let set_password = |tx: &Tx<'_>| {
            let admin = tx.user_by_name(FIRST_ADMIN)?.unwrap();
            tx.activate_user(admin.id, "hash", None)
        };
        store.write_blocking(set_password).unwrap();
        assert_eq!(store.read_blocking(waiting_admin).unwrap(), None);
    }
}
