//! The daemon's mail loop over a database of its own.

use std::sync::Arc;
use std::time::Duration;

use postern::app::{App, Clock};
use postern::applied::Applied;
use postern::background::deliver_mail;
use postern::config::Smtp;
use postern::pulse::Pulses;
use postern::rules::ids::UserId;
use postern::rules::message::Message;
use postern::site::Site;
use postern::store::Store;
use postern::store::account::NewUser;
use postern::store::outbox::{Listed, MailState, Outgoing};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::site::Plan;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// The loop, and what it works on.
pub(crate) struct Station {
    pub(crate) app: App,
    stop: watch::Sender<bool>,
    /// Ended when dropped.
    running: JoinSet<()>,
}

impl Station {
    /// Mail goes where `smtp` says. Nothing is delivered before [`Station::deliver`].
    pub(crate) fn of(smtp: Smtp) -> Self {
        Self::planned(Plan::new(), smtp)
    }

    /// [`Station::of`], with another sender's address.
    pub(crate) fn sending_from(from: &str, smtp: Smtp) -> Self {
        let mut plan = Plan::new();
        from.clone_into(&mut plan.config.mail.from);
        Self::planned(plan, smtp)
    }

    fn planned(plan: Plan, smtp: Smtp) -> Self {
        let store = Store::in_memory().unwrap();
        let mut site = plan.site(&store);
        (site.config.mail.directory, site.config.mail.smtp) = (None, Some(smtp));
        let (_, applied) = watch::channel(Applied::default());
        let app = App::new(store, site, applied, Clock::system());
        Self { app, stop: watch::channel(false).0, running: JoinSet::new() }
    }

    /// Runs the loop.
    pub(crate) fn deliver(&mut self) {
        let pulse = Pulses::default().pulse("the mail loop");
        self.running.spawn(deliver_mail::run(self.app.clone(), pulse, self.stop.subscribe()));
    }

    /// Puts other settings into force, as a reload does.
    pub(crate) fn reload(&self, change: impl FnOnce(&mut Smtp)) {
        let mut site: Site = (*self.app.site()).clone();
        change(site.config.mail.smtp.as_mut().unwrap());
        self.app.replace_site(Arc::new(site));
    }

    /// Posts a mail to the contact; gives its number.
    pub(crate) fn tell_of(&self, location: &str) -> i64 {
        self.post(&Message::LocationFull { location: location.to_owned() })
    }

    /// Posts a mail to somebody of that name; gives its number.
    pub(crate) fn tell(&self, username: &str) -> i64 {
        let user = self.person(username);
        self.post(&Message::PasswordChanged { user })
    }

    /// Tries a mail again, as an administrator does.
    pub(crate) fn retry(&self, id: i64) {
        let now = self.app.now();
        self.app.store.write_blocking(|tx| tx.retry_mail(id, now)).unwrap();
    }

    /// What became of a mail.
    pub(crate) fn mail(&self, id: i64) -> Outgoing {
        self.app.store.read_blocking(|tx| tx.mail(id)).unwrap().unwrap()
    }

    /// Waits until `look` sees something.
    pub(crate) async fn eventually<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        let patience = Instant::now() + PATIENCE;
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            assert!(Instant::now() < patience, "in vain: {:?}", self.left());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The error of a mail that is tried again or was given up.
    pub(crate) async fn error_of(&self, id: i64) -> String {
        self.eventually(|| self.mail(id).last_error).await
    }

    /// Waits for a mail to get into a state.
    pub(crate) async fn wait_for(&self, id: i64, state: MailState) {
        self.eventually(|| Some(()).filter(|()| self.mail(id).state() == state)).await;
    }

    /// Waits until every mail was sent.
    pub(crate) async fn wait_until_nothing_is_left(&self) {
        self.eventually(|| Some(()).filter(|()| self.left().is_empty())).await;
    }

    fn left(&self) -> Vec<Outgoing> {
        self.app.store.read_blocking(|tx| tx.newest_mail(Listed::NotSent, 99)).unwrap()
    }

    fn post(&self, message: &Message) -> i64 {
        let now = self.app.now();
        let posted = self.app.store.write_blocking(|tx| {
            tx.post(message, now)?;
            tx.newest_mail(Listed::All, 1)
        });
        posted.unwrap().0[0].id
    }

    fn person(&self, username: &str) -> UserId {
        let new = NewUser {
            username: username.to_owned(),
            first_name: "Ann".to_owned(),
            last_name: "Example".to_owned(),
            email: format!("{username}@example.org"),
            phone: None,
            is_admin: false,
        };
        let now = self.app.now();
        self.app.store.write_blocking(|tx| tx.insert_user(&new, now)).unwrap().0
    }
}
