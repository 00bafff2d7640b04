//! Enrolling in the browser: where a session stands, and the steps that only the browser has. Everything a desktop
//! client does too is in [`crate::flows::enroll`].

use jiff::Timestamp;

use crate::config::DeviceStep;
use crate::flows::enroll::{self, EnrollError, Session};
use crate::flows::enroll_factor;
use crate::flows::inviter::{Greeted, Inviter};
use crate::flows::issue::{enrollment_token, issue_enrollment};
use crate::flows::welcome::welcome_when_done;
use crate::rules::enrollment::{Enrollment, EnrollmentKind, Stage, Subject};
use crate::rules::names;
use crate::rules::token::{Token, TokenHash};
use crate::rules::wizard::{Reached, Step};
use crate::site::Site;
use crate::store::account::User;
use crate::store::device::Device;
use crate::store::{StoreError, Tx};

/// Where a session stands.
pub struct Progress {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub user: User,
    /// Names of the groups they are in.
    pub groups: Vec<String>,
    /// Who helps.
    pub inviter: Inviter,
    /// The first step that is not done.
    pub next: Step,
    /// What the session registered, newest last.
    pub devices: Vec<Device>,
    /// What somebody new registered by another session: that of the desktop client, which they opened from here.
    pub elsewhere: Option<Device>,
    /// Opens a session in a desktop client, once there is a password.
    pub client_token: Option<Token>,
}

/// A browser that is to be known.
pub struct Browser {
    /// By which it is known from here on.
    pub token: TokenHash,
    /// By which it may have been known.
    pub former: Option<TokenHash>,
}

/// Where the session of a cookie stands.
pub fn progress(
    tx: &Tx<'_>,
    site: &Site,
    cookie: TokenHash,
    now: Timestamp,
) -> Result<Progress, EnrollError> {
    let session = enroll::session(tx, cookie, now)?;
    let user = session.person().ok_or(EnrollError::NotAPerson)?.clone();
    let inviter = Inviter::of(tx, site, session.enrollment.issued_by)?;
    let groups = tx.groups_of(user.id)?.into_iter().collect();
    let mut devices = Vec::new();
    for id in tx.devices_registered_in(session.id())? {
        devices.extend(tx.device(id)?);
    }
    let elsewhere = enrolled_elsewhere(tx, &session, &user)?;
    let reached = Reached {
        has_password: user.password_hash.is_some(),
        owes_factor: enroll_factor::owes(tx, site, &session)?,
        has_device: !devices.is_empty() || elsewhere.is_some(),
    };
    let next = Step::next(&session.enrollment, reached);
    let client_token = client_token(tx, site, &session, &user, now)?;
    Ok(Progress { session, user, groups, inviter, next, devices, elsewhere, client_token })
}

/// The person looked at their data; `phone` is as they left it.
pub fn review(tx: &Tx<'_>, session: &Session, phone: &str, now: Timestamp) -> Result<(), EnrollError> {
    let user = session.person().ok_or(EnrollError::NotAPerson)?;
    let phone = names::phone(phone)?;
    Ok(tx.review(session.id(), user.id, phone.as_deref(), now)?)
}

/// Sets the first password and issues a token for a desktop client, which the pages offer from here on. The browser is
/// known to the account from here on: whoever makes everybody else fail does not keep out its owner.
pub fn set_password(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    (password_hash, browser): (&str, &Browser),
    now: Timestamp,
) -> Result<(), EnrollError> {
    let user = enroll::may_activate(session)?;
    let phone = user.phone.clone().unwrap_or_default();
    let subject = Subject::User(user.id);
    enroll::activate(tx, site, session, password_hash, &phone, now)?;
    tx.know_browser(user.id, browser.former, browser.token, now)?;
    let (kind, issued_by) = (EnrollmentKind::Activation, session.enrollment.issued_by);
    issue_enrollment(tx, site, subject, kind, issued_by, site.config.enrollment.token_ttl, now)?;
    Ok(())
}

/// Registers a device. A key that this session registered is that device still: the answer was lost on the way, and the
/// page, which alone has the private key, asks again.
pub fn register_device(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    (name, key): (&str, &str),
    now: Timestamp,
) -> Result<Device, EnrollError> {
    // Only the command line client may leave it out.
    names::device_name(name)?;
    let known = key.parse().ok().map(|key| tx.device_by_key(key)).transpose()?.flatten();
    match known.filter(|known| known.registered_in == Some(session.id())) {
        Some(known) => Ok(known),
        None => enroll::create_device(tx, site, session, name, key, now).map(|created| created.device),
    }
}

/// The person goes without a device, where that is allowed. `false`: it is not.
pub fn skip_device(tx: &Tx<'_>, site: &Site, session: &Session, now: Timestamp) -> Result<bool, EnrollError> {
    let user = session.person().ok_or(EnrollError::NotAPerson)?;
    match site.config.enrollment.device_step {
        DeviceStep::Required => return Ok(false),
        DeviceStep::Optional => tx.skip_device(session.id(), now)?,
    }
    welcome_when_done(tx, site, user.id, now)?;
    Ok(true)
}

impl Progress {
    /// The company's onboarding text, Markdown.
    pub fn onboarding_text(&self, site: &Site) -> String {
        let greeted = Greeted {
            first_name: &self.user.first_name,
            last_name: &self.user.last_name,
            username: &self.user.username,
        };
        self.inviter.onboarding_text(site, &greeted)
    }

    /// Why the session's token was issued.
    pub fn kind(&self) -> EnrollmentKind {
        self.session.enrollment.kind
    }
}

/// See [`Progress::elsewhere`].
fn enrolled_elsewhere(tx: &Tx<'_>, session: &Session, user: &User) -> Result<Option<Device>, StoreError> {
    if session.enrollment.kind != EnrollmentKind::Enrollment {
        return Ok(None);
    }
    let is_elsewhere = |device: &Device| device.registered_in.is_some_and(|from| from != session.id());
    Ok(tx.devices_of(user.id)?.into_iter().rfind(is_elsewhere))
}

/// The session's own token if it may be presented again, else the newest one that nobody used.
fn client_token(
    tx: &Tx<'_>,
    site: &Site,
    session: &Session,
    user: &User,
    now: Timestamp,
) -> Result<Option<Token>, StoreError> {
    if user.password_hash.is_none() || session.enrollment.kind == EnrollmentKind::Activation {
        return Ok(Some(token_of(site, &session.enrollment)));
    }
    let newest = tx.last_enrollment(Subject::User(user.id))?.filter(|newest| {
        let is_unused = matches!(newest.stage(now), Stage::Unused(_)) && now.as_second() < newest.expires_at;
        is_unused && newest.kind == EnrollmentKind::Activation
    });
    Ok(newest.map(|newest| token_of(site, &newest)))
}

fn token_of(site: &Site, enrollment: &Enrollment) -> Token {
    enrollment_token(site, enrollment.id, enrollment.issued_at)
}
