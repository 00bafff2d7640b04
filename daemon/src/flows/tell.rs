//! Tells people by mail. Where no mail is sent nothing is posted: nobody wants last year's news on the day it is.

use jiff::Timestamp;

use crate::rules::message::Message;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// Posts `message`, if mail is sent at all.
pub fn tell(tx: &Tx<'_>, site: &Site, message: &Message, now: Timestamp) -> Result<(), StoreError> {
    if site.config.mail.is_sent() { tx.post(message, now) } else { Ok(()) }
}
