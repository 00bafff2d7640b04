//! When an authority is asked, and how the name is proven: decisions, without a clock of their own.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::PlainDoor;
use crate::rules::certificate::Certificate;

/// Minutes to wait after so many failures in a row; authorities count them, Let's Encrypt five an hour.
const WAITS: [i64; 8] = [1, 5, 15, 30, 60, 120, 240, 360];
/// Even an administrator who reloads again and again waits so long.
const AT_LEAST: SignedDuration = SignedDuration::from_secs(10);
/// However soon a certificate seems to need a successor, for a clock that is wrong above all: not before so much of its time
/// has passed since it came, or a day.
const PART_OF_LIFE: i32 = 4;
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(24);
/// A failure that the next attempts mend is nobody's affair: that takes twenty minutes, or two hours where there is a
/// certificate meanwhile that is not near its end.
const MATTER_FROM: usize = 3;
const MATTER_FROM_MEANWHILE: usize = 6;

/// How it is proven that a name is this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// A file on port 80 (RFC 8555, 8.3).
    Http,
    /// A certificate on port 443 (RFC 8737).
    TlsAlpn,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP-01, on port 80",
            Self::TlsAlpn => "TLS-ALPN-01, on port 443",
        })
    }
}

/// When an authority suggests that a certificate be replaced (RFC 9773, 4.2): in the past where it is going to be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Window {
    /// The moment in it that `share`, from 0 to 255, stands for.
    fn moment(self, share: u8) -> Timestamp {
        let part = self.end.duration_since(self.start) / 255 * i32::from(share);
        self.start.checked_add(part).unwrap_or(self.start)
    }
}

/// The failures since the last success.
#[derive(Debug, Default)]
pub(super) struct Failures {
    count: usize,
    last: Option<Timestamp>,
    not_before: Option<Timestamp>,
}

impl Failures {
    /// One more, at `now`; `share`, from 0 to 255, spreads the next attempt over a fifth of the wait.
    pub(super) fn add(&mut self, now: Timestamp, share: u8) {
        let minutes = WAITS.get(self.count).or(WAITS.last()).copied().unwrap_or(1);
        let wait = SignedDuration::from_mins(minutes);
        let spread = wait / 5 / 255 * i32::from(share);
        self.count += 1;
        self.last = Some(now);
        self.not_before = Some(now.checked_add(wait + spread).unwrap_or(now));
    }

    /// None any more: this one came at `now`.
    pub(super) fn end(&mut self, now: Timestamp, obtained: &Certificate) {
        let life = obtained.not_after.duration_since(obtained.not_before);
        let rest = (life / PART_OF_LIFE).clamp(AT_LEAST, LONGEST_REST);
        *self = Self { count: 0, last: None, not_before: now.checked_add(rest).ok() };
    }

    /// Somebody mended something: the wait is over, almost.
    pub(super) fn try_soon(&mut self, now: Timestamp) {
        if let Some(last) = self.last {
            self.not_before = Some(last.checked_add(AT_LEAST).unwrap_or(now).max(now));
        }
    }

    /// The end of the wait.
    pub(super) fn not_before(&self) -> Timestamp {
        self.not_before.unwrap_or(Timestamp::MIN)
    }

    /// When to ask for a successor of `present`, for which the authority suggests `window`, or for the first one.
    pub(super) fn due(&self, present: Option<&Certificate>, window: Option<Window>, share: u8) -> Timestamp {
        let renew_at = |present: &Certificate| match window {
            // However late it is suggested: before anybody worries.
            Some(window) => window.moment(share).min(present.last_part()),
            None => present.renew_at(share),
        };
        present.map_or(Timestamp::MIN, renew_at).max(self.not_before())
    }

    /// By turns, because one of the ports may be closed; without a listener on port 80 there is one way only.
    pub(super) fn way(&self, plain_door: PlainDoor) -> Way {
        match plain_door {
            PlainDoor::Open if self.count.is_multiple_of(2) => Way::Http,
            PlainDoor::Open | PlainDoor::Absent => Way::TlsAlpn,
        }
    }

    /// Whether the last attempt succeeded, or there was none.
    pub(super) fn is_well(&self) -> bool {
        self.count == 0
    }

    /// Whether somebody has to be told of the failures; `present` is what visitors can use meanwhile.
    pub(super) fn matter(&self, present: Option<&Certificate>, now: Timestamp) -> bool {
        match present {
            Some(present) => self.count >= MATTER_FROM_MEANWHILE || present.is_near_its_end(now),
            None => self.count >= MATTER_FROM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    const DAY: i64 = 24 * 60 * 60;

    fn a_certificate() -> Certificate {
        Certificate {
            names: vec!["vpn.example.com".to_owned()],
            issuer: "CN=Test".to_owned(),
            not_before: at(0),
            not_after: at(90 * DAY),
        }
    }

    #[test]
    fn the_first_is_asked_for_at_once_and_the_next_after_two_thirds() {
        let failures = Failures::default();
        assert!(failures.due(None, None, 0) < at(0));
        assert_eq!(failures.due(Some(&a_certificate()), None, 0), at(60 * DAY));
    }

    #[test]
    fn what_the_authority_suggests_is_followed_and_never_into_the_last_part_of_its_life() {
        let failures = Failures::default();
        let due = |start: i64, end: i64, share| {
            let window = Window { start: at(start * DAY), end: at(end * DAY) };
            failures.due(Some(&a_certificate()), Some(window), share).as_second()
        };
        assert_eq!(due(50, 52, 0), 50 * DAY);
        assert!((52 * DAY - 1000..=52 * DAY).contains(&due(50, 52, 255)));
        assert_eq!(due(-1, 1, 0), -DAY, "at once: it is going to be revoked");
        assert_eq!(due(85, 89, 100), 76 * DAY);
        assert_eq!(due(52, 50, 0), 52 * DAY, "nonsense is no reason to panic");
    }

    #[test]
    fn after_failures_the_wait_grows_and_ends_growing() {
        let mut failures = Failures::default();
        let mut waits = Vec::new();
        for _ in 0..10 {
            failures.add(at(0), 0);
            waits.push(failures.due(None, None, 0).as_second() / 60);
        }
        assert_eq!(waits, [1, 5, 15, 30, 60, 120, 240, 360, 360, 360]);
        failures.add(at(0), 255);
        assert_eq!(failures.due(None, None, 0).as_second() / 60, 431, "spread over a fifth");
    }

    #[test]
    fn who_mended_something_waits_no_longer_but_never_asks_in_a_tight_loop() {
        let mut failures = Failures::default();
        failures.try_soon(at(5));
        assert!(failures.due(None, None, 0) < at(5), "there is nothing to wait for");
        failures.add(at(100), 0);
        failures.try_soon(at(101));
        assert_eq!(failures.due(None, None, 0), at(110));
        failures.try_soon(at(150));
        assert_eq!(failures.due(None, None, 0), at(150));
    }

    #[test]
    fn a_certificate_that_seems_old_when_it_comes_is_not_replaced_in_a_tight_loop() {
        let mut pace = Failures::default();
        let (certificate, wrong_clock) = (a_certificate(), at(80 * DAY));
        pace.end(wrong_clock, &certificate);
        assert_eq!(pace.due(Some(&certificate), None, 0), at(81 * DAY));
        assert_eq!(pace.due(None, None, 0), at(81 * DAY), "nor one that is for another name");
        pace.try_soon(at(80 * DAY + 60));
        assert_eq!(pace.due(None, None, 0), at(81 * DAY));
    }

    #[test]
    fn both_ways_are_tried_by_turns_where_both_ports_are_there() {
        let mut failures = Failures::default();
        let mut way = |plain_door| {
            failures.add(at(0), 0);
            failures.way(plain_door)
        };
        assert_eq!([PlainDoor::Open; 3].map(&mut way), [Way::TlsAlpn, Way::Http, Way::TlsAlpn]);
        assert_eq!([PlainDoor::Absent; 2].map(way), [Way::TlsAlpn, Way::TlsAlpn]);
    }

    #[test]
    fn somebody_is_told_when_attempts_fail_again_and_again_or_the_time_is_nearly_up() {
        let mut failures = Failures::default();
        let for_six_days = Certificate { not_after: at(6 * DAY), ..a_certificate() };
        failures.add(at(0), 0);
        assert!(!failures.matter(None, at(0)) && !failures.matter(Some(&a_certificate()), at(60 * DAY)));
        assert!(!failures.matter(Some(&for_six_days), at(4 * DAY)), "it has just become due");
        assert!(failures.matter(Some(&for_six_days), at(5 * DAY + 1)));
        assert!(failures.matter(Some(&a_certificate()), at(77 * DAY)));
        failures.add(at(0), 0);
        failures.add(at(0), 0);
        assert!(failures.matter(None, at(0)) && !failures.matter(Some(&a_certificate()), at(60 * DAY)));
        for _ in 3..6 {
            failures.add(at(0), 0);
        }
        assert!(failures.matter(Some(&a_certificate()), at(60 * DAY)));
    }
}
