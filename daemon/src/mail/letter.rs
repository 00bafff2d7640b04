//! Writes the letter of a message: whom it goes to and its variables are looked up, tokens are derived, the texts are
//! filled in. A message that would help nobody any more is not sent.

use jiff::Timestamp;

use super::Letter;
use crate::flows::inviter::{Greeted, Inviter};
use crate::flows::issue::enrollment_token;
use crate::flows::password_reset::token_of;
use crate::markdown;
use crate::rules::enrollment::{Enrollment, Stage, Subject};
use crate::rules::ids::{EnrollmentId, ResetId, UserId};
use crate::rules::links::{deep_link, percent_encoded};
use crate::rules::message::{Kind, Message};
use crate::site::Site;
use crate::store::account::User;
use crate::store::{StoreError, Tx};
use crate::template::Values;
use crate::texts;

mod codes;
mod factor;

/// What becomes of a message at its delivery.
pub enum Composed {
    /// To be sent.
    Letter(Letter),
    /// It would help nobody any more, and why.
    Pointless(&'static str),
}

/// Whom a message goes to, with the variables of its texts.
struct Addressed {
    to: String,
    values: Values,
}

/// Writes the letter of `message` as of `now`.
pub fn compose(tx: &Tx<'_>, site: &Site, message: &Message, now: Timestamp) -> Result<Composed, StoreError> {
    Ok(match address(tx, site, message, now)? {
        Ok(addressed) => Composed::Letter(write(site, message.kind(), addressed.to, &addressed.values)),
        Err(reason) => Composed::Pointless(reason),
    })
}

/// Whom a message goes to, as far as that is still known.
pub fn addressee(tx: &Tx<'_>, site: &Site, message: &Message) -> Result<Option<String>, StoreError> {
    if let Message::Invitation { send_to: Some(to), .. } | Message::Activation { send_to: Some(to), .. } =
        message
    {
        return Ok(Some(to.clone()));
    }
    let user = match message {
        Message::Invitation { enrollment, .. }
        | Message::Activation { enrollment, .. }
        | Message::EnrollmentExpired { enrollment } => {
            match tx.enrollment(*enrollment)?.map(|found| found.subject) {
                Some(Subject::User(user)) => Some(user),
                Some(Subject::Machine(_)) | None => None,
            }
        }
        Message::PasswordForgotten { user, .. } => *user,
        Message::PasswordReset { reset } => tx.reset(*reset)?.map(|reset| reset.user),
        Message::ConnectCode { code } | Message::EmailCode { code } => {
            tx.mailed_code(*code)?.map(|code| code.user)
        }
        Message::LocationFull { .. } | Message::CertificateFailing { to: None, .. } => {
            return Ok(Some(site.config.contact.email.clone()));
        }
        Message::CertificateFailing { to: Some(user), .. }
        | Message::Welcome { user }
        | Message::PasswordChanged { user }
        | Message::Passkey { user, .. }
        | Message::DeviceAdded { user, .. }
        | Message::DeviceRekeyed { user, .. }
        | Message::DeviceRemoved { user, .. }
        | Message::EnrollmentFinished { user }
        | Message::DeviceAbandoned { user, .. }
        | Message::NewLinkWanted { user }
        | Message::SecondFactorSet { user, .. }
        | Message::SecondFactorRemoved { user, .. }
        | Message::RecoveryCodeUsed { user, .. } => Some(*user),
    };
    let Some(user) = user.map(|user| tx.user(user)).transpose()?.flatten() else { return Ok(None) };
    let inviter = is_for_inviter(message.kind()).then(|| inviter_of(tx, site, &user)).transpose()?;
    Ok(Some(inviter.map_or(user.email, |inviter| inviter.email)))
}

/// The letter a message would be, with made-up people.
pub fn preview(site: &Site, kind: Kind) -> Letter {
    let mut values = texts::sample(kind);
    values.extend(house(site));
    write(site, kind, "ann@example.com".to_owned(), &values)
}

/// The letter with which an administrator sees whether mail arrives.
pub fn test(tx: &Tx<'_>, site: &Site, to: &str) -> Result<Letter, StoreError> {
    let inviter = Inviter::of(tx, site, None)?;
    let mut values = texts::sample(Kind::Test);
    values.extend(house(site));
    values.extend(inviter.variables(site, &Greeted { first_name: "", last_name: "", username: "" }));
    Ok(write(site, Kind::Test, to.to_owned(), &values))
}

fn write(site: &Site, kind: Kind, to: String, values: &Values) -> Letter {
    let texts = &site.config.texts;
    let name = |file: &str| format!("{}/{file}", kind.name());
    let subject = texts.render(&name("subject.txt"), values).trim().to_owned();
    let (text, content) = if texts::is_markdown(kind) {
        let markdown = texts.render(&name("onboarding.md"), values);
        let accent = site.config.branding.accent.on_light_pages().colour.to_string();
        (markdown::to_text(&markdown), dressed(&markdown::to_html(&markdown), &accent))
    } else {
        let text = texts.render(&name("body.txt"), values);
        (format!("{}\n", text.trim_end()), texts.render(&name("body.html"), values))
    };
    let mut around = values.clone();
    around.insert("subject", subject.clone());
    let html = texts.lay_out(&content, &around);
    Letter { to, subject, text, html }
}

/// Mail programs have their own idea of headings and links, and only styles beside each element reach them all. The
/// sanitiser wrote these tags: they have no attributes of their own.
fn dressed(html: &str, accent: &str) -> String {
    let heading = "font-weight:600;margin";
    let link = format!("<a style=\"color:{accent}\" ");
    [
        ("<h1>", format!("<h1 style=\"font-size:22px;line-height:28px;{heading}:0 0 16px\">")),
        ("<h2>", format!("<h2 style=\"font-size:17px;line-height:24px;{heading}:28px 0 12px\">")),
        ("<h3>", format!("<h3 style=\"font-size:16px;line-height:24px;{heading}:24px 0 8px\">")),
        ("<p>", "<p style=\"margin:0 0 16px\">".to_owned()),
        ("<ul>", "<ul style=\"margin:0 0 16px;padding-left:24px\">".to_owned()),
        ("<ol>", "<ol style=\"margin:0 0 16px;padding-left:24px\">".to_owned()),
        ("<a ", link),
    ]
    .iter()
    .fold(html.to_owned(), |html, (tag, styled)| html.replace(tag, styled))
}

const NOBODY: &str = "there is no active user it could be about";

/// `Err`: why there is nothing to send.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each message")]
fn address(
    tx: &Tx<'_>,
    site: &Site,
    message: &Message,
    now: Timestamp,
) -> Result<Result<Addressed, &'static str>, StoreError> {
    let about = |user: UserId, more: Vec<(&'static str, String)>| {
        let Some(user) = active(tx, user)? else { return Ok(Err(NOBODY)) };
        let inviter = inviter_of(tx, site, &user)?;
        Ok(Ok(addressed(site, message.kind(), &user, &inviter, more)))
    };
    match message {
        Message::Invitation { enrollment, send_to } | Message::Activation { enrollment, send_to } => {
            let mut found = with_token(tx, site, message.kind(), *enrollment, now)?;
            if let (Ok(addressed), Some(to)) = (&mut found, send_to) {
                addressed.to.clone_from(to);
            }
            Ok(found)
        }
        Message::EnrollmentExpired { enrollment } => {
            let Some((user, found)) = enrollment_of(tx, *enrollment)? else { return Ok(Err(NOBODY)) };
            about(user.id, vec![("expires", shown_time(found.expires_at))])
        }
        Message::PasswordForgotten { .. } => Ok(Err("no link was issued for it")),
        Message::PasswordReset { reset } => password_reset(tx, site, *reset, now),
        Message::LocationFull { location } => {
            to_whom_it_concerns(tx, site, None, vec![("location", location.clone())])
        }
        Message::CertificateFailing { to, reason, not_after } => {
            to_whom_it_concerns(tx, site, *to, about_certificate(reason, *not_after))
        }
        Message::Passkey { user, passkey, .. } => about(*user, vec![("passkey", passkey.clone())]),
        Message::DeviceAdded { user, device }
        | Message::DeviceRekeyed { user, device }
        | Message::DeviceRemoved { user, device }
        | Message::DeviceAbandoned { user, device } => about(*user, vec![("device", device.clone())]),
        Message::Welcome { user }
        | Message::PasswordChanged { user }
        | Message::EnrollmentFinished { user } => about(*user, Vec::new()),
        Message::SecondFactorSet { user, .. }
        | Message::SecondFactorRemoved { user, .. }
        | Message::RecoveryCodeUsed { user, .. } => about(*user, factor::about_factor(message)),
        Message::ConnectCode { code } | Message::EmailCode { code } => codes::mailed(tx, site, *code, now),
        Message::NewLinkWanted { user } => {
            about(*user, vec![("command", command_for_another_link(tx, *user)?)])
        }
    }
}

fn about_certificate(reason: &str, not_after: Option<i64>) -> Vec<(&'static str, String)> {
    let expires = not_after.map(shown_time).unwrap_or_default();
    vec![("reason", reason.to_owned()), ("expires", expires)]
}

/// To an administrator, or to the contact.
fn to_whom_it_concerns(
    tx: &Tx<'_>,
    site: &Site,
    admin: Option<UserId>,
    more: Vec<(&'static str, String)>,
) -> Result<Result<Addressed, &'static str>, StoreError> {
    if let Some(admin) = admin
        && active(tx, admin)?.is_none_or(|user| !user.is_admin)
    {
        return Ok(Err("the one it was for is no administrator any more"));
    }
    let concerned = Inviter::of(tx, site, admin)?;
    let mut values = common(site, &concerned, &Greeted { first_name: "", last_name: "", username: "" });
    values.extend(more);
    Ok(Ok(Addressed { to: concerned.email, values }))
}

/// What gives this user another link.
fn command_for_another_link(tx: &Tx<'_>, user: UserId) -> Result<String, StoreError> {
    let Some(user) = tx.user(user)? else { return Ok(String::new()) };
    let command = if user.password_hash.is_some() { "activate-client" } else { "reinvite" };
    Ok(format!("postern user {command} {}", user.username))
}

/// Whether a message goes to who invited the user it is about.
fn is_for_inviter(kind: Kind) -> bool {
    match kind {
        Kind::EnrollmentFinished | Kind::EnrollmentExpired | Kind::DeviceAbandoned | Kind::NewLinkWanted => {
            true
        }
        Kind::Invitation
        | Kind::Activation
        | Kind::Welcome
        | Kind::PasswordReset
        | Kind::PasswordChanged
        | Kind::PasskeyAdded
        | Kind::PasskeyRemoved
        | Kind::PasskeyCopied
        | Kind::DeviceAdded
        | Kind::DeviceRekeyed
        | Kind::DeviceRemoved
        | Kind::LocationFull
        | Kind::CertificateFailing
        | Kind::ConnectCode
        | Kind::SecondFactorSet
        | Kind::SecondFactorRemoved
        | Kind::RecoveryCodeUsed
        | Kind::EmailCode
        | Kind::Test => false,
    }
}

fn active(tx: &Tx<'_>, user: UserId) -> Result<Option<User>, StoreError> {
    Ok(tx.user(user)?.filter(|user| user.disabled_at.is_none()))
}

fn inviter_of(tx: &Tx<'_>, site: &Site, user: &User) -> Result<Inviter, StoreError> {
    let newest = tx.last_enrollment(Subject::User(user.id))?;
    Inviter::of(tx, site, newest.and_then(|enrollment| enrollment.issued_by))
}

fn enrollment_of(tx: &Tx<'_>, id: EnrollmentId) -> Result<Option<(User, Enrollment)>, StoreError> {
    let Some(enrollment) = tx.enrollment(id)? else { return Ok(None) };
    match enrollment.subject {
        Subject::User(user) => Ok(active(tx, user)?.map(|user| (user, enrollment))),
        Subject::Machine(_) => Ok(None),
    }
}

fn with_token(
    tx: &Tx<'_>,
    site: &Site,
    kind: Kind,
    id: EnrollmentId,
    now: Timestamp,
) -> Result<Result<Addressed, &'static str>, StoreError> {
    let Some(enrollment) = tx.enrollment(id)? else { return Ok(Err("its token was replaced or withdrawn")) };
    match enrollment.stage(now) {
        Stage::Unused(_) if now.as_second() < enrollment.expires_at => {}
        Stage::Unused(_) => return Ok(Err("its token expired before it could be sent")),
        Stage::Open(_) | Stage::Spent => return Ok(Err("its token was already used")),
    }
    let Some((user, enrollment)) = enrollment_of(tx, id)? else { return Ok(Err(NOBODY)) };
    let inviter = Inviter::of(tx, site, enrollment.issued_by)?;
    let token = enrollment_token(site, id, enrollment.issued_at);
    let url = &site.config.public_url;
    let more = vec![
        ("web_link", format!("{url}?token={}", percent_encoded(token.expose()))),
        ("deep_link", deep_link(url, token.expose())),
        ("token", token.expose().to_owned()),
        ("expires", shown_time(enrollment.expires_at)),
        ("session_minutes", session_minutes(site)),
    ];
    Ok(Ok(addressed(site, kind, &user, &inviter, more)))
}

fn password_reset(
    tx: &Tx<'_>,
    site: &Site,
    id: ResetId,
    now: Timestamp,
) -> Result<Result<Addressed, &'static str>, StoreError> {
    let Some(reset) = tx.reset(id)? else { return Ok(Err("its token was replaced or withdrawn")) };
    if reset.deadline.is_some() || reset.is_used {
        return Ok(Err("its token was already used"));
    }
    if now.as_second() >= reset.expires_at {
        return Ok(Err("its token expired before it could be sent"));
    }
    let Some(user) = active(tx, reset.user)? else { return Ok(Err(NOBODY)) };
    let inviter = inviter_of(tx, site, &user)?;
    let token = percent_encoded(token_of(site, id, reset.issued_at).expose());
    let more = vec![
        ("reset_link", format!("{}password-reset?token={token}", site.config.public_url)),
        ("expires", shown_time(reset.expires_at)),
        ("session_minutes", session_minutes(site)),
    ];
    Ok(Ok(addressed(site, Kind::PasswordReset, &user, &inviter, more)))
}

fn addressed(
    site: &Site,
    kind: Kind,
    user: &User,
    inviter: &Inviter,
    more: Vec<(&'static str, String)>,
) -> Addressed {
    let greeted =
        Greeted { first_name: &user.first_name, last_name: &user.last_name, username: &user.username };
    let mut values = common(site, inviter, &greeted);
    values.insert("email", user.email.clone());
    values.extend(more);
    let to = if is_for_inviter(kind) { &inviter.email } else { &user.email };
    Addressed { to: to.clone(), values }
}

/// What every text may name.
fn common(site: &Site, inviter: &Inviter, greeted: &Greeted<'_>) -> Values {
    let mut values = house(site);
    values.extend(inviter.variables(site, greeted));
    values.insert("admin_name", inviter.name());
    values.insert("name", format!("{} {}", greeted.first_name, greeted.last_name).trim().to_owned());
    values
}

/// What the company and its installation are called, and how their mails look.
fn house(site: &Site) -> Values {
    let config = &site.config;
    let accent = config.branding.accent.on_light_pages();
    let button = format!(
        "display:inline-block;padding:12px 24px;border-radius:6px;background:{};color:{};font-weight:600;\
         text-decoration:none",
        accent.colour, accent.on
    );
    Values::from([
        ("company", config.branding.company.clone()),
        ("instance", config.instance_name.clone()),
        ("url", config.public_url.clone()),
        ("help_text", config.branding.help_text.clone()),
        ("accent", accent.colour.to_string()),
        ("button", button),
    ])
}

fn session_minutes(site: &Site) -> String {
    site.config.enrollment.session_ttl.as_secs().div_ceil(60).to_string()
}

fn shown_time(second: i64) -> String {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests;
