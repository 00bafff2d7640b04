//! The reconcile loop: woken by commits, by the kernel's notifications and by the clock, it runs
//! `desired → observe → plan → apply → record` and publishes [`Applied`].
//!
//! It has a thread of its own, because it alone owns the gateway and the gateway's calls block. Commits that
//! arrive together are applied together; a change of single devices is planned against the observation held from
//! the turn before, everything else against a fresh one.

mod pace;
mod turn;

use std::thread;

use postern_gateway::Backend;
use postern_gateway::backend::watch::Watch;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::applied::Applied;
use crate::gateway_view::GatewayQuestion;
use crate::pulse::Pulse;
use crate::store::Revision;
use pace::Pace;
use turn::{Cause, World};

/// What the loop is made of.
pub struct Reconciler {
    /// Database, site and clock.
    pub app: App,
    /// The world.
    pub backend: Box<dyn Backend>,
    /// Where the outcome goes.
    pub published: watch::Sender<Applied>,
    /// What the administrator asks.
    pub questions: mpsc::Receiver<GatewayQuestion>,
    /// Where it says that it comes round.
    pub pulse: Pulse,
    /// Turns true when the loop is to end; the turn under way is finished first.
    pub shutdown: watch::Receiver<bool>,
}

enum Wake {
    Changed(Cause),
    Question(GatewayQuestion),
    Shutdown,
}

impl Reconciler {
    /// Starts the thread. It ends when `shutdown` turns true, leaving every kernel interface as it is.
    pub fn spawn(self) -> std::io::Result<thread::JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("reconcile".to_owned()).spawn(move || self.run(&runtime))
    }

    fn run(mut self, runtime: &Runtime) {
        let mut revisions = self.app.store.changes().revisions();
        let mut notifications = open_watch(runtime);
        let mut world = World::new(self.app.clone(), self.backend);
        let mut pace = Pace::new(Instant::now());
        let mut wake = Wake::Changed(Cause::Boot);
        loop {
            match wake {
                Wake::Changed(cause) => {
                    let healthy = take_turn(&mut world, cause, &self.published);
                    let (interval, now) = (self.app.site().config.reconcile_interval, Instant::now());
                    if healthy {
                        pace.after_success(cause, interval, now);
                    } else {
                        pace.after_failure(cause, interval, now);
                    }
                }
                Wake::Question(question) => world.answer(question),
                Wake::Shutdown => return,
            }
            wake = runtime.block_on(self.pulse.while_waiting(next_wake(
                &mut revisions,
                &mut notifications,
                &mut self.questions,
                &mut self.shutdown,
                pace.due(),
            )));
        }
    }
}

async fn next_wake(
    revisions: &mut watch::Receiver<Revision>,
    notifications: &mut Option<Watch>,
    questions: &mut mpsc::Receiver<GatewayQuestion>,
    shutdown: &mut watch::Receiver<bool>,
    due: Instant,
) -> Wake {
    // However much else there is to do, everything is looked at when it is time.
    if Instant::now() >= due && !*shutdown.borrow() {
        return Wake::Changed(Cause::Clock);
    }
    let notified = async {
        match notifications {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    };
    let woken = async {
        // Each arm only waits on a channel or a socket: what was not taken is still there the next time.
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => Wake::Shutdown,
            Ok(()) = revisions.changed() => Wake::Changed(Cause::Commit),
            Some(question) = questions.recv() => Wake::Question(question),
            () = notified => Wake::Changed(Cause::Notification),
        }
    };
    timeout_at(due, woken).await.unwrap_or(Wake::Changed(Cause::Clock))
}

fn open_watch(runtime: &Runtime) -> Option<Watch> {
    match runtime.block_on(async { Watch::open() }) {
        Ok(watch) => Some(watch),
        Err(error) => {
            let error = postern_gateway::chain(&error);
            tracing::warn!(error, "no kernel notifications: drift is repaired at the next interval only");
            None
        }
    }
}

/// Runs a turn, publishes it, and makes ready for the next; says whether all is as it should be.
fn take_turn(world: &mut World, cause: Cause, published: &watch::Sender<Applied>) -> bool {
    let healthy = publish(published, &world.turn(cause));
    // Whoever waits for this turn was answered, and whoever waits for the next one will not wait for this.
    world.make_ready();
    healthy
}

/// Publishes and says whether all is as it should be.
fn publish(published: &watch::Sender<Applied>, applied: &Applied) -> bool {
    published.send_replace(applied.clone());
    applied.failing.is_empty() && applied.locations.values().all(|location| location.failing.is_none())
}
