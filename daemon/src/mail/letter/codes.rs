//! Mails with a code, which is derived of its row.

use jiff::Timestamp;

use super::{Addressed, NOBODY, active, addressed, inviter_of, shown_time};
use crate::flows::{connect as connecting, email_code};
use crate::rules::ids::CodeId;
use crate::rules::message::Kind;
use crate::site::Site;
use crate::store::{StoreError, Tx};

pub(super) fn email(
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

/// To connect where a second factor is asked for.
pub(super) fn connect(
    tx: &Tx<'_>,
    site: &Site,
    code: CodeId,
    now: Timestamp,
) -> Result<Result<Addressed, &'static str>, StoreError> {
    let Some((mailed, device, location)) = connecting::code_to_mail(tx, site, code, now)? else {
        return Ok(Err("its code was used, replaced or is too old"));
    };
    let Some(user) = active(tx, mailed.user)? else { return Ok(Err(NOBODY)) };
    let inviter = inviter_of(tx, site, &user)?;
    let digits = connecting::digits(site, &mailed).to_string();
    let more = vec![("code", digits), ("device", device), ("location", location)];
    Ok(Ok(addressed(site, Kind::ConnectCode, &user, &inviter, more)))
}
