//! The applications that are one's own to open, and what one agreed that they know.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use jiff::Timestamp;

use super::form::{Form, asked};
use super::frame::Frame;
use super::language::{Key, Language, Phrase};
use super::me::ago;
use super::openid::meaning;
use super::trouble::{Trouble, page};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::flows::own_apps::{self, OwnApp};
use crate::rules::ids::AppId;

#[derive(Template)]
#[template(path = "pages/me-apps.html")]
struct AppsPage {
    frame: Frame,
    /// What was just done.
    notice: Option<Phrase>,
    apps: Vec<ShownApp>,
}

struct ShownApp {
    id: i64,
    name: String,
    url: Option<String>,
    is_permitted: bool,
    knows: Vec<Phrase>,
    /// How long ago they allowed that.
    allowed: Phrase,
    /// Whether there is something to take back.
    can_end: bool,
}

/// All of them.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    let (own, now) = (pages.app.store.read(move |tx| own_apps::list(tx, &who)).await?, pages.app.now());
    let is_done = asked(query.as_deref(), "done").is_some_and(|done| done == "withdrawn");
    page(&AppsPage {
        frame: Frame::own(&pages.app.site(), &visit),
        notice: is_done.then(|| visit.language.say(Key("notice-app-withdrawn"))),
        apps: own.into_iter().map(|app| shown(app, visit.language, now)).collect(),
    })
}

/// Takes back what one of them was allowed.
pub(super) async fn withdraw(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    pages.signed_in(&visit).await?;
    let app = Form::read(body).await?.get("app").parse().map(AppId).map_err(|_| Trouble::Malformed)?;
    pages.change_own(&visit, move |tx, _, who, now| own_apps::withdraw(tx, who, app, now)).await??;
    Ok(see_other("/me/apps?done=withdrawn"))
}

fn shown(own: OwnApp, language: Language, now: Timestamp) -> ShownApp {
    let knows: Vec<Phrase> = own.agreed.iter().map(|scope| language.say(meaning(scope))).collect();
    ShownApp {
        id: own.app.id.0,
        name: own.app.name,
        url: own.app.url,
        is_permitted: own.is_permitted,
        allowed: ago(own.agreed_at, language, now),
        can_end: own.is_offline || !knows.is_empty(),
        knows,
    }
}
