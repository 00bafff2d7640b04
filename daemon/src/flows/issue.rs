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
    let placeholder = site.keys.token.derive(TokenKind::Enrollment, 0, 0).hash();
    let id = tx.insert_enrollment(subject, kind, issued_by, placeholder, expires_at, now)?;
    let token = enrollment_token(site, id, now.as_second());
    tx.set_enrollment_hash(id, token.hash())?;
    Ok((id, token, expires_at))
}

/// The token of a row. The time of its issue (Unix seconds) is part of it: a database that was lost or restored gives
/// numbers a second time, and whoever holds an old token must not hold somebody else's new one.
pub fn enrollment_token(site: &Site, id: EnrollmentId, issued_at: i64) -> Token {
    site.keys.token.derive(TokenKind::Enrollment, id.0, issued_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::store::Store;

    #[test]
    fn a_database_that_was_lost_does_not_give_the_same_token_again() {
        let issued = |second| {
            let store = Store::in_memory().unwrap();
            let site = a_site(&store);
            let done = store.write_blocking(|tx| {
                let subject = Subject::User(a_person(tx, "ann"));
                let ttl = Duration::from_hours(1);
                issue_enrollment(tx, &site, subject, EnrollmentKind::Enrollment, None, ttl, at(second))
            });
            let (id, token, _) = done.unwrap().0;
            (id, token.expose().to_owned())
        };
        let (before, after) = (issued(1), issued(2));
        assert_eq!(before.0, after.0, "the number comes a second time");
        assert_ne!(before.1, after.1);
    }
}
