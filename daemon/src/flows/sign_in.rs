//! Signing in with an account's password, what a session is of, and how it ends. Whether a password is right is found out
//! between two transactions, because it takes long; the second looks whether it still is.

use jiff::Timestamp;

use super::refusal::Refusal;
use super::tell::tell;
use crate::rules::action::Action;
use crate::rules::ids::{SessionId, UserId};
use crate::rules::message::Message;
use crate::rules::second_factor::Factors;
use crate::rules::session::Session;
use crate::rules::token::TokenHash;
use crate::site::Site;
use crate::store::account::User;
use crate::store::{StoreError, Tx};

/// Why something of one's own is not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// No cookie, an unknown one, or the session is over.
    #[error("nobody is signed in")]
    NoSession,
    /// What was wanted of one's own is refused.
    #[error(transparent)]
    Refused(Refusal),
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What there is for a name that was typed.
pub struct Found {
    account: Option<User>,
    /// Whether the browser signed in to this account before.
    pub is_known: bool,
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct SignedIn {
    /// Where.
    pub session: Session,
    /// Who.
    pub user: User,
    /// What they have beside the password.
    pub factors: Factors,
}

/// What became of a right password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// The account has changed meanwhile, and it is refused after all.
    Refused,
    /// Somebody is signed in.
    SignedIn,
    /// A second factor is owed: see [`super::sign_in_code`].
    OwesCode,
}

/// What a browser is given that signs in.
pub struct Entry {
    /// Of the new session.
    pub session: TokenHash,
    /// By which the browser is known from here on.
    pub browser: TokenHash,
    /// By which it may have been known.
    pub former: Option<TokenHash>,
    /// What it is called.
    pub called: String,
}

/// Which sessions to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(SessionId),
    /// All but one's own.
    Others,
}

impl Found {
    /// Whose account it is, if there is one.
    pub fn account(&self) -> Option<UserId> {
        self.account.as_ref().map(|user| user.id)
    }

    /// The password to compare with; `None`: there is none with which one may sign in.
    pub fn password_hash(&self) -> Option<String> {
        self.account.as_ref().filter(|user| user.disabled_at.is_none())?.password_hash.clone()
    }

    /// Whether the account still has the password that it was found with.
    fn is_still(&self, user: &User) -> bool {
        let found = self.account.as_ref();
        found.is_some_and(|found| found.id == user.id && found.password_hash == user.password_hash)
    }

    /// What the account is called.
    pub fn username(&self) -> Option<&str> {
        self.account.as_ref().map(|user| user.username.as_str())
    }
}

/// Looks for the account of a username or e-mail address, and whether `browser` is known to it. Whatever there is, it is
/// two looks.
pub fn find(tx: &Tx<'_>, name: &str, browser: Option<TokenHash>) -> Result<Found, StoreError> {
    // No username has an @.
    let account = if name.contains('@') { tx.user_by_email(name)? } else { tx.user_by_name(name)? };
    let id = account.as_ref().map_or(UserId(0), |user| user.id);
    let is_known = tx.knows_browser(id, browser.unwrap_or(TokenHash([0; 32])))?;
    Ok(Found { account, is_known })
}

/// Signs in whoever gave the right password for what was found; or, where the account has more than a password, lets them
/// wait for it under what would have been their session.
pub fn enter(tx: &Tx<'_>, found: &Found, entry: &Entry, now: Timestamp) -> Result<Entered, StoreError> {
    let user = found.account().map(|id| tx.user(id)).transpose()?.flatten();
    let Some(user) = user.filter(|user| user.disabled_at.is_none() && found.is_still(user)) else {
        return Ok(Entered::Refused);
    };
    if tx.factors_of(user.id)?.any() {
        tx.insert_pending(user.id, entry.session, now)?;
        return Ok(Entered::OwesCode);
    }
    seat(tx, &user, entry, now)?;
    tx.audit(&user.username, Action::SessionStart, &user.username, Some(&entry.called), now)?;
    Ok(Entered::SignedIn)
}

/// Who is signed in with what a cookie holds.
pub fn session(tx: &Tx<'_>, site: &Site, token: TokenHash, now: Timestamp) -> Result<SignedIn, SignInError> {
    let session = tx.session_by_token(token)?.filter(|session| session.is_running(site.config.sign_in, now));
    let session = session.ok_or(SignInError::NoSession)?;
    let user = tx.user(session.user)?.filter(|user| user.disabled_at.is_none());
    let user = user.ok_or(SignInError::NoSession)?;
    Ok(SignedIn { factors: tx.factors_of(user.id)?, user, session })
}

/// The running sessions of who is signed in, last used first.
pub fn sessions(
    tx: &Tx<'_>,
    site: &Site,
    who: &SignedIn,
    now: Timestamp,
) -> Result<Vec<Session>, StoreError> {
    let mut sessions = tx.sessions_of(who.user.id)?;
    sessions.retain(|session| session.is_running(site.config.sign_in, now));
    Ok(sessions)
}

/// Writes down that a session is used, and from where.
pub fn note_use(tx: &Tx<'_>, who: &SignedIn, now: Timestamp) -> Result<(), StoreError> {
    tx.use_session(who.session.id, &address(tx), now)
}

/// Ends the session.
pub fn sign_out(tx: &Tx<'_>, who: &SignedIn, now: Timestamp) -> Result<(), StoreError> {
    tx.sign_out(who.user.id, who.session.id)?;
    tx.audit(&who.user.username, Action::SessionSignOut, &who.user.username, None, now)
}

/// Ends others of one's own sessions. Nobody ends somebody else's.
pub fn end(tx: &Tx<'_>, who: &SignedIn, which: Which, now: Timestamp) -> Result<(), StoreError> {
    let ended = match which {
        Which::One(id) => usize::from(tx.sign_out(who.user.id, id)?),
        Which::Others => tx.sign_out_all(who.user.id, Some(who.session.id))?,
    };
    if ended == 0 {
        return Ok(());
    }
    let name = &who.user.username;
    tx.audit(name, Action::SessionEnd, name, Some(&format!("{ended} of them")), now)
}

/// Sets another password for who is signed in with `token` and gave the right old one for what was found. Every session
/// ends; this browser gets a new one.
pub fn change_password(
    tx: &Tx<'_>,
    site: &Site,
    (token, found): (TokenHash, &Found),
    password_hash: &str,
    entry: &Entry,
    now: Timestamp,
) -> Result<(), SignInError> {
    let SignedIn { user, session: before, .. } = session(tx, site, token, now)?;
    if !found.is_still(&user) {
        return Err(SignInError::NoSession);
    }
    tx.change_password(user.id, password_hash, now)?;
    let after = seat(tx, &user, entry, now)?;
    if let (Some(factor), Some(at)) = (before.second_factor, before.second_factor_at) {
        tx.note_second_factor(after, factor, Timestamp::from_second(at).unwrap_or(now))?;
    }
    tell(tx, site, &Message::PasswordChanged { user: user.id }, now)?;
    tx.audit(&user.username, Action::PasswordChange, &user.username, None, now)?;
    Ok(())
}

/// Proves again who is signed in: they gave the right password for what was found. `false`: it is theirs no more.
pub fn confirm(tx: &Tx<'_>, who: &SignedIn, found: &Found, now: Timestamp) -> Result<bool, StoreError> {
    if !found.is_still(&who.user) {
        return Ok(false);
    }
    tx.confirm_session(who.session.id, now)?;
    tx.audit(&who.user.username, Action::SessionConfirm, &who.user.username, None, now)?;
    Ok(true)
}

/// Opens a session for who has given everything.
pub(super) fn seat(tx: &Tx<'_>, user: &User, entry: &Entry, now: Timestamp) -> Result<SessionId, StoreError> {
    let session = tx.sign_in(user.id, entry.session, (&entry.called, &address(tx)), now)?;
    tx.know_browser(user.id, entry.former, entry.browser, now)?;
    Ok(session)
}

fn address(tx: &Tx<'_>) -> String {
    tx.source().map(|source| source.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{a_person, a_site, at};
    use crate::flows::accounts;
    use crate::flows::invite::Actor;
    use crate::store::Store;

    const TOKEN: TokenHash = TokenHash([1; 32]);

    fn an_entry(number: u8) -> Entry {
        let [session, browser] = [TokenHash([number; 32]), TokenHash([number + 100; 32])];
        Entry { session, browser, former: None, called: "Firefox, Linux".to_owned() }
    }

    /// A store in which ann has a password and is signed in.
    fn with_ann(work: impl FnOnce(&Tx<'_>, &Site) -> Result<(), SignInError>) {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let worked = store.write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            tx.activate_user(ann, "old", None)?;
            assert_eq!(enter(tx, &find(tx, "ann", None)?, &an_entry(1), at(0))?, Entered::SignedIn);
            work(tx, &site)
        });
        worked.unwrap();
    }

    fn is_signed_in(tx: &Tx<'_>, site: &Site, token: TokenHash, second: i64) -> bool {
        session(tx, site, token, at(second)).is_ok()
    }

    #[test]
    fn an_account_is_found_by_either_of_its_names_in_any_case() {
        with_ann(|tx, _| {
            for name in ["ann", "ANN", "ann@example.com", "Ann@Example.com"] {
                assert!(find(tx, name, None)?.password_hash().is_some(), "{name}");
            }
            for name in ["", "an", "ann@", "ann@example.org", "ann "] {
                assert!(find(tx, name, None)?.account().is_none(), "{name}");
            }
            let known = TokenHash([101; 32]);
            assert!(find(tx, "ann", Some(known))?.is_known && !find(tx, "ben", Some(known))?.is_known);
            Ok(())
        });
    }

    #[test]
    fn sessions_end_by_themselves_and_with_the_account() {
        with_ann(|tx, site| {
            assert!(is_signed_in(tx, site, TOKEN, 3599) && !is_signed_in(tx, site, TOKEN, 3600));
            let [root, ann] = [("root", None), ("ann", None)]
                .map(|(name, account)| Actor { name: name.to_owned(), account });
            accounts::disable(tx, site, &root, &ann.name, at(1)).unwrap();
            assert!(!is_signed_in(tx, site, TOKEN, 1));
            accounts::enable(tx, site, &root, &ann.name, at(2)).unwrap();
            assert!(!is_signed_in(tx, site, TOKEN, 2), "it does not come back");
            assert_eq!(enter(tx, &find(tx, "ann", None)?, &an_entry(2), at(3))?, Entered::SignedIn);
            accounts::remove(tx, site, &root, &ann.name, at(4)).unwrap();
            assert!(!is_signed_in(tx, site, TokenHash([2; 32]), 4));
            Ok(())
        });
    }

    #[test]
    fn what_was_right_a_moment_ago_opens_nothing() {
        with_ann(|tx, site| {
            let found = find(tx, "ann", None)?;
            let ann = found.account().unwrap();
            tx.change_password(ann, "new", at(1))?;
            assert_eq!(enter(tx, &found, &an_entry(2), at(1))?, Entered::Refused);
            let found = find(tx, "ann", None)?;
            tx.set_disabled(ann, Some(at(2)))?;
            assert_eq!(enter(tx, &found, &an_entry(2), at(2))?, Entered::Refused);
            assert!(!is_signed_in(tx, site, TokenHash([2; 32]), 2));
            Ok(())
        });
    }

    #[test]
    fn another_password_leaves_one_fresh_session_and_one_known_browser() {
        with_ann(|tx, site| {
            let found = find(tx, "ann", None)?;
            enter(tx, &found, &an_entry(2), at(0))?;
            change_password(tx, site, (TOKEN, &found), "new", &an_entry(3), at(1))?;
            let [first, second, third] = [1, 2, 3].map(|number| TokenHash([number; 32]));
            assert!(!is_signed_in(tx, site, first, 1) && !is_signed_in(tx, site, second, 1));
            assert!(is_signed_in(tx, site, third, 1));
            for (number, is_known) in [(101, false), (102, false), (103, true)] {
                let browser = Some(TokenHash([number; 32]));
                assert_eq!(find(tx, "ann", browser)?.is_known, is_known, "{number}");
            }
            let again = change_password(tx, site, (third, &found), "newer", &an_entry(4), at(2));
            assert!(matches!(again, Err(SignInError::NoSession)), "another old password was looked at");
            Ok(())
        });
    }

    #[test]
    fn nobody_ends_somebody_elses_session() {
        with_ann(|tx, site| {
            let ben = a_person(tx, "ben");
            tx.activate_user(ben, "old", None)?;
            enter(tx, &find(tx, "ben", None)?, &an_entry(2), at(0))?;
            let ann = session(tx, site, TOKEN, at(0))?;
            let bens = session(tx, site, TokenHash([2; 32]), at(0))?;
            end(tx, &ann, Which::One(bens.session.id), at(0))?;
            end(tx, &ann, Which::Others, at(0))?;
            assert!(is_signed_in(tx, site, TokenHash([2; 32]), 0) && is_signed_in(tx, site, TOKEN, 0));
            assert_eq!(tx.audit_of(Action::SessionEnd, 9)?, [], "nothing was done");
            Ok(())
        });
    }
}
