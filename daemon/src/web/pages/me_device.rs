//! One of one's own devices: another name for it, or none any more.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::form::{Form, asked};
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::trouble::{Trouble, page};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::flows::own_devices;
use crate::flows::refusal::Refusal;
use crate::flows::sign_in::SignedIn;
use crate::rules::ids::DeviceId;
use crate::store::device::Device;

/// How long to wait for the peers to be gone.
const GONE_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

#[derive(Template)]
#[template(path = "pages/me-device.html")]
struct DevicePage {
    frame: Frame,
    id: i64,
    /// As it is called.
    called: String,
    /// As typed.
    name: String,
    error: Option<Phrase>,
}

#[derive(Template)]
#[template(path = "pages/me-remove.html")]
struct RemovePage {
    frame: Frame,
    id: i64,
    name: String,
}

/// A field for the name.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    let Some(id) = asked_for(query.as_deref()) else { return Ok(see_other("/me")) };
    let device = pages.own_device(who, id).await?;
    let name = device.name.clone();
    page(&device_page(&pages, &visit, device, name, None))
}

/// Gives it another name.
pub(super) async fn rename(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    let form = Form::read(body).await?;
    let (id, name) = (device_id(form.get("device"))?, form.get("name").trim().to_owned());
    let typed = name.clone();
    let renamed =
        pages.change_own(&visit, move |tx, _, who, now| own_devices::rename(tx, who, id, &typed, now));
    match renamed.await? {
        Ok(_) => Ok(see_other("/me?done=renamed")),
        Err(refused) => {
            let why = name_refusal(&refused).ok_or(refused)?;
            let device = pages.own_device(who, id).await?;
            let shown = page(&device_page(&pages, &visit, device, name, Some(why)))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
    }
}

/// Asks whether it is meant.
pub(super) async fn ask_to_remove(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    let Some(id) = asked_for(query.as_deref()) else { return Ok(see_other("/me")) };
    let device = pages.own_device(who, id).await?;
    page(&RemovePage { frame: Frame::own(&pages.app.site(), &visit), id: id.0, name: device.name })
}

/// Removes it, and waits a moment until the gateway knows.
pub(super) async fn remove(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    pages.signed_in(&visit).await?;
    let id = device_id(Form::read(body).await?.get("device"))?;
    let removed = pages.change_own(&visit, move |tx, site, who, now| {
        own_devices::remove(tx, site, who, id, now)?;
        Ok(tx.touched_locations())
    });
    let (touched, revision) = removed.await??;
    let is_gone = pages.app.applied_on(&touched, revision, GONE_WITHIN).await;
    Ok(see_other(if is_gone { "/me?done=removed" } else { "/me?done=removing" }))
}

impl Pages {
    /// One of their devices.
    pub(super) async fn own_device(&self, who: SignedIn, id: DeviceId) -> Result<Device, Trouble> {
        Ok(self.app.store.read(move |tx| own_devices::find(tx, &who, id)).await?)
    }
}

/// The device that an address names.
pub(super) fn asked_for(query: Option<&str>) -> Option<DeviceId> {
    asked(query, "id").and_then(|number| number.parse().ok()).map(DeviceId)
}

/// The device that a form names.
pub(super) fn device_id(text: &str) -> Result<DeviceId, Trouble> {
    text.parse().map(DeviceId).map_err(|_| Trouble::Malformed)
}

/// What is wrong with a name, if it is the name.
fn name_refusal(refused: &Refusal) -> Option<Key> {
    if matches!(refused, Refusal::DeviceTaken(_)) {
        return Some(Key("refused-device-taken"));
    }
    matches!(refused, Refusal::Value { .. }).then_some(Key("refused-device-name"))
}

fn device_page(pages: &Pages, visit: &Visit, device: Device, name: String, error: Option<Key>) -> DevicePage {
    DevicePage {
        frame: Frame::own(&pages.app.site(), visit),
        id: device.id.0,
        called: device.name,
        name,
        error: error.map(|error| visit.language.say(error)),
    }
}
