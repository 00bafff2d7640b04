//! How often something may be done: so many times at once, then once in every period, counted for each key apart. It
//! keeps one number for a key and asks no clock. Memory is bounded: when too many keys are known, new ones share one
//! allowance.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// How long to wait between two times of forgetting keys, in milliseconds.
const FORGET_EVERY: i64 = 1000;

/// The allowances of all keys.
pub(super) struct Allowances<K> {
    period: i64,
    capacity: i64,
    most_keys: usize,
    used: Mutex<Used<K>>,
}

/// When each key has its full allowance again (Unix milliseconds).
struct Used<K> {
    by_key: BTreeMap<K, i64>,
    shared: i64,
    forget_at: i64,
}

impl<K: Ord + Copy> Allowances<K> {
    /// `burst` at once, then one in each `period`; at most `most_keys` are told apart.
    pub(super) fn new(burst: u16, period: Duration, most_keys: usize) -> Self {
        let period = i64::try_from(period.as_millis()).unwrap_or(i64::MAX / i64::from(u16::MAX));
        let used = Used { by_key: BTreeMap::new(), shared: i64::MIN, forget_at: i64::MIN };
        Self { period, capacity: period * i64::from(burst), most_keys, used: Mutex::new(used) }
    }

    /// Whether the key is one of those told apart.
    pub(super) fn knows(&self, key: K) -> bool {
        self.used().by_key.contains_key(&key)
    }

    /// Whether half of the keys that are told apart are known, not counting those that have their full allowance again.
    pub(super) fn is_half_full(&self, now: Timestamp) -> bool {
        let mut used = self.used();
        let half = self.most_keys / 2;
        if used.by_key.len() >= half {
            used.forget_full(now.as_millisecond());
        }
        used.by_key.len() >= half
    }

    /// Takes one of a key's allowance, or says how long to wait for it.
    pub(super) fn take(&self, key: K, now: Timestamp) -> Result<(), Duration> {
        let now = now.as_millisecond();
        let mut used = self.used();
        let slot = used.slot(key, now, self.most_keys);
        let full_at = now + self.capacity;
        // A clock that was set back must not lock anybody out.
        *slot = (*slot).clamp(now, full_at);
        let taken = *slot + self.period;
        if taken > full_at {
            let wait = u64::try_from(taken - full_at).unwrap_or(0);
            return Err(Duration::from_millis(wait));
        }
        *slot = taken;
        Ok(())
    }

    /// Undoes one [`Allowances::take`].
    pub(super) fn give_back(&self, key: K) {
        let mut used = self.used();
        let Used { by_key, shared, .. } = &mut *used;
        let slot = by_key.get_mut(&key).unwrap_or(shared);
        *slot = slot.saturating_sub(self.period);
    }

    /// Forgets a key: the next time it counts as new.
    pub(super) fn forget(&self, key: K) {
        self.used().by_key.remove(&key);
    }

    fn used(&self) -> MutexGuard<'_, Used<K>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord + Copy> Used<K> {
    fn slot(&mut self, key: K, now: i64, most_keys: usize) -> &mut i64 {
        let is_full = self.by_key.len() >= most_keys && !self.by_key.contains_key(&key);
        if is_full {
            self.forget_full(now);
        }
        if self.by_key.len() < most_keys || self.by_key.contains_key(&key) {
            self.by_key.entry(key).or_insert(now)
        } else {
            &mut self.shared
        }
    }

    /// Forgets keys that have their full allowance, unless that was done a moment ago.
    fn forget_full(&mut self, now: i64) {
        if now >= self.forget_at {
            self.by_key.retain(|_, full_at| *full_at > now);
            self.forget_at = now + FORGET_EVERY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(2);

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).unwrap()
    }

    fn three_at_once(most_keys: usize) -> Allowances<u32> {
        Allowances::new(3, PERIOD, most_keys)
    }

    #[test]
    fn after_the_burst_one_comes_with_every_period_and_the_wait_is_exact() {
        let allowances = three_at_once(9);
        for _ in 0..3 {
            allowances.take(1, at(0)).unwrap();
        }
        assert_eq!(allowances.take(1, at(0)), Err(PERIOD));
        assert_eq!(allowances.take(1, at(1999)), Err(Duration::from_millis(1)));
        allowances.take(1, at(2000)).unwrap();
        assert_eq!(allowances.take(1, at(2000)), Err(PERIOD));
        allowances.take(2, at(2000)).unwrap();
    }

    #[test]
    fn what_was_given_back_can_be_taken_again_and_never_saves_up() {
        let allowances = three_at_once(9);
        for _ in 0..100 {
            allowances.take(1, at(0)).unwrap();
            allowances.give_back(1);
        }
        let taken = (0..100).filter(|_| allowances.take(1, at(0)).is_ok()).count();
        assert_eq!(taken, 3);
    }

    #[test]
    fn many_threads_together_take_exactly_the_allowance() {
        let allowances = Allowances::new(1000, PERIOD, 9);
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..500).filter(|_| allowances.take(1u32, at(0)).is_ok()).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_keys() {
        let allowances = three_at_once(100);
        let taken = (0..1000).filter(|key| allowances.take(*key, at(0)).is_ok()).count();
        assert_eq!(taken, 103, "those beyond share one allowance");
        assert_eq!(allowances.used().by_key.len(), 100);
        allowances.take(5000, at(60_000)).unwrap();
        assert!(allowances.knows(5000) && !allowances.knows(1), "old ones were forgotten");
    }

    #[test]
    fn it_is_half_full_while_half_of_the_keys_lack_some_of_their_allowance() {
        let allowances = three_at_once(4);
        allowances.take(1, at(0)).unwrap();
        assert!(!allowances.is_half_full(at(0)));
        allowances.take(2, at(0)).unwrap();
        assert!(allowances.is_half_full(at(1)));
        assert!(!allowances.is_half_full(at(2000)));
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let allowances = three_at_once(9);
        for _ in 0..3 {
            allowances.take(1, at(1_000_000)).unwrap();
        }
        assert_eq!(allowances.take(1, at(0)), Err(PERIOD));
        allowances.take(1, at(2000)).unwrap();
    }
}
