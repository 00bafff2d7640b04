//! Who is let try, how often, and whom strangers keep out.

use super::*;

const ANN: Option<UserId> = Some(UserId(1));

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// From another address each time.
fn try_as<'a>(
    limits: &'a SignIns,
    (name, account): (&str, Option<UserId>),
    browser: Option<TokenHash>,
    second: i64,
) -> Result<Permit<'a>, Duration> {
    static ADDRESS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let address = ADDRESS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let client = std::net::Ipv4Addr::from_bits(address).into();
    limits.attempt(Attempt { name, account, browser, client }, at(second))
}

#[test]
fn strangers_fail_ten_times_in_any_hour_and_a_name_nobody_has_counts_alike() {
    for who in [("ann", ANN), ("nobody", None)] {
        let limits = SignIns::default();
        let fails = |second| try_as(&limits, who, None, second).is_ok();
        assert_eq!((0..20).filter(|second| fails(*second)).count(), 10);
        let Err(refused) = try_as(&limits, who, None, 20) else { panic!("an eleventh") };
        assert_eq!(refused, Duration::from_secs(3580));
        assert!((20..3600).all(|second| !fails(second)));
        assert!(fails(3600) && !fails(3601));
    }
}

#[test]
fn names_differ_by_more_than_case() {
    let limits = SignIns::default();
    while try_as(&limits, ("ann", ANN), None, 0).is_ok() {}
    assert!(try_as(&limits, ("ANN", ANN), None, 0).is_err());
    assert!(try_as(&limits, ("anna", None), None, 0).is_ok());
}

#[test]
fn codes_to_connect_with_are_counted_by_device_and_network_and_keep_nobody_from_signing_in() {
    let limits = SignIns::default();
    let from = |number: u8| IpAddr::from([198, 51, 100, number]);
    let connects =
        |device, number, second| limits.connects(DeviceId(device), from(number), at(second)).is_ok();
    assert_eq!((0..20).filter(|_| connects(1, 1, 0)).count(), 10);
    assert!(!connects(1, 1, 3599) && connects(1, 1, 3600));
    assert!(connects(2, 1, 0) && limits.code(UserId(1), at(0)).is_ok());
    limits.connecting_was_right(DeviceId(1), from(1));
    assert!(connects(1, 1, 3600));
}

#[test]
fn of_a_device_many_networks_guess_as_much_as_two_and_keep_it_out_of_none_where_it_connected() {
    let limits = SignIns::default();
    let (home, device) = ("2001:db8:1:7::1".parse().unwrap(), DeviceId(1));
    let from = |network: u16| IpAddr::from([0x2001, 0xdb8, network, 0, 0, 0, 0, 1]);
    let tries = |client| (0..99).filter(|_| limits.connects(device, client, at(9)).is_ok()).count();
    limits.connects(device, home, at(0)).unwrap();
    limits.connecting_was_right(device, home);
    limits.connected_from(device, home, at(0));
    assert_eq!(tries(from(2)), 10);
    assert_eq!((3..99).map(|network| tries(from(network))).sum::<usize>(), 10);
    let again = "2001:db8:1:8::1".parse().unwrap();
    assert_eq!(tries(again), 10, "its owner is not kept out, and guesses no more than anybody");
    assert_eq!(limits.connects(DeviceId(2), from(2), at(9)), Ok(()));
}

#[test]
fn what_was_right_costs_nothing() {
    let limits = SignIns::default();
    let attempt = Attempt { name: "ann", account: ANN, browser: None, client: [192, 0, 2, 1].into() };
    for browser in [None, Some(TokenHash([1; 32]))] {
        for _ in 0..100 {
            limits
                .attempt(Attempt { browser, ..attempt }, at(0))
                .unwrap_or_else(|_| panic!("limited"))
                .give_back();
        }
    }
}

#[test]
fn a_right_password_lets_in_so_often_and_nobody_else_is_kept_out() {
    let limits = SignIns::default();
    let entered = |account, second| limits.enter(UserId(account), Way::Stranger, at(second)).is_ok();
    assert_eq!((0..50).filter(|_| entered(1, 0)).count(), 20);
    assert!([Way::Known, Way::Passkey].into_iter().all(|way| limits.enter(UserId(1), way, at(0)).is_ok()));
    assert!(!entered(1, 59) && entered(1, 60) && !entered(1, 61));
    assert!(entered(2, 0));
}

#[test]
fn an_account_takes_ten_wrong_codes_in_any_hour_and_right_ones_cost_nothing() {
    let limits = SignIns::default();
    for _ in 0..100 {
        limits.code(UserId(1), at(0)).unwrap();
        limits.code_was_right(UserId(1));
    }
    let wrong = |account, second| limits.code(UserId(account), at(second)).is_ok();
    assert_eq!((0..20).filter(|second| wrong(1, *second)).count(), 10);
    assert!((20..3600).all(|second| !wrong(1, second)) && wrong(1, 3600) && wrong(2, 0));
}

/// With its other name no password is right any more, but the answer is as for a name that nobody has.
#[test]
fn an_account_takes_ten_failures_by_both_its_names_together_and_does_not_tell_that_they_are_one() {
    let limits = SignIns::default();
    while try_as(&limits, ("ann", ANN), None, 0).is_ok() {}
    let (mut right, mut admitted) = (0, 0);
    while let Ok(permit) = try_as(&limits, ("ann@example.com", ANN), None, 0) {
        (right, admitted) = (right + u32::from(permit.counts()), admitted + 1);
    }
    assert_eq!((right, admitted), (0, 10));
}

#[test]
fn strangers_lock_no_known_browser_out_and_each_of_those_is_counted_apart() {
    let limits = SignIns::default();
    while try_as(&limits, ("ann", ANN), None, 0).is_ok() {}
    for browser in [1, 2] {
        let known = Some(TokenHash([browser; 32]));
        let admitted = (0..20).filter(|_| try_as(&limits, ("ann", ANN), known, 0).is_ok()).count();
        assert_eq!(admitted, 10, "{browser}");
    }
    assert!(try_as(&limits, ("ben", Some(UserId(2))), Some(TokenHash([1; 32])), 0).is_ok());
}

#[test]
fn an_address_may_guess_so_much_whatever_the_names_and_a_known_browser_behind_it_is_not_kept_out() {
    let limits = SignIns::default();
    let client = "2001:db8::1".parse().unwrap();
    let stranger = Attempt { name: "w", account: None, browser: None, client };
    let names: Vec<String> = (0..100).map(|number| format!("name{number}")).collect();
    let tries = names.iter().map(|name| limits.attempt(Attempt { name, ..stranger }, at(0)));
    assert_eq!(tries.flatten().count(), 30);
    let neighbour = Attempt { client: "2001:db8::2".parse().unwrap(), ..stranger };
    assert!(limits.attempt(neighbour, at(0)).is_err());
    let known = Attempt { account: ANN, browser: Some(TokenHash([1; 32])), ..neighbour };
    assert!(limits.attempt(known, at(0)).is_ok());
}

/// Addresses of one site of IPv6 are as many as anybody wants.
#[test]
fn while_many_names_are_known_a_network_adds_so_many_an_hour_and_others_are_not_hindered() {
    let limits = SignIns::default();
    // By many.
    let known = u32::try_from(MOST_BEARERS / 2).unwrap();
    for number in 0..known {
        let client = std::net::Ipv4Addr::from_bits(number / 30).into();
        let name = &format!("known{number}");
        assert!(limits.attempt(Attempt { name, account: None, browser: None, client }, at(0)).is_ok());
    }
    let attempt = |number: u32, client: &str, second| {
        let attempt = Attempt {
            name: &format!("name{number}"),
            account: None,
            browser: None,
            client: client.parse().unwrap(),
        };
        limits.attempt(attempt, at(second)).is_ok()
    };
    let from = |site: &str, number: u32| format!("2001:db8:{site}:{:x}::1", number % 1000);
    let hour =
        |site: &str| (0..18_000).filter(|n| attempt(*n, &from(site, *n), i64::from(n / 500 * 100))).count();
    assert_eq!(hour("1"), 60 + 58);
    let most = (u32::try_from(MOST_BEARERS).unwrap() - known) / (60 + 60);
    assert!(most > 250, "{most} networks");
    assert!(!attempt(20_000, &from("1", 2001), 3500));
    assert!(attempt(1, &from("1", 2000), 3599), "a name that is known adds none");
    assert!(attempt(20_000, &from("2", 1), 3599));
    assert!(attempt(20_000, "192.0.2.1", 3599));
    let counted = (20_001..20_005).filter(|number| !attempt(*number, &from("1", *number), 3600)).count();
    assert_eq!(counted, 0, "those that were known are not any more");
}

/// A /48 may be many customers.
#[test]
fn one_network_keeps_out_no_neighbour_while_few_names_are_known() {
    let limits = SignIns::default();
    let attempt = |number: u32, client: &str| {
        let name = &format!("name{number}");
        let client = client.parse().unwrap();
        limits.attempt(Attempt { name, account: None, browser: None, client }, at(0)).is_ok()
    };
    assert_eq!((0..500).filter(|number| attempt(*number, "2001:db8:1:1::1")).count(), 30);
    assert_eq!((500..999).filter(|number| attempt(*number, "2001:db8:1:2::1")).count(), 30);
    assert!(attempt(1000, "2001:db8:1:3::1"), "sixty of their /48 are used");
}

#[test]
fn attempts_that_come_together_get_exactly_what_one_after_the_other_gets() {
    let limits = SignIns::default();
    let admitted: usize = std::thread::scope(|scope| {
        let trying = || (0..100).filter(|_| try_as(&limits, ("ann", ANN), None, 0).is_ok()).count();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(trying)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(admitted, 10);
}
