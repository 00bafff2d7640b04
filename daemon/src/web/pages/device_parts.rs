//! What the device step is made of, wherever somebody takes it: while enrolling, and on their own pages. A script makes the
//! key pair and sends JSON; who brings a key sends a form.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::Pages;
use super::frame::Frame;
use super::language::{Key, Language, Phrase};
use super::places::ShownPlace;
use super::trouble::Trouble;
use crate::flows::client_config::PLACEHOLDER_KEY;
use crate::flows::enroll::EnrollError;
use crate::rules::ids::DeviceId;
use crate::store::device::Device;

/// Where a page of the step, and its script, send things and lead to.
pub(super) struct Ways {
    /// Registers a device.
    pub(super) register: &'static str,
    /// Gives one another key.
    pub(super) new_key: &'static str,
    /// Tells how far one has come; the script puts its number in the place of `{device}`.
    pub(super) state: &'static str,
    /// Where one goes from here.
    pub(super) onward: &'static str,
    /// What the way there is called.
    pub(super) onward_called: Key,
    /// The same, where a configuration has to be saved before.
    pub(super) saved_called: Key,
}

/// The ways of whoever enrolls.
pub(super) const ENROLLING: Ways = Ways {
    register: "/enroll/device",
    new_key: "/enroll/device/key",
    state: "/enroll/device/state",
    onward: "/enroll/done",
    onward_called: Key("continue"),
    saved_called: Key("result-continue"),
};

/// The ways of whoever has signed in.
pub(super) const SIGNED_IN: Ways = Ways {
    register: "/me/devices/add",
    new_key: "/me/device/key",
    state: "/me/device/state?id={device}",
    onward: "/me",
    onward_called: Key("me-back"),
    saved_called: Key("result-back"),
};

/// What the pieces of the step's pages show.
pub(super) struct Step {
    pub(super) ways: &'static Ways,
    pub(super) first_name: String,
    /// Stands for the private key.
    pub(super) placeholder: &'static str,
    /// The device that the page is about, if there is one yet.
    pub(super) device: Option<DeviceId>,
    /// What somebody typed who brings a key.
    pub(super) typed: Typed,
    pub(super) name_error: Option<Phrase>,
    pub(super) key_error: Option<Phrase>,
}

/// What somebody typed who brings a key.
#[derive(Default)]
pub(super) struct Typed {
    pub(super) name: String,
    pub(super) public_key: String,
}

/// What the script sends of a new device.
#[derive(Deserialize)]
pub(super) struct NewDevice {
    pub(super) name: String,
    pub(super) pubkey: String,
}

/// What it sends of another key.
#[derive(Deserialize)]
pub(super) struct NewKey {
    pub(super) device: DeviceId,
    pub(super) pubkey: String,
}

#[derive(Serialize)]
struct DeviceAnswer {
    device: NamedDevice,
    places: Vec<ShownPlace>,
}

#[derive(Serialize)]
struct NamedDevice {
    id: DeviceId,
    name: String,
}

/// How far a device has come in one location.
#[derive(Serialize)]
pub(super) struct PlaceState {
    location: String,
    state: &'static str,
}

impl Step {
    pub(super) fn new(ways: &'static Ways, first_name: String) -> Self {
        Self {
            ways,
            first_name,
            placeholder: PLACEHOLDER_KEY,
            device: None,
            typed: Typed::default(),
            name_error: None,
            key_error: None,
        }
    }

    /// About a device that is there.
    #[must_use]
    pub(super) fn of(self, device: DeviceId) -> Self {
        Self { device: Some(device), ..self }
    }

    /// With what was typed, and why it is refused.
    #[must_use]
    pub(super) fn refused(self, typed: Typed, (why, error): (Key, &EnrollError), language: Language) -> Self {
        let is_about_key =
            matches!(error, EnrollError::Key(_) | EnrollError::LocationKey | EnrollError::KeyTaken);
        let said = Some(language.say(why));
        let (key_error, name_error) = if is_about_key { (said, None) } else { (None, said) };
        Self { typed, name_error, key_error, ..self }
    }

    /// What the way on is called.
    pub(super) fn onward_called(&self, frame: &Frame) -> Phrase {
        frame.say(self.ways.onward_called.0)
    }

    /// The same, where a configuration has to be saved before.
    pub(super) fn saved_called(&self, frame: &Frame) -> Phrase {
        frame.say(self.ways.saved_called.0)
    }
}

impl Pages {
    /// A device with its places, for the script.
    pub(super) async fn answer(&self, device: Device) -> Result<Response, Trouble> {
        let places = self.places(&device).await?;
        let device = NamedDevice { id: device.id, name: device.name };
        Ok(Json(DeviceAnswer { device, places }).into_response())
    }

    /// How far a device has come.
    pub(super) async fn states(&self, device: &Device) -> Result<Vec<PlaceState>, Trouble> {
        let places = self.places(device).await?;
        let state = |place: ShownPlace| PlaceState { location: place.location, state: place.state };
        Ok(places.into_iter().map(state).collect())
    }

    /// The configuration file of this name, with the placeholder, for who keeps the key elsewhere.
    pub(super) async fn file_of(&self, device: &Device, name: &str) -> Result<Response, Trouble> {
        let places = self.places(device).await?;
        let place = places.into_iter().find(|place| place.file_name == name).ok_or(Trouble::NotFound)?;
        let disposition = format!("attachment; filename=\"{}\"", place.file_name);
        let disposition = HeaderValue::from_str(&disposition).map_err(|_| Trouble::NotFound)?;
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], place.config)
            .into_response())
    }
}

/// What the script sent.
pub(super) async fn json<T: serde::de::DeserializeOwned>(body: Body) -> Result<T, Trouble> {
    let bytes = crate::web::bytes_of(body).await?;
    serde_json::from_slice(&bytes).map_err(|_| Trouble::Malformed)
}
