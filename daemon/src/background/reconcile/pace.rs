//! When the loop looks at everything again: each interval while all is well, else soon and then ever more seldom.
//!
//! Commits of single devices and questions do not put it off, however many there are.

use std::time::Duration;

use tokio::time::Instant;

use super::turn::Cause;

/// The first retry after a failure; doubled up to the reconcile interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// What decides it.
pub(super) struct Pace {
    due: Instant,
    retry: Duration,
    healthy: bool,
}

impl Pace {
    /// Something is to be done at once.
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now, retry: FIRST_RETRY, healthy: false }
    }

    /// When the clock strikes next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// After a turn that left everything well.
    pub(super) fn after_success(&mut self, cause: Cause, interval: Duration, now: Instant) {
        if !self.healthy || cause != Cause::Commit {
            self.due = now + interval;
        }
        (self.healthy, self.retry) = (true, FIRST_RETRY);
        self.at_most(interval, now);
    }

    /// After a turn that left something undone.
    pub(super) fn after_failure(&mut self, cause: Cause, interval: Duration, now: Instant) {
        if self.healthy || matches!(cause, Cause::Boot | Cause::Clock) {
            self.due = now + self.retry;
            self.retry = self.retry.saturating_mul(2).min(interval);
        }
        self.healthy = false;
        self.at_most(interval, now);
    }

    /// A reload may have made the interval shorter.
    fn at_most(&mut self, interval: Duration, now: Instant) {
        self.due = self.due.min(now + interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn commits_do_not_put_the_regular_look_off() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.after_success(Cause::Boot, INTERVAL, start);
        pace.after_success(Cause::Commit, INTERVAL, start + seconds(20));
        assert_eq!(pace.due(), start + seconds(30));
        pace.after_success(Cause::Clock, INTERVAL, start + seconds(30));
        assert_eq!(pace.due(), start + seconds(60));
    }

    #[test]
    fn what_fails_is_tried_ever_more_seldom_whatever_is_committed_meanwhile() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.after_failure(Cause::Boot, INTERVAL, start);
        assert_eq!(pace.due(), start + seconds(1));
        pace.after_failure(Cause::Commit, INTERVAL, start);
        assert_eq!(pace.due(), start + seconds(1));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let now = pace.due();
            pace.after_failure(Cause::Clock, INTERVAL, now);
            pauses.push((pace.due() - now).as_secs());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_failure_after_success_is_tried_again_after_a_second() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.after_failure(Cause::Boot, INTERVAL, start);
        pace.after_success(Cause::Commit, INTERVAL, start);
        assert_eq!(pace.due(), start + seconds(30));
        pace.after_failure(Cause::Commit, INTERVAL, start + seconds(5));
        assert_eq!(pace.due(), start + seconds(6));
    }

    #[test]
    fn a_shorter_interval_counts_from_the_reload_on() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.after_success(Cause::Boot, INTERVAL * 100, start);
        pace.after_success(Cause::Commit, INTERVAL, start + seconds(7));
        assert_eq!(pace.due(), start + seconds(37));
    }
}
