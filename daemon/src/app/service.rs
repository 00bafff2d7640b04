//! What the service manager (systemd) is told: that the daemon is ready, what it manages, that its loops come round, and
//! that it ends. Without one, nobody is told anything.

use std::fmt::Write as _;
use std::time::Duration;

use postern_gateway::chain;
use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::App;
use crate::applied::Applied;
use crate::config::Tls;
use crate::pulse::Pulses;
use crate::rules::certificate::Certificate;
use crate::site::Site;

/// Of the time in which the service manager wants to hear something, how much passes between two questions, and how much
/// the answers may take.
const SHARE: u32 = 4;

/// Runs until `stop` turns true. The daemon must be listening: what is told first, after the gateway's first turn, is that
/// it is ready.
pub(super) async fn report(app: App, pulses: Pulses, mut stop: watch::Receiver<bool>) {
    let fed = async {
        match sd_notify::watchdog_enabled() {
            Some(within) => feed(pulses, within).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = describe(&app, tell) => {}
        () = fed => {}
    }
    tell(&[NotifyState::Stopping, NotifyState::Status("ending; tunnels of the kernel stay up")]);
}

/// Tells what is managed, each time that changes; with the first word, after the gateway's first turn, that all is ready.
async fn describe(app: &App, mut tell: impl FnMut(&[NotifyState<'_>])) {
    let (mut applied, mut presented) = (app.applied.clone(), app.presented.changes());
    let mut told = None;
    let mut changed = applied.changed().await;
    // Parts notices the end of the loop on the other side.
    while changed.is_ok() {
        let state = state(&app.site(), &applied.borrow_and_update(), app.presented.certificate().as_ref());
        match &told {
            None => tell(&[NotifyState::Ready, NotifyState::Status(&state)]),
            Some(told) if *told == state => {}
            Some(_) => tell(&[NotifyState::Status(&state)]),
        }
        told = Some(state);
        changed = tokio::select! {
            changed = applied.changed() => changed,
            changed = presented.changed() => changed,
        };
    }
    std::future::pending::<()>().await;
}

/// Feeds the watchdog while all loops come round.
async fn feed(mut pulses: Pulses, within: Duration) {
    loop {
        if all_come_round(&mut pulses, within / SHARE).await {
            tell(&[NotifyState::Watchdog]);
        }
        sleep(within / SHARE).await;
    }
}

async fn all_come_round(pulses: &mut Pulses, patience: Duration) -> bool {
    let answered = timeout(patience, pulses.all_answer()).await.is_ok();
    if !answered {
        let silent = pulses.silent().join(", ");
        tracing::error!(silent, "a loop does not come round: unless it does soon, postern is started again");
    }
    answered
}

fn state(site: &Site, applied: &Applied, certificate: Option<&Certificate>) -> String {
    let (locations, peers) =
        (site.locations().count(), applied.locations.values().map(|state| state.peers).sum::<usize>());
    let mut text = format!("{} in {}", counted(peers, "peer"), counted(locations, "location"));
    let fails = |id| applied.locations.get(&id).is_some_and(|state| state.failing.is_some());
    let mut failing: Vec<_> = site
        .locations()
        .filter(|location| fails(location.id))
        .map(|location| location.config.name.as_str())
        .collect();
    if !applied.failing.is_empty() {
        failing.push("the gateway as a whole");
    }
    if site.config.http.tls != Tls::Proxy && certificate.is_none() {
        failing.push("https, for want of a certificate");
    }
    if !failing.is_empty() {
        let names = failing.join(", ");
        // Writing to a string cannot fail.
        let _ = write!(text, "; FAILING: {names} (postern status says why)");
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(error = chain(&error), "cannot tell the service manager how postern is");
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use postern_gateway::BackendKind;

    use tokio::sync::mpsc;

    use super::*;
    use crate::app::Clock;
    use crate::applied::LocationState;
    use crate::config::OwnFiles;
    use crate::fixtures::{a_site, at};
    use crate::rules::ids::LocationId;
    use crate::store::Store;
    use crate::tls::pair::KeySource;

    fn with_peers(peers: usize) -> LocationState {
        LocationState { peers, ..LocationState::new(BackendKind::Kernel) }
    }

    #[test]
    fn the_status_line_counts_what_there_is_and_names_what_fails() {
        let site = a_site(&Store::in_memory().unwrap());
        let mut applied =
            Applied { locations: [(LocationId(1), with_peers(1))].into(), ..Applied::default() };
        assert_eq!(state(&site, &applied, None), "1 peer in 2 locations");
        let broken = LocationState { failing: Some("the name is taken".to_owned()), ..with_peers(2) };
        applied.locations.insert(LocationId(2), broken);
        assert_eq!(
            state(&site, &applied, None),
            "3 peers in 2 locations; FAILING: lab (postern status says why)"
        );
        applied.failing.push("nft cannot be run".to_owned());
        assert!(state(&site, &applied, None).contains("FAILING: lab, the gateway as a whole ("));
    }

    #[test]
    fn the_status_line_says_that_nobody_can_come_in_over_https() {
        let mut site = a_site(&Store::in_memory().unwrap());
        let key = KeySource::File("key.pem".into());
        site.config.http.tls = Tls::Files(OwnFiles { certificate: "chain.pem".into(), key });
        let said =
            "0 peers in 2 locations; FAILING: https, for want of a certificate (postern status says why)";
        assert_eq!(state(&site, &Applied::default(), None), said);
        let certificate = Certificate {
            names: Vec::new(),
            issuer: "CN=Test".to_owned(),
            not_before: at(0),
            not_after: at(9),
        };
        assert_eq!(state(&site, &Applied::default(), Some(&certificate)), "0 peers in 2 locations");
    }

    #[tokio::test]
    async fn it_is_ready_with_the_first_word_about_its_state_and_not_before() {
        let store = Store::in_memory().unwrap();
        let (published, applied) = watch::channel(Applied::default());
        let app = App::new(store.clone(), a_site(&store), applied, Clock::system());
        let (told, mut heard) = mpsc::unbounded_channel();
        let describes = describe(&app, |state| told.send(format!("{state:?}")).unwrap());
        let looks = async {
            assert!(heard.try_recv().is_err(), "before the first turn");
            published.send_replace(Applied::default());
            let first = heard.recv().await.unwrap();
            assert_eq!(first, "[Ready, Status(\"0 peers in 2 locations\")]");
        };
        tokio::select! {
            biased;
            () = describes => unreachable!("it goes on"),
            () = looks => {}
        }
    }

    #[tokio::test]
    async fn the_watchdog_is_fed_while_all_loops_come_round_and_not_once_one_is_stuck() {
        let mut pulses = Pulses::default();
        let (mut one, mut other) = (pulses.pulse("one"), pulses.pulse("other"));
        tokio::select! {
            () = one.while_waiting(pending()) => unreachable!("it waits for nothing"),
            () = other.while_waiting(pending()) => unreachable!("it waits for nothing"),
            fed = all_come_round(&mut pulses, Duration::from_secs(10)) => assert!(fed),
        }
        tokio::select! {
            () = one.while_waiting(pending()) => unreachable!("it waits for nothing"),
            fed = all_come_round(&mut pulses, Duration::from_millis(1)) => assert!(!fed),
        }
    }
}
