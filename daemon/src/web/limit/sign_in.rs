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
mod tests;
