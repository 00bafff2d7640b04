//! Who may ask how often. Whoever presents a token or session that is known is limited by it, so that many clients behind
//! one address do not hinder each other; whoever presents an unknown one is limited by address, and asks the database
//! nothing beyond that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request};
use ipnet::IpNet;
use jiff::Timestamp;
use postern_gateway::chain;

use super::allowance::Allowances;
use crate::app::App;
use crate::rules::action::Action;
use crate::rules::ids::UserId;
use crate::rules::token::TokenHash;

mod sign_in;

pub(super) use sign_in::{Attempt, SignIns, Way};

/// Addresses told apart.
const MOST_ADDRESSES: usize = 16_384;
/// What an address may guess of enrollment and reset tokens: so many at once, then one in every period.
const GUESSES: (u16, Duration) = (30, Duration::from_secs(2));
/// The same of sessions and polling tokens.
const STRANGERS: (u16, Duration) = (100, Duration::from_millis(100));
/// Mails with codes to connect with, of an account: so many at once, then one in every period, for which its code is good.
const CONNECT_MAILS: (u16, Duration) = (5, Duration::from_mins(10));
/// Tokens and sessions told apart.
const MOST_BEARERS: usize = 65_536;

/// The allowances.
pub(super) struct Limits {
    /// Of known enrollment tokens, polling tokens and sessions: a client polls every 30 s and after each disconnect.
    bearers: Allowances<[u8; 32]>,
    /// The same of what applications hold, which may be much.
    app_bearers: Allowances<[u8; 32]>,
    /// The same of sessions in which nginx asks for an application beside us: for every picture on every page of it.
    bearers_beside: Allowances<[u8; 32]>,
    /// Of addresses that present enrollment tokens nobody knows.
    guesses: Allowances<IpAddr>,
    /// Of addresses that present sessions and polling tokens nobody knows. Clients of removed devices go on polling for
    /// ever, and many may be behind one address.
    strangers: Allowances<IpAddr>,
    /// Of addresses that say they forgot a password.
    forgetful: Allowances<IpAddr>,
    /// Of mailboxes that somebody says they forgot the password of.
    mailboxes: Allowances<[u8; 32]>,
    /// Of addresses that want passkeys to be asked for: it is some work.
    askers_for_passkeys: Allowances<IpAddr>,
    /// Of users who are mailed codes to connect with: whoever knows a public key of theirs has them mailed.
    connect_mails: Allowances<UserId>,
    /// Of users who ask for another link.
    askers: Allowances<UserId>,
    /// Of users who add to what is theirs: links, devices, keys. Each is a row, and perhaps a mail.
    own: Allowances<UserId>,
    /// Of who signs in.
    pub(super) sign_ins: SignIns,
}

/// What is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presented {
    /// A token that opens a session.
    EnrollmentToken,
    /// A token that opens one in which a password is reset.
    ResetToken,
    /// What a device reads its configuration with.
    PollingToken,
    /// A session.
    Session,
    /// A session, for an application beside us.
    SessionBeside,
    /// A code or a token of an application.
    AppToken,
    /// The key of a device that connects.
    ConnectingKey,
    /// What somebody connects with who gives a second factor.
    ConnectToken,
}

impl Presented {
    /// What it is presented for.
    pub(super) fn action(self) -> Action {
        match self {
            Self::EnrollmentToken => Action::EnrollmentStart,
            Self::ResetToken => Action::PasswordReset,
            Self::PollingToken => Action::DevicePoll,
            Self::Session | Self::SessionBeside => Action::SessionPresent,
            Self::AppToken => Action::AppToken,
            Self::ConnectingKey | Self::ConnectToken => Action::ConnectionStart,
        }
    }
}

/// Admits one request; says afterwards whether what it presented is known.
pub(super) struct Admission<'a> {
    bearers: &'a Allowances<[u8; 32]>,
    /// Where else it may be known.
    elsewhere: Option<&'a Allowances<[u8; 32]>>,
    bearer: [u8; 32],
    stranger: Option<(&'a Allowances<IpAddr>, IpAddr)>,
    now: Timestamp,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bearers: Allowances::new(60, Duration::from_secs(1), MOST_BEARERS),
            app_bearers: Allowances::new(60, Duration::from_secs(1), MOST_BEARERS),
            bearers_beside: Allowances::new(1000, Duration::from_millis(10), MOST_BEARERS),
            guesses: Allowances::new(GUESSES.0, GUESSES.1, MOST_ADDRESSES),
            strangers: Allowances::new(STRANGERS.0, STRANGERS.1, MOST_ADDRESSES),
            forgetful: Allowances::new(10, Duration::from_mins(1), MOST_ADDRESSES),
            mailboxes: Allowances::new(3, Duration::from_hours(2), MOST_BEARERS),
            askers_for_passkeys: Allowances::new(GUESSES.0, GUESSES.1, MOST_ADDRESSES),
            connect_mails: Allowances::new(CONNECT_MAILS.0, CONNECT_MAILS.1, MOST_BEARERS),
            askers: Allowances::new(2, Duration::from_hours(6), MOST_BEARERS),
            own: Allowances::new(10, Duration::from_mins(6), MOST_BEARERS),
            sign_ins: SignIns::default(),
        }
    }
}

impl Limits {
    /// Knows every polling token from the start: whoever exhausts what the strangers of an address are allowed keeps none
    /// of its clients from polling after a restart.
    pub(super) fn knowing(app: &App) -> Self {
        let (limits, now) = (Self::default(), app.now());
        match app.store.read_blocking(|tx| tx.polling_hashes(MOST_BEARERS)) {
            Ok(tokens) => tokens.into_iter().for_each(|token| limits.issued(token, now)),
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "polling tokens count as unknown until they are presented"
                );
            }
        }
        limits
    }

    /// Takes one of the allowance of what is presented, or of the address if that is not known; or says how long to
    /// wait.
    pub(super) fn admit(
        &self,
        what: Presented,
        bearer: TokenHash,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Admission<'_>, Duration> {
        let bearers = match what {
            Presented::AppToken => &self.app_bearers,
            Presented::SessionBeside => &self.bearers_beside,
            Presented::EnrollmentToken
            | Presented::ResetToken
            | Presented::ConnectToken
            | Presented::PollingToken
            | Presented::Session
            | Presented::ConnectingKey => &self.bearers,
        };
        // Strangers behind an address keep nobody who is signed in from what is beside us.
        let elsewhere = (what == Presented::SessionBeside).then_some(&self.bearers);
        let admission = Admission { bearers, elsewhere, bearer: bearer.0, stranger: None, now };
        if bearers.knows(bearer.0) || elsewhere.is_some_and(|elsewhere| elsewhere.knows(bearer.0)) {
            bearers.take(bearer.0, now)?;
            return Ok(admission);
        }
        let strangers = match what {
            Presented::EnrollmentToken | Presented::ResetToken | Presented::ConnectToken => &self.guesses,
            Presented::PollingToken
            | Presented::Session
            | Presented::SessionBeside
            | Presented::AppToken
            | Presented::ConnectingKey => &self.strangers,
        };
        let network = network_of(address);
        strangers.take(network, now)?;
        Ok(Admission { stranger: Some((strangers, network)), ..admission })
    }

    /// Takes one of an address's allowance of asking for a password reset.
    pub(super) fn asks_for_reset(&self, address: IpAddr, now: Timestamp) -> Result<(), Duration> {
        self.forgetful.take(network_of(address), now)
    }

    /// Takes one of an address's allowance of having passkeys asked for.
    pub(super) fn asks_for_passkey(&self, address: IpAddr, now: Timestamp) -> Result<(), Duration> {
        self.askers_for_passkeys.take(network_of(address), now)
    }

    /// Takes one of the mails that a mailbox, known by its hash, is sent for forgotten passwords.
    pub(super) fn mails_reset(&self, mailbox: TokenHash, now: Timestamp) -> Result<(), Duration> {
        self.mailboxes.take(mailbox.0, now)
    }

    /// Takes one of the mails with codes to connect with that a user is sent.
    pub(super) fn mails_connect_code(&self, user: UserId, now: Timestamp) -> Result<(), Duration> {
        self.connect_mails.take(user, now)
    }

    /// Whether a user may ask for another link; takes one of their allowance.
    pub(super) fn asks_for_link(&self, user: UserId, now: Timestamp) -> bool {
        self.askers.take(user, now).is_ok()
    }

    /// What [`Limits::asks_for_link`] took is theirs again: nobody was told.
    pub(super) fn asked_in_vain(&self, user: UserId) {
        self.askers.give_back(user);
    }

    /// Takes one of the links, devices and keys that a user gives themselves.
    pub(super) fn adds_own(&self, user: UserId, now: Timestamp) -> Result<(), Duration> {
        self.own.take(user, now)
    }

    /// What [`Limits::adds_own`] took is theirs again: nothing was added.
    pub(super) fn added_nothing(&self, user: UserId) {
        self.own.give_back(user);
    }

    /// What was issued just now is known from the start.
    pub(super) fn issued(&self, bearer: TokenHash, now: Timestamp) {
        // It has its full allowance, so this cannot be refused.
        let _ = self.bearers.take(bearer.0, now);
    }

    /// The same of what an application was given.
    pub(super) fn issued_to_app(&self, bearer: TokenHash, now: Timestamp) {
        let _ = self.app_bearers.take(bearer.0, now);
    }
}

impl Admission<'_> {
    /// What was presented is good: from now on its own allowance counts.
    pub(super) fn known(self) {
        if let Some((strangers, network)) = self.stranger {
            strangers.give_back(network);
            // It has its full allowance, so this cannot be refused.
            let _ = self.bearers.take(self.bearer, self.now);
        }
    }

    /// What was presented was good, and is not any more.
    pub(super) fn spent(self) {
        if let Some((strangers, network)) = self.stranger {
            strangers.give_back(network);
        }
        self.unknown();
    }

    /// What was presented is good for nothing.
    pub(super) fn unknown(self) {
        self.bearers.forget(self.bearer);
        if let Some(elsewhere) = self.elsewhere {
            elsewhere.forget(self.bearer);
        }
    }
}

/// What counts as one client: an IPv4 address, or an IPv6 /64.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// What may well be one customer: an IPv4 address, or an IPv6 /48.
pub(super) fn site_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80))),
    }
}

/// Who sent a request: the peer of the connection, or, behind trusted proxies, the last address in `X-Forwarded-For`
/// that is not one of them.
pub(super) fn client_address(request: &Request, trusted: &[IpNet]) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    let lines = request.headers().get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let forwarded: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
    client_behind(peer, &forwarded, trusted)
}

fn client_behind(peer: IpAddr, forwarded: &[&str], trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let mut client = peer;
    for entry in forwarded.iter().rev() {
        if !is_trusted(client) {
            break;
        }
        let Ok(address) = entry.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
    }
    client
}

#[cfg(test)]
mod tests;
