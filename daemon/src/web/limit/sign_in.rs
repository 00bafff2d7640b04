//! How often somebody may try to sign in. An attempt takes its allowance before the password is looked at and has it back
//! when the password was right, so failures are what counts, exactly, however many attempts come together.
//!
//! Strangers to an account, which are browsers that never signed in to it, are counted together; each browser that did is
//! counted by itself, so that strangers lock no user out. A name is counted whether or not there is such an account. An
//! account has two names: once strangers failed often enough with either, no password is right any more, but the other
//! name is not answered otherwise than before: that would tell that both are one account's.
//!
//! So many names are told apart. Once half of them are known, a network adds so many an hour: whoever wants all others to share
//! one allowance needs hundreds of networks. Before that networks are not counted, so nobody keeps out a neighbour.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{GUESSES, MOST_ADDRESSES, MOST_BEARERS, network_of, site_of};
use crate::rules::ids::{DeviceId, UserId};
use crate::rules::token::TokenHash;
use crate::web::allowance::Allowances;

/// So many failures at once, and then another one in every period: at most so many in any hour.
const FAILURES: u16 = 10;
const PERIOD: Duration = Duration::from_hours(1);
/// Names that nobody failed with of late, which the strangers of a network fail with while many are known: so many at once,
/// and then another one in every period.
const NEW_NAMES: (u16, Duration) = (60, Duration::from_mins(1));
/// So many right passwords at once, and then another one in every period: more than people need.
const ENTRIES: (u16, Duration) = (20, Duration::from_mins(1));
/// For so long at least it is remembered from where a device connected, as long as there is room.
const CONNECTED_FOR: Duration = Duration::from_hours(30 * 24);

/// The allowances.
pub(in crate::web) struct SignIns {
    /// Of strangers, by name.
    names: Allowances<[u8; 32]>,
    /// Of strangers, by account.
    accounts: Allowances<UserId>,
    /// Of browsers that signed in to an account before.
    browsers: Allowances<[u8; 32]>,
    /// Of strangers, by address.
    addresses: Allowances<IpAddr>,
    /// Of new names, by network.
    newcomers: Allowances<IpAddr>,
    /// Of what is right, by account and way: each is a hash, a session, an entry in the audit log, perhaps a mail.
    entries: Allowances<(UserId, Way)>,
    /// Of six digits of a second factor, by account. Nobody is asked for them who did not give the right password, so no stranger
    /// can exhaust it. Nobody guesses recovery codes and passkeys: they are not counted.
    codes: Allowances<UserId>,
    /// Of those that are given to connect, by device and network: whoever has its key is asked for one, and must not keep its owner
    /// from connecting, nor from signing in, which is where it is removed.
    connecting: Allowances<(DeviceId, IpAddr)>,
    /// The same by device, of networks from which it never connected: however many there are, they guess no more than two do.
    strangers: Allowances<DeviceId>,
    /// Networks from which devices connected.
    connected: Allowances<(DeviceId, IpAddr)>,
}

/// By what somebody comes in who was right. Each way is counted apart: whoever has the password alone uses up neither what a
/// browser has that is known, nor what passkeys have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::web) enum Way {
    /// The password, in a browser that never signed in to the account.
    Stranger,
    /// The password, or what one is signed in with, in a browser that did.
    Known,
    /// A passkey.
    Passkey,
}

/// Who tries to sign in, and as whom.
#[derive(Clone, Copy)]
pub(in crate::web) struct Attempt<'a> {
    /// As typed.
    pub(in crate::web) name: &'a str,
    /// Whose account that is.
    pub(in crate::web) account: Option<UserId>,
    /// What the browser is known to the account by.
    pub(in crate::web) browser: Option<TokenHash>,
    /// From where.
    pub(in crate::web) client: IpAddr,
}

/// What an attempt took. Dropped, it stays taken.
pub(in crate::web) struct Permit<'a> {
    limits: &'a SignIns,
    browser: Option<[u8; 32]>,
    name: Option<[u8; 32]>,
    account: Option<UserId>,
    address: Option<IpAddr>,
    newcomer: Option<IpAddr>,
    /// Whether a right password is right.
    counts: bool,
}

impl Default for SignIns {
    fn default() -> Self {
        Self {
            names: Allowances::new(FAILURES, PERIOD, MOST_BEARERS),
            accounts: Allowances::new(FAILURES, PERIOD, MOST_BEARERS),
            browsers: Allowances::new(FAILURES, PERIOD, MOST_BEARERS),
            addresses: Allowances::new(GUESSES.0, GUESSES.1, MOST_ADDRESSES),
            newcomers: Allowances::new(NEW_NAMES.0, NEW_NAMES.1, MOST_ADDRESSES),
            entries: Allowances::new(ENTRIES.0, ENTRIES.1, MOST_BEARERS),
            codes: Allowances::new(FAILURES, PERIOD, MOST_BEARERS),
            connecting: Allowances::new(FAILURES, PERIOD, MOST_BEARERS),
            strangers: Allowances::new(2 * FAILURES, PERIOD, MOST_BEARERS),
            connected: Allowances::new(1, CONNECTED_FOR, MOST_BEARERS),
        }
    }
}

impl SignIns {
    /// Takes what an attempt costs; the error says how long to wait.
    pub(in crate::web) fn attempt(
        &self,
        attempt: Attempt<'_>,
        now: Timestamp,
    ) -> Result<Permit<'_>, Duration> {
        let Attempt { name, account, browser, client } = attempt;
        if let (Some(account), Some(browser)) = (account, browser) {
            let key = key_of("browser", &[&account.0.to_be_bytes(), &browser.0]);
            self.browsers.take(key, now)?;
            return Ok(Permit { browser: Some(key), ..self.nothing() });
        }
        let address = network_of(client);
        self.addresses.take(address, now)?;
        let name = key_of("name", &[name.to_ascii_lowercase().as_bytes()]);
        // Of two that add one name at the same time both are counted, which costs more and never less.
        let is_counted = !self.names.knows(name) && self.names.is_half_full(now);
        let newcomer = is_counted.then(|| site_of(client));
        newcomer.map_or(Ok(()), |site| self.newcomers.take(site, now))?;
        self.names.take(name, now)?;
        let account = account.map(|account| (account, self.accounts.take(account, now).is_ok()));
        Ok(Permit {
            name: Some(name),
            address: Some(address),
            newcomer,
            account: account.filter(|(_, is_taken)| *is_taken).map(|(account, _)| account),
            counts: account.is_none_or(|(_, is_taken)| is_taken),
            ..self.nothing()
        })
    }

    /// Takes what an answer of a passkey costs, which has no name to be counted by.
    pub(in crate::web) fn by_passkey(&self, client: IpAddr, now: Timestamp) -> Result<Permit<'_>, Duration> {
        let address = network_of(client);
        self.addresses.take(address, now)?;
        Ok(Permit { address: Some(address), ..self.nothing() })
    }

    /// Takes what a right password, or a right passkey, costs, which only who has it can spend; the error says how long to wait.
    pub(in crate::web) fn enter(&self, account: UserId, way: Way, now: Timestamp) -> Result<(), Duration> {
        self.entries.take((account, way), now)
    }

    /// Takes what a code of a second factor costs, before it is looked at; the error says how long to wait.
    pub(in crate::web) fn code(&self, account: UserId, now: Timestamp) -> Result<(), Duration> {
        self.codes.take(account, now)
    }

    /// The code was right, or nobody looked.
    pub(in crate::web) fn code_was_right(&self, account: UserId) {
        self.codes.give_back(account);
    }

    /// Takes what a code to connect with costs, before it is looked at; the error says how long to wait.
    pub(in crate::web) fn connects(
        &self,
        device: DeviceId,
        client: IpAddr,
        now: Timestamp,
    ) -> Result<(), Duration> {
        let place = (device, site_of(client));
        self.connecting.take(place, now)?;
        if self.connected.knows(place) {
            return Ok(());
        }
        self.strangers.take(device, now).inspect_err(|_| self.connecting.give_back(place))
    }

    /// That code was right, or nobody looked.
    pub(in crate::web) fn connecting_was_right(&self, device: DeviceId, client: IpAddr) {
        let place = (device, site_of(client));
        self.connecting.give_back(place);
        if !self.connected.knows(place) {
            self.strangers.give_back(device);
        }
    }

    /// A device connected from here: no stranger elsewhere keeps it from doing so again.
    pub(in crate::web) fn connected_from(&self, device: DeviceId, client: IpAddr, now: Timestamp) {
        // Whether or not it is known already.
        let _ = self.connected.take((device, site_of(client)), now);
    }

    fn nothing(&self) -> Permit<'_> {
        Permit {
            limits: self,
            browser: None,
            name: None,
            account: None,
            address: None,
            newcomer: None,
            counts: true,
        }
    }
}

impl Permit<'_> {
    /// Whether a right password lets somebody in. Strangers to an account failed too often where it does not.
    pub(in crate::web) fn counts(&self) -> bool {
        self.counts
    }

    /// It was no failure.
    pub(in crate::web) fn give_back(self) {
        let limits = self.limits;
        self.browser.into_iter().for_each(|key| limits.browsers.give_back(key));
        self.name.into_iter().for_each(|key| limits.names.give_back(key));
        self.account.into_iter().for_each(|account| limits.accounts.give_back(account));
        self.address.into_iter().for_each(|address| limits.addresses.give_back(address));
        self.newcomer.into_iter().for_each(|site| limits.newcomers.give_back(site));
    }
}

/// The first part has no other length than its word has, so that nothing is mistaken for something else.
fn key_of(what: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = Sha256::new_with_prefix(what);
    for part in parts {
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
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
        assert!(
            [Way::Known, Way::Passkey].into_iter().all(|way| limits.enter(UserId(1), way, at(0)).is_ok())
        );
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
        let hour = |site: &str| {
            (0..18_000).filter(|n| attempt(*n, &from(site, *n), i64::from(n / 500 * 100))).count()
        };
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
}
