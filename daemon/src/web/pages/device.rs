//! The fourth page: a device. A script makes the key pair in the browser and sends the public key only; without scripts one
//! brings a public key of one's own. What is registered can be seen again; a lost key is replaced.

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Serialize;

use super::device_parts::{ENROLLING, NewDevice, NewKey, PlaceState, Step as Parts, Typed, json};
use super::form::Form;
use super::frame::Frame;
use super::language::Key;
use super::places::{LeftOut, ShownPlace};
use super::step::{frame, path};
use super::trouble::{Trouble, page, refusal};
use super::visit::{Seat, Visit};
use super::{Pages, see_other};
use crate::config::DeviceStep;
use crate::flows::enroll::{self, EnrollError};
use crate::flows::wizard::{self, Progress};
use crate::rules::action::Action;
use crate::rules::links::deep_link;
use crate::rules::wizard::Step;
use crate::store::Revision;
use crate::store::device::Device;

/// Where the desktop client is to be had.
const CLIENT_DOWNLOAD: &str = "https://defguard.net/download/";

#[derive(Template)]
#[template(path = "pages/device.html")]
struct DevicePage {
    frame: Frame,
    step: Parts,
    may_skip: bool,
    client: Option<ShownLink>,
    left_out: Option<LeftOut>,
    /// Whether the desktop client registered a device.
    is_done: bool,
}

#[derive(Template)]
#[template(path = "pages/registered.html")]
struct RegisteredPage {
    frame: Frame,
    step: Parts,
    device: Device,
    places: Vec<ShownPlace>,
    /// What the address of a file begins with.
    files: &'static str,
    left_out: Option<LeftOut>,
}

/// What opens the desktop client.
pub(super) struct ShownLink {
    pub(super) deep_link: String,
    pub(super) url: String,
    pub(super) token: String,
    /// Where the client is to be had.
    pub(super) download: &'static str,
}

#[derive(Serialize)]
struct StateAnswer {
    seconds_left: i64,
    places: Vec<PlaceState>,
}

/// A form for a device, or the device that was registered.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let progress = match pages.at_step(&visit, Step::Device).await? {
        Ok(progress) => progress,
        Err(elsewhere) => return Ok(elsewhere),
    };
    if let Some(device) = progress.devices.last().cloned() {
        let places = pages.places(&device).await?;
        let left_out = pages.left_out(progress.user.id, visit.language).await?;
        return page(&RegisteredPage {
            left_out,
            frame: frame(&pages.app.site(), &visit, &progress, Step::Device, &pages),
            step: Parts::new(&ENROLLING, progress.user.first_name).of(device.id),
            device,
            places,
            files: "/enroll/device/",
        });
    }
    let left_out = pages.left_out(progress.user.id, visit.language).await?;
    page(&DevicePage { left_out, ..device_page(&pages, &visit, &progress, |step| step) })
}

/// Registers a device: JSON from the script, a form from who brings a key.
pub(super) async fn register(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    request: Request,
) -> Result<Response, Trouble> {
    if let Err(elsewhere) = pages.at_step(&visit, Step::Device).await? {
        return if visit.sends_json { Err(Trouble::NoSession) } else { Ok(elsewhere) };
    }
    if visit.sends_json {
        let new: NewDevice = json(request.into_body()).await?;
        let device = pages.register(&visit, &new.name, &new.pubkey).await??;
        return pages.answer(device).await;
    }
    let form = Form::read(request.into_body()).await?;
    let typed = Typed { name: form.get("name").to_owned(), public_key: form.get("pubkey").trim().to_owned() };
    match pages.register(&visit, &typed.name, &typed.public_key).await? {
        Ok(_) => Ok(see_other(path(Step::Device))),
        Err(error) => {
            let Some(why) = refusal(&error) else { return Err(error.into()) };
            let progress = pages.progress(&visit).await?;
            let left_out = pages.left_out(progress.user.id, visit.language).await?;
            let refused = |step: Parts| step.refused(typed, (why, &error), visit.language);
            let refused = device_page(&pages, &visit, &progress, refused);
            let shown = page(&DevicePage { left_out, ..refused })?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
    }
}

/// Gives the device another key, because the files with the first one were lost.
pub(super) async fn replace_key(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let new: NewKey = json(body).await?;
    let now = pages.app.now();
    let replaced = pages.change(&visit, move |tx, site, session| {
        enroll::replace_key(tx, site, session, new.device, &new.pubkey, now)
    });
    let replaced = replaced.await?;
    if let Err(refused) = &replaced {
        pages.tell_refused(&visit, Action::DeviceRekey, refused).await?;
    }
    let (device, revision) = replaced?;
    crate::web::live::until_live(&pages.app, device.id, revision).await;
    pages.answer(device).await
}

/// How far the newest device has come.
pub(super) async fn state(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let progress = pages.progress(&visit).await?;
    let places = match progress.devices.last() {
        Some(device) => pages.states(device).await?,
        None => Vec::new(),
    };
    let seconds_left = progress.session.deadline.saturating_sub(pages.app.now().as_second()).max(0);
    Ok(Json(StateAnswer { seconds_left, places }).into_response())
}

/// A configuration file with the placeholder, for who keeps the key elsewhere.
pub(super) async fn file(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    let progress = pages.progress(&visit).await?;
    pages.file_of(progress.devices.last().ok_or(Trouble::NotFound)?, &name).await
}

/// Goes on without a device, where that is allowed.
pub(super) async fn skip(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    if let Err(elsewhere) = pages.at_step(&visit, Step::Device).await? {
        return Ok(elsewhere);
    }
    let now = pages.app.now();
    let skipped = pages.change(&visit, move |tx, site, session| wizard::skip_device(tx, site, session, now));
    if skipped.await??.0 {
        Ok(see_other(path(Step::Done)))
    } else {
        Err(Trouble::Refused(StatusCode::FORBIDDEN, Key("refused-skip")))
    }
}

fn device_page(
    pages: &Pages,
    visit: &Visit,
    progress: &Progress,
    filled_in: impl FnOnce(Parts) -> Parts,
) -> DevicePage {
    let site = pages.app.site();
    DevicePage {
        frame: frame(&site, visit, progress, Step::Device, pages),
        step: filled_in(Parts::new(&ENROLLING, progress.user.first_name.clone())),
        may_skip: site.config.enrollment.device_step == DeviceStep::Optional,
        client: ShownLink::of(pages, progress),
        left_out: None,
        is_done: progress.elsewhere.is_some(),
    }
}

impl ShownLink {
    /// For a token that can be presented.
    pub(super) fn with(url: String, token: String) -> Self {
        Self { deep_link: deep_link(&url, &token), url, token, download: CLIENT_DOWNLOAD }
    }

    pub(super) fn of(pages: &Pages, progress: &Progress) -> Option<Self> {
        let url = pages.app.site().config.public_url.clone();
        let token = progress.client_token.as_ref()?.expose().to_owned();
        Some(Self::with(url, token))
    }
}

impl Pages {
    /// Registers a device and waits a moment for its peers.
    async fn register(
        &self,
        visit: &Visit,
        name: &str,
        key: &str,
    ) -> Result<Result<Device, EnrollError>, Trouble> {
        let (name, key, now) = (name.trim().to_owned(), key.to_owned(), self.app.now());
        let created = self.change(visit, move |tx, site, session| {
            wizard::register_device(tx, site, session, (&name, &key), now)
        });
        let created: Result<(Device, Revision), EnrollError> = created.await?;
        match created {
            Ok((device, revision)) => {
                crate::web::live::until_live(&self.app, device.id, revision).await;
                Ok(Ok(device))
            }
            Err(error) => {
                self.tell_refused(visit, Action::DeviceRegister, &error).await?;
                Ok(Err(error))
            }
        }
    }

    /// Tells the administrators that a visitor's device was refused.
    async fn tell_refused(&self, visit: &Visit, action: Action, why: &EnrollError) -> Result<(), Trouble> {
        if let Some(session) = visit.session(Seat::Enrollment, &self.app.site()) {
            crate::web::live::tell_exhausted(&self.app, session, why).await?;
            self.refusals.no_device(visit.client, action, session, why).await;
        }
        Ok(())
    }
}
