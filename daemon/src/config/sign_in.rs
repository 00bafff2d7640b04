//! How long people stay signed in.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::problem::Problems;
use super::values;
use crate::rules::session::Timeouts;

/// The shortest time without use: the last use is known to the minute.
const SHORTEST_IDLE: Duration = Duration::from_mins(5);

/// The table `[sign_in]` as it is written. The defaults are those of NIST SP 800-63B-4, 2.2.3, for accounts of companies.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawSignIn {
    idle_timeout: String,
    absolute_timeout: String,
}

impl Default for RawSignIn {
    fn default() -> Self {
        Self { idle_timeout: "1h".to_owned(), absolute_timeout: "24h".to_owned() }
    }
}

pub(super) fn sign_in(raw: &RawSignIn, file: &Path, problems: &mut Problems) -> Timeouts {
    let mut time = |key: &str, text: &str| {
        values::duration(text).unwrap_or_else(|reason| {
            problems.add(file, key, reason);
            Duration::MAX
        })
    };
    let idle = time("sign_in.idle_timeout", &raw.idle_timeout);
    let absolute = time("sign_in.absolute_timeout", &raw.absolute_timeout);
    if idle < SHORTEST_IDLE {
        let reason = format!("{:?} is too short: 5m or more", raw.idle_timeout);
        problems.add(file, "sign_in.idle_timeout", reason);
    }
    if absolute < idle && idle != Duration::MAX {
        let reason = format!("{:?} is shorter than idle_timeout", raw.absolute_timeout);
        problems.add(file, "sign_in.absolute_timeout", reason);
    }
    Timeouts { idle, absolute }
}
