//! Codes by mail: six digits, good for ten minutes, for one use and a few tries. A code is derived of its row, so none is in the
//! database, and the mail can be written after a restart.

use jiff::Timestamp;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::rules::ids::UserId;
use crate::rules::message::Message;
use crate::rules::token::TokenKind;
use crate::site::Site;
use crate::store::second_factor::StoredEmailCode;
use crate::store::{StoreError, Tx};

/// Seconds for which a code is good.
pub const GOOD_FOR: i64 = 10 * 60;
/// How often one code may be tried.
const MOST_ATTEMPTS: u32 = 5;
const CODES: u64 = 1_000_000;

/// What a code looks like.
pub fn code_of(site: &Site, code: &StoredEmailCode) -> Zeroizing<String> {
    let token = site.keys.token.derive(TokenKind::EmailCode, code.id, code.issued_at);
    let number = token.hash().0.iter().fold(0u64, |number, byte| (number * 256 + u64::from(*byte)) % CODES);
    Zeroizing::new(format!("{number:06}"))
}

/// Mails another code to a user; `false`: no mail is sent from here.
pub fn send(tx: &Tx<'_>, site: &Site, user: UserId, now: Timestamp) -> Result<bool, StoreError> {
    if !site.config.mail.is_sent() {
        return Ok(false);
    }
    let code = tx.issue_email_code(user, now)?;
    tx.post(&Message::EmailCode { code }, now)?;
    Ok(true)
}

/// Whether it may still be given.
pub fn is_good(code: &StoredEmailCode, now: Timestamp) -> bool {
    now.as_second() < code.issued_at.saturating_add(GOOD_FOR) && code.attempts < MOST_ATTEMPTS
}

/// Whether this is a user's last code; it is used up with that, and a try is counted if it is not.
pub fn give(tx: &Tx<'_>, site: &Site, user: UserId, typed: &str, now: Timestamp) -> Result<bool, StoreError> {
    let Some(code) = tx.email_code_of(user)?.filter(|code| is_good(code, now)) else { return Ok(false) };
    let typed: Zeroizing<String> = Zeroizing::new(typed.split_whitespace().collect());
    let is_right: bool = typed.as_bytes().ct_eq(code_of(site, &code).as_bytes()).into();
    if is_right {
        tx.delete_email_code(user)?;
    } else {
        tx.try_email_code(user)?;
    }
    Ok(is_right)
}
