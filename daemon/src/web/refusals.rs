//! Writes down what was refused and matters for security. Whoever is refused decides how often, so the audit log takes little
//! of it: one entry of each kind for a client and an hour, a day where clients ask of themselves; of all together some at
//! once, then one in every period. What is left out is counted, and the next entry says how much that was. Looking at a link
//! is written down only where somebody looks at too many: mail scanners look, too.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postern_gateway::chain;

use super::allowance::Allowances;
use super::error::WebError;
use super::limit::{Presented, network_of};
use crate::app::App;
use crate::flows::connect;
use crate::flows::enroll::EnrollError;
use crate::flows::enroll_audit;
use crate::flows::sign_in::Found;
use crate::rules::action::{Action, Reason};
use crate::rules::token::TokenHash;
use crate::store::{StoreError, Tx};

/// Whom the log calls those whose name nobody knows; no username is like it.
const NOBODY: &str = "-";
/// Kinds of refusals that are told apart.
const MOST_KINDS: usize = 16_384;
/// All together: some 300 entries a day, 20 MB in two years.
const ALTOGETHER: (u16, Duration) = (500, Duration::from_mins(5));

/// Who is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Client {
    /// Somebody in a network.
    Network(IpAddr),
    /// A Unix account.
    Account(u32),
}

/// What is one entry.
type Kind = (Client, Action, Reason);

/// What was written lately. HTTP and the command line's socket have one each, so that neither fills the log for the other.
pub(super) struct Refusals {
    app: App,
    kinds: Allowances<Kind>,
    /// Of clients that ask of themselves, again and again.
    polls: Allowances<Kind>,
    all: Allowances<()>,
    left_out: AtomicU64,
}

impl Refusals {
    pub(super) fn new(app: App) -> Self {
        let one_in = |period| Allowances::new(1, period, MOST_KINDS);
        Self {
            app,
            kinds: one_in(Duration::from_hours(1)),
            polls: one_in(Duration::from_hours(24)),
            all: Allowances::new(ALTOGETHER.0, ALTOGETHER.1, 1),
            left_out: AtomicU64::new(0),
        }
    }

    /// A client presents more than it is allowed.
    pub(super) async fn limited(&self, client: IpAddr, what: Presented) {
        self.write(Client::network(client), what.action(), Reason::Limit, None).await;
    }

    /// A client asks too often for passwords to be reset, or somebody asked too often for this one.
    pub(super) async fn asks_too_often(&self, client: IpAddr) {
        self.write(Client::network(client), Action::PasswordForget, Reason::Limit, None).await;
    }

    /// A token starts no session of an enrollment.
    pub(super) async fn no_start(&self, client: IpAddr, token: TokenHash) {
        let (app, now) = (self.app.clone(), self.app.now());
        let why = move |tx: &Tx<'_>| enroll_audit::why_no_start(tx, &app.site(), token, now);
        self.explained(client, Action::EnrollmentStart, why).await;
    }

    /// A token starts no session in which a password is reset.
    pub(super) async fn no_reset(&self, client: IpAddr, token: TokenHash) {
        let now = self.app.now();
        let why = move |tx: &Tx<'_>| enroll_audit::why_no_reset(tx, token, now);
        self.explained(client, Action::PasswordReset, why).await;
    }

    /// Somebody gives a password that opens nothing, or gives too many. What was typed as a name is not told: people type
    /// passwords there.
    pub(super) async fn no_password(&self, client: IpAddr, action: Action, reason: Reason, found: &Found) {
        self.write(Client::network(client), action, reason, found.username().map(str::to_owned)).await;
    }

    /// Somebody gives the answer of a passkey that opens nothing, or gives too many.
    pub(super) async fn no_passkey(&self, client: IpAddr, reason: Reason, who: Option<String>) {
        self.write(Client::network(client), Action::SessionStart, reason, who).await;
    }

    /// Somebody gives a wrong code of a second factor, or too many.
    pub(super) async fn no_code(&self, client: IpAddr, action: Action, reason: Reason, who: String) {
        self.write(Client::network(client), action, reason, Some(who)).await;
    }

    /// A device is not registered, or does not get another key.
    pub(super) async fn no_device(
        &self,
        client: IpAddr,
        action: Action,
        session: TokenHash,
        error: &EnrollError,
    ) {
        let Some(reason) = enroll_audit::why_no_device(error) else { return };
        let why = move |tx: &Tx<'_>| Ok((reason, enroll_audit::owner_of_session(tx, session)?));
        self.explained(client, action, why).await;
    }

    /// Somebody who has signed in does not get a device, or another key for one.
    pub(super) async fn no_own_device(
        &self,
        client: IpAddr,
        action: Action,
        username: &str,
        error: &EnrollError,
    ) {
        let Some(reason) = enroll_audit::why_no_device(error) else { return };
        self.write(Client::network(client), action, reason, Some(username.to_owned())).await;
    }

    /// A polling token is nobody's.
    pub(super) async fn no_poll<T>(&self, client: IpAddr, outcome: &Result<T, WebError>) {
        if matches!(outcome, Err(WebError::Enroll(EnrollError::UnknownPollingToken))) {
            self.write(Client::network(client), Action::DevicePoll, Reason::Unknown, None).await;
        }
    }

    /// A code or a token of an application is good for nothing, or the application is not who it says.
    pub(super) async fn no_app_token(&self, client: IpAddr) {
        self.write(Client::network(client), Action::AppToken, Reason::Unknown, None).await;
    }

    /// Somebody is not connected where a second factor is asked for.
    pub(super) async fn no_connection(&self, client: IpAddr, reason: Reason, token: Option<TokenHash>) {
        let who = move |tx: &Tx<'_>| {
            let who = token.map(|token| connect::owner(tx, token)).transpose()?.flatten();
            Ok((reason, who))
        };
        self.explained(client, Action::ConnectionStart, who).await;
    }

    async fn explained(
        &self,
        client: IpAddr,
        action: Action,
        why: impl FnOnce(&Tx<'_>) -> Result<(Reason, Option<String>), StoreError> + Send + 'static,
    ) {
        match self.app.store.read(why).await {
            Ok((reason, who)) => self.write(Client::network(client), action, reason, who).await,
            Err(error) => self.failed(&error),
        }
    }

    /// Writes it down for `who`, if the log takes it. The refusal stands, whatever becomes of this.
    pub(super) async fn write(&self, client: Client, action: Action, reason: Reason, who: Option<String>) {
        if !self.takes((client, action, reason)) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (now, left_out) = (self.app.now(), self.left_out.swap(0, Ordering::Relaxed));
        let detail = (left_out > 0)
            .then(|| format!("after {left_out} that the log did not take, of this kind and others"));
        let written = self.app.store.write(move |tx| {
            tx.audit_refused(who.as_deref().unwrap_or(NOBODY), action, reason, detail.as_deref(), now)
        });
        if let Err(error) = written.await {
            self.left_out.fetch_add(left_out, Ordering::Relaxed);
            self.failed(&error);
        }
    }

    fn takes(&self, kind: Kind) -> bool {
        let now = self.app.now();
        let kinds = if kind.1 == Action::DevicePoll { &self.polls } else { &self.kinds };
        if kinds.take(kind, now).is_err() {
            return false;
        }
        let is_taken = self.all.take((), now).is_ok();
        if !is_taken {
            kinds.give_back(kind);
        }
        is_taken
    }

    fn failed(&self, error: &StoreError) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
        tracing::error!(error = chain(error), "a refusal is not in the audit log");
    }
}

impl Client {
    fn network(address: IpAddr) -> Self {
        Self::Network(network_of(address))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicI64;

    use tokio::sync::watch;

    use super::*;
    use crate::app::Clock;
    use crate::applied::Applied;
    use crate::fixtures::{a_site, at};
    use crate::store::Store;
    use crate::store::audit::AuditEntry;

    /// With a clock of seconds.
    fn a_log() -> (Refusals, Arc<AtomicI64>) {
        let store = Store::in_memory().unwrap();
        let site = a_site(&store);
        let clock = Arc::new(AtomicI64::new(0));
        let read = Arc::clone(&clock);
        let clock_of_app = Clock::from_fn(move || at(read.load(Ordering::Relaxed)));
        let app = App::new(store, site, watch::channel(Applied::default()).1, clock_of_app);
        (Refusals::new(app), clock)
    }

    fn entries(refusals: &Refusals) -> Vec<AuditEntry> {
        refusals.app.store.read_blocking(|tx| tx.audit_since(0, 99_999)).unwrap()
    }

    #[tokio::test]
    async fn one_kind_of_one_client_is_one_entry_an_hour_that_counts_what_it_left_out() {
        let (refusals, clock) = a_log();
        let from = |address: &str| {
            let address = address.parse().unwrap();
            refusals.limited(address, Presented::EnrollmentToken)
        };
        for _ in 0..50 {
            from("2001:db8::1").await;
        }
        from("2001:db8::2").await;
        assert_eq!(entries(&refusals).len(), 1);
        assert_eq!(entries(&refusals)[0].detail, None);
        from("2001:db8:0:1::1").await;
        refusals.limited("2001:db8::1".parse().unwrap(), Presented::Session).await;
        assert_eq!(entries(&refusals).len(), 3);
        clock.store(3600, Ordering::Relaxed);
        from("2001:db8::1").await;
        let all = entries(&refusals);
        assert_eq!(all.len(), 4);
        assert!(all[1].detail.as_deref().is_some_and(|detail| detail.contains("after 50 ")), "{:?}", all[1]);
        assert_eq!((all[3].refused.as_deref(), all[3].actor.as_str()), (Some("limit"), NOBODY));
    }

    #[tokio::test]
    async fn however_many_clients_there_are_the_log_takes_so_much_a_day() {
        let (refusals, clock) = a_log();
        let everybody = async || {
            for number in 0..2000 {
                let address = std::net::Ipv4Addr::from_bits(number);
                refusals.limited(address.into(), Presented::EnrollmentToken).await;
            }
        };
        everybody().await;
        assert_eq!(entries(&refusals).len(), 500);
        clock.store(24 * 3600, Ordering::Relaxed);
        everybody().await;
        assert_eq!(entries(&refusals).len(), 500 + 288);
    }
}
