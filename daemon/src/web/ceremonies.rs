//! What is asked of authenticators and not answered yet. It is good for one answer of the browser that asked, for a few
//! minutes, and until the daemon restarts: whoever is asked meanwhile is asked again.
//!
//! What is asked of users is kept in memory, of each bearer one. Of strangers there may be any number, and whoever has many
//! addresses would push out what others wait for: their browsers keep it, sealed. Here only what was answered right is
//! remembered until it is over, which only users can make more, each so many an hour.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::flows::passkeys::{Adding, Challenge};
use crate::rules::seal::{SealKey, Sealed};
use crate::rules::token::TokenHash;

/// How long an answer is waited for, in seconds: as long as the browser is told to wait.
pub(super) const ANSWER_WITHIN: i64 = 5 * 60;
/// How many are waited for, or were answered right, of each kind.
const MOST: usize = 16_384;

/// All that are waited for.
pub(super) struct Ceremonies {
    /// Passkeys to be added, by session.
    pub(super) adding: Pending<Adding>,
    /// Of who signs in.
    pub(super) entering: Entering,
    /// Of who owes a second factor, by what they wait under.
    pub(super) proving: Pending<Challenge>,
}

/// Of strangers. The key is of this start of the daemon.
pub(super) struct Entering {
    key: SealKey,
    /// What was answered right, and until when it would be taken (Unix seconds).
    answered: Mutex<BTreeMap<[u8; 32], i64>>,
}

/// What a browser was asked that is a stranger's.
pub(super) struct Asked {
    pub(super) challenge: Challenge,
    until: i64,
    id: [u8; 32],
}

/// Of one kind: one for each browser; beyond [`MOST`] the oldest are forgotten.
pub(super) struct Pending<T> {
    by_bearer: Mutex<BTreeMap<[u8; 32], (i64, T)>>,
}

impl Ceremonies {
    /// `random` is fresh.
    pub(super) fn new(random: [u8; 32]) -> Self {
        let entering = Entering { key: SealKey::from_bytes(random), answered: Mutex::default() };
        Self { adding: Pending::default(), entering, proving: Pending::default() }
    }
}

impl Entering {
    /// What a browser is to keep until it answers. `random` is fresh.
    #[expect(clippy::expect_used, reason = "nothing in it is no JSON")]
    pub(super) fn ask(&self, challenge: &Challenge, random: [u8; 32], now: Timestamp) -> String {
        let until = now.as_second().saturating_add(ANSWER_WITHIN);
        let asked = serde_json::to_vec(&(until, challenge)).expect("JSON has a form for it");
        URL_SAFE_NO_PAD.encode(self.key.seal(Sealed::PasskeyChallenge, &asked, random))
    }

    /// What was asked of a browser that kept this, in time.
    pub(super) fn asked(&self, kept: &str, now: Timestamp) -> Option<Asked> {
        let opened = self.key.open(Sealed::PasskeyChallenge, &URL_SAFE_NO_PAD.decode(kept).ok()?)?;
        let (until, challenge) = serde_json::from_slice(&opened).ok()?;
        let asked = Asked { challenge, until, id: Sha256::digest(&opened).into() };
        (now.as_second() < until).then_some(asked)
    }

    /// Whether it was answered right before: the same answer comes again, of no copy.
    pub(super) fn is_used_up(&self, asked: &Asked) -> bool {
        self.answered().contains_key(&asked.id)
    }

    /// It was answered right. `false`: not for the first time, or nobody could remember that it was.
    pub(super) fn use_up(&self, asked: &Asked, now: Timestamp) -> bool {
        let mut answered = self.answered();
        if answered.len() >= MOST {
            answered.retain(|_, until| *until > now.as_second());
        }
        answered.len() < MOST && answered.insert(asked.id, asked.until).is_none()
    }

    fn answered(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], i64>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    /// What every browser is asked is another thing.
    fn challenge() -> Challenge {
        let store = crate::store::Store::in_memory().unwrap();
        crate::flows::passkeys::challenge(&crate::fixtures::a_site(&store)).unwrap().1
    }

    #[test]
    fn what_a_stranger_is_asked_is_kept_by_their_browser_for_five_minutes_and_one_right_answer() {
        let entering = Ceremonies::new([1; 32]).entering;
        let kept = entering.ask(&challenge(), [2; 32], at(0));
        assert!(kept.len() < 1024, "as cookies may be: {}", kept.len());
        let asked = entering.asked(&kept, at(299)).unwrap();
        assert!(entering.asked(&kept, at(300)).is_none());
        assert!(entering.use_up(&asked, at(299)));
        let again = entering.asked(&kept, at(299)).unwrap();
        assert!(!entering.use_up(&again, at(299)) && !entering.use_up(&asked, at(299)));
        let other = entering.asked(&entering.ask(&challenge(), [3; 32], at(0)), at(0)).unwrap();
        assert!(entering.use_up(&other, at(0)), "of another browser");
        let restarted = Ceremonies::new([9; 32]).entering;
        assert!(restarted.asked(&kept, at(1)).is_none());
        let changed = kept.replacen(|letter: char| letter != '_', "_", 1);
        for strange in ["", "x", "\u{0}", &kept[1..], &changed] {
            assert!(entering.asked(strange, at(1)).is_none(), "{strange}");
        }
    }

    #[test]
    fn nobody_pushes_out_what_others_are_asked_or_has_what_was_answered_forgotten() {
        let entering = Ceremonies::new([1; 32]).entering;
        let first = entering.asked(&entering.ask(&challenge(), [2; 32], at(0)), at(0)).unwrap();
        assert!(entering.use_up(&first, at(0)));
        let answered = |number: usize, until| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            Asked { challenge: first.challenge.clone(), until, id }
        };
        let right = |number, second| entering.use_up(&answered(number, second + 300), at(second));
        assert_eq!((0..2 * MOST).filter(|number| right(*number, 1)).count(), MOST - 1);
        assert!(!entering.use_up(&first, at(2)), "it is still known");
        assert!(right(3 * MOST, 301), "the others are over");
        assert_eq!(entering.answered.lock().unwrap().len(), 1);
    }

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
