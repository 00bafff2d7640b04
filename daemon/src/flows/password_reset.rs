//! A forgotten password: a link by mail to whoever has a password, a session of its own, another password (protocol
//! 1.11).

use jiff::Timestamp;

use crate::rules::action::Action;
use crate::rules::ids::{ResetId, UserId};
use crate::rules::message::Message;
use crate::rules::names::NameError;
use crate::rules::reset::{Reset, TOKEN_TTL};
use crate::rules::token::{Token, TokenHash, TokenKind};
use crate::site::Site;
use crate::store::account::User;
use crate::store::{StoreError, Tx};

/// Why a step is refused. The texts go to people.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// Never issued, expired, used up.
    #[error("invalid token")]
    InvalidToken,
    /// No cookie, an unknown one, or the ten minutes are over.
    #[error("the session is over: ask for another link")]
    NoSession,
    /// A token of another kind, or an account that may not.
    #[error("this token does not change a password")]
    Forbidden,
    /// The password.
    #[error(transparent)]
    Value(#[from] NameError),
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes down that somebody forgot the password of `email`, if mail is sent at all. Whether or not there is such an
/// account, it is the same work: one look and one row. [`grant`] does the rest when nobody waits for it.
pub fn request(tx: &Tx<'_>, site: &Site, email: &str, now: Timestamp) -> Result<(), StoreError> {
    let user = tx.user_by_email(email.trim())?.filter(may_reset).map(|user| user.id);
    if site.config.mail.is_sent() {
        tx.post(&Message::PasswordForgotten { user, source: tx.source() }, now)?;
    }
    Ok(())
}

/// Issues what the waiting message `mail` asks for, and forgets it: a token, whose mail is posted, if the user is active
/// and has a password. Older ones that nobody started are good for nothing any more.
pub fn grant(
    tx: &Tx<'_>,
    site: &Site,
    mail: i64,
    user: Option<UserId>,
    now: Timestamp,
) -> Result<Option<(ResetId, Token)>, StoreError> {
    tx.discard_mail(mail)?;
    let user = user.map(|user| tx.user(user)).transpose()?.flatten();
    let Some(user) = user.filter(may_reset) else { return Ok(None) };
    let expires_at = now.as_second().saturating_add(i64::try_from(TOKEN_TTL.as_secs()).unwrap_or(i64::MAX));
    // The token depends on the row's number; the row needs a hash that no token has.
    let placeholder = token_of(site, ResetId(0), 0).hash();
    let id = tx.insert_reset(user.id, placeholder, expires_at, now)?;
    let token = token_of(site, id, now.as_second());
    tx.set_reset_hash(id, token.hash())?;
    tx.post(&Message::PasswordReset { reset: id }, now)?;
    tx.audit(&user.username, Action::PasswordForget, &user.username, None, now)?;
    Ok(Some((id, token)))
}

/// The token of a row issued then (Unix seconds); see [`crate::flows::issue::enrollment_token`].
pub fn token_of(site: &Site, id: ResetId, issued_at: i64) -> Token {
    site.keys.token.derive(TokenKind::PasswordReset, id.0, issued_at)
}

/// Whether a token can be started; touches nothing.
pub fn is_good(tx: &Tx<'_>, site: &Site, token: TokenHash, now: Timestamp) -> Result<bool, StoreError> {
    match startable(tx, site, token, now) {
        Ok(_) => Ok(true),
        Err(ResetError::Store(error)) => Err(error),
        Err(
            ResetError::InvalidToken | ResetError::NoSession | ResetError::Forbidden | ResetError::Value(_),
        ) => Ok(false),
    }
}

/// Starts the session of a token, or joins the one that runs; gives its end (Unix seconds).
pub fn start(
    tx: &Tx<'_>,
    site: &Site,
    token: &Token,
    session: TokenHash,
    now: Timestamp,
) -> Result<i64, ResetError> {
    let (reset, deadline) = startable(tx, site, token.hash(), now)?;
    tx.open_reset(reset.id, session, deadline)?;
    Ok(deadline)
}

/// Whose password a session may change, and until when (Unix seconds).
pub fn session(tx: &Tx<'_>, session: TokenHash, now: Timestamp) -> Result<(User, i64), ResetError> {
    let reset = tx.reset_by_session(session)?.ok_or(ResetError::NoSession)?;
    let deadline = reset.session(now).ok_or(ResetError::NoSession)?;
    let user = tx.user(reset.user)?.ok_or(ResetError::NoSession)?;
    if may_reset(&user) { Ok((user, deadline)) } else { Err(ResetError::Forbidden) }
}

/// Sets another password, made to a hash before the transaction, and ends every session of the user.
pub fn reset(
    tx: &Tx<'_>,
    site: &Site,
    session: TokenHash,
    password_hash: &str,
    now: Timestamp,
) -> Result<User, ResetError> {
    let (user, _) = self::session(tx, session, now)?;
    tx.change_password(user.id, password_hash, now)?;
    if site.config.mail.is_sent() {
        tx.post(&Message::PasswordChanged { user: user.id }, now)?;
    }
    tx.audit(&user.username, Action::PasswordReset, &user.username, None, now)?;
    Ok(user)
}

fn startable(tx: &Tx<'_>, site: &Site, token: TokenHash, now: Timestamp) -> Result<(Reset, i64), ResetError> {
    let Some(reset) = tx.reset_by_token(token)? else {
        let is_another = tx.enrollment_by_token(token)?.is_some();
        return Err(if is_another { ResetError::Forbidden } else { ResetError::InvalidToken });
    };
    let deadline = reset.start(now, site.config.enrollment.session_ttl).ok_or(ResetError::InvalidToken)?;
    let user = tx.user(reset.user)?.ok_or(ResetError::InvalidToken)?;
    if may_reset(&user) { Ok((reset, deadline)) } else { Err(ResetError::Forbidden) }
}

fn may_reset(user: &User) -> bool {
    user.disabled_at.is_none() && user.password_hash.is_some()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::flows::accounts::{self, Edit};
    use crate::flows::enroll::{self, EnrollError};
    use crate::flows::invite::Actor;
    use crate::flows::issue::issue_enrollment;
    use crate::rules::enrollment::{EnrollmentKind, Subject};
    use crate::store::Store;

    /// A store in which ann has a password, and the token of her reset.
    fn forgetful_ann(work: impl FnOnce(&Tx<'_>, &Site, &Token) -> Result<(), ResetError>) {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        store
            .write_blocking(|tx| {
                let ann = a_person(tx, "ann");
                tx.activate_user(ann, "old", None)?;
                let token = grant(tx, &site, 0, Some(ann), at(0))?.unwrap().1;
                work(tx, &site, &token)
            })
            .unwrap();
    }

    const COOKIE: TokenHash = TokenHash([1; 32]);
    const OPENED: TokenHash = TokenHash([2; 32]);

    #[test]
    fn a_link_sets_one_password_within_ten_minutes_of_its_start() {
        forgetful_ann(|tx, site, token| {
            assert_eq!(start(tx, site, token, COOKIE, at(100))?, 700);
            assert_eq!(start(tx, site, token, COOKIE, at(200))?, 700);
            assert!(session(tx, COOKIE, at(699)).is_ok());
            assert!(matches!(session(tx, COOKIE, at(700)), Err(ResetError::NoSession)));
            let user = reset(tx, site, COOKIE, "new", at(300))?;
            assert_eq!(tx.user(user.id)?.unwrap().password_hash.as_deref(), Some("new"));
            assert!(matches!(reset(tx, site, COOKIE, "newer", at(301)), Err(ResetError::NoSession)));
            assert!(matches!(start(tx, site, token, COOKIE, at(302)), Err(ResetError::InvalidToken)));
            Ok(())
        });
    }

    #[test]
    fn a_changed_password_withdraws_tokens_that_nobody_used() {
        forgetful_ann(|tx, site, token| {
            let ann = tx.user_by_name("ann")?.unwrap().id;
            let (kind, day) = (EnrollmentKind::Activation, Duration::from_hours(24));
            let unused = issue_enrollment(tx, site, Subject::User(ann), kind, None, day, at(0))?.1;
            start(tx, site, token, COOKIE, at(100))?;
            reset(tx, site, COOKIE, "new", at(101))?;
            assert!(tx.enrollment_by_token(unused.hash())?.is_none());
            Ok(())
        });
    }

    #[test]
    fn what_was_mailed_to_an_address_of_before_opens_nothing() {
        for is_started in [false, true] {
            forgetful_ann(|tx, site, token| {
                let ann = tx.user_by_name("ann")?.unwrap().id;
                let (kind, day) = (EnrollmentKind::Activation, Duration::from_hours(24));
                let issue =
                    |kind, user| issue_enrollment(tx, site, Subject::User(user), kind, None, day, at(0));
                let [unused, opened] = [issue(kind, ann)?.1, issue(kind, ann)?.1];
                enroll::open(tx, site, &opened, OPENED, at(100)).unwrap();
                if is_started {
                    start(tx, site, token, COOKIE, at(100))?;
                }
                let root = Actor { name: "root".to_owned(), account: None };
                let renamed = Edit { first_name: Some("Anne".to_owned()), ..Edit::default() };
                accounts::edit(tx, site, &root, "ann", &renamed, at(101)).unwrap();
                assert!(is_good(tx, site, token.hash(), at(101))?, "the address is the same");
                assert!(enroll::session(tx, OPENED, at(101)).is_ok());
                let moved = Edit { email: Some("ann@example.org".to_owned()), ..Edit::default() };
                accounts::edit(tx, site, &root, "ann", &moved, at(101)).unwrap();
                assert!(!is_good(tx, site, token.hash(), at(101))?);
                assert!(matches!(session(tx, COOKIE, at(101)), Err(ResetError::NoSession)));
                assert!(tx.enrollment_by_token(unused.hash())?.is_none());
                assert!(matches!(enroll::session(tx, OPENED, at(101)), Err(EnrollError::NoSession)));
                assert!(enroll::open(tx, site, &opened, OPENED, at(101)).is_err());
                Ok(())
            });
        }
    }

    #[test]
    fn an_invitation_outlives_an_address_that_is_corrected() {
        forgetful_ann(|tx, site, _| {
            let bob = Subject::User(a_person(tx, "bob"));
            let (kind, day) = (EnrollmentKind::Enrollment, Duration::from_hours(24));
            let invitation = issue_enrollment(tx, site, bob, kind, None, day, at(0))?.1;
            let root = Actor { name: "root".to_owned(), account: None };
            for (address, session) in [("bob@example.org", COOKIE), ("robert@example.org", OPENED)] {
                let moved = Edit { email: Some(address.to_owned()), ..Edit::default() };
                accounts::edit(tx, site, &root, "bob", &moved, at(1)).unwrap();
                enroll::open(tx, site, &invitation, session, at(2)).unwrap();
            }
            assert!(enroll::session(tx, COOKIE, at(2)).is_ok(), "what was open before goes on");
            Ok(())
        });
    }

    #[test]
    fn a_link_is_good_for_a_day_and_only_the_newest_is() {
        forgetful_ann(|tx, site, token| {
            assert!(is_good(tx, site, token.hash(), at(86_399))?);
            assert!(!is_good(tx, site, token.hash(), at(86_400))?);
            let ann = tx.user_by_name("ann")?.unwrap().id;
            let newer = grant(tx, site, 0, Some(ann), at(1))?.unwrap().1;
            assert!(!is_good(tx, site, token.hash(), at(2))?);
            assert!(is_good(tx, site, newer.hash(), at(2))?);
            Ok(())
        });
    }

    #[test]
    fn nobody_without_a_password_and_nobody_disabled_gets_a_link() {
        forgetful_ann(|tx, site, _| {
            let bob = a_person(tx, "bob");
            for user in [Some(bob), Some(UserId(99)), None] {
                assert!(grant(tx, site, 0, user, at(0))?.is_none(), "{user:?}");
            }
            Ok(())
        });
    }
}
