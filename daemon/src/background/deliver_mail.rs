//! The mail loop: woken by commits and by the clock, it delivers what is due in the outbox and records the outcome.
//!
//! A message is recorded as delivered after it left, so a crash between the two repeats it and never loses it.
//! Without a configured transport messages wait.

use std::time::Duration;

use jiff::Timestamp;
use postern_gateway::chain;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::app::App;
use crate::mail::directory::{self, DeliveryError};
use crate::mail::letter::{ComposeError, Composed, compose};
use crate::site::Site;
use crate::store::outbox::Outgoing;
use crate::store::{StoreError, Tx};

/// How many messages one turn takes.
const AT_ONCE: u32 = 20;
/// The outbox is looked at this often even if nothing happened: a reload may have configured a transport.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The pause after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("the outbox holds a message this version does not know")]
    Unknown(#[from] serde_json::Error),
    #[error("the letter cannot be written")]
    Compose(#[from] ComposeError),
    #[error("the letter cannot be delivered")]
    Deliver(#[from] DeliveryError),
}

/// Runs until `shutdown` turns true; the turn under way is finished first.
pub async fn run(app: App, mut shutdown: watch::Receiver<bool>) {
    let mut mail = app.store.changes().mail();
    loop {
        mail.mark_unchanged();
        let wait = match turn(&app).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(error = chain(&error), "cannot read the outbox");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            _ = timeout(wait, mail.changed()) => {}
        }
    }
}

/// Delivers what is due; says how long there is nothing to do.
async fn turn(app: &App) -> Result<Duration, StoreError> {
    if app.site().config.mail.directory.is_none() {
        return Ok(LONGEST_WAIT);
    }
    let now = app.now();
    let due = app.store.read(move |tx| tx.due_mail(now, AT_ONCE)).await?;
    for mail in due {
        let shared = app.clone();
        app.store.write(move |tx| attempt(tx, &shared.site(), &mail, now)).await?;
    }
    let pause = move |tx: &Tx<'_>| {
        let next = tx.next_mail_at()?;
        Ok::<_, StoreError>(next.map_or(i64::MAX, |next| next.saturating_sub(now.as_second())))
    };
    let seconds = app.store.read(pause).await?;
    Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST_WAIT))
}

/// One attempt and its record, in one transaction: writing a file is quick, and nobody can use or withdraw the token
/// between the look at it and the delivery.
fn attempt(tx: &Tx<'_>, site: &Site, mail: &Outgoing, now: Timestamp) -> Result<(), StoreError> {
    match deliver(tx, site, mail, now) {
        Ok(None) => tx.mail_delivered(mail.id, now),
        Ok(Some(reason)) => {
            tracing::info!(mail.id = mail.id, reason, "mail not sent");
            tx.park_mail(mail.id, reason, now)
        }
        Err(error) => {
            let reason = chain(&error);
            tracing::warn!(mail.id = mail.id, error = reason, "mail not delivered");
            tx.mail_failed(mail, &reason, now)
        }
    }
}

/// `Some`: why there is nothing to deliver.
fn deliver(
    tx: &Tx<'_>,
    site: &Site,
    mail: &Outgoing,
    now: Timestamp,
) -> Result<Option<&'static str>, AttemptError> {
    let Some(dir) = &site.config.mail.directory else { return Ok(None) };
    let letter = match compose(tx, site, &mail.message()?, now)? {
        Composed::Letter(letter) => letter,
        Composed::Pointless(reason) => return Ok(Some(reason)),
    };
    let name = format!("{}-{}", mail.created_at, mail.id);
    directory::deliver(dir, &name, &site.config.mail.from, &letter, now)?;
    Ok(None)
}

#[cfg(test)]
mod tests;
