//! The link with which somebody who has signed in sets up a desktop client: like an invitation's, but short. Its token is
//! derived again whenever its owner looks, so it is shown until it is used, and stored nowhere.

use jiff::Timestamp;

use super::issue::{enrollment_token, issue_enrollment};
use super::refusal::Refusal;
use super::sign_in::SignedIn;
use super::sweep::end_links;
use super::tell::tell;
use crate::rules::action::Action;
use crate::rules::enrollment::{Enrollment, EnrollmentKind, OWN_LINK, Stage, Subject};
use crate::rules::message::Message;
use crate::rules::token::Token;
use crate::site::Site;
use crate::store::{StoreError, Tx};

/// Whether the link goes to its owner by mail, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mail {
    /// It does, where mail is sent at all.
    Sent,
    /// It is shown only.
    None,
}

/// The newest link of somebody, as long as it is good for something. Times are Unix seconds.
pub enum ClientLink {
    /// Nobody used it yet.
    Unused {
        /// What it carries.
        token: Token,
        /// Until when it may be started.
        until: i64,
    },
    /// A client has started with it.
    Started {
        /// Until when that client may register.
        until: i64,
    },
}

/// The link there is; one that an administrator issued is as good as one's own.
pub fn present(
    tx: &Tx<'_>,
    site: &Site,
    who: &SignedIn,
    now: Timestamp,
) -> Result<Option<ClientLink>, StoreError> {
    Ok(newest(tx, who)?.and_then(|newest| match newest.stage(now) {
        Stage::Unused(_) if now.as_second() < newest.expires_at => Some(ClientLink::Unused {
            token: enrollment_token(site, newest.id, newest.issued_at),
            until: newest.expires_at,
        }),
        Stage::Open(open) => Some(ClientLink::Started { until: open.deadline }),
        Stage::Unused(_) | Stage::Spent => None,
    }))
}

/// Makes one, unless there is one that nobody used.
pub fn issue(tx: &Tx<'_>, site: &Site, who: &SignedIn, mail: Mail, now: Timestamp) -> Result<(), Refusal> {
    if matches!(present(tx, site, who, now)?, Some(ClientLink::Unused { .. })) {
        return Ok(());
    }
    let (subject, kind) = (Subject::User(who.user.id), EnrollmentKind::Activation);
    let (enrollment, ..) = issue_enrollment(tx, site, subject, kind, None, OWN_LINK, now)?;
    let name = &who.user.username;
    tx.audit(name, Action::UserActivateClient, name, None, now)?;
    if mail == Mail::Sent {
        tell(tx, site, &Message::Activation { enrollment, send_to: None }, now)?;
    }
    Ok(())
}

/// Takes it back. What a client registered with it stays: that is a device like any other.
pub fn withdraw(tx: &Tx<'_>, site: &Site, who: &SignedIn, now: Timestamp) -> Result<(), Refusal> {
    if end_links(tx, site, who.user.id, Some(EnrollmentKind::Activation), now)? > 0 {
        let name = &who.user.username;
        tx.audit(name, Action::UserWithdrawClient, name, None, now)?;
    }
    Ok(())
}

fn newest(tx: &Tx<'_>, who: &SignedIn) -> Result<Option<Enrollment>, StoreError> {
    let newest = tx.last_enrollment(Subject::User(who.user.id))?;
    Ok(newest.filter(|newest| newest.kind == EnrollmentKind::Activation))
}
