//! How long tokens and sessions last, and what enrolling takes.

use std::path::Path;

use serde::Deserialize;

use super::load::time;
use super::problem::Problems;
use super::{DeviceStep, Enrollment};

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawDeviceStep {
    Required,
    Optional,
}

/// The table `[enrollment]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawEnrollment {
    token_ttl: String,
    session_ttl: String,
    device_step: RawDeviceStep,
    devices_per_session: u32,
}

impl Default for RawEnrollment {
    fn default() -> Self {
        Self {
            token_ttl: "24h".to_owned(),
            session_ttl: "10m".to_owned(),
            device_step: RawDeviceStep::Required,
            devices_per_session: 3,
        }
    }
}

pub(super) fn enrollment(raw: &RawEnrollment, file: &Path, problems: &mut Problems) -> Enrollment {
    if raw.devices_per_session == 0 {
        problems.add(file, "enrollment.devices_per_session", "0 lets nobody register a device: 1 or more");
    }
    Enrollment {
        token_ttl: time("enrollment.token_ttl", &raw.token_ttl, file, problems),
        session_ttl: time("enrollment.session_ttl", &raw.session_ttl, file, problems),
        device_step: device_step(raw.device_step),
        devices_per_session: raw.devices_per_session,
    }
}

fn device_step(raw: RawDeviceStep) -> DeviceStep {
    match raw {
        RawDeviceStep::Required => DeviceStep::Required,
        RawDeviceStep::Optional => DeviceStep::Optional,
    }
}
