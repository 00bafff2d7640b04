//! The second step of signing in: who gave the right password gives a second factor. Until then they have no session, only a
//! place to wait in, which is good for ten minutes in one browser. A browser that is known skips nothing.

use jiff::Timestamp;

use super::sign_in::{Entry, seat};
use super::{mailed_code, second_factor};
use crate::rules::action::Action;
use crate::rules::ids::UserId;
use crate::rules::second_factor::{Factor, Factors};
use crate::rules::token::{Purpose, TokenHash};
use crate::site::Site;
use crate::store::account::User;
use crate::store::{StoreError, Tx};

/// How long somebody may wait, in seconds.
pub const WAITS_FOR: i64 = 10 * 60;

/// Somebody who owes a second factor.
#[derive(Clone)]
pub struct Waiting {
    id: i64,
    /// Who.
    pub user: User,
    /// What they may prove themselves with.
    pub factors: Factors,
}

/// What became of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// Nobody waits any more under what the browser holds.
    Nobody,
    /// It is wrong, or was used.
    Wrong,
    /// They are signed in.
    SignedIn(Factor),
}

/// Who waits under what a cookie holds.
pub fn waiting(tx: &Tx<'_>, token: TokenHash, now: Timestamp) -> Result<Option<Waiting>, StoreError> {
    let pending = tx.pending_by_token(token)?;
    let pending = pending.filter(|pending| now.as_second() < pending.created_at.saturating_add(WAITS_FOR));
    let Some(pending) = pending else { return Ok(None) };
    let Some(user) = tx.user(pending.user)?.filter(|user| user.disabled_at.is_none()) else {
        return Ok(None);
    };
    let factors = tx.factors_of(user.id)?;
    // Whoever has none any more signs in from the start.
    Ok(factors.any().then_some(Waiting { id: pending.id, user, factors }))
}

/// Mails a code to who takes codes by mail. Each asks for one with the right password, of which there is an allowance.
pub fn send_code(tx: &Tx<'_>, site: &Site, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    if tx.factors_of(user)?.email {
        mailed_code::send(tx, site, (user, Purpose::SignIn), |_| Ok(()), now)?;
    }
    Ok(())
}

/// Signs in whoever gives a right code of any kind.
pub fn give(
    tx: &Tx<'_>,
    site: &Site,
    (token, code): (TokenHash, &str),
    entry: &Entry,
    now: Timestamp,
) -> Result<Given, StoreError> {
    let Some(waiting) = waiting(tx, token, now)? else { return Ok(Given::Nobody) };
    let Some(factor) = second_factor::give(tx, site, &waiting.user, code, now)? else {
        return Ok(Given::Wrong);
    };
    let_in(tx, &waiting, factor, entry, now)?;
    Ok(Given::SignedIn(factor))
}

/// Signs in who waited and has proved themselves with this, which the caller has looked at in the same transaction.
pub fn let_in(
    tx: &Tx<'_>,
    waiting: &Waiting,
    factor: Factor,
    entry: &Entry,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Waiting { id, user, .. } = waiting;
    tx.delete_pending(*id)?;
    let session = seat(tx, user, entry, now)?;
    tx.note_second_factor(session, factor, now)?;
    let detail = format!("{}; {}", entry.called, factor.name());
    tx.audit(&user.username, Action::SessionStart, &user.username, Some(&detail), now)
}

/// Forgets who waited too long.
pub fn forget(tx: &Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    tx.forget_pending(now.as_second().saturating_sub(WAITS_FOR))
}
