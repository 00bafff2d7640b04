//! Invites a user: the account, its groups, a token and, unless told otherwise, the mail that carries it, in one
//! transaction. The token is also given back: whoever invites sees the link, mailed or not.

use std::time::Duration;

use jiff::Timestamp;

use super::issue::issue_enrollment;
use super::refusal::Refusal;
use crate::rules::action::Action;
use crate::rules::enrollment::{EnrollmentKind, Subject};
use crate::rules::ids::{EnrollmentId, UserId};
use crate::rules::message::Message;
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
    /// Where the mail with the token goes.
    pub mail: MailTo,
}

/// Where the mail with a token goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MailTo {
    /// To the account's address.
    #[default]
    Account,
    /// To another address, for example a private mailbox (protocol 3.12).
    Address(String),
    /// Nobody is sent a mail: whoever invites hands the link over.
    Nobody,
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
    /// The address that a mail is on its way to; `None`: no mail is sent.
    pub mailed_to: Option<String>,
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

/// What a further token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Further {
    /// Enrolling, which is not finished; the previous token is good for nothing any more.
    Enrolling,
    /// One more desktop client of somebody who has enrolled.
    Client,
}

/// A further token for somebody who has an account.
pub fn further_token(
    tx: &Tx<'_>,
    site: &Site,
    actor: &Actor,
    (username, further): (&str, Further),
    delivery: &Delivery,
    now: Timestamp,
) -> Result<Invitation, Refusal> {
    let user = active_user(tx, username)?;
    let (action, kind) = match (further, user.password_hash.is_some()) {
        (Further::Enrolling, false) => (Action::UserReinvite, EnrollmentKind::Enrollment),
        (Further::Enrolling, true) => return Err(Refusal::Enrolled(user.username)),
        (Further::Client, true) => (Action::UserActivateClient, EnrollmentKind::Activation),
        (Further::Client, false) => return Err(Refusal::NotEnrolled(user.username)),
    };
    tx.audit(&actor.name, action, &user.username, None, now)?;
    issue(tx, site, actor, &user, kind, delivery, now)
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
    let (id, token, expires_at) = issue_enrollment(tx, site, subject, kind, inviter, ttl, now)?;
    let mailed_to = post(tx, site, user, id, kind, &delivery.mail, now)?;
    let enrollment_url = format!("{}?token={}", site.config.public_url, token.expose());
    Ok(Invitation { username: user.username.clone(), enrollment_url, token, expires_at, mailed_to })
}

/// Puts the mail with the token into the outbox; says where it goes.
fn post(
    tx: &Tx<'_>,
    site: &Site,
    user: &User,
    enrollment: EnrollmentId,
    kind: EnrollmentKind,
    mail: &MailTo,
    now: Timestamp,
) -> Result<Option<String>, Refusal> {
    let send_to = match mail {
        MailTo::Account => None,
        MailTo::Address(address) => Some(names::email(address).map_err(Refusal::value(address))?),
        MailTo::Nobody => return Ok(None),
    };
    if !site.config.mail.is_sent() {
        return if send_to.is_some() { Err(Refusal::NoMail) } else { Ok(None) };
    }
    let mailed_to = send_to.clone().unwrap_or_else(|| user.email.clone());
    let message = match kind {
        EnrollmentKind::Enrollment => Message::Invitation { enrollment, send_to },
        EnrollmentKind::Activation => Message::Activation { enrollment, send_to },
        // A machine reads no mail.
        EnrollmentKind::Machine => return Ok(None),
    };
    tx.post(&message, now)?;
    Ok(Some(mailed_to))
}

/// `--by`, else the actor's own account; `None` stands for the configured contact.
pub(super) fn inviter(tx: &Tx<'_>, actor: &Actor, by: Option<&str>) -> Result<Option<UserId>, Refusal> {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fixtures::{a_site, at};
    use crate::store::Store;

    fn ann() -> Guest {
        Guest {
            username: "ann".to_owned(),
            first_name: "Ann".to_owned(),
            last_name: "Example".to_owned(),
            email: "ann@example.com".to_owned(),
            phone: String::new(),
            groups: Vec::new(),
            is_admin: false,
        }
    }

    /// Where the mail of an invitation goes, and how many mails wait afterwards.
    fn invited(mail: MailTo, transport: Option<&Path>) -> Result<(Option<String>, usize), Refusal> {
        let store = Store::in_memory().unwrap();
        let mut site = a_site(&store);
        site.config.mail.directory = transport.map(Path::to_owned);
        let actor = Actor { name: "unix:root".to_owned(), account: None };
        let delivery = Delivery { mail, ..Delivery::default() };
        let done = store.write_blocking(|tx| {
            let invitation = invite(tx, &site, &actor, &ann(), &delivery, at(0))?;
            Ok((invitation.mailed_to, tx.due_mail(at(0), 9)?.len()))
        });
        done.map(|done| done.0)
    }

    #[test]
    fn an_invitation_is_mailed_to_the_account_or_where_it_is_told() {
        let dir = Some(Path::new("mail"));
        let private = || "ann@home.example".to_owned();
        assert_eq!(invited(MailTo::Account, dir).unwrap(), (Some("ann@example.com".to_owned()), 1));
        assert_eq!(invited(MailTo::Address(private()), dir).unwrap(), (Some(private()), 1));
        assert_eq!(invited(MailTo::Nobody, dir).unwrap(), (None, 0));
    }

    #[test]
    fn without_a_transport_the_link_is_only_printed_unless_an_address_was_asked_for() {
        assert_eq!(invited(MailTo::Account, None).unwrap(), (None, 0));
        let asked = invited(MailTo::Address("ann@home.example".to_owned()), None);
        assert!(matches!(asked, Err(Refusal::NoMail)));
    }

    #[test]
    fn an_address_that_is_none_is_refused_and_nobody_is_invited() {
        let refused = invited(MailTo::Address("nobody".to_owned()), Some(Path::new("mail")));
        assert!(matches!(refused, Err(Refusal::Value { value, .. }) if value == "nobody"));
    }
}
