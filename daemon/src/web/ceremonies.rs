//! What is asked of authenticators and not answered yet. It is kept for one answer of the browser that asked, for a few
//! minutes, and in memory: whoever is asked while the daemon restarts is asked again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::flows::passkeys::{Adding, Challenge};
use crate::rules::token::TokenHash;

/// How long an answer is waited for, in seconds: as long as the browser is told to wait.
pub(super) const ANSWER_WITHIN: i64 = 5 * 60;
/// How many are waited for; beyond that the oldest are forgotten.
const MOST: usize = 16_384;

/// All that are waited for.
#[derive(Default)]
pub(super) struct Ceremonies {
    /// Passkeys to be added, by session.
    pub(super) adding: Pending<Adding>,
    /// Of who signs in, by a cookie of their own.
    pub(super) entering: Pending<Challenge>,
    /// Of who owes a second factor, by what they wait under.
    pub(super) proving: Pending<Challenge>,
}

/// Of one kind: one for each browser.
pub(super) struct Pending<T> {
    by_bearer: Mutex<BTreeMap<[u8; 32], (i64, T)>>,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self { by_bearer: Mutex::default() }
    }
}

impl<T> Pending<T> {
    /// Waits for an answer of who bears the token, and for no earlier one.
    pub(super) fn wait_for(&self, bearer: TokenHash, what: T, now: Timestamp) {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST && !waiting.contains_key(&bearer.0) {
            waiting.retain(|_, (until, _)| *until > now.as_second());
        }
        if waiting.len() >= MOST {
            let oldest = waiting.iter().min_by_key(|(_, (until, _))| *until).map(|(bearer, _)| *bearer);
            oldest.and_then(|oldest| waiting.remove(&oldest));
        }
        waiting.insert(bearer.0, (now.as_second().saturating_add(ANSWER_WITHIN), what));
    }

    /// What was asked, once and in time.
    pub(super) fn take(&self, bearer: TokenHash, now: Timestamp) -> Option<T> {
        let (until, what) = self.waiting().remove(&bearer.0)?;
        (now.as_second() < until).then_some(what)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], (i64, T)>> {
        self.by_bearer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    const ANN: TokenHash = TokenHash([1; 32]);

    #[test]
    fn an_answer_is_waited_for_once_five_minutes_and_from_one_browser() {
        let pending = Pending::default();
        pending.wait_for(ANN, "first", at(0));
        pending.wait_for(ANN, "second", at(0));
        assert_eq!(pending.take(TokenHash([2; 32]), at(0)), None);
        assert_eq!(pending.take(ANN, at(299)), Some("second"));
        assert_eq!(pending.take(ANN, at(299)), None);
        pending.wait_for(ANN, "third", at(0));
        assert_eq!(pending.take(ANN, at(300)), None);
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_browsers() {
        let pending = Pending::default();
        let bearer = |number: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            TokenHash(hash)
        };
        for number in 0..=MOST {
            pending.wait_for(bearer(number), number, at(i64::from(number > 0)));
        }
        assert_eq!(pending.waiting().len(), MOST);
        assert_eq!((pending.take(bearer(0), at(1)), pending.take(bearer(MOST), at(1))), (None, Some(MOST)));
        pending.wait_for(bearer(0), 0, at(1000));
        pending.wait_for(bearer(MOST), 0, at(1000));
        assert_eq!(pending.waiting().len(), 2, "the others were not answered in time");
    }
}
