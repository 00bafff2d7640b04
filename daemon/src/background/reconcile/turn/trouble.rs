//! Logs what began to fail, fails in another way, or is well again; what goes on failing is logged once.

use crate::applied::Applied;
use crate::site::Site;

/// Logs how `after` differs from `before`.
pub(super) fn tell(site: &Site, before: &Applied, after: &Applied) {
    match (before.failing.join("; "), after.failing.join("; ")) {
        (was, error) if was == error => {}
        (_, error) if error.is_empty() => tracing::info!("the gateway is as it should be again"),
        (_, error) => tracing::error!(error, "the gateway is not as it should be; trying again"),
    }
    if let Some(weakness) = after.weakness.as_ref().filter(|_| before.weakness != after.weakness) {
        tracing::warn!("{}", weakness.text);
    }
    for (id, state) in &after.locations {
        let Some(name) = site.location(*id).map(|location| &location.config.name) else { continue };
        let was = before.locations.get(id).and_then(|state| state.failing.as_ref());
        match &state.failing {
            error if was == error.as_ref() => {}
            None => tracing::info!(location.name = name, "a location is as it should be again"),
            Some(error) => {
                tracing::error!(
                    location.name = name,
                    error,
                    "a location is not as it should be; trying again"
                );
            }
        }
    }
}
