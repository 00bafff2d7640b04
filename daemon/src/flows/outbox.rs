//! What administrators do with messages in the outbox: try them again, or throw them away.

use jiff::Timestamp;

use super::invite::Actor;
use super::refusal::Refusal;
use crate::rules::action::Action;
use crate::rules::names;
use crate::store::Tx;
use crate::store::outbox::{Listed, MailState, Outgoing};

/// More would not be read.
const MOST_LISTED: u32 = 1000;

/// By number.
pub fn find(tx: &Tx<'_>, id: i64) -> Result<Outgoing, Refusal> {
    tx.mail(id)?.ok_or(Refusal::UnknownMail(id))
}

/// The newest, newest first.
pub fn list(tx: &Tx<'_>, which: Listed) -> Result<Vec<Outgoing>, Refusal> {
    Ok(tx.newest_mail(which, MOST_LISTED)?)
}

/// Tries a message again at once, also one that was given up.
pub fn retry(tx: &Tx<'_>, actor: &Actor, id: i64, now: Timestamp) -> Result<Outgoing, Refusal> {
    let mail = find(tx, id)?;
    if mail.state() == MailState::Sent {
        return Err(Refusal::MailSent(id));
    }
    tx.retry_mail(id, now)?;
    tx.audit(&actor.name, Action::MailRetry, &format!("mail {id}"), None, now)?;
    find(tx, id)
}

/// [`retry`] for everything that failed or was given up; gives how many that are.
pub fn retry_all(tx: &Tx<'_>, actor: &Actor, now: Timestamp) -> Result<usize, Refusal> {
    let failed = list(tx, Listed::NotSent)?.into_iter().filter(|mail| mail.state() != MailState::Waiting);
    let mut count = 0;
    for mail in failed {
        retry(tx, actor, mail.id, now)?;
        count += 1;
    }
    Ok(count)
}

/// Throws a message away; one that left is only forgotten.
pub fn discard(tx: &Tx<'_>, actor: &Actor, id: i64, now: Timestamp) -> Result<Outgoing, Refusal> {
    let mail = find(tx, id)?;
    tx.discard_mail(id)?;
    let kind = mail.message().map_or("unknown", |message| message.kind().name());
    tx.audit(&actor.name, Action::MailDiscard, &format!("mail {id}"), Some(kind), now)?;
    Ok(mail)
}

/// Records that an administrator tries whether mail arrives; gives the address it goes to.
pub fn try_out(tx: &Tx<'_>, actor: &Actor, to: &str, now: Timestamp) -> Result<String, Refusal> {
    let to = names::email(to).map_err(Refusal::value(to))?;
    tx.audit(&actor.name, Action::MailTest, &to, None, now)?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;
    use crate::rules::message::Message;
    use crate::store::Store;

    #[test]
    fn a_parked_message_is_due_again_after_retry_and_gone_after_discard_and_both_are_audited() {
        let store = Store::in_memory().unwrap();
        let actor = Actor { name: "unix:root".to_owned(), account: None };
        store
            .write_blocking(|tx| {
                tx.post(&Message::LocationFull { location: "hq".to_owned() }, at(0))?;
                tx.park_mail(1, "refused", at(1))?;
                assert_eq!(tx.due_mail(at(5), 9)?.len(), 0);
                assert_eq!(retry_all(tx, &actor, at(5))?, 1);
                assert_eq!(tx.due_mail(at(5), 9)?.len(), 1);
                discard(tx, &actor, 1, at(6))?;
                assert!(matches!(discard(tx, &actor, 1, at(6)), Err(Refusal::UnknownMail(1))));
                let deeds: Vec<String> =
                    tx.audit_since(0, 9)?.into_iter().map(|entry| entry.action).collect();
                assert_eq!(deeds, ["mail.retry", "mail.discard"]);
                Ok::<_, Refusal>(())
            })
            .unwrap();
    }

    #[test]
    fn what_left_is_not_sent_again() {
        let store = Store::in_memory().unwrap();
        let actor = Actor { name: "unix:root".to_owned(), account: None };
        let done = store.write_blocking(|tx| {
            tx.post(&Message::LocationFull { location: "hq".to_owned() }, at(0))?;
            tx.mail_delivered(1, "ok", at(1))?;
            retry(tx, &actor, 1, at(2))
        });
        assert!(matches!(done, Err(Refusal::MailSent(1))));
    }
}
