//! The onboarding mail, and the word to who invited: into the outbox once, when both halves of an enrollment are done: a password is set, and a
//! device is live somewhere, or the person chose to go without one. Clients do the halves in either order, so this is asked after each.

use jiff::Timestamp;

use crate::flows::inviter::Inviter;
use crate::flows::tell::tell;
use crate::rules::enrollment::Subject;
use crate::rules::fact::Fact;
use crate::rules::ids::UserId;
use crate::rules::message::Message;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// Posts the onboarding mail of `user` if it is due and was not posted before.
pub fn welcome_when_done(tx: &Tx<'_>, site: &Site, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    let Some(user) = tx.user(user)?.filter(|user| user.welcomed_at.is_none()) else { return Ok(()) };
    let is_done = tx.has_live_device(user.id)? || tx.has_skipped_device(user.id)?;
    if user.password_hash.is_none() || !is_done {
        return Ok(());
    }
    if !tx.mark_welcomed(user.id, now)? {
        return Ok(());
    }
    tx.happened(Fact::EnrollmentFinished);
    tell(tx, site, &Message::Welcome { user: user.id }, now)?;
    let newest = tx.last_enrollment(Subject::User(user.id))?;
    let inviter = Inviter::of(tx, site, newest.and_then(|enrollment| enrollment.issued_by))?;
    // The first administrator is often the contact: nobody is told of themselves.
    if inviter.email == user.email {
        return Ok(());
    }
    tell(tx, site, &Message::EnrollmentFinished { user: user.id }, now)
}

#[cfg(test)]
mod tests {
    use postern_gateway::PrivateKey;

    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::flows::permit::settle_device;
    use crate::store::Store;
    use crate::store::device::DeviceOwner;

    #[test]
    fn the_onboarding_mail_waits_for_the_password_and_a_live_device_and_is_posted_once() {
        let store = Store::in_memory().unwrap();
        let mut site = a_site(&store);
        site.config.mail.directory = Some("mail".into());
        let due = |tx: &Tx<'_>| Ok::<_, StoreError>(tx.due_mail(at(9), 9)?.len());
        store
            .write_blocking(|tx| {
                let ann = a_person(tx, "ann");
                let key = PrivateKey::from_random([9; 32]).public();
                let id = tx.insert_device(DeviceOwner::User(ann), "laptop", Some(key), None, at(0))?;
                let device = tx.device(id)?.unwrap();
                let settled = settle_device(tx, &site, &device)?;
                welcome_when_done(tx, &site, ann, at(1))?;
                assert_eq!(due(tx)?, 0, "neither half is done");

                tx.activate_user(ann, "hash", None)?;
                welcome_when_done(tx, &site, ann, at(2))?;
                assert_eq!(due(tx)?, 0, "the device is not live");

                tx.set_live(id, *settled.granted.first().unwrap(), Some(at(3)))?;
                welcome_when_done(tx, &site, ann, at(3))?;
                welcome_when_done(tx, &site, ann, at(4))?;
                let posted = tx.due_mail(at(9), 9)?.into_iter().map(|mail| mail.message().unwrap());
                let expected = [Message::Welcome { user: ann }, Message::EnrollmentFinished { user: ann }];
                assert_eq!(posted.collect::<Vec<_>>(), expected);
                Ok::<_, StoreError>(())
            })
            .unwrap();
    }
}
