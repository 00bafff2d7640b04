//! The device step for who has signed in: another device, or another key for one there is. It is the step of enrolling, with
//! other ways in and out.

use askama::Template;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde_json::json as object;

use super::device_parts::{NewDevice, NewKey, SIGNED_IN, Step, Typed, json};
use super::form::{Form, asked};
use super::frame::Frame;
use super::me_device::{asked_for, device_id};
use super::places::{LeftOut, ShownPlace};
use super::trouble::{Trouble, page, refusal};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::flows::device_limit::beyond_limit;
use crate::flows::enroll::EnrollError;
use crate::flows::own_devices;
use crate::flows::sign_in::SignedIn;
use crate::rules::action::Action;
use crate::rules::ids::DeviceId;
use crate::store::Revision;
use crate::store::device::Device;
use crate::web::{live, seconds_of};

#[derive(Template)]
#[template(path = "pages/me-add.html")]
struct AddPage {
    frame: Frame,
    step: Step,
    /// Whether there are as many devices as there may be.
    is_full: bool,
    left_out: Option<LeftOut>,
}

#[derive(Template)]
#[template(path = "pages/me-files.html")]
struct FilesPage {
    frame: Frame,
    step: Step,
    device: Device,
    places: Vec<ShownPlace>,
    /// What the address of a file begins with.
    files: String,
    left_out: Option<LeftOut>,
}

/// A form for a device.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    page(&pages.add_page(&visit, who, |step| step).await?)
}

/// Registers one: JSON from the script, a form from who brings a key.
pub(super) async fn register(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    request: Request,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    if visit.sends_json {
        let new: NewDevice = json(request.into_body()).await?;
        let device = pages.add(&visit, &who, new.name, new.pubkey).await??;
        return pages.answer(device).await;
    }
    let form = Form::read(request.into_body()).await?;
    let typed = Typed { name: form.get("name").to_owned(), public_key: form.get("pubkey").trim().to_owned() };
    match pages.add(&visit, &who, typed.name.clone(), typed.public_key.clone()).await? {
        Ok(device) => Ok(see_files(device.id)),
        Err(error) => {
            let Some(why) = refusal(&error) else { return Err(error.into()) };
            let refused = |step: Step| step.refused(typed, (why, &error), visit.language);
            let shown = page(&pages.add_page(&visit, who, refused).await?)?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
    }
}

/// The files of a device, for who has its key, and the way to another key.
pub(super) async fn files(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    let Some(id) = asked_for(query.as_deref()) else { return Ok(see_other("/me")) };
    let device = pages.own_device(who.clone(), id).await?;
    page(&pages.files_page(&visit, who, device, |step| step).await?)
}

/// Gives a device another key.
pub(super) async fn renew_key(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    request: Request,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    if visit.sends_json {
        let new: NewKey = json(request.into_body()).await?;
        let device = pages.renew(&visit, &who, new.device, new.pubkey).await??;
        return pages.answer(device).await;
    }
    let form = Form::read(request.into_body()).await?;
    let (id, public_key) = (device_id(form.get("device"))?, form.get("pubkey").trim().to_owned());
    match pages.renew(&visit, &who, id, public_key.clone()).await? {
        Ok(device) => Ok(see_files(device.id)),
        Err(error) => {
            let Some(why) = refusal(&error) else { return Err(error.into()) };
            let device = pages.own_device(who.clone(), id).await?;
            let typed = Typed { name: String::new(), public_key };
            let refused = |step: Step| step.refused(typed, (why, &error), visit.language);
            let shown = page(&pages.files_page(&visit, who, device, refused).await?)?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
    }
}

/// How far a device has come. A page left open asks again and again: that is no use of the session.
pub(super) async fn state(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.looks(&visit).await?;
    let device = pages.own_device(who, asked_for(query.as_deref()).ok_or(Trouble::NotFound)?).await?;
    Ok(Json(object!({ "places": pages.states(&device).await? })).into_response())
}

/// One of its files.
pub(super) async fn file(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    let device = pages.own_device(who, asked_for(query.as_deref()).ok_or(Trouble::NotFound)?).await?;
    pages.file_of(&device, &asked(query.as_deref(), "name").ok_or(Trouble::NotFound)?).await
}

impl Pages {
    /// Takes one of what somebody may add in a time.
    pub(super) fn adds_own(&self, who: &SignedIn) -> Result<(), Trouble> {
        self.limits.adds_own(who.user.id, self.app.now()).map_err(|wait| Trouble::TooMany(seconds_of(wait)))
    }

    async fn add(
        &self,
        visit: &Visit,
        who: &SignedIn,
        name: String,
        key: String,
    ) -> Result<Result<Device, EnrollError>, Trouble> {
        self.adds_own(who)?;
        let added = self.change_own_or(visit, move |tx, site, who, now| {
            own_devices::add(tx, site, who, (&name, &key), now)
        });
        self.told(visit, who, Action::DeviceRegister, added.await?).await
    }

    async fn renew(
        &self,
        visit: &Visit,
        who: &SignedIn,
        id: DeviceId,
        key: String,
    ) -> Result<Result<Device, EnrollError>, Trouble> {
        self.adds_own(who)?;
        let renewed = self.change_own_or(visit, move |tx, site, who, now| {
            own_devices::renew_key(tx, site, who, (id, &key), now)
        });
        self.told(visit, who, Action::DeviceRekey, renewed.await?).await
    }

    /// Waits a moment for the peers of what was done, or tells the administrators of what was not.
    async fn told(
        &self,
        visit: &Visit,
        who: &SignedIn,
        action: Action,
        done: Result<(Device, Revision), EnrollError>,
    ) -> Result<Result<Device, EnrollError>, Trouble> {
        match done {
            Ok((device, revision)) => {
                live::until_live(&self.app, device.id, revision).await;
                Ok(Ok(device))
            }
            Err(error) => {
                self.limits.added_nothing(who.user.id);
                let name = &who.user.username;
                live::tell_exhausted_to(&self.app, name, &error).await?;
                self.refusals.no_own_device(visit.client, action, name, &error).await;
                Ok(Err(error))
            }
        }
    }

    async fn add_page(
        &self,
        visit: &Visit,
        who: SignedIn,
        filled_in: impl FnOnce(Step) -> Step,
    ) -> Result<AddPage, Trouble> {
        let (app, user) = (self.app.clone(), who.user.id);
        let beyond = self.app.store.read(move |tx| beyond_limit(tx, &app.site(), user)).await?;
        Ok(AddPage {
            left_out: self.left_out(user, visit.language).await?,
            frame: Frame::own(&self.app.site(), visit),
            step: filled_in(Step::new(&SIGNED_IN, who.user.first_name)),
            is_full: beyond.is_some(),
        })
    }

    async fn files_page(
        &self,
        visit: &Visit,
        who: SignedIn,
        device: Device,
        filled_in: impl FnOnce(Step) -> Step,
    ) -> Result<FilesPage, Trouble> {
        Ok(FilesPage {
            left_out: self.left_out(who.user.id, visit.language).await?,
            frame: Frame::own(&self.app.site(), visit),
            step: filled_in(Step::new(&SIGNED_IN, who.user.first_name).of(device.id)),
            places: self.places(&device).await?,
            files: format!("/me/device/file?id={}&name=", device.id),
            device,
        })
    }
}

fn see_files(device: DeviceId) -> Response {
    let mut answer = see_other("/me");
    if let Ok(to) = HeaderValue::try_from(format!("/me/device/files?id={device}")) {
        answer.headers_mut().insert(header::LOCATION, to);
    }
    answer
}
