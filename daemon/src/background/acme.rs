//! The certificate of an authority that speaks ACME: asked for, kept, presented, and replaced in good time. It never asks
//! in a tight loop: after a failure it waits ever longer, unless an administrator reloads.
//!
//! Until the first certificate is there nobody can come in over https; tunnels do not care.

mod kept;
mod order;
mod pace;

use std::time::Duration;

use postern_gateway::chain;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::kept::Kept;
use self::order::AcmeError;
use self::pace::{Failures, Way};
use crate::app::App;
use crate::config::{Acme, Tls};
use crate::flows::certificate_trouble;
use crate::store::StoreError;
use crate::tls::pair::Pair;
use crate::tls::presented::Trouble;

/// However slow an authority is, an attempt ends.
const ATTEMPT_WITHIN: Duration = Duration::from_mins(5);
/// Never slept longer in one go: clocks are set, machines sleep.
const LONGEST_NAP: Duration = Duration::from_mins(10);

/// Presents the certificate that was kept, if there is one.
pub fn present(app: &App) {
    let Some(acme) = settings(app) else { return };
    match kept(app).pair() {
        Ok(Some(pair)) if pair.certificate.covers(&acme.host) => {
            tracing::info!(not_after = %pair.certificate.not_after, "presenting the certificate obtained before");
            app.presented.present(pair);
        }
        Ok(Some(_) | None) => tracing::info!(host = acme.host, "there is no certificate yet: asking for one"),
        Err(error) => {
            tracing::error!(
                error = chain(&error),
                "the certificate obtained before cannot be used: asking for another"
            );
        }
    }
}

/// Asks for certificates until `stop`.
pub async fn run(app: App, mut stop: watch::Receiver<bool>) {
    let mut failures = Failures::default();
    let share = app.random().first().copied().unwrap_or_default();
    loop {
        let Some(acme) = settings(&app) else { return };
        let present = app.presented.certificate().filter(|found| found.covers(&acme.host));
        let due = failures.due(present.as_ref(), share);
        let now = app.now();
        if due <= now {
            attempt(&app, &acme, &mut failures).await;
            continue;
        }
        let nap = Duration::try_from(due.duration_since(now)).unwrap_or_default().min(LONGEST_NAP);
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(nap) => {}
            () = app.presented.asked_to_try() => failures.try_soon(app.now()),
        }
    }
}

async fn attempt(app: &App, acme: &Acme, failures: &mut Failures) {
    let has_redirect = !app.site().config.http.redirect_listen.is_empty();
    let way = failures.way(has_redirect);
    tracing::info!(host = acme.host, directory = acme.directory, ?way, "asking for a certificate");
    match obtain(app, acme, way).await {
        Ok(pair) => {
            tracing::info!(not_after = %pair.certificate.not_after, "obtained a certificate");
            failures.end(app.now(), &pair.certificate);
            app.presented.present(pair);
        }
        Err(error) => failed(app, failures, &chain(&error)).await,
    }
    app.presented.prove(None);
}

async fn obtain(app: &App, acme: &Acme, way: Way) -> Result<Pair, AcmeError> {
    let kept = kept(app);
    let obtained = timeout(ATTEMPT_WITHIN, order::obtain(acme, way, &kept, &app.presented)).await;
    let (chain_pem, key_pem) = obtained.map_err(|_| AcmeError::TooSlow(ATTEMPT_WITHIN))??;
    Ok(kept.keep_pair(&chain_pem, &key_pem)?)
}

async fn failed(app: &App, failures: &mut Failures, reason: &str) {
    let now = app.now();
    failures.add(now, app.random().first().copied().unwrap_or_default());
    tracing::error!(error = reason, again_at = %failures.not_before(), "no certificate was obtained");
    app.presented.keep_for(Trouble { at: now, reason: reason.to_owned() });
    let not_after = app.presented.certificate().map(|certificate| certificate.not_after);
    if !failures.matter(not_after, now) {
        return;
    }
    let (site, reason) = (app.site(), reason.to_owned());
    let told = app.store.write(move |tx| certificate_trouble::tell(tx, &site, &reason, not_after, now)).await;
    if let Err(error) = told.map(drop).map_err(|error: StoreError| error) {
        tracing::error!(error = chain(&error), "could not tell that there is no certificate");
    }
}

fn settings(app: &App) -> Option<Acme> {
    match &app.site().config.http.tls {
        Tls::Acme(acme) => Some(acme.clone()),
        Tls::Proxy | Tls::Files(_) => None,
    }
}

fn kept(app: &App) -> Kept {
    Kept::below(&app.site().config.state_dir)
}
