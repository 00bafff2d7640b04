//! What an administrator sees at one glance: what runs, what is live, what was repaired, and what needs attention.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use postern_gateway::{BackendKind, PeerStats, PublicKey};
use serde::Serialize;

use crate::applied::Applied;
use crate::config::{BackendChoice, Tls};
use crate::gateway_view::{Stats, is_connected};
use crate::rules::certificate::Certificate;
use crate::rules::ids::LocationId;
use crate::site::{Site, SiteLocation};
use crate::store::census::{Census, Pending, Refused};
use crate::store::{StoreError, Trouble, Tx};

/// How far back refused activations are shown, in seconds.
const REFUSALS_SECONDS: i64 = 24 * 60 * 60;
/// How many single entries are listed of what may be many.
const MOST_LISTED: u32 = 20;

/// The overview. Its field names are what scripts rely on.
#[derive(Debug, Serialize)]
pub struct Status {
    version: &'static str,
    instance_name: String,
    public_url: String,
    /// RFC 3339.
    started_at: String,
    uptime_seconds: i64,
    healthy: bool,
    locations: Vec<LocationStatus>,
    firewall_drift_repaired: u64,
    https: Https,
    users: UserCounts,
    devices: u64,
    mail: MailCounts,
    pending: Vec<PendingDevice>,
    /// Devices for which a location has no address left, longest first.
    waiting: Vec<PendingDevice>,
    refused_activations: Vec<RefusedActivation>,
    /// Everything that needs attention, as sentences.
    problems: Vec<String>,
    /// What is worth knowing, and nobody has to do anything about.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LocationStatus {
    name: String,
    id: LocationId,
    interface: String,
    listen_port: u16,
    backend: BackendKind,
    /// Whether a restart moves it into the kernel, whose WireGuard was not there when the daemon started.
    kernel_at_restart: bool,
    /// Peers that should be there.
    wanted_peers: u64,
    /// Peers that are.
    peers: usize,
    /// Devices that may use it and wait for an address.
    waiting: u64,
    /// Whether it asks for a second factor.
    second_factor: bool,
    /// Devices that may use it and were given no second factor for; they are no peers.
    unconnected: u64,
    /// Peers that shook hands in the last 180 s.
    connected: usize,
    /// The newest of all peers, RFC 3339.
    last_handshake: Option<String>,
    drift_repaired: u64,
    last_drift: Option<String>,
    failing: Option<String>,
}

/// The certificate that visitors are shown.
#[derive(Debug, Serialize)]
struct Https {
    /// Where it is from: `acme`, `files` or, where we speak no TLS, `proxy`.
    source: &'static str,
    names: Vec<String>,
    issuer: Option<String>,
    /// RFC 3339.
    not_before: Option<String>,
    /// RFC 3339.
    not_after: Option<String>,
    /// When it was last tried in vain to have one, or another, RFC 3339, and why.
    failed_at: Option<String>,
    failure: Option<String>,
}

#[derive(Debug, Serialize)]
struct UserCounts {
    total: u64,
    disabled: u64,
    not_enrolled: u64,
}

impl From<&Census> for UserCounts {
    fn from(census: &Census) -> Self {
        Self { total: census.users, disabled: census.disabled_users, not_enrolled: census.unfinished_users }
    }
}

#[derive(Debug, Serialize)]
struct MailCounts {
    sent: bool,
    waiting: u64,
    troubled: u64,
}

impl MailCounts {
    fn new(site: &Site, census: &Census) -> Self {
        Self {
            sent: site.config.mail.is_sent(),
            waiting: census.mail_waiting,
            troubled: census.mail_troubled,
        }
    }
}

#[derive(Debug, Serialize)]
struct PendingDevice {
    device: String,
    username: Option<String>,
    location: String,
}

#[derive(Debug, Serialize)]
struct RefusedActivation {
    at: String,
    username: String,
    reason: String,
}

/// What the world says, besides the database.
pub struct World<'a> {
    /// What the reconcile loop published.
    pub applied: &'a Applied,
    /// What WireGuard counts, or why it cannot be asked.
    pub stats: Result<Stats, String>,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// What visitors are shown, where we speak TLS.
    pub certificate: Option<Certificate>,
    /// When something went wrong with it or its successor, and what, as a sentence.
    pub certificate_trouble: Option<(Timestamp, String)>,
    /// Whether the kernel has WireGuard at hand.
    pub has_kernel_wireguard: bool,
    /// Why the database cannot be written.
    pub store_trouble: Option<Trouble>,
}

/// Puts the overview together.
pub fn status(tx: &Tx<'_>, site: &Site, world: &World<'_>, now: Timestamp) -> Result<Status, StoreError> {
    let (census, locations) = (tx.census()?, locations(tx, site, world, now)?);
    let named = |id| site.location(id).map(|location| location.config.name.clone());
    let shown = |pending: Vec<Pending>| -> Vec<PendingDevice> {
        let shown = |pending: Pending| Some(PendingDevice::new(named(pending.location)?, pending));
        pending.into_iter().filter_map(shown).collect()
    };
    let refused = tx.refused_activations(now.as_second().saturating_sub(REFUSALS_SECONDS), MOST_LISTED)?;
    let mut status = Status {
        version: env!("CARGO_PKG_VERSION"),
        instance_name: site.config.instance_name.clone(),
        public_url: site.config.public_url.clone(),
        started_at: world.started_at.to_string(),
        uptime_seconds: now.as_second().saturating_sub(world.started_at.as_second()),
        healthy: false,
        locations,
        firewall_drift_repaired: world.applied.firewall_drift_repaired,
        https: Https::new(site, world),
        users: UserCounts::from(&census),
        devices: census.devices,
        mail: MailCounts::new(site, &census),
        pending: shown(tx.pending_devices(MOST_LISTED)?),
        waiting: shown(tx.waiting_devices(MOST_LISTED)?),
        refused_activations: refused.into_iter().map(RefusedActivation::from).collect(),
        problems: Vec::new(),
        notes: weakness(world, true).collect(),
    };
    status.problems = status.find_problems(world, &census);
    status.problems.extend(missing_groups(tx, site)?);
    status.problems.extend(left_out(tx, site)?);
    status.problems.extend(certificate_problems(site, world, now));
    status.healthy = status.problems.is_empty();
    Ok(status)
}

fn locations(
    tx: &Tx<'_>,
    site: &Site,
    world: &World<'_>,
    now: Timestamp,
) -> Result<Vec<LocationStatus>, StoreError> {
    let (wanted, waiting, unconnected) = (tx.wanted_peers()?, tx.waiting_counts()?, tx.unconnected_counts()?);
    let seen = site.locations().map(|location| {
        let count = |counts: &BTreeMap<_, u64>| counts.get(&location.id).copied().unwrap_or(0);
        let seen = LocationStatus::new(location, (count(&wanted), count(&waiting)), world, now);
        LocationStatus {
            kernel_at_restart: is_stand_in(site, location, world),
            unconnected: count(&unconnected),
            ..seen
        }
    });
    Ok(seen.collect())
}

/// Whether it runs in this process only because the kernel had no WireGuard when the daemon started, which it has now.
fn is_stand_in(site: &Site, location: &SiteLocation, world: &World<'_>) -> bool {
    let choice = location.config.backend.unwrap_or(site.config.backend);
    let runs_here = location.backend == BackendKind::Userspace;
    world.has_kernel_wireguard && runs_here && choice != BackendChoice::Userspace
}

/// What makes the gateway less safe, on this host for ever or for now.
fn weakness(world: &World<'_>, is_lasting: bool) -> impl Iterator<Item = String> {
    let found = world.applied.weakness.iter().filter(move |weakness| weakness.is_lasting == is_lasting);
    found.map(|weakness| weakness.text.clone())
}

impl Status {
    fn find_problems(&self, world: &World<'_>, census: &Census) -> Vec<String> {
        let mut problems: Vec<String> = world.store_trouble.iter().map(of_store).collect();
        problems.extend(world.applied.failing.iter().cloned());
        problems.extend(weakness(world, false));
        problems
            .extend(world.stats.as_ref().err().map(|error| format!("WireGuard cannot be asked: {error}")));
        for location in &self.locations {
            problems
                .extend(location.failing.as_ref().map(|why| format!("location {}: {why}", location.name)));
        }
        let waiting: BTreeSet<&str> = self.pending.iter().map(|pending| pending.location.as_str()).collect();
        problems.extend(
            waiting
                .iter()
                .map(|name| format!("location {name} has not taken every device yet; it is tried again")),
        );
        for location in self.locations.iter().filter(|location| location.waiting > 0) {
            problems.push(format!(
                "location {} has no free address, devices that wait for one: {}; remove devices that are not needed, or \
                 give it larger subnets",
                location.name, location.waiting
            ));
        }
        for refused in &self.refused_activations {
            problems.push(format!("{} could not set a password: {}", refused.username, refused.reason));
        }
        if census.mail_troubled > 0 {
            problems.push(format!("mail: {} messages could not be delivered", census.mail_troubled));
        }
        problems
    }
}

fn of_store(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Unwritable(why) => format!(
            "nothing can be changed, as {why}; tunnels go on; free space on the disk, or end who else uses the database"
        ),
        Trouble::Damaged(what) => format!(
            "nothing can be changed, as the database is damaged ({what}); tunnels go on; end postern and put back the last \
             backup with `postern restore FILE`"
        ),
    }
}

/// What visitors see of https, or will, unless somebody does something.
fn certificate_problems(site: &Site, world: &World<'_>, now: Timestamp) -> Vec<String> {
    if site.config.http.tls == Tls::Proxy {
        return Vec::new();
    }
    let worry = match &world.certificate {
        Some(certificate) => certificate.worry(site.config.host(), now),
        None => Some("there is no certificate yet: nobody can come in".to_owned()),
    };
    let failure = world.certificate_trouble.as_ref().map(|(_, reason)| reason.clone());
    worry.into_iter().chain(failure).map(|problem| format!("https: {problem}")).collect()
}

/// Groups that a location names and that were never made: a start does not wait for them.
fn missing_groups(tx: &Tx<'_>, site: &Site) -> Result<Vec<String>, StoreError> {
    let mut problems = Vec::new();
    for location in site.locations() {
        for group in location.config.groups.iter().flatten() {
            if tx.group_by_name(group)?.is_none() {
                let name = &location.config.name;
                problems.push(format!(
                    "location {name}: there is no group {group:?}, nobody joins by it (postern group create {group})"
                ));
            }
        }
    }
    Ok(problems)
}

/// Who can give no second factor where one is asked for.
fn left_out(tx: &Tx<'_>, site: &Site) -> Result<Vec<String>, StoreError> {
    let left_out = tx.left_out(MOST_LISTED)?;
    let named = |pending: &Pending| site.location(pending.location).map(|location| &location.config.name);
    let told = left_out.iter().filter_map(|pending| {
        let (name, device) = (named(pending)?, &pending.device);
        Some(format!(
            "location {name} asks for a second factor, which {device} cannot give: it is left out; remove it, or put it elsewhere"
        ))
    });
    Ok(told.collect())
}

impl Https {
    fn new(site: &Site, world: &World<'_>) -> Self {
        let certificate = world.certificate.as_ref();
        let trouble = world.certificate_trouble.as_ref();
        Self {
            source: match site.config.http.tls {
                Tls::Proxy => "proxy",
                Tls::Files(_) => "files",
                Tls::Acme(_) => "acme",
            },
            names: certificate.map(|certificate| certificate.names.clone()).unwrap_or_default(),
            issuer: certificate.map(|certificate| certificate.issuer.clone()),
            not_before: certificate.map(|certificate| certificate.not_before.to_string()),
            not_after: certificate.map(|certificate| certificate.not_after.to_string()),
            failed_at: trouble.map(|(at, _)| at.to_string()),
            failure: trouble.map(|(_, reason)| reason.clone()),
        }
    }
}

impl LocationStatus {
    fn new(
        location: &SiteLocation,
        (wanted_peers, waiting): (u64, u64),
        world: &World<'_>,
        now: Timestamp,
    ) -> Self {
        let state = world.applied.locations.get(&location.id);
        let stats = world.stats.as_ref().ok().and_then(|stats| stats.get(&location.id));
        let handshakes: Vec<i64> = stats.into_iter().flatten().filter_map(handshake).collect();
        let newest = handshakes.iter().max().and_then(|second| Timestamp::from_second(*second).ok());
        Self {
            name: location.config.name.clone(),
            id: location.id,
            interface: location.config.interface.to_string(),
            listen_port: location.config.listen_port.get(),
            backend: location.backend,
            kernel_at_restart: false,
            second_factor: location.config.second_factor,
            unconnected: 0,
            wanted_peers,
            waiting,
            peers: state.map_or(0, |state| state.peers),
            connected: stats
                .into_iter()
                .flat_map(BTreeMap::values)
                .filter(|peer| is_connected(peer, now))
                .count(),
            last_handshake: newest.map(|time| time.to_string()),
            drift_repaired: state.map_or(0, |state| state.drift_repaired),
            last_drift: state.and_then(|state| state.last_drift.clone()),
            failing: match state {
                Some(state) => state.failing.clone(),
                None => Some("not looked at yet".to_owned()),
            },
        }
    }
}

/// Unix seconds.
fn handshake((_, stats): (&PublicKey, &PeerStats)) -> Option<i64> {
    Timestamp::try_from(stats.last_handshake?).ok().map(Timestamp::as_second)
}

impl PendingDevice {
    fn new(location: String, pending: Pending) -> Self {
        Self { device: pending.device, username: pending.username, location }
    }
}

impl From<Refused> for RefusedActivation {
    fn from(refused: Refused) -> Self {
        let at = Timestamp::from_second(refused.at).unwrap_or(Timestamp::MIN);
        Self { at: at.to_string(), username: refused.username, reason: refused.reason }
    }
}

#[cfg(test)]
mod tests;
