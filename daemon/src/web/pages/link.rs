//! The first page: who invites to what, and a button that starts. Links that are good for nothing any more say what to do
//! and whom to ask; one that never existed says nothing of anybody.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::device::ShownLink;
use super::form::{Form, asked};
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::trouble::{Trouble, page};
use super::visit::{Seat, Visit};
use super::{Pages, see_other, step};
use crate::flows::enroll::{self, EnrollError};
use crate::flows::link::{DeadLink, Death, Invitation, Link, look};
use crate::flows::new_link;
use crate::flows::wizard::progress;
use crate::rules::enrollment::EnrollmentKind;
use crate::rules::token::{Token, TokenHash};
use crate::rules::wizard::Step;
use crate::site::Site;
use crate::store::StoreError;
use crate::web::limit::Presented;

#[derive(Template)]
#[template(path = "pages/paste.html")]
struct PastePage {
    frame: Frame,
    help_text: String,
    /// Whether a forgotten password can be replaced: that takes a mail.
    sends_mail: bool,
}

#[derive(Template)]
#[template(path = "pages/invitation.html")]
struct InvitationPage {
    frame: Frame,
    first_name: String,
    invited_by: Phrase,
    /// Whether an account is set up, or only a device added.
    is_new: bool,
    /// Whether a second factor is set up on the way.
    wants_factor: bool,
    is_open: bool,
    minutes: i64,
    client: ShownLink,
}

#[derive(Template)]
#[template(path = "pages/machine.html")]
struct MachinePage {
    frame: Frame,
    name: String,
    url: String,
    token: String,
}

#[derive(Template)]
#[template(path = "pages/dead.html")]
struct DeadPage {
    frame: Frame,
    title: Phrase,
    text: Phrase,
    /// To ask for another link with; `None`: that would help nobody.
    token: Option<String>,
}

#[derive(Template)]
#[template(path = "pages/unknown.html")]
struct UnknownPage {
    frame: Frame,
    help_text: String,
}

#[derive(Template)]
#[template(path = "pages/asked.html")]
struct AskedPage {
    frame: Frame,
}

/// The page of a link, or a field to paste one into.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let token = asked(query.as_deref(), "token");
    match token.map(|token| pasted(&token)).filter(|token| !token.expose().is_empty()) {
        Some(token) => show_link(&pages, &visit, token).await,
        None => paste(&pages, &visit).await,
    }
}

async fn paste(pages: &Pages, visit: &Visit) -> Result<Response, Trouble> {
    let site = pages.app.site();
    if visit.session(Seat::Enrollment, &site).is_some()
        && let Ok(progress) = pages.progress(visit).await
    {
        return Ok(see_other(step::path(progress.next)));
    }
    if visit.here == "/" && visit.session(Seat::Account, &site).is_some() {
        return Ok(see_other("/me"));
    }
    let (help_text, sends_mail) = (site.config.branding.help_text.clone(), site.config.mail.is_sent());
    page(&PastePage { frame: Frame::new(&site, visit), help_text, sends_mail })
}

async fn show_link(pages: &Pages, visit: &Visit, token: Token) -> Result<Response, Trouble> {
    let admission = pages.admit(Presented::EnrollmentToken, token.hash(), visit).await?;
    let (app, now, hash) = (pages.app.clone(), pages.app.now(), token.hash());
    let cookie = visit.session(Seat::Enrollment, &app.site());
    let looked = pages.app.store.read(move |tx| {
        let site = app.site();
        let running = cookie.map(|cookie| progress(tx, &site, cookie, now)).and_then(Result::ok);
        let own = tx.enrollment_by_token(hash)?.map(|enrollment| enrollment.id);
        let running = running.filter(|running| own == Some(running.session.id()));
        Ok::<_, StoreError>((look(tx, &site, hash, now)?, running.map(|running| running.next)))
    });
    let (link, running) = looked.await?;
    if matches!(link, Link::Unknown) {
        admission.unknown();
    } else {
        admission.known();
    }
    match running {
        Some(next) => Ok(see_other(step::path(next))),
        None => shown(&pages.app.site(), visit, link, &token),
    }
}

fn shown(site: &Site, visit: &Visit, link: Link, token: &Token) -> Result<Response, Trouble> {
    let frame = Frame::new(site, visit);
    let token = token.expose().to_owned();
    let (status, shown) = match link {
        Link::Unknown => {
            let help_text = site.config.branding.help_text.clone();
            (StatusCode::NOT_FOUND, page(&UnknownPage { frame, help_text })?)
        }
        Link::Good(invitation) => (StatusCode::OK, page(&invitation_page(site, frame, invitation, token))?),
        Link::Machine { name, inviter } => {
            let (frame, url) = (frame.helped_by(inviter), site.config.public_url.clone());
            (StatusCode::OK, page(&MachinePage { frame, name, url, token })?)
        }
        Link::Dead(dead) => {
            let token = may_ask(site, &dead).then_some(token);
            (StatusCode::GONE, page(&dead_page(visit, frame, dead, token))?)
        }
    };
    Ok((status, shown).into_response())
}

fn invitation_page(site: &Site, frame: Frame, invitation: Invitation, token: String) -> InvitationPage {
    let inviter = invitation.inviter.name();
    let is_new = invitation.kind == EnrollmentKind::Enrollment;
    let invited_by = if is_new { frame.say("invitation-by") } else { frame.say("invitation-device-by") };
    let company = frame.company.clone();
    let url = site.config.public_url.clone();
    InvitationPage {
        frame: frame.helped_by(invitation.inviter),
        first_name: invitation.user.first_name,
        invited_by: invited_by.with("inviter", inviter).with("company", company),
        is_new,
        wants_factor: site.config.second_factor.is_required(),
        is_open: invitation.is_open,
        minutes: i64::try_from(site.config.enrollment.session_ttl.as_secs().div_ceil(60)).unwrap_or(i64::MAX),
        client: ShownLink::with(url, token),
    }
}

/// Whether asking for another link reaches somebody who could issue one.
fn may_ask(site: &Site, dead: &DeadLink) -> bool {
    site.config.mail.is_sent() && dead.why != Death::Disabled
}

fn dead_page(visit: &Visit, frame: Frame, dead: DeadLink, token: Option<String>) -> DeadPage {
    let (title, text) = match dead.why {
        Death::Expired => (Key("dead-expired"), Key("dead-expired-text")),
        Death::Used => (Key("dead-used"), Key("dead-used-text")),
        Death::Done => (Key("dead-done"), Key("dead-done-text")),
        Death::Withdrawn => (Key("dead-withdrawn"), Key("dead-withdrawn-text")),
        Death::Disabled => (Key("trouble-disabled"), Key("trouble-disabled-text")),
    };
    DeadPage {
        frame: frame.helped_by(dead.inviter),
        title: visit.language.say(title),
        text: visit.language.say(text),
        token,
    }
}

/// Starts the ten minutes, or joins them; the token leaves the address.
pub(super) async fn start(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let token = pasted(Form::read(body).await?.get("token"));
    let admission = pages.admit(Presented::EnrollmentToken, token.hash(), &visit).await?;
    let (session, session_hash) = pages.new_session();
    match open(&pages, &token, session_hash).await? {
        Ok((deadline, next)) => {
            admission.known();
            pages.limits.issued(session_hash, pages.app.now());
            let left = deadline.saturating_sub(pages.app.now().as_second());
            Ok(pages.seated(step::path(next), Seat::Enrollment, &session, left))
        }
        Err(link) => {
            if matches!(link, Link::Unknown) {
                admission.unknown();
            } else {
                admission.known();
            }
            pages.refusals.no_start(visit.client, token.hash()).await;
            shown(&pages.app.site(), &visit, link, &token)
        }
    }
}

/// The deadline of the session, or what the token is that opens none.
async fn open(
    pages: &Pages,
    token: &Token,
    session: TokenHash,
) -> Result<Result<(i64, Step), Link>, Trouble> {
    let (app, now, token) = (pages.app.clone(), pages.app.now(), Token::presented(token.expose()));
    let opened = pages.app.store.write(move |tx| {
        let site = app.site();
        let link = look(tx, &site, token.hash(), now)?;
        if !matches!(link, Link::Good(_)) {
            return Ok(Err(link));
        }
        let opened = enroll::open(tx, &site, &token, session, now);
        // Whoever comes back in another browser goes on where they stopped.
        match opened.and_then(|opened| Ok((opened.deadline, progress(tx, &site, session, now)?.next))) {
            Ok(opened) => Ok(Ok(opened)),
            Err(EnrollError::Store(error)) => Err(error),
            Err(_) => Ok(Err(link)),
        }
    });
    Ok(opened.await?.0)
}

/// Tells the administrator that somebody holds a link that is good for nothing any more.
pub(super) async fn ask_for_another(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let token = pasted(Form::read(body).await?.get("token"));
    let admission = pages.admit(Presented::EnrollmentToken, token.hash(), &visit).await?;
    let (app, now, hash) = (pages.app.clone(), pages.app.now(), token.hash());
    let link = pages.app.store.read(move |tx| look(tx, &app.site(), hash, now)).await?;
    if matches!(link, Link::Unknown) {
        admission.unknown();
        pages.refusals.no_start(visit.client, hash).await;
    } else {
        admission.known();
    }
    let site = pages.app.site();
    let Link::Dead(dead) = link else { return shown(&site, &visit, link, &token) };
    if !may_ask(&site, &dead) {
        return shown(&site, &visit, Link::Dead(dead), &token);
    }
    // Whoever asks again has asked: the administrator is not told again.
    if pages.limits.asks_for_link(dead.user, now) {
        let (app, user) = (pages.app.clone(), dead.user);
        let asked = pages.app.store.write(move |tx| new_link::ask(tx, &app.site(), user, now)).await;
        asked.inspect_err(|_| pages.limits.asked_in_vain(user))?;
    }
    page(&AskedPage { frame: Frame::new(&site, &visit).helped_by(dead.inviter) })
}

/// People paste the whole link where the token is asked for.
fn pasted(text: &str) -> Token {
    let token = text.rsplit_once("token=").map_or(text, |(_, rest)| rest.split('&').next().unwrap_or(rest));
    Token::presented(token)
}
