//! Who is let in, and when to come back.

use super::*;
use crate::rules::token::{TokenKey, TokenKind};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn guess(limits: &Limits, number: u8, address: &str) -> bool {
    let what = Presented::EnrollmentToken;
    limits.admit(what, TokenHash([number; 32]), ip(address), at(0)).map(Admission::unknown).is_ok()
}

#[test]
fn guesses_count_by_address_and_by_64_in_ipv6() {
    let limits = Limits::default();
    let admitted = (0..=255).filter(|number| guess(&limits, *number, "2001:db8::1")).count();
    assert_eq!(admitted, 30);
    assert!(!guess(&limits, 1, "2001:db8::ffff"));
    assert!(guess(&limits, 1, "2001:db8:0:1::1"));
    assert!(guess(&limits, 1, "192.0.2.1"));
    assert!(guess(&limits, 1, "192.0.2.2"));
}

#[test]
fn a_known_bearer_is_not_hindered_by_guesses_from_its_address_and_has_a_limit_of_its_own() {
    let limits = Limits::default();
    let good = TokenHash([255; 32]);
    let present = |second| limits.admit(Presented::EnrollmentToken, good, ip("192.0.2.1"), at(second));
    present(0).unwrap().known();
    while guess(&limits, 1, "192.0.2.1") {}
    let admitted = (0..100).filter(|_| present(0).map(Admission::known).is_ok()).count();
    assert_eq!(admitted, 59);
    assert!(present(1).is_ok());
}

#[test]
fn good_tokens_cost_their_address_nothing() {
    let limits = Limits::default();
    for number in 0..=255 {
        let bearer = TokenHash([number; 32]);
        limits.admit(Presented::EnrollmentToken, bearer, ip("192.0.2.1"), at(0)).unwrap().known();
    }
}

#[test]
fn threads_that_guess_together_get_exactly_what_one_gets() {
    let limits = Limits::default();
    let admitted: usize = std::thread::scope(|scope| {
        let guessing = |thread: u8| {
            let limits = &limits;
            scope.spawn(move || (0..100).filter(|_| guess(limits, thread, "192.0.2.1")).count())
        };
        let threads: Vec<_> = (0..8).map(guessing).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 30);
}

/// However many addresses somebody has: [`MOST_ADDRESSES`] are told apart, and all others share one allowance.
#[test]
fn guessing_at_the_permitted_rate_for_a_century_never_hits() {
    const CENTURY: f64 = 100.0 * 366.0 * 24.0 * 60.0 * 60.0;
    let length = TokenKey::from_bytes([1; 32]).derive(TokenKind::Polling, 1, 1).expose().len();
    let token_bits = f64::from(u32::try_from(length).unwrap()) * 62f64.log2();
    let told_apart = f64::from(u32::try_from(MOST_ADDRESSES).unwrap()) + 1.0;
    for (burst, period) in [GUESSES, STRANGERS] {
        let tries = told_apart * (f64::from(burst) + CENTURY / period.as_secs_f64());
        // A million tokens, good all the time.
        let chance = tries.log2() + 20.0 - token_bits;
        assert!(chance < -60.0, "2^{chance}");
    }
}

#[test]
fn what_applications_hold_takes_no_place_of_a_client_and_is_forgotten_when_it_is_spent() {
    let limits = Limits::default();
    let token = |number: usize| {
        TokenHash(std::array::from_fn(|at| number.to_le_bytes().get(at).copied().unwrap_or(0)))
    };
    (0..MOST_BEARERS).for_each(|number| limits.issued_to_app(token(number), at(0)));
    limits.issued(TokenHash([255; 32]), at(0));
    assert!(limits.bearers.knows([255; 32]));
    let present = || limits.admit(Presented::AppToken, token(1), ip("192.0.2.1"), at(0)).unwrap();
    present().known();
    assert!(limits.app_bearers.knows(token(1).0));
    present().spent();
    assert!(!limits.app_bearers.knows(token(1).0));
}

#[test]
fn what_is_good_no_more_counts_against_its_address_again() {
    let limits = Limits::default();
    let revoked = TokenHash([1; 32]);
    limits.issued(revoked, at(0));
    let poll =
        || limits.admit(Presented::PollingToken, revoked, ip("192.0.2.1"), at(0)).map(Admission::unknown);
    let admitted = (0..500).filter(|_| poll().is_ok()).count();
    assert_eq!(admitted, 101, "once as known, then as a stranger");
}

#[test]
fn a_session_that_is_known_is_known_beside_us_too_until_it_is_over() {
    let limits = Limits::default();
    let session = TokenHash([255; 32]);
    limits.issued(session, at(0));
    let strange = |number| limits.admit(Presented::Session, TokenHash([number; 32]), ip("192.0.2.1"), at(0));
    while strange(1).map(Admission::unknown).is_ok() {}
    let beside = || limits.admit(Presented::SessionBeside, session, ip("192.0.2.1"), at(0));
    let admitted = (0..2000).filter(|_| beside().map(Admission::known).is_ok()).count();
    assert_eq!(admitted, 1000, "its allowance there is one of its own");
    assert!(limits.admit(Presented::Session, session, ip("192.0.2.1"), at(0)).is_ok());
    let later = || limits.admit(Presented::SessionBeside, session, ip("192.0.2.1"), at(1));
    assert!(limits.admit(Presented::Session, TokenHash([2; 32]), ip("192.0.2.1"), at(0)).is_err());
    later().unwrap().unknown();
    assert!(!limits.bearers.knows(session.0) && !limits.bearers_beside.knows(session.0));
}

#[test]
fn who_has_passkeys_asked_for_is_counted_by_64_in_ipv6() {
    let limits = Limits::default();
    let asks = |host: u32| limits.asks_for_passkey(ip(&format!("2001:db8:1:1::{host:x}")), at(0)).is_ok();
    assert_eq!((0..600).filter(|host| asks(*host)).count(), 30);
    assert!(limits.asks_for_passkey(ip("2001:db8:1:2::1"), at(0)).is_ok(), "a neighbour");
}

#[test]
fn only_trusted_proxies_may_say_who_the_client_is() {
    let trusted = ["10.0.0.0/8".parse().unwrap()];
    let behind = |peer, forwarded: &[&str]| client_behind(ip(peer), forwarded, &trusted);
    assert_eq!(behind("192.0.2.1", &["198.51.100.9"]), ip("192.0.2.1"));
    assert_eq!(behind("10.0.0.1", &["203.0.113.5", "198.51.100.9", " 10.0.0.2"]), ip("198.51.100.9"));
    assert_eq!(behind("10.0.0.1", &["nonsense"]), ip("10.0.0.1"));
}
