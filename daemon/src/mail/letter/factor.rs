//! The mails about second factors: what they are called, and those with a code, which is good for a short while.

use jiff::Timestamp;

use super::{Addressed, NOBODY, active, addressed, inviter_of, shown_time};
use crate::flows::{connect, email_code};
use crate::rules::ids::CodeId;
use crate::rules::message::{Kind, Message};
use crate::rules::second_factor::Factor;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// The variables of a message about one.
pub(super) fn about_factor(message: &Message) -> Vec<(&'static str, String)> {
    if let Message::SecondFactorSet { factor, .. } = message {
        vec![("factor", called(Some(*factor)))]
    } else if let Message::SecondFactorRemoved { factor, .. } = message {
        vec![("factor", called(*factor))]
    } else if let Message::RecoveryCodeUsed { left, .. } = message {
        vec![("codes_left", left.to_string())]
    } else {
        Vec::new()
    }
}

/// The code, if it is still good for anything.
pub(super) fn code_by_mail(
    tx: &Tx<'_>,
    site: &Site,
    id: i64,
    now: Timestamp,
) -> Result<Result<Addressed, &'static str>, StoreError> {
    let Some(code) = tx.email_code(id)?.filter(|code| email_code::is_good(code, now)) else {
        return Ok(Err("the code was used or replaced, or is too old"));
    };
    let Some(user) = active(tx, code.user)? else { return Ok(Err(NOBODY)) };
    let inviter = inviter_of(tx, site, &user)?;
    let expires = shown_time(code.issued_at.saturating_add(email_code::GOOD_FOR));
    let more = vec![("code", email_code::code_of(site, &code).to_string()), ("expires", expires)];
    Ok(Ok(addressed(site, Kind::EmailCode, &user, &inviter, more)))
}

/// The code for a location that asks for one, if it is still good for anything.
pub(super) fn connect_code(
    tx: &Tx<'_>,
    site: &Site,
    code: CodeId,
    now: Timestamp,
) -> Result<Result<Addressed, &'static str>, StoreError> {
    let Some((mailed, device, location)) = connect::code_to_mail(tx, site, code, now)? else {
        return Ok(Err("its code was used, replaced or is too old"));
    };
    let Some(user) = active(tx, mailed.user)? else { return Ok(Err(NOBODY)) };
    let inviter = inviter_of(tx, site, &user)?;
    let digits = connect::digits(site, &mailed).to_string();
    let more = vec![("code", digits), ("device", device), ("location", location)];
    Ok(Ok(addressed(site, Kind::ConnectCode, &user, &inviter, more)))
}

/// What a second factor is called in mails; `None`: all there were.
fn called(factor: Option<Factor>) -> String {
    let name = match factor {
        Some(Factor::Totp) => "the codes of an authenticator app",
        Some(Factor::Email) => "codes by e-mail",
        Some(Factor::Passkey) => "a passkey",
        Some(Factor::Recovery) => "recovery codes",
        None => "everything beside the password",
    };
    name.to_owned()
}
