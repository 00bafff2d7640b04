//! Somebody holds a link that is good for nothing any more and asks for another one: who issued it is told.

use jiff::Timestamp;

use crate::rules::action::Action;
use crate::rules::ids::UserId;
use crate::rules::message::Message;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// Posts the mail, if mail is sent at all, and writes it down. The answer is the same for everybody.
pub fn ask(tx: &Tx<'_>, site: &Site, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    let Some(user) = tx.user(user)?.filter(|user| user.disabled_at.is_none()) else { return Ok(()) };
    tx.audit(&user.username, Action::EnrollmentAsk, &user.username, None, now)?;
    if site.config.mail.is_sent() {
        tx.post(&Message::NewLinkWanted { user: user.id }, now)?;
    }
    Ok(())
}
