//! Issues the token of an enrollment. It is derived from the row's number, so it can be derived again for the mail
//! that carries it; the database only ever holds its hash.

use std::time::Duration;

use jiff::Timestamp;

use crate::rules::enrollment::{EnrollmentKind, Subject};
use crate::rules::ids::{EnrollmentId, UserId};
use crate::rules::token::{Token, TokenKind};
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// Issues a token good for `ttl`; gives its enrollment, the token and when it expires (Unix seconds). Unused tokens of
/// the same user or machine are good for nothing any more.
pub fn issue_enrollment(
    tx: &Tx<'_>,
    site: &Site,
    subject: Subject,
    kind: EnrollmentKind,
    issued_by: Option<UserId>,
    ttl: Duration,
    now: Timestamp,
) -> Result<(EnrollmentId, Token, i64), StoreError> {
    let length = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
    let expires_at = now.as_second().saturating_add(length);
    // The token depends on the row's number; the row needs a hash that no token has.
    let placeholder = site.token_key.derive(TokenKind::Enrollment, 0, 0).hash();
    let id = tx.insert_enrollment(subject, kind, issued_by, placeholder, expires_at, now)?;
    let token = site.token_key.derive(TokenKind::Enrollment, id.0, 0);
    tx.set_enrollment_hash(id, token.hash())?;
    Ok((id, token, expires_at))
}
