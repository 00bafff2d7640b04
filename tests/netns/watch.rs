//! The watch over a network namespace: every kind of change wakes it, and silence does not.

#![expect(clippy::unwrap_used, reason = "a scene that cannot be set fails the test")]

mod support;

use std::time::Duration;

use postern_gateway::backend::watch::Watch;
use tokio::time::timeout;

use self::support::{Namespace, capable};

const SOON: Duration = Duration::from_secs(5);
const QUIET: Duration = Duration::from_millis(600);

#[test]
fn every_kind_of_change_is_noticed() {
    if !capable() {
        return;
    }
    let namespace = Namespace::new("watch");
    within(&namespace, async |watch| {
        for change in [
            "ip link add pd type veth peer name pe; ip link set pe up; ip link set pd up",
            "ip addr add 10.5.0.1/24 dev pd",
            "ip addr add fd05::1/64 dev pd",
            "ip route add 10.6.0.0/24 dev pd",
            "ip -6 route del fd05::/64 dev pd",
            "nft add table inet other",
            "nft delete table inet other",
            "ip link delete pd",
        ] {
            settle(watch).await;
            namespace.sh(change);
            assert!(timeout(SOON, watch.changed()).await.is_ok(), "{change}");
        }
    });
}

#[test]
fn changes_that_come_together_are_one() {
    if !capable() {
        return;
    }
    let namespace = Namespace::new("watch");
    within(&namespace, async |watch| {
        namespace.sh("for i in 1 2 3 4 5; do nft add table inet t$i; done");
        assert!(timeout(SOON, watch.changed()).await.is_ok());
        assert!(timeout(QUIET, watch.changed()).await.is_err());
    });
}

/// While ours are gone, what they forbid is open.
#[test]
fn a_change_of_rules_that_follows_on_quiet_is_told_at_once() {
    if !capable() {
        return;
    }
    let namespace = Namespace::new("watch");
    within(&namespace, async |watch| {
        let mut quickest = Duration::MAX;
        // A machine that does much else may be slow, but not each time.
        for number in 0..20 {
            settle(watch).await;
            namespace.sh(&format!("nft add table inet t{number}"));
            let begun = tokio::time::Instant::now();
            watch.changed().await;
            quickest = quickest.min(begun.elapsed());
            if quickest < Duration::from_millis(100) {
                return;
            }
        }
        panic!("never within less than {quickest:?}");
    });
}

#[test]
fn a_change_is_not_lost_when_the_waiting_is_given_up() {
    if !capable() {
        return;
    }
    let namespace = Namespace::new("watch");
    within(&namespace, async |watch| {
        let changed = namespace.succeeds("ip link add pd type veth peer name pe");
        assert!(changed, "{}", namespace.name());
        assert!(timeout(Duration::from_millis(50), watch.changed()).await.is_err());
        assert!(timeout(SOON, watch.changed()).await.is_ok());
    });
}

#[test]
fn more_changes_than_fit_the_buffer_are_a_change() {
    if !capable() {
        return;
    }
    let namespace = Namespace::new("watch");
    within(&namespace, async |watch| {
        namespace.sh("ip link add pd type veth peer name pe; ip link set pe up; ip link set pd up
             for i in $(seq 1 3000); do echo route add 10.$((i / 250)).$((i % 250)).0/24 dev pd; done | ip -batch -");
        assert!(timeout(SOON, watch.changed()).await.is_ok());
        settle(watch).await;
        namespace.sh("ip link delete pd");
        assert!(timeout(SOON, watch.changed()).await.is_ok());
    });
}

/// Waits until nothing more is noticed.
async fn settle(watch: &mut Watch) {
    while timeout(QUIET, watch.changed()).await.is_ok() {}
}

/// Runs `test` with a watch over the namespace.
fn within(namespace: &Namespace, test: impl AsyncFnOnce(&mut Watch) + Send) {
    namespace.within(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut watch = Watch::open().unwrap();
            test(&mut watch).await;
        });
    });
}
