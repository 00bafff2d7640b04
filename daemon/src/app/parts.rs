//! The daemon's parts, its tasks and its reconcile loop: all of them run until the daemon ends. One that ends by itself,
//! by a panic above all, ends the daemon, so that the service manager starts it again, whole.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::timeout;

use crate::applied::Applied;
use crate::pulse::{Pulse, Pulses};

/// What the reconcile loop is called.
pub(super) const RECONCILE_LOOP: &str = "the reconcile loop";

/// Tasks that end when this is dropped, and the loop that publishes [`Applied`].
pub(super) struct Parts {
    runtime: Handle,
    tasks: JoinSet<()>,
    names: Vec<(Id, &'static str)>,
    pulses: Pulses,
    applied: watch::Receiver<Applied>,
}

impl Parts {
    /// No tasks yet, and the reconcile loop on the other end of `applied`, which it drops when it ends.
    pub(super) fn new(runtime: Handle, applied: watch::Receiver<Applied>) -> Self {
        Self { runtime, tasks: JoinSet::new(), names: Vec::new(), pulses: Pulses::default(), applied }
    }

    /// Starts a task.
    pub(super) fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn_on(task, &self.runtime).id();
        self.names.push((id, name));
    }

    /// Starts a task that is a loop, and tells it where to say that it comes round.
    pub(super) fn start_loop<F>(&mut self, name: &'static str, task: impl FnOnce(Pulse) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let pulse = self.pulse(name);
        self.start(name, task(pulse));
    }

    /// For a loop that is no task.
    pub(super) fn pulse(&mut self, name: &'static str) -> Pulse {
        self.pulses.pulse(name)
    }

    /// The pulses of all loops so far, to be asked.
    pub(super) fn take_pulses(&mut self) -> Pulses {
        std::mem::take(&mut self.pulses)
    }

    /// Does `work`. Once a part has ended, however it did, the work is dropped and the part's name is the error.
    pub(super) async fn unless_one_ends<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> Result<T, &'static str> {
        tokio::select! {
            part = self.one_ended() => Err(part),
            done = work => Ok(done),
        }
    }

    async fn one_ended(&mut self) -> &'static str {
        // No publication is waited for, only the end of them.
        let id = tokio::select! {
            Err(_) = self.applied.wait_for(|_| false) => return RECONCILE_LOOP,
            Some(ended) = self.tasks.join_next_with_id() => ended.map_or_else(|error| error.id(), |(id, ())| id),
        };
        self.names.iter().find(|(known, _)| *known == id).map_or("a task", |(_, name)| name)
    }

    /// Waits until all tasks have ended, or `limit` is over.
    pub(super) async fn all_ended(&mut self, limit: Duration) {
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        drop(timeout(limit, ended).await);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::pending;

    use postern_gateway::backend::StepError;
    use postern_gateway::{
        Backend, BackendError, BackendKind, InterfaceName, Observed, PeerStats, PublicKey, Step,
    };

    use super::*;
    use crate::app::{App, Clock};
    use crate::background::reconcile::Reconciler;
    use crate::fixtures::{a_site, at};
    use crate::gateway_view::GatewayView;
    use crate::store::Store;

    #[tokio::test]
    async fn the_part_that_ended_is_named_whether_it_returned_or_panicked() {
        let (_published, applied) = watch::channel(Applied::default());
        let mut parts = Parts::new(Handle::current(), applied);
        parts.start("the one that goes on", pending());
        assert_eq!(parts.unless_one_ends(async { "work" }).await, Ok("work"));
        parts.start("the one that panics", async { panic!("on purpose") });
        assert_eq!(parts.unless_one_ends(pending::<()>()).await, Err("the one that panics"));
        parts.start("the one that returns", async {});
        assert_eq!(parts.unless_one_ends(pending::<()>()).await, Err("the one that returns"));
    }

    #[tokio::test]
    async fn publishing_is_not_ending_and_a_panic_in_the_reconcile_loop_is() {
        let (mut parts, reconciler, _stop) = a_gateway(Box::new(Panicking));
        reconciler.published.send_replace(Applied::default());
        parts.start("a task", async {});
        assert_eq!(parts.unless_one_ends(pending::<()>()).await, Err("a task"));
        let thread = reconciler.spawn().unwrap();
        assert_eq!(parts.unless_one_ends(pending::<()>()).await, Err(RECONCILE_LOOP));
        assert!(thread.join().is_err());
    }

    #[tokio::test]
    async fn tasks_that_do_not_end_are_not_waited_for_beyond_the_limit() {
        let (_published, applied) = watch::channel(Applied::default());
        let mut parts = Parts::new(Handle::current(), applied);
        parts.start("the one that goes on", pending());
        parts.all_ended(Duration::from_millis(1)).await;
    }

    /// A host whose first turn panics.
    struct Panicking;

    impl Backend for Panicking {
        fn available(&mut self) -> Vec<BackendKind> {
            Vec::new()
        }

        fn observe(&mut self) -> Result<Observed, BackendError> {
            panic!("on purpose")
        }

        fn routes_elsewhere(
            &mut self,
            _: &InterfaceName,
        ) -> Result<BTreeMap<ipnet::IpNet, String>, BackendError> {
            Ok(BTreeMap::new())
        }

        fn perform(&mut self, _: &Step) -> Result<(), StepError> {
            Ok(())
        }

        fn stats(&mut self, _: &InterfaceName) -> Result<BTreeMap<PublicKey, PeerStats>, BackendError> {
            Ok(BTreeMap::new())
        }
    }

    fn a_gateway(backend: Box<dyn Backend>) -> (Parts, Reconciler, watch::Sender<bool>) {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let (published, applied) = watch::channel(Applied::default());
        let (stop, shutdown) = watch::channel(false);
        let app = App::new(store, site, applied.clone(), Clock::from_fn(|| at(0)));
        let (_, questions) = GatewayView::new();
        let mut parts = Parts::new(Handle::current(), applied);
        let pulse = parts.pulse(RECONCILE_LOOP);
        (parts, Reconciler { app, backend, published, questions, pulse, shutdown }, stop)
    }
}
