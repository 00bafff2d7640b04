//! Looks at an enrollment token without touching anything: what whoever holds it may be shown.

use jiff::Timestamp;

use crate::flows::inviter::Inviter;
use crate::rules::enrollment::{Enrollment, EnrollmentKind, OpenError, Subject};
use crate::rules::ids::UserId;
use crate::rules::token::TokenHash;
use crate::site::Site;
use crate::store::account::User;
use crate::store::{StoreError, Tx};

/// What a token is at a moment.
pub enum Link {
    /// It never existed, or its account is gone.
    Unknown,
    /// It can be started.
    Good(Invitation),
    /// It is for the command line client of a machine.
    Machine {
        /// Its name.
        name: String,
        /// Who helps.
        inviter: Inviter,
    },
    /// It existed, and is good for nothing any more.
    Dead(DeadLink),
}

/// A token that can be started.
pub struct Invitation {
    /// Why it was issued.
    pub kind: EnrollmentKind,
    /// For whom.
    pub user: User,
    /// Who helps.
    pub inviter: Inviter,
    /// Whether its session runs.
    pub is_open: bool,
}

/// A token that is good for nothing any more.
pub struct DeadLink {
    /// Whose it was.
    pub user: UserId,
    /// Who helps.
    pub inviter: Inviter,
    /// What happened to it.
    pub why: Death,
}

/// What happened to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// Nobody used it in time.
    Expired,
    /// Its session is over.
    Used,
    /// Its session is over, or it was not needed, and the account has a password.
    Done,
    /// It was replaced by another, or taken back.
    Withdrawn,
    /// The account is disabled.
    Disabled,
}

/// What the token of `hash` is.
pub fn look(tx: &Tx<'_>, site: &Site, hash: TokenHash, now: Timestamp) -> Result<Link, StoreError> {
    if let Some(enrollment) = tx.enrollment_by_token(hash)? {
        return look_at(tx, site, &enrollment, now);
    }
    let Some(withdrawn) = tx.withdrawn_by_token(hash)? else { return Ok(Link::Unknown) };
    let inviter = Inviter::of(tx, site, withdrawn.issued_by)?;
    let Some(user) = tx.user(withdrawn.user)? else { return Ok(Link::Unknown) };
    // A disabled account's tokens are withdrawn, too, and a finished one needs no newer link.
    let why = match (user.disabled_at.is_some(), user.password_hash.is_some()) {
        (true, _) => Death::Disabled,
        (false, true) => Death::Done,
        (false, false) => Death::Withdrawn,
    };
    Ok(Link::Dead(DeadLink { user: user.id, inviter, why }))
}

fn look_at(tx: &Tx<'_>, site: &Site, enrollment: &Enrollment, now: Timestamp) -> Result<Link, StoreError> {
    let inviter = Inviter::of(tx, site, enrollment.issued_by)?;
    let user = match enrollment.subject {
        Subject::User(id) => tx.user(id)?,
        Subject::Machine(id) => {
            let name = tx.device(id)?.map(|device| device.name);
            return Ok(name.map_or(Link::Unknown, |name| Link::Machine { name, inviter }));
        }
    };
    let Some(user) = user else { return Ok(Link::Unknown) };
    if let Some(why) = death(enrollment, &user, site, now) {
        return Ok(Link::Dead(DeadLink { user: user.id, inviter, why }));
    }
    let is_open = enrollment.session(now).is_some();
    Ok(Link::Good(Invitation { kind: enrollment.kind, user, inviter, is_open }))
}

/// `None`: the token opens or joins a session. Agrees with [`crate::flows::enroll::open`].
fn death(enrollment: &Enrollment, user: &User, site: &Site, now: Timestamp) -> Option<Death> {
    if user.disabled_at.is_some() {
        return Some(Death::Disabled);
    }
    if enrollment.kind == EnrollmentKind::Enrollment && user.password_hash.is_some() {
        return Some(Death::Done);
    }
    let was_used = enrollment.deadline.is_some();
    match enrollment.start(now, site.config.enrollment.session_ttl).err()? {
        OpenError::Expired if !was_used => Some(Death::Expired),
        OpenError::Expired | OpenError::Spent => Some(Death::Used),
    }
}
