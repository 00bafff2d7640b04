//! Connecting where a second factor is asked for: how long a code and a connection are good. Clients do not say when they
//! disconnect (protocol 1.8), so a connection is over when nobody shook hands for so long that no key of WireGuard's would
//! still be good.

/// A connection is over so many seconds after its last handshake, or after its beginning if there was none. No key is good for
/// more than 180 (WireGuard white paper, section 6.1, `REJECT_AFTER_TIME`); but whoever sends nothing but keepalives, every 25,
/// may notice that late, and tries a handshake again after 5.
pub const IDLE: i64 = 180 + 25 + 5;
/// Clocks that went apart by more seconds than this: somebody set one.
const APART: i64 = 2;
/// So many seconds there are to give the second factor.
pub const ATTEMPT: i64 = 600;
/// The host's clock, which may be set at any time, beside one that nobody sets. All are seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// Unix seconds.
    pub wall: i64,
    /// Since some beginning; it stands still while the host sleeps.
    pub steady: i64,
    /// When, by the steady one, somebody was last found to have set the other.
    set_at: i64,
}

impl Clocks {
    /// At the beginning.
    pub fn begin(wall: i64, steady: i64) -> Self {
        Self { wall, steady, set_at: i64::MIN }
    }

    /// What they say later.
    #[must_use]
    pub fn later(self, wall: i64, steady: i64) -> Self {
        let apart = wall.saturating_sub(self.wall).saturating_sub(steady.saturating_sub(self.steady));
        let set_at = if apart.saturating_abs() > APART { steady } else { self.set_at };
        Self { wall, steady, set_at }
    }

    /// Whether the host's was just found to have been set.
    pub fn were_set(self) -> bool {
        self.set_at == self.steady
    }

    /// When, by the steady one, something happened at `wall` by the host's, and not before `earliest`; where that cannot be,
    /// as the host's was set since: just now.
    pub fn when(self, wall: i64, earliest: i64) -> i64 {
        let then = self.steady.saturating_sub(self.wall.saturating_sub(wall));
        let possible = earliest.saturating_sub(APART)..=self.steady.saturating_add(APART);
        if self.set_at <= earliest && possible.contains(&then) {
            then.min(self.steady).max(earliest)
        } else {
            self.steady
        }
    }
}

/// In how many seconds a connection is over, for which nobody shook hands for `idle` seconds; 0 or less: now.
pub fn left(idle: i64) -> i64 {
    IDLE.saturating_sub(idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_210_seconds_after_the_last_handshake() {
        assert_eq!((left(100), left(210)), (110, 0));
    }

    #[test]
    fn what_happened_is_dated_by_a_clock_that_nobody_sets() {
        let clocks = Clocks::begin(1000, 50).later(1200, 250);
        assert!(!clocks.were_set());
        assert_eq!((clocks.when(1150, 60), clocks.when(1200, 60)), (200, 250));
        assert_eq!(
            (clocks.when(1009, 60), clocks.when(1201, 60)),
            (60, 250),
            "they tick at different moments"
        );
        assert_eq!((clocks.when(900, 60), clocks.when(9000, 60)), (250, 250), "by a clock of before");
    }

    #[test]
    fn a_clock_that_was_set_dates_nothing_until_something_happens_by_it() {
        for day in [86_400, -86_400, 100, -100] {
            let set = Clocks::begin(1000, 50).later(1010 + day, 60);
            assert!(set.were_set());
            assert_eq!((set.when(1005, 50), set.when(1008 + day, 50)), (60, 60), "{day}");
            let after = set.later(1110 + day, 160);
            assert!(!after.were_set());
            assert_eq!((after.when(1008 + day, 50), after.when(1090 + day, 60)), (160, 140), "{day}");
        }
    }
}
