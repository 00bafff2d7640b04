//! The last page: the company's welcome, and where to go from here.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::Pages;
use super::device::ShownLink;
use super::frame::Frame;
use super::step::frame;
use super::trouble::{Trouble, page};
use super::visit::Visit;
use crate::config::Link;
use crate::flows::inviter::Inviter;
use crate::flows::wizard::Progress;
use crate::markdown::to_html_below_a_heading;
use crate::rules::wizard::Step;
use crate::site::Site;

#[derive(Template)]
#[template(path = "pages/done.html")]
struct DonePage {
    frame: Frame,
    /// Sanitised HTML; empty: the company wrote none.
    welcome: String,
    device: Option<String>,
    /// Whether this browser has its key and files.
    is_from_here: bool,
    username: String,
    links: Vec<Link>,
    client: Option<ShownLink>,
}

/// Shows it once nothing is left to do.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let progress = match pages.at_step(&visit, Step::Done).await? {
        Ok(progress) => progress,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let site = pages.app.site();
    page(&DonePage {
        frame: frame(&site, &visit, &progress, Step::Done, &pages),
        welcome: own_welcome(&site, &progress),
        is_from_here: !progress.devices.is_empty(),
        device: progress.devices.last().or(progress.elsewhere.as_ref()).map(|device| device.name.clone()),
        client: ShownLink::of(&pages, &progress),
        username: progress.user.username,
        links: site.config.branding.links.clone(),
    })
}

/// What the company wrote; the shipped text is for clients: in a browser the page says the same, in the reader's language.
fn own_welcome(site: &Site, progress: &Progress) -> String {
    if !Inviter::has_own_text(site) {
        return String::new();
    }
    to_html_below_a_heading(&progress.onboarding_text(site))
}
