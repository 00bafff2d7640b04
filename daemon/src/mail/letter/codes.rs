//! Mails with a code, which is derived of its row.

use jiff::Timestamp;

use super::{Addressed, NOBODY, active, addressed, inviter_of, shown_time};
use crate::flows::mailed_code;
use crate::rules::ids::CodeId;
use crate::rules::message::Kind;
use crate::rules::token::Purpose;
use crate::site::Site;
use crate::store::{StoreError, Tx};

const REPLACED: &str = "its code was used or replaced, or is too old";

/// To sign in, or to connect where a second factor is asked for.
pub(super) fn mailed(
    tx: &Tx<'_>,
    site: &Site,
    code: CodeId,
    now: Timestamp,
) -> Result<Result<Addressed, &'static str>, StoreError> {
    let Some(code) = tx.mailed_code(code)?.filter(|code| mailed_code::is_good(code, now)) else {
        return Ok(Err(REPLACED));
    };
    let Some(user) = active(tx, code.user)? else { return Ok(Err(NOBODY)) };
    let inviter = inviter_of(tx, site, &user)?;
    let expires = shown_time(mailed_code::good_until(&code));
    let mut more = vec![("code", mailed_code::digits(site, &code).to_string()), ("expires", expires)];
    let Purpose::Connect(device, location) = code.purpose else {
        return Ok(Ok(addressed(site, Kind::EmailCode, &user, &inviter, more)));
    };
    let Some(device) = tx.device(device)? else { return Ok(Err(REPLACED)) };
    let location = site.location(location).map(|location| location.config.name.clone());
    more.extend([("device", device.name), ("location", location.unwrap_or_default())]);
    Ok(Ok(addressed(site, Kind::ConnectCode, &user, &inviter, more)))
}
