//! The certificate of an authority that speaks ACME: asked for, kept, presented, and replaced in good time. It never asks
//! in a tight loop: after a failure it waits ever longer, unless an administrator reloads or asks for something else.
//!
//! Until the first certificate is there nobody can come in over https; tunnels do not care.

mod advice;
mod kept;
mod order;
mod pace;

use std::sync::Arc;
use std::time::Duration;

use instant_acme::CertificateIdentifier;
use jiff::Timestamp;
use postern_gateway::chain;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::advice::Advice;
use self::kept::{Kept, Obtained};
use self::order::AcmeError;
use self::pace::{Failures, Way};
use crate::app::App;
use crate::config::{Acme, Tls};
use crate::flows::certificate_trouble;
use crate::pulse::Pulse;
use crate::store::StoreError;
use crate::tls::pair::Pair;
use crate::tls::presented::Trouble;

/// However slow an authority is, an attempt ends.
const ATTEMPT_WITHIN: Duration = Duration::from_mins(5);
/// Never slept longer in one go: clocks are set, machines sleep.
const LONGEST_NAP: Duration = Duration::from_mins(10);
/// How soon it is tried again to write what could not be written.
const KEEP_AGAIN: Duration = Duration::from_mins(1);

/// Whether anybody listens on port 80 for an authority to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainDoor {
    /// A listener that redirects.
    Open,
    /// None.
    Absent,
}

/// A certificate's life: from the first one asked for to ever the next.
pub struct Renewal {
    app: App,
    plain_door: PlainDoor,
    pace: Failures,
    advice: Advice,
    /// Host and directory of the last look.
    aim: Option<(String, String)>,
    /// Whose certificate is presented: a directory. `None`: nobody knows, it is as good as any.
    origin: Option<String>,
    /// Obtained, and not written yet.
    unkept: Option<Obtained>,
    share: u8,
}

enum Wake {
    Stop,
    Time,
    Asked,
}

impl Renewal {
    /// Presents the certificate that was kept, if there is one.
    pub fn begin(app: App, plain_door: PlainDoor) -> Self {
        let share = app.random().first().copied().unwrap_or_default();
        let (pace, advice) = (Failures::default(), Advice::default());
        let mut renewal =
            Self { app, plain_door, pace, advice, aim: None, origin: None, unkept: None, share };
        renewal.present_kept();
        renewal
    }

    fn present_kept(&mut self) {
        let Some(acme) = settings(&self.app) else { return };
        match self.kept().pair() {
            Ok(Some((pair, origin))) if pair.certificate.covers(&acme.host) => {
                tracing::info!(not_after = %pair.certificate.not_after, "presenting the certificate obtained before");
                self.origin = origin;
                self.app.presented.present(pair);
            }
            Ok(Some(_) | None) => {
                tracing::info!(host = acme.host, "there is no certificate yet: asking for one");
            }
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "the certificate obtained before cannot be used: asking for another"
                );
            }
        }
    }

    /// Asks for certificates until `stop`.
    pub async fn run(mut self, mut pulse: Pulse, mut stop: watch::Receiver<bool>) {
        loop {
            let Some(acme) = settings(&self.app) else { return };
            self.heed(&acme);
            if let Some(present) = self.theirs(&acme).filter(|it| self.advice.is_old(it, self.app.now())) {
                let (kept, now) = (self.kept(), self.app.now());
                pulse.while_waiting(self.advice.ask(&acme, &kept, present, now)).await;
            }
            let (now, due) = (self.app.now(), self.due(&acme));
            if due <= now {
                // It has an end of its own.
                pulse.while_waiting(self.attempt(&acme)).await;
                continue;
            }
            let longest = if self.unkept.is_some() { KEEP_AGAIN } else { LONGEST_NAP };
            let nap = Duration::try_from(due.duration_since(now)).unwrap_or_default().min(longest);
            let woken = async {
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => Wake::Stop,
                    () = sleep(nap) => Wake::Time,
                    () = self.app.presented.asked_to_try() => Wake::Asked,
                }
            };
            match pulse.while_waiting(woken).await {
                Wake::Stop => return,
                Wake::Time => {}
                Wake::Asked => self.pace.try_soon(self.app.now()),
            }
            self.keep();
        }
    }

    /// What happened with another name or another authority says nothing of these.
    fn heed(&mut self, acme: &Acme) {
        let aim = Some((acme.host.clone(), acme.directory.clone()));
        if self.aim != aim {
            self.pace = Failures::default();
            self.aim = aim;
        }
    }

    fn due(&self, acme: &Acme) -> Timestamp {
        let present = self.theirs(acme);
        let window = present.as_ref().and_then(|present| self.advice.window(present));
        self.pace.due(present.as_ref().map(|present| &present.certificate), window, self.share)
    }

    /// What is presented, if visitors can use it and it is this authority's.
    fn theirs(&self, acme: &Acme) -> Option<Arc<Pair>> {
        let is_theirs = self.origin.as_ref().is_none_or(|origin| *origin == acme.directory);
        self.app.presented.pair().filter(|found| is_theirs && found.certificate.covers(&acme.host))
    }

    /// What the authority is told to be replaced, where it suggested when.
    fn replaces(&self, acme: &Acme) -> Option<CertificateIdentifier<'static>> {
        let present = self.theirs(acme).filter(|present| self.advice.window(present).is_some())?;
        advice::identifier(&present)
    }

    async fn attempt(&mut self, acme: &Acme) {
        let way = self.pace.way(self.plain_door);
        tracing::info!(host = acme.host, directory = acme.directory, ?way, "asking for a certificate");
        if let Err(error) = self.obtain(acme, way).await {
            self.failed(acme, &chain(&error)).await;
        }
        self.app.presented.prove(None);
    }

    async fn obtain(&mut self, acme: &Acme, way: Way) -> Result<(), AcmeError> {
        let (kept, replaces) = (self.kept(), self.replaces(acme));
        let order = order::obtain(acme, way, &kept, &self.app.presented, replaces);
        let obtained = timeout(ATTEMPT_WITHIN, order).await;
        let obtained = obtained.map_err(|_| AcmeError::TooSlow(ATTEMPT_WITHIN))??;
        let pair = kept.judge(&obtained)?;
        tracing::info!(not_after = %pair.certificate.not_after, "obtained a certificate");
        self.pace.end(self.app.now(), &pair.certificate);
        self.origin = Some(obtained.directory.clone());
        self.app.presented.present(pair);
        self.unkept = Some(obtained);
        self.keep();
        Ok(())
    }

    /// Writes what is not written yet. Authorities give few certificates for a name: one that cannot be written, because the
    /// disk is full, is presented all the same.
    fn keep(&mut self) {
        let Some(obtained) = &self.unkept else { return };
        match self.kept().keep(obtained) {
            Ok(()) => {
                self.unkept = None;
                if self.pace.is_well() {
                    self.app.presented.is_well();
                }
            }
            Err(error) => {
                let reason = format!(
                    "the certificate is presented, but would be lost with the next start, and it is tried again to write it: {}",
                    chain(&error)
                );
                // Why there is no newer one matters more; and it is tried every few minutes.
                if self.pace.is_well()
                    && self.app.presented.trouble().is_none_or(|told| told.reason != reason)
                {
                    tracing::error!("{reason}");
                    self.app.presented.keep_for(Trouble { at: self.app.now(), reason });
                }
            }
        }
    }

    async fn failed(&mut self, acme: &Acme, reason: &str) {
        let (app, now) = (self.app.clone(), self.app.now());
        self.pace.add(now, app.random().first().copied().unwrap_or_default());
        tracing::error!(error = reason, again_at = %self.pace.not_before(), "no certificate was obtained");
        let present = self.app.presented.certificate().filter(|found| found.covers(&acme.host));
        let what =
            if present.is_some() { "the certificate was not renewed" } else { "no certificate was obtained" };
        app.presented.keep_for(Trouble { at: now, reason: format!("{what}: {reason}") });
        if !self.pace.matter(present.as_ref(), now) {
            return;
        }
        let (not_after, reason, site) =
            (present.map(|present| present.not_after), reason.to_owned(), app.site());
        let told =
            app.store.write(move |tx| certificate_trouble::tell(tx, &site, &reason, not_after, now)).await;
        if let Err(error) = told.map(drop).map_err(|error: StoreError| error) {
            tracing::error!(error = chain(&error), "could not tell that there is no certificate");
        }
    }

    fn kept(&self) -> Kept {
        Kept::below(&self.app.site().config.state_dir)
    }
}

fn settings(app: &App) -> Option<Acme> {
    match &app.site().config.http.tls {
        Tls::Acme(acme) => Some(acme.clone()),
        Tls::Proxy | Tls::Files(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Clock;
    use crate::applied::Applied;
    use crate::fixtures::{a_site, at};
    use crate::pulse::Pulses;
    use crate::store::Store;

    /// Nobody is asked: there is nobody to ask before the pause after a failure is over.
    #[tokio::test]
    async fn it_comes_round_while_it_waits() {
        let store = Store::in_memory().unwrap();
        let mut site = a_site(&store);
        let aim = staging();
        site.config.http.tls = Tls::Acme(aim.clone());
        let app = App::new(store, site, watch::channel(Applied::default()).1, Clock::from_fn(|| at(1000)));
        let mut renewal = Renewal::begin(app, PlainDoor::Open);
        renewal.heed(&aim);
        renewal.pace.add(at(1000), 0);
        let (mut pulses, (_stop, stopped)) = (Pulses::default(), watch::channel(false));
        let pulse = pulses.pulse("the asking for certificates");
        tokio::select! {
            () = renewal.run(pulse, stopped) => unreachable!("nobody stops it"),
            answered = timeout(Duration::from_secs(30), pulses.all_answer()) => assert!(answered.is_ok()),
        }
    }

    fn staging() -> Acme {
        Acme {
            host: "vpn.example.com".to_owned(),
            directory: "https://staging.example/dir".to_owned(),
            email: "ada@example.com".to_owned(),
            ca_file: None,
        }
    }

    #[test]
    fn failures_with_one_name_or_authority_do_not_hold_up_another() {
        let store = Store::in_memory().unwrap();
        let (_, applied) = watch::channel(Applied::default());
        let app = App::new(store.clone(), a_site(&store), applied, Clock::from_fn(|| at(1000)));
        let mut renewal = Renewal::begin(app, PlainDoor::Open);
        let staging = staging();
        let other_host = Acme { host: "gate.example.com".to_owned(), ..staging.clone() };
        let other_authority = Acme { directory: "https://example/dir".to_owned(), ..staging.clone() };
        let mut is_due = |acme: &Acme| {
            renewal.heed(acme);
            let is_due = renewal.due(acme) <= at(1000);
            renewal.pace.add(at(1000), 0);
            is_due
        };
        assert_eq!(
            [&staging, &staging, &other_host, &other_authority].map(&mut is_due),
            [true, false, true, true]
        );
        let other_contact = Acme { email: "ben@example.com".to_owned(), ..other_authority };
        assert!(!is_due(&other_contact), "the authority counts on");
    }
}
