//! Invites a user: the account, its groups, a token and, unless told otherwise, the mail that carries it, in one
//! transaction. The token is also given back: whoever invites sees the link, mailed or not.

use std::time::Duration;

use jiff::Timestamp;

use super::issue::issue_enrollment;
use super::refusal::Refusal;
use crate::rules::action::Action;
use crate::rules::enrollment::{EnrollmentKind, Subject};
use crate::rules::ids::UserId;
use crate::rules::names;
use crate::rules::token::Token;
use crate::site::Site;
use crate::store::account::{NewUser, User};
use crate::store::{StoreError, Tx};

/// The shortest and the longest time a token may be good.
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);

/// Who acts: a name for the audit log and, where there is one, the administrator's account.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The administrator's username, else the Unix account's.
    pub name: String,
    /// The account mapped to the caller.
    pub account: Option<UserId>,
}

/// Whom to invite, as typed.
#[derive(Debug, Clone)]
pub struct Guest {
    /// Unique.
    pub username: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Unique.
    pub email: String,
    /// May be empty.
    pub phone: String,
    /// Names of existing groups.
    pub groups: Vec<String>,
    /// Whether they administer.
    pub is_admin: bool,
}

/// How the token goes out.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// The administrator shown to the guest; `None`: the actor, else the configured contact.
    pub by: Option<String>,
    /// How long the token is good; `None`: as configured.
    pub ttl: Option<Duration>,
}

/// What the administrator hands over.
pub struct Invitation {
    /// Whose.
    pub username: String,
    /// To be opened in a browser.
    pub enrollment_url: String,
    /// To be typed into a desktop client.
    pub token: Token,
    /// Unix seconds.
    pub expires_at: i64,
}

/// Makes the account and its first token.
pub fn invite(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    guest: &Guest,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Invitation, Refusal> {
    let new = checked(guest)?;
    if tx.user_by_name(&new.username)?.is_some() {
        return Err(Refusal::UsernameTaken(new.username));
    }
    let email = new.email.clone();
    let id = tx.insert_user(&new, now).map_err(|error| {
        if error.is_conflict() { Refusal::EmailTaken(email) } else { Refusal::Store(error) }
    })?;
    for group in &guest.groups {
        let found = tx.group_by_name(group)?.ok_or_else(|| Refusal::UnknownGroup(group.clone()))?;
        tx.add_member(id, found)?;
    }
    tx.audit(&actor.name, Action::UserInvite, &new.username, None, now)?;
    let user = known_user(tx, &new.username)?;
    issue(tx, site, actor, &user, EnrollmentKind::Enrollment, delivery, now)
}

/// A fresh token for somebody who has not finished enrolling; the previous one is good for nothing any more.
pub fn reinvite(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    username: &str,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Invitation, Refusal> {
    let user = active_user(tx, username)?;
    if user.password_hash.is_some() {
        return Err(Refusal::Enrolled(user.username));
    }
    tx.audit(&actor.name, Action::UserReinvite, &user.username, None, now)?;
    issue(tx, site, actor, &user, EnrollmentKind::Enrollment, delivery, now)
}

/// A token with which somebody who has enrolled adds a desktop client.
pub fn activate_client(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    username: &str,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Invitation, Refusal> {
    let user = active_user(tx, username)?;
    if user.password_hash.is_none() {
        return Err(Refusal::NotEnrolled(user.username));
    }
    tx.audit(&actor.name, Action::UserActivateClient, &user.username, None, now)?;
    issue(tx, site, actor, &user, EnrollmentKind::Activation, delivery, now)
}

/// By name.
pub(super) fn known_user(tx: &Tx<'_>, username: &str) -> Result<User, Refusal> {
    tx.user_by_name(username)?.ok_or_else(|| Refusal::UnknownUser(username.to_owned()))
}

/// How long a token is good, within bounds.
pub(super) fn checked_ttl(wanted: Option<Duration>, site: &Site) -> Result<Duration, Refusal> {
    match wanted {
        None => Ok(site.config.enrollment.token_ttl),
        Some(ttl) if TTL.contains(&ttl) => Ok(ttl),
        Some(_) => Err(Refusal::Ttl),
    }
}

fn active_user(tx: &Tx<'_>, username: &str) -> Result<User, Refusal> {
    let user = known_user(tx, username)?;
    if user.disabled_at.is_some() { Err(Refusal::Disabled(user.username)) } else { Ok(user) }
}

fn checked(guest: &Guest) -> Result<NewUser, Refusal> {
    Ok(NewUser {
        username: names::username(&guest.username).map_err(Refusal::value(&guest.username))?,
        first_name: names::person_name(&guest.first_name).map_err(Refusal::value(&guest.first_name))?,
        last_name: names::person_name(&guest.last_name).map_err(Refusal::value(&guest.last_name))?,
        email: names::email(&guest.email).map_err(Refusal::value(&guest.email))?,
        phone: names::phone(&guest.phone).map_err(Refusal::value(&guest.phone))?,
        is_admin: guest.is_admin,
    })
}

fn issue(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    user: &User,
    kind: EnrollmentKind,
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Invitation, Refusal> {
    let ttl = checked_ttl(delivery.ttl, site)?;
    let inviter = inviter(tx, actor, delivery.by.as_deref())?;
    let subject = Subject::User(user.id);
    let (_, token, expires_at) = issue_enrollment(tx, site, subject, kind, inviter, ttl, now)?;
    let enrollment_url = format!("{}?token={}", site.config.public_url, token.expose());
    Ok(Invitation { username: user.username.clone(), enrollment_url, token, expires_at })
}

/// `--by`, else the actor's own account; `None` stands for the configured contact.
fn inviter(tx: &Tx<'_>, actor: &Actor, by: Option<&str>) -> Result<Option<UserId>, Refusal> {
    let Some(by) = by else { return Ok(actor.account) };
    let user = active_user(tx, by)?;
    if user.is_admin { Ok(Some(user.id)) } else { Err(Refusal::NotAdministrator(user.username)) }
}

impl Actor {
    /// Whoever has Unix account `uid`, called `unix_name` on this host.
    pub fn of_uid(tx: &Tx<'_>, uid: u32, unix_name: &str) -> Result<Self, StoreError> {
        let account = tx.user_by_uid(uid)?.filter(|user| user.is_admin && user.disabled_at.is_none());
        Ok(match account {
            Some(user) => Self { name: user.username, account: Some(user.id) },
            None => Self { name: format!("unix:{unix_name}"), account: None },
        })
    }
}
