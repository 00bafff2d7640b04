//! Tells that no certificate can be obtained: in the audit log and by mail to the contact and every administrator, at most
//! once a day.

use jiff::Timestamp;

use crate::rules::action::Action;
use crate::rules::ids::UserId;
use crate::rules::message::Message;
use crate::site::Site;
use crate::store::account::User;
use crate::store::{StoreError, Tx};

/// How long nobody is told again, in seconds.
const QUIET: i64 = 24 * 60 * 60;
/// Authorities are wordy.
const MOST_CHARS: usize = 500;

/// Tells, unless it was told in the last day; `not_after` is the end of the certificate there is.
pub fn tell(
    tx: &Tx<'_>,
    site: &Site,
    reason: &str,
    not_after: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let last = tx.audit_of(Action::CertificateFail, 1)?;
    if last.iter().any(|entry| entry.at > now.as_second().saturating_sub(QUIET)) {
        return Ok(());
    }
    let reason: String = reason.chars().filter(|c| !c.is_control()).take(MOST_CHARS).collect();
    tx.audit("postern", Action::CertificateFail, site.config.host(), Some(&reason), now)?;
    let not_after = not_after.map(Timestamp::as_second);
    for to in whom(tx, site)? {
        let message = Message::CertificateFailing { to, reason: reason.clone(), not_after };
        super::tell::tell(tx, site, &message, now)?;
    }
    Ok(())
}

/// The contact, and the administrators who are somebody else.
fn whom(tx: &Tx<'_>, site: &Site) -> Result<Vec<Option<UserId>>, StoreError> {
    let contact = &site.config.contact.email;
    let is_other = |user: &User| {
        user.is_admin && user.disabled_at.is_none() && !user.email.eq_ignore_ascii_case(contact)
    };
    let admins = tx.users()?.into_iter().filter(is_other).map(|user| Some(user.id));
    Ok([None].into_iter().chain(admins).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::store::Store;

    #[test]
    fn a_certificate_that_cannot_be_had_is_told_once_a_day() {
        let store = Store::in_memory().unwrap();
        let mut site = a_site(&store);
        site.config.mail.directory = Some("mail".into());
        let told = |second: i64| {
            store.write_blocking(|tx| tell(tx, &site, "no\n", Some(at(9)), at(second))).unwrap();
            let audited = store.read_blocking(|tx| tx.audit_of(Action::CertificateFail, 9)).unwrap();
            let mails = store.read_blocking(|tx| tx.due_mail(at(1_000_000), 9)).unwrap();
            (audited.len(), mails.len())
        };
        assert_eq!([told(0), told(86_399), told(86_400)], [(1, 1), (1, 1), (2, 2)]);
        let mails = store.read_blocking(|tx| tx.due_mail(at(1_000_000), 9)).unwrap();
        let message = Message::CertificateFailing { to: None, reason: "no".to_owned(), not_after: Some(9) };
        assert_eq!(mails[0].message().unwrap(), message);
    }

    #[test]
    fn the_contact_and_every_other_administrator_is_told_once() {
        let store = Store::in_memory().unwrap();
        let mut site = a_site(&store);
        site.config.mail.directory = Some("mail".into());
        let told = store.write_blocking(|tx| {
            for (name, is_admin, disabled) in
                [("ann", true, None), ("ben", false, None), ("cat", true, Some(at(1))), ("dan", true, None)]
            {
                let id = a_person(tx, name);
                tx.update_user(&User { is_admin, ..tx.user(id)?.unwrap() })?;
                tx.set_disabled(id, disabled)?;
            }
            site.config.contact.email = "Ann@example.com".to_owned();
            tell(tx, &site, "no", None, at(2))?;
            let dan = tx.user_by_name("dan")?.unwrap().id;
            let mails = tx.due_mail(at(9), 9)?.into_iter().map(|mail| mail.message().unwrap());
            let message = |to| Message::CertificateFailing { to, reason: "no".to_owned(), not_after: None };
            Ok::<_, StoreError>((mails.collect::<Vec<_>>(), [None, Some(dan)].map(message).to_vec()))
        });
        let (told, expected) = told.unwrap().0;
        assert_eq!(told, expected);
    }
}
