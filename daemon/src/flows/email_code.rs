//! Codes by mail: six digits, good for ten minutes, for one use and a few tries. A code is derived of its row, so none is in the
//! database, and the mail can be written after a restart.

use jiff::Timestamp;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::rules::connection::{CODE, MAIL_EVERY, SAME_CODE};
use crate::rules::ids::UserId;
use crate::rules::message::Message;
use crate::rules::token::CodeKind;
use crate::site::Site;
use crate::store::second_factor::StoredEmailCode;
use crate::store::{StoreError, Tx};

/// Seconds for which a code is good.
pub const GOOD_FOR: i64 = CODE;
/// How often one code may be tried.
const MOST_ATTEMPTS: u32 = 5;

/// What a code looks like.
pub fn code_of(site: &Site, code: &StoredEmailCode) -> Zeroizing<String> {
    site.keys.token.digits(CodeKind::SignIn, code.id, code.issued_at)
}

/// Mails a code to a user: the same one where somebody asks again soon, so that the mail before it stays good, and not within a
/// minute, as it is on its way. `false`: no mail is sent from here.
pub fn send(tx: &Tx<'_>, site: &Site, user: UserId, now: Timestamp) -> Result<bool, StoreError> {
    if !site.config.mail.is_sent() {
        return Ok(false);
    }
    let since = |at: i64, length: i64| (at..at.saturating_add(length)).contains(&now.as_second());
    let last = tx.email_code_of(user)?.filter(|last| is_good(last, now));
    if last.is_some_and(|last| since(last.mailed_at, MAIL_EVERY)) {
        return Ok(true);
    }
    let code = match last.filter(|last| since(last.issued_at, SAME_CODE)) {
        Some(same) => {
            tx.mail_email_code_again(same.id, now)?;
            same.id
        }
        None => tx.issue_email_code(user, now)?,
    };
    tx.post(&Message::EmailCode { code }, now)?;
    Ok(true)
}

/// Whether this is what was mailed, however people space it.
pub fn is_same(typed: &str, code: &str) -> bool {
    let typed: Zeroizing<String> = Zeroizing::new(typed.split_whitespace().collect());
    typed.as_bytes().ct_eq(code.as_bytes()).into()
}

/// Whether a code that a user was mailed may still be given.
pub fn is_waiting(tx: &Tx<'_>, user: UserId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.email_code_of(user)?.is_some_and(|code| is_good(&code, now)))
}

/// Whether it may still be given.
pub fn is_good(code: &StoredEmailCode, now: Timestamp) -> bool {
    now.as_second() < code.issued_at.saturating_add(GOOD_FOR) && code.attempts < MOST_ATTEMPTS
}

/// Whether this is a user's last code; it is used up with that, and a try is counted if it is not.
pub fn give(tx: &Tx<'_>, site: &Site, user: UserId, typed: &str, now: Timestamp) -> Result<bool, StoreError> {
    let Some(code) = tx.email_code_of(user)?.filter(|code| is_good(code, now)) else { return Ok(false) };
    let is_right = is_same(typed, &code_of(site, &code));
    if is_right {
        tx.delete_email_code(user)?;
    } else {
        tx.try_email_code(user)?;
    }
    Ok(is_right)
}
