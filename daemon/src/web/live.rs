//! What every door does after a device was registered: wait a moment until the gateway has it, and write down where it has
//! not.

use std::time::Duration;

use crate::app::App;
use crate::flows::enroll::EnrollError;
use crate::flows::{enroll_audit, exhaustion};
use crate::rules::ids::DeviceId;
use crate::rules::token::TokenHash;
use crate::store::{Revision, StoreError, Tx};

/// How long a registration waits for its peers.
const LIVE_WITHIN: Duration = Duration::from_secs(2);

/// Tells the administrators that somebody was refused a device because every location is full.
pub(super) async fn tell_exhausted(
    app: &App,
    session: TokenHash,
    refused: &EnrollError,
) -> Result<(), StoreError> {
    let EnrollError::Exhausted(locations) = refused else { return Ok(()) };
    let (shared, locations, now) = (app.clone(), locations.clone(), app.now());
    let told = move |tx: &Tx<'_>| exhaustion::tell_refused(tx, &shared.site(), session, &locations, now);
    app.store.write(told).await?;
    Ok(())
}

/// The same of somebody who has signed in.
pub(super) async fn tell_exhausted_to(
    app: &App,
    name: &str,
    refused: &EnrollError,
) -> Result<(), StoreError> {
    let EnrollError::Exhausted(locations) = refused else { return Ok(()) };
    let (shared, name, locations, now) = (app.clone(), name.to_owned(), locations.clone(), app.now());
    let told = move |tx: &Tx<'_>| exhaustion::tell_refused_to(tx, &shared.site(), &name, &locations, now);
    app.store.write(told).await?;
    Ok(())
}

/// Waits for the peers of `device`, which `revision` committed.
pub(super) async fn until_live(app: &App, device: DeviceId, revision: Revision) {
    app.applied(revision, LIVE_WITHIN).await;
    if let Err(error) = tell_pending(app, device).await {
        // The device is registered; its owner must get its configuration all the same.
        tracing::error!(device.id = device.0, %error, "could not write down whether a device is pending");
    }
}

/// Writes down where a device is not live yet. Mostly it is everywhere, and then nothing is written.
async fn tell_pending(app: &App, device: DeviceId) -> Result<(), StoreError> {
    if !app.store.read(move |tx| enroll_audit::is_pending(tx, device)).await? {
        return Ok(());
    }
    let (shared, now) = (app.clone(), app.now());
    app.store.write(move |tx| enroll_audit::pending(tx, &shared.site(), device, now)).await?;
    Ok(())
}
