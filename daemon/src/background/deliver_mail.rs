//! The mail loop: woken by commits and by the clock, it delivers what is due in the outbox and records the outcome.
//!
//! Nothing is delivered inside a transaction: a letter is composed, leaves, and then its row is marked. A crash between
//! the last two repeats the mail, with the same identifier, and never loses it; there is one daemon on a database and
//! one loop in it, so nobody else takes the same row meanwhile. Without a configured transport messages wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use postern_gateway::chain;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::App;
use crate::config::Transport;
use crate::mail::Fault;
use crate::mail::courier::Courier;
use crate::mail::letter::{Composed, compose};
use crate::mail::mime::Origin;
use crate::store::outbox::{Blame, Outgoing};
use crate::store::{StoreError, Tx};

/// How many messages one turn takes.
const AT_ONCE: u32 = 100;
/// How many conversations with the mail server there are at a time.
const CONVERSATIONS: usize = 4;
/// The outbox is looked at this often even if nothing happened: a reload may have configured a transport.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The pause after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Runs until `shutdown` turns true; a mail that is being handed over then is finished first.
pub async fn run(app: App, mut shutdown: watch::Receiver<bool>) {
    let mut mail = app.store.changes().mail();
    loop {
        mail.mark_unchanged();
        let wait = match turn(&app, &shutdown).await {
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
async fn turn(app: &App, shutdown: &watch::Receiver<bool>) -> Result<Duration, StoreError> {
    let Some(transport) = app.site().config.mail.transport() else { return Ok(LONGEST_WAIT) };
    let now = app.now();
    let due = app.store.read(move |tx| tx.due_mail(now, AT_ONCE)).await?;
    let round = Round {
        app: app.clone(),
        transport,
        queue: Arc::new(Mutex::new(due.into())),
        shutdown: shutdown.clone(),
    };
    round.deliver().await?;
    let now = app.now();
    let pause = move |tx: &Tx<'_>| {
        let next = tx.next_mail_at()?;
        Ok::<_, StoreError>(next.map_or(i64::MAX, |next| next.saturating_sub(now.as_second())))
    };
    let seconds = app.store.read(pause).await?;
    Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST_WAIT))
}

/// What is due, and who takes from it. Clones share the queue.
#[derive(Clone)]
struct Round {
    app: App,
    transport: Transport,
    queue: Arc<Mutex<VecDeque<Outgoing>>>,
    shutdown: watch::Receiver<bool>,
}

impl Round {
    async fn deliver(self) -> Result<(), StoreError> {
        let waiting = self.queue.lock().unwrap_or_else(PoisonError::into_inner).len();
        let lanes = match &self.transport {
            Transport::Directory(_) => 1,
            Transport::Smtp(_) => CONVERSATIONS,
        };
        let mut tasks = JoinSet::new();
        for _ in 0..lanes.min(waiting) {
            tasks.spawn(self.clone().lane());
        }
        let mut outcome = Ok(());
        while let Some(ended) = tasks.join_next().await {
            let ended = ended.unwrap_or_else(|error| Err(StoreError::Panicked(error.to_string())));
            outcome = outcome.and(ended);
        }
        outcome
    }

    /// Takes one mail after the other. Once the server is the trouble, all that are left are put off together.
    async fn lane(self) -> Result<(), StoreError> {
        let mut courier = Courier::new(self.transport.clone());
        while let Some(mail) = self.next() {
            if let Some(error) = self.attempt(&mut courier, &mail).await? {
                let left = std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner));
                for mail in left {
                    self.failed(mail, Fault::Server, error.clone()).await?;
                }
            }
        }
        courier.close().await;
        Ok(())
    }

    fn next(&self) -> Option<Outgoing> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.shutdown.borrow() { None } else { queue.pop_front() }
    }

    /// One attempt and its record. `Some`: what is wrong with the server.
    async fn attempt(&self, courier: &mut Courier, mail: &Outgoing) -> Result<Option<String>, StoreError> {
        let (id, now, site) = (mail.id, self.app.now(), self.app.site());
        let message = match mail.message() {
            Ok(message) => message,
            Err(error) => {
                let reason = format!("this version does not know the message: {error}");
                self.app.store.write(move |tx| tx.mail_refused(id, &reason, now)).await?;
                return Ok(None);
            }
        };
        let kind = message.kind().name();
        let composing = {
            let site = site.clone();
            move |tx: &Tx<'_>| compose(tx, &site, &message, now)
        };
        let letter = match self.app.store.read(composing).await? {
            Composed::Letter(letter) => letter,
            Composed::Pointless(reason) => {
                tracing::info!(mail.id = id, mail.kind = kind, reason, "mail not sent");
                self.app.store.write(move |tx| tx.park_mail(id, reason, now)).await?;
                return Ok(None);
            }
        };
        let posted_at = Timestamp::from_second(mail.created_at).unwrap_or(now);
        let origin = Origin { from: &site.config.mail.from, row: id, posted_at, instance: site.instance };
        match courier.deliver(&letter, &origin).await {
            Ok(answer) => {
                tracing::info!(mail.id = id, mail.kind = kind, "mail sent");
                let now = self.app.now();
                self.app.store.write(move |tx| tx.mail_delivered(id, &answer, now)).await?;
                Ok(None)
            }
            Err(error) => {
                let (fault, reason) = (error.fault(), chain(&error));
                tracing::warn!(mail.id = id, mail.kind = kind, error = reason, "mail not delivered");
                self.failed(mail.clone(), fault, reason.clone()).await?;
                Ok((fault == Fault::Server).then_some(reason))
            }
        }
    }

    async fn failed(&self, mail: Outgoing, fault: Fault, reason: String) -> Result<(), StoreError> {
        let (now, [jitter, ..]) = (self.app.now(), self.app.random());
        let record = move |tx: &Tx<'_>| match fault {
            Fault::Refused => tx.mail_refused(mail.id, &reason, now),
            Fault::Mail => tx.mail_failed(&mail, Blame::Mail, &reason, jitter, now),
            Fault::Server => tx.mail_failed(&mail, Blame::Server, &reason, jitter, now),
        };
        self.app.store.write(record).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
