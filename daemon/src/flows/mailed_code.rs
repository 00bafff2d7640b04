//! Codes by mail, to sign in with and to connect with: six digits, good for ten minutes and for one use. A code is derived of its
//! row, so none is in the database, and the mail can be written after a restart. How often somebody may be wrong is the caller's
//! to bound, for each purpose apart (see 0020 and 0023).

use std::time::Duration;

use jiff::Timestamp;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::rules::ids::UserId;
use crate::rules::message::Message;
use crate::rules::token::Purpose;
use crate::site::Site;
use crate::store::mailed_code::MailedCode;
use crate::store::{StoreError, Tx};

/// Seconds for which a code is good.
const GOOD_FOR: i64 = 600;
/// Whoever asks again within so many seconds is mailed the same code.
const SAME: i64 = 300;
/// An account is mailed no more than one code of a purpose in so many seconds.
const MAIL_EVERY: i64 = 60;

/// What became of asking for a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way, or there already.
    OnItsWay,
    /// No mail is sent from here.
    NoMail,
    /// None is mailed for so many seconds, and none that was is good.
    NotFor(u64),
}

/// Mails a code: the same one where somebody asks again soon, so that the mail before it stays good. Where none may be mailed, the
/// one before it is to be found, as long as it is good. `may_mail` is asked when a mail is to leave.
pub fn send(
    tx: &Tx<'_>,
    site: &Site,
    (user, purpose): (UserId, Purpose),
    may_mail: impl Fn(UserId) -> Result<(), Duration>,
    now: Timestamp,
) -> Result<Sent, StoreError> {
    if !site.config.mail.is_sent() {
        return Ok(Sent::NoMail);
    }
    // A clock that was set back makes nobody wait.
    let since = |at: i64, length: i64| (at..at.saturating_add(length)).contains(&now.as_second());
    let last = tx.mailed_code_of(user, purpose)?;
    let mailed_at = last.map(|last| last.mailed_at).filter(|mailed_at| since(*mailed_at, MAIL_EVERY));
    let wait = match mailed_at {
        Some(mailed_at) => Some(mailed_at.saturating_add(MAIL_EVERY).saturating_sub(now.as_second())),
        None => may_mail(user).err().map(|wait| i64::try_from(wait.as_secs()).unwrap_or(i64::MAX).max(1)),
    };
    let good = last.filter(|last| last.purpose == purpose && is_good(last, now));
    if let Some(seconds) = wait {
        return Ok(good.map_or(Sent::NotFor(seconds.unsigned_abs()), |_| Sent::OnItsWay));
    }
    let code = match good.filter(|good| since(good.made_at, SAME)) {
        Some(same) => {
            tx.mail_code_again(same.id, now)?;
            same.id
        }
        None => tx.make_code(user, purpose, now)?,
    };
    let message = match purpose {
        Purpose::SignIn => Message::EmailCode { code },
        Purpose::Connect(..) => Message::ConnectCode { code },
    };
    tx.post(&message, now)?;
    Ok(Sent::OnItsWay)
}

/// What a code looks like.
pub fn digits(site: &Site, code: &MailedCode) -> Zeroizing<String> {
    site.keys.token.digits(code.purpose, code.id, code.made_at)
}

/// Until when it may be given (Unix seconds).
pub fn good_until(code: &MailedCode) -> i64 {
    code.made_at.saturating_add(GOOD_FOR)
}

/// Whether it may still be given.
pub fn is_good(code: &MailedCode, now: Timestamp) -> bool {
    now.as_second() < good_until(code)
}

/// The code that a user was mailed for this, as long as it may be given.
pub fn waiting(
    tx: &Tx<'_>,
    user: UserId,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Option<MailedCode>, StoreError> {
    Ok(tx.mailed_code_of(user, purpose)?.filter(|code| code.purpose == purpose && is_good(code, now)))
}

/// Whether this is what a user was mailed for this, however people space it; it is used up with that.
pub fn give(
    tx: &Tx<'_>,
    site: &Site,
    (user, purpose): (UserId, Purpose),
    typed: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(code) = waiting(tx, user, purpose, now)? else { return Ok(false) };
    let typed: Zeroizing<String> = Zeroizing::new(typed.split_whitespace().collect());
    let is_right = typed.as_bytes().ct_eq(digits(site, &code).as_bytes()).into();
    if is_right {
        tx.delete_mailed_code(user, purpose)?;
    }
    Ok(is_right)
}

/// Forgets those that are good no more.
pub fn forget(tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.forget_mailed_codes(now.as_second().saturating_sub(GOOD_FOR))
}
