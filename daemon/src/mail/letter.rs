//! Writes the letter of a message at the moment of delivery: facts from the database, the token derived again.

use jiff::Timestamp;
use minijinja::{Environment, UndefinedBehavior, Value};

use super::Letter;
use crate::flows::inviter::{Greeted, Inviter};
use crate::flows::password_reset::token_of;
use crate::rules::enrollment::{Stage, Subject};
use crate::rules::ids::{EnrollmentId, ResetId, UserId};
use crate::rules::message::Message;
use crate::rules::token::TokenKind;
use crate::site::Site;
use crate::store::account::User;
use crate::store::{StoreError, Tx};

/// What becomes of a message at its delivery.
pub enum Composed {
    /// To be sent.
    Letter(Letter),
    /// It would help nobody any more, and why.
    Pointless(&'static str),
}

/// Why a letter cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A template names what there is not.
    #[error("the template of a mail cannot be filled in")]
    Template(#[from] minijinja::Error),
    /// See [`StoreError`].
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct Template {
    subject: &'static str,
    body: &'static str,
}

const INVITATION: Template = Template {
    subject: include_str!("../../templates/mail/invitation/subject.txt"),
    body: include_str!("../../templates/mail/invitation/body.txt"),
};
const ACTIVATION: Template = Template {
    subject: include_str!("../../templates/mail/activation/subject.txt"),
    body: include_str!("../../templates/mail/activation/body.txt"),
};

const PASSWORD_RESET: Template = Template {
    subject: include_str!("../../templates/mail/password_reset/subject.txt"),
    body: include_str!("../../templates/mail/password_reset/body.txt"),
};
const PASSWORD_CHANGED: Template = Template {
    subject: include_str!("../../templates/mail/password_changed/subject.txt"),
    body: include_str!("../../templates/mail/password_changed/body.txt"),
};
const NEW_LINK_WANTED: Template = Template {
    subject: include_str!("../../templates/mail/new_link_wanted/subject.txt"),
    body: include_str!("../../templates/mail/new_link_wanted/body.txt"),
};

/// Writes the letter of `message` as of `now`.
pub fn compose(
    tx: &Tx<'_>,
    site: &Site,
    message: &Message,
    now: Timestamp,
) -> Result<Composed, ComposeError> {
    match message {
        Message::Invitation { enrollment, send_to } => {
            with_token(tx, site, *enrollment, send_to.as_deref(), &INVITATION, now)
        }
        Message::Activation { enrollment, send_to } => {
            with_token(tx, site, *enrollment, send_to.as_deref(), &ACTIVATION, now)
        }
        Message::Welcome { user } => welcome(tx, site, *user),
        Message::PasswordReset { reset } => password_reset(tx, site, *reset, now),
        Message::PasswordChanged { user } => {
            let Some((user, inviter)) = user_and_inviter(tx, site, *user)? else { return Ok(NOBODY) };
            letter(&user.email, &PASSWORD_CHANGED, &account_facts(site, &user, &inviter, []))
        }
        Message::NewLinkWanted { user } => {
            let Some((user, inviter)) = user_and_inviter(tx, site, *user)? else { return Ok(NOBODY) };
            letter(&inviter.email, &NEW_LINK_WANTED, &account_facts(site, &user, &inviter, []))
        }
        Message::Notice { subject, text } => Ok(Composed::Letter(Letter {
            to: site.config.contact.email.clone(),
            subject: one_line(subject),
            body: text.clone(),
        })),
    }
}

/// Most messages are about an account; a disabled one's user reads none.
const NOBODY: Composed = Composed::Pointless("there is no active user it could go to");

fn user_and_inviter(tx: &Tx<'_>, site: &Site, user: UserId) -> Result<Option<(User, Inviter)>, ComposeError> {
    let Some(user) = tx.user(user)?.filter(|user| user.disabled_at.is_none()) else { return Ok(None) };
    let issued_by = tx.last_enrollment(Subject::User(user.id))?.and_then(|enrollment| enrollment.issued_by);
    let inviter = Inviter::of(tx, site, issued_by)?;
    Ok(Some((user, inviter)))
}

fn letter(to: &str, template: &Template, facts: &Value) -> Result<Composed, ComposeError> {
    Ok(Composed::Letter(Letter {
        to: to.to_owned(),
        subject: one_line(&fill(template.subject, facts)?),
        body: fill(template.body, facts)?,
    }))
}

fn password_reset(tx: &Tx<'_>, site: &Site, id: ResetId, now: Timestamp) -> Result<Composed, ComposeError> {
    let Some(reset) = tx.reset(id)? else {
        return Ok(Composed::Pointless("its token was replaced or expired"));
    };
    if reset.deadline.is_some() || reset.is_used {
        return Ok(Composed::Pointless("its token was already used"));
    }
    if now.as_second() >= reset.expires_at {
        return Ok(Composed::Pointless("its token expired before it could be sent"));
    }
    let Some((user, inviter)) = user_and_inviter(tx, site, reset.user)? else { return Ok(NOBODY) };
    let token = token_of(site, id);
    let link = format!("{}password-reset?token={}", site.config.public_url, percent_encoded(token.expose()));
    let facts = [("reset_link", link), ("expires", shown_time(reset.expires_at))];
    letter(&user.email, &PASSWORD_RESET, &account_facts(site, &user, &inviter, facts))
}

fn account_facts<const N: usize>(
    site: &Site,
    user: &User,
    inviter: &Inviter,
    more: [(&str, String); N],
) -> Value {
    let minutes = site.config.enrollment.session_ttl.as_secs().div_ceil(60).to_string();
    let facts = [
        ("instance", site.config.instance_name.clone()),
        ("name", format!("{} {}", user.first_name, user.last_name)),
        ("first_name", user.first_name.clone()),
        ("username", user.username.clone()),
        ("email", user.email.clone()),
        ("session_minutes", minutes),
        ("contact", contact(inviter)),
    ];
    facts.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn contact(inviter: &Inviter) -> String {
    let phone = inviter.phone.as_ref().map(|phone| format!(", {phone}")).unwrap_or_default();
    format!("{}, {}{phone}", inviter.name(), inviter.email)
}

fn shown_time(second: i64) -> String {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The company's own text: Markdown is readable as it is.
fn welcome(tx: &Tx<'_>, site: &Site, user: UserId) -> Result<Composed, ComposeError> {
    let Some(user) = tx.user(user)?.filter(|user| user.disabled_at.is_none()) else {
        return Ok(Composed::Pointless("there is no active user it could go to"));
    };
    let issued_by = tx.last_enrollment(Subject::User(user.id))?.and_then(|enrollment| enrollment.issued_by);
    let greeted =
        Greeted { first_name: &user.first_name, last_name: &user.last_name, username: &user.username };
    let body = Inviter::of(tx, site, issued_by)?.onboarding_text(site, &greeted);
    let subject = one_line(&site.config.enrollment.welcome_subject);
    Ok(Composed::Letter(Letter { to: user.email, subject, body }))
}

fn with_token(
    tx: &Tx<'_>,
    site: &Site,
    id: EnrollmentId,
    send_to: Option<&str>,
    template: &Template,
    now: Timestamp,
) -> Result<Composed, ComposeError> {
    let Some(enrollment) = tx.enrollment(id)? else {
        return Ok(Composed::Pointless("its token was replaced or withdrawn"));
    };
    match enrollment.stage(now) {
        Stage::Unused(_) if now.as_second() < enrollment.expires_at => {}
        Stage::Unused(_) => return Ok(Composed::Pointless("its token expired before it could be sent")),
        Stage::Open(_) | Stage::Spent => return Ok(Composed::Pointless("its token was already used")),
    }
    let user = match enrollment.subject {
        Subject::User(user) => tx.user(user)?,
        Subject::Machine(_) => None,
    };
    let Some(user) = user.filter(|user| user.disabled_at.is_none()) else {
        return Ok(Composed::Pointless("there is no active user it could go to"));
    };
    let inviter = Inviter::of(tx, site, enrollment.issued_by)?;
    let token = site.token_key.derive(TokenKind::Enrollment, id.0, 0);
    let facts = facts(site, &user, &inviter, token.expose(), enrollment.expires_at);
    Ok(Composed::Letter(Letter {
        to: send_to.unwrap_or(&user.email).to_owned(),
        subject: one_line(&fill(template.subject, &facts)?),
        body: fill(template.body, &facts)?,
    }))
}

/// The variables of the templates.
fn facts(site: &Site, user: &User, inviter: &Inviter, token: &str, expires_at: i64) -> Value {
    let config = &site.config;
    let url = &config.public_url;
    let deep_link =
        format!("defguard://addinstance?token={}&url={}", percent_encoded(token), percent_encoded(url));
    Value::from_pairs([
        ("instance", config.instance_name.clone()),
        ("inviter", inviter.name()),
        ("first_name", user.first_name.clone()),
        ("username", user.username.clone()),
        ("url", url.clone()),
        ("token", token.to_owned()),
        ("web_link", format!("{url}?token={}", percent_encoded(token))),
        ("deep_link", deep_link),
        ("expires", shown_time(expires_at)),
        ("session_minutes", config.enrollment.session_ttl.as_secs().div_ceil(60).to_string()),
        ("contact", contact(inviter)),
    ])
}

/// The templates are ours and the letters plain text: nothing is escaped, and an unknown variable is an error.
fn fill(template: &str, facts: &Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // The template's last line break is not part of what is rendered.
    environment.render_str(template, facts.clone()).map(|text| text + "\n")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Everything but the unreserved characters of RFC 3986, section 2.3.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
