//! The link with which somebody who has signed in sets up a desktop client. It is asked for, and can be taken back.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;

use super::device::ShownLink;
use super::form::Form;
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::trouble::{Trouble, page};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::flows::own_client::{self, ClientLink, Mail};

#[derive(Template)]
#[template(path = "pages/me-client.html")]
struct ClientPage {
    frame: Frame,
    /// That nobody used yet.
    client: Option<ShownLink>,
    /// How long there is, for a link or for the client that started with it.
    left: Option<Phrase>,
    sends_mail: bool,
    email: String,
}

/// The link, if there is one.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    let (app, now, asked) = (pages.app.clone(), pages.app.now(), who.clone());
    let found = pages.app.store.read(move |tx| own_client::present(tx, &app.site(), &asked, now)).await?;
    let site = pages.app.site();
    let minutes = |until: i64| until.saturating_sub(now.as_second()).max(0).saturating_add(59) / 60;
    let say = |key| visit.language.say(key);
    let (client, left) = match found {
        Some(ClientLink::Unused { token, until }) => {
            let link = ShownLink::with(site.config.public_url.clone(), token.expose().to_owned());
            let left = match minutes(until) {
                // An administrator's.
                minutes if minutes >= 120 => say(Key("me-client-left-hours")).count("hours", minutes / 60),
                minutes => say(Key("me-client-left")).count("minutes", minutes),
            };
            (Some(link), Some(left))
        }
        Some(ClientLink::Started { until }) => {
            (None, Some(say(Key("me-client-started")).count("minutes", minutes(until))))
        }
        None => (None, None),
    };
    page(&ClientPage {
        frame: Frame::own(&site, &visit),
        client,
        left,
        sends_mail: site.config.mail.is_sent(),
        email: who.user.email,
    })
}

/// Makes one.
pub(super) async fn issue(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    pages.adds_own(&who)?;
    let mail = if Form::read(body).await?.get("mail").is_empty() { Mail::None } else { Mail::Sent };
    let issued =
        pages.change_own(&visit, move |tx, site, who, now| own_client::issue(tx, site, who, mail, now));
    issued.await??;
    Ok(see_other("/me/client"))
}

/// Takes it back.
pub(super) async fn withdraw(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    pages.signed_in(&visit).await?;
    pages.change_own(&visit, own_client::withdraw).await??;
    Ok(see_other("/me?done=withdrawn"))
}

/// Where a form was sent to, looked at again.
pub(super) async fn again() -> Response {
    see_other("/me/client")
}
