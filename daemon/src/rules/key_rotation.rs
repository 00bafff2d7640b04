//! When keys that sign ID tokens come and go. A key is published a day before it signs, so that nobody who keeps the key set
//! for an hour meets a token of a key they do not know; and it stays published until every token of it is over.

use jiff::Timestamp;

const DAY: i64 = 24 * 60 * 60;
/// How long a key signs.
const SIGNS_FOR: i64 = 90 * DAY;
/// How long it is published before.
const PUBLISHED_BEFORE: i64 = DAY;
/// How long it is published afterwards: longer than an ID token is good.
const PUBLISHED_AFTER: i64 = DAY;

/// From when on another key is to sign, if one is to be made now. `signs_from` are the starts of those there are of the same
/// algorithm, in their order (Unix seconds).
pub fn next(signs_from: &[i64], now: Timestamp) -> Option<i64> {
    let now = now.as_second();
    match signs_from.last() {
        None => Some(now),
        Some(last) if now >= last.saturating_add(SIGNS_FOR - PUBLISHED_BEFORE) => {
            Some(now + PUBLISHED_BEFORE)
        }
        Some(_) => None,
    }
}

/// The position of the key that signs. Where none has begun (the clock was set back), it is the first.
pub fn signing(signs_from: &[i64], now: Timestamp) -> Option<usize> {
    let begun = signs_from.iter().rposition(|from| *from <= now.as_second());
    begun.or((!signs_from.is_empty()).then_some(0))
}

/// Whether the key at a position is published.
pub fn is_published(signs_from: &[i64], position: usize, now: Timestamp) -> bool {
    signs_from.get(position + 1).is_none_or(|next| now.as_second() < next.saturating_add(PUBLISHED_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_new_key_is_published_a_day_before_it_signs_and_an_old_one_a_day_after() {
        assert_eq!(next(&[], at(5)), Some(5), "the first signs at once");
        assert_eq!(next(&[0], at(89 * DAY - 1)), None);
        assert_eq!(next(&[0], at(89 * DAY)), Some(90 * DAY));
        let keys = [0, 90 * DAY];
        assert_eq!(next(&keys, at(89 * DAY)), None, "once");
        assert_eq!((signing(&keys, at(90 * DAY - 1)), signing(&keys, at(90 * DAY))), (Some(0), Some(1)));
        assert!(is_published(&keys, 0, at(91 * DAY - 1)) && !is_published(&keys, 0, at(91 * DAY)));
        assert!(is_published(&keys, 1, at(89 * DAY)));
    }

    #[test]
    fn after_a_long_pause_the_old_key_signs_until_the_new_one_was_seen() {
        let keys = [0, next(&[0], at(300 * DAY)).unwrap()];
        assert_eq!(signing(&keys, at(300 * DAY)), Some(0));
        assert_eq!(signing(&keys, at(301 * DAY)), Some(1));
        assert_eq!((signing(&[], at(0)), signing(&[7], at(0))), (None, Some(0)));
    }
}
