//! The mail loop: woken by commits and by the clock, it delivers what is due in the outbox and records the outcome.
//!
//! Nothing is delivered inside a transaction: a letter is composed, leaves, and then its row is marked. A crash between
//! the last two repeats the mail, with the same identifier, and never loses it; there is one daemon on a database and
//! one loop in it, so nobody else takes the same row meanwhile. While the database takes no records nothing more is
//! sent. Without a configured transport messages wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use postern_gateway::chain;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::app::App;
use crate::config::Transport;
use crate::flows::password_reset;
use crate::mail::Fault;
use crate::mail::courier::{Courier, DeliveryError};
use crate::mail::letter::{Composed, compose};
use crate::mail::mime::Origin;
use crate::pulse::Pulse;
use crate::rules::message::Message;
use crate::store::outbox::{Blame, Outgoing};
use crate::store::{StoreError, Tx, asked_from};

/// How many messages one turn takes.
const AT_ONCE: u32 = 100;
/// How many conversations with the mail server there are at a time.
const CONVERSATIONS: usize = 4;
/// The outbox is looked at this often even if nothing happened: a reload may have configured a transport.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The pause after the database failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Runs until `shutdown` turns true; a mail that is being handed over then is finished first.
pub async fn run(app: App, mut pulse: Pulse, mut shutdown: watch::Receiver<bool>) {
    let mut mail = app.store.changes().mail();
    let unrecorded = Unrecorded::default();
    loop {
        mail.mark_unchanged();
        let wait = match turn(&app, &pulse, &unrecorded, &shutdown).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "cannot work on the outbox: no mail is sent until that is over"
                );
                AFTER_FAILURE
            }
        };
        let work = async {
            tokio::select! {
                _ = shutdown.wait_for(|stop| *stop) => true,
                _ = timeout(wait, mail.changed()) => false,
            }
        };
        if pulse.while_waiting(work).await {
            return;
        }
    }
}

/// Delivers what is due; says how long there is nothing to do.
async fn turn(
    app: &App,
    pulse: &Pulse,
    unrecorded: &Unrecorded,
    shutdown: &watch::Receiver<bool>,
) -> Result<Duration, StoreError> {
    unrecorded.make_up(app).await?;
    let Some(transport) = app.site().config.mail.transport() else { return Ok(LONGEST_WAIT) };
    let now = app.now();
    // What is granted leaves room for more; only a list without a wish is delivered.
    let due = loop {
        let due = app.store.read(move |tx| tx.due_mail(now, AT_ONCE)).await?;
        if !grant(app, &due, now).await? {
            break due;
        }
    };
    let round = Round {
        app: app.clone(),
        pulse: pulse.clone(),
        transport,
        queue: Arc::new(Mutex::new(due.into())),
        unrecorded: unrecorded.clone(),
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

/// Makes mails, or nothing, of what people wrote who forgot their passwords; says whether anybody did.
async fn grant(app: &App, due: &[Outgoing], now: Timestamp) -> Result<bool, StoreError> {
    let forgotten = due.iter().filter_map(|mail| match mail.message() {
        Ok(Message::PasswordForgotten { user, source }) => Some((mail.id, user, source)),
        Ok(_) | Err(_) => None,
    });
    let forgotten: Vec<_> = forgotten.collect();
    if forgotten.is_empty() {
        return Ok(false);
    }
    for (mail, user, source) in forgotten {
        let shared = app.clone();
        let granted =
            app.store.write(move |tx| password_reset::grant(tx, &shared.site(), mail, user, now).map(drop));
        match source {
            Some(source) => asked_from(source, granted).await?,
            None => granted.await?,
        };
    }
    Ok(true)
}

/// What became of an attempt.
#[derive(Clone)]
enum Outcome {
    /// The mail is out of our hands, and with which word it was taken.
    Delivered(String),
    /// There is no other attempt, and why.
    Refused(String),
    /// It would help nobody any more, and why.
    Pointless(&'static str),
    /// There will be another attempt.
    Failed { blame: Blame, reason: String, jitter: u8 },
}

impl Outcome {
    fn record(&self, tx: &Tx<'_>, mail: &Outgoing, now: Timestamp) -> Result<(), StoreError> {
        match self {
            Self::Delivered(answer) => tx.mail_delivered(mail.id, answer, now),
            Self::Refused(reason) => tx.mail_refused(mail.id, reason, now),
            Self::Pointless(reason) => tx.park_mail(mail.id, reason, now),
            Self::Failed { blame, reason, jitter } => tx.mail_failed(mail, *blame, reason, *jitter, now),
        }
    }
}

/// Outcomes that the database did not take, for example because the disk was full: made up for before anything else is
/// sent, or a mail that was delivered would be delivered again and again. Clones share them.
#[derive(Clone, Default)]
struct Unrecorded(Arc<Mutex<VecDeque<(Outgoing, Outcome, Timestamp)>>>);

impl Unrecorded {
    async fn make_up(&self, app: &App) -> Result<(), StoreError> {
        while let Some((mail, outcome, at)) = self.first() {
            app.store.write(move |tx| outcome.record(tx, &mail, at)).await?;
            self.locked().pop_front();
        }
        Ok(())
    }

    /// Records an outcome, or remembers it.
    async fn record(&self, app: &App, mail: Outgoing, outcome: Outcome) -> Result<(), StoreError> {
        let (now, kept) = (app.now(), (mail.clone(), outcome.clone(), app.now()));
        let recorded = app.store.write(move |tx| outcome.record(tx, &mail, now)).await;
        if recorded.is_err() {
            self.locked().push_back(kept);
        }
        recorded.map(drop)
    }

    fn first(&self) -> Option<(Outgoing, Outcome, Timestamp)> {
        self.locked().front().cloned()
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<(Outgoing, Outcome, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is due, and who takes from it. Clones share the queue.
#[derive(Clone)]
struct Round {
    app: App,
    pulse: Pulse,
    transport: Transport,
    queue: Arc<Mutex<VecDeque<Outgoing>>>,
    unrecorded: Unrecorded,
    shutdown: watch::Receiver<bool>,
}

impl Round {
    async fn deliver(self) -> Result<(), StoreError> {
        let waiting = self.queue().len();
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
            if let Some(error) = Box::pin(self.attempt(&mut courier, mail)).await? {
                let left = std::mem::take(&mut *self.queue());
                for mail in left {
                    self.failed(mail, Blame::Server, error.clone()).await?;
                }
            }
        }
        self.pulse.clone().while_waiting(courier.close()).await;
        Ok(())
    }

    fn next(&self) -> Option<Outgoing> {
        let mut queue = self.queue();
        if *self.shutdown.borrow() || !self.unrecorded.locked().is_empty() { None } else { queue.pop_front() }
    }

    /// One attempt and its record. `Some`: what is wrong with the server.
    async fn attempt(&self, courier: &mut Courier, mail: Outgoing) -> Result<Option<String>, StoreError> {
        let (id, now, site) = (mail.id, self.app.now(), self.app.site());
        let message = match mail.message() {
            Ok(message) => message,
            Err(error) => {
                let reason = format!("this version does not know the message: {error}");
                self.unrecorded.record(&self.app, mail, Outcome::Refused(reason)).await?;
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
                self.unrecorded.record(&self.app, mail, Outcome::Pointless(reason)).await?;
                return Ok(None);
            }
        };
        let posted_at = Timestamp::from_second(mail.created_at).unwrap_or(now);
        let origin = Origin { from: &site.config.mail.from, row: id, posted_at, instance: site.instance };
        // Each step of a conversation has its limit; together they may take long.
        match self.pulse.clone().while_waiting(courier.deliver(&letter, &origin)).await {
            Ok(answer) => {
                tracing::info!(mail.id = id, mail.kind = kind, "mail sent");
                self.unrecorded.record(&self.app, mail, Outcome::Delivered(answer)).await?;
                Ok(None)
            }
            Err(error) => self.not_delivered(mail, kind, &error).await,
        }
    }

    /// `Some`: what is wrong with the server.
    async fn not_delivered(
        &self,
        mail: Outgoing,
        kind: &str,
        error: &DeliveryError,
    ) -> Result<Option<String>, StoreError> {
        let reason = chain(error);
        tracing::warn!(mail.id = mail.id, mail.kind = kind, error = reason, "mail not delivered");
        match error.fault() {
            Fault::Refused => self.unrecorded.record(&self.app, mail, Outcome::Refused(reason)).await?,
            Fault::Mail => self.failed(mail, Blame::Mail, reason).await?,
            Fault::Server => {
                self.failed(mail, Blame::Server, reason.clone()).await?;
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    async fn failed(&self, mail: Outgoing, blame: Blame, reason: String) -> Result<(), StoreError> {
        let [jitter, ..] = self.app.random();
        self.unrecorded.record(&self.app, mail, Outcome::Failed { blame, reason, jitter }).await
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Outgoing>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
