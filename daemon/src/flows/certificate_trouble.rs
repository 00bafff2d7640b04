//! Tells that no certificate can be obtained: in the audit log and to the contact by mail, at most once a day.

use jiff::Timestamp;

use crate::rules::action::Action;
use crate::rules::message::Message;
use crate::site::Site;
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
    super::tell::tell(tx, site, &Message::CertificateFailing { reason, not_after }, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_site, at};
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
        let message = Message::CertificateFailing { reason: "no".to_owned(), not_after: Some(9) };
        assert_eq!(mails[0].message().unwrap(), message);
    }
}
