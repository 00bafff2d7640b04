//! Somebody holds a link that is good for nothing any more and asks for another one: who issued it is told.

use jiff::Timestamp;

use crate::flows::tell::tell;
use crate::rules::action::Action;
use crate::rules::ids::UserId;
use crate::rules::message::Message;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// Posts the mail, if mail is sent at all, and writes it down.
pub fn ask(tx: &Tx<'_>, site: &Site, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    let Some(user) = tx.user(user)? else { return Ok(()) };
    tx.audit(&user.username, Action::EnrollmentAsk, &user.username, None, now)?;
    tell(tx, site, &Message::NewLinkWanted { user: user.id }, now)
}
