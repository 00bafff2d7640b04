//! What is looked at rather than counted, as the metrics of one scrape.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::process::Process;
use super::snapshot::{LocationSeen, Snapshot, Stored};
use super::traffic::Traffic;
use crate::rules::fact::Fact;

type Whole = Gauge<u64, AtomicU64>;
type Real = Gauge<f64, AtomicU64>;
type RealCounter = Counter<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLocation {
    location: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WithOutcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

/// Registers everything that `snapshot` and `traffic` say.
pub(super) fn register(registry: &mut Registry, snapshot: &Snapshot, traffic: &Traffic) {
    process(registry, snapshot);
    let registry = registry.sub_registry_with_prefix("postern");
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "Which version runs", build);
    facts(registry, snapshot);
    gateway(registry, snapshot);
    whole(registry, "database_up", "Whether the database can be read", snapshot.stored.is_some().into());
    certificate(registry, snapshot);
    if let Some(stored) = &snapshot.stored {
        people(registry, stored);
        mail(registry, stored, snapshot);
        for of in OF_LOCATION {
            of.register(registry, stored, snapshot);
        }
        bytes(registry, stored, traffic);
    }
}

fn certificate(registry: &mut Registry, snapshot: &Snapshot) {
    let is_missing = snapshot.speaks_tls && snapshot.certificate.is_none();
    whole(registry, "certificate_missing", "Whether https has no certificate to show", is_missing.into());
    let Some(certificate) = &snapshot.certificate else { return };
    let help = "Until when the certificate of https is good, in seconds since 1970";
    time(registry, "certificate_expiry_timestamp_seconds", help, certificate.not_after);
    let help = "From when the certificate of https is good, in seconds since 1970";
    time(registry, "certificate_start_timestamp_seconds", help, certificate.not_before);
}

fn whole(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Whole::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

fn time(registry: &mut Registry, name: &str, help: &str, value: Timestamp) {
    let gauge = Real::default();
    gauge.set(value.as_duration().as_secs_f64());
    registry.register(name, help, gauge);
}

fn facts(registry: &mut Registry, snapshot: &Snapshot) {
    let happened = |fact| snapshot.facts.get(&fact).copied().unwrap_or(0);
    for (name, help, fact) in [
        (
            "enrollments_started",
            "Links and tokens that were used for the first time",
            Fact::EnrollmentStarted,
        ),
        ("devices_registered", "Devices that registered their first key", Fact::DeviceRegistered),
    ] {
        let counter: Counter = Counter::default();
        counter.inc_by(happened(fact));
        registry.register(name, help, counter);
    }
    let outcomes: Family<WithOutcome, Counter> = Family::default();
    for (outcome, fact) in [
        ("finished", Fact::EnrollmentFinished),
        ("expired", Fact::EnrollmentExpired),
        ("abandoned", Fact::EnrollmentAbandoned),
    ] {
        outcomes.get_or_create(&WithOutcome { outcome }).inc_by(happened(fact));
    }
    registry.register("enrollments", "Enrollments of people that came to an end, by outcome", outcomes);
}

fn gateway(registry: &mut Registry, snapshot: &Snapshot) {
    let is_failing = !snapshot.applied.failing.is_empty();
    let help = "Whether something fails that concerns all locations";
    whole(registry, "gateway_failing", help, is_failing.into());
    let help = "Whether WireGuard could be asked for its counters";
    whole(registry, "wireguard_statistics_up", help, snapshot.stats.is_some().into());
}

fn people(registry: &mut Registry, stored: &Stored) {
    let census = &stored.census;
    let users: Family<InState, Whole> = Family::default();
    let enrolled = census.users.saturating_sub(census.disabled_users).saturating_sub(census.unfinished_users);
    for (state, count) in
        [("enrolled", enrolled), ("invited", census.unfinished_users), ("disabled", census.disabled_users)]
    {
        users.get_or_create(&InState { state }).set(count);
    }
    registry.register("users", "Accounts", users);
    whole(registry, "devices", "Devices with a key", census.devices);
}

fn mail(registry: &mut Registry, stored: &Stored, snapshot: &Snapshot) {
    let mail = &stored.mail;
    whole(registry, "outbox_messages", "Mails on their way", mail.waiting);
    let age = mail.oldest_at.map_or(0, |at| snapshot.now.as_second().saturating_sub(at));
    let help = "Age of the oldest mail on its way; 0 where there is none";
    whole(registry, "outbox_oldest_seconds", help, u64::try_from(age).unwrap_or(0));
    whole(registry, "outbox_parked_messages", "Mails that were given up because they failed", mail.parked);
}

/// A number that every location has; `None`: it is not known.
struct NumberOfLocation {
    name: &'static str,
    help: &'static str,
    of: fn(&LocationSeen, &Snapshot) -> Option<u64>,
}

const OF_LOCATION: &[NumberOfLocation] = &[
    NumberOfLocation {
        name: "location_failing",
        help: "Whether a location is not as it should be",
        // One that was not looked at yet is not live either.
        of: |location, snapshot| {
            let state = snapshot.applied.locations.get(&location.id);
            Some(state.is_none_or(|state| state.failing.is_some()).into())
        },
    },
    NumberOfLocation {
        name: "peers_configured",
        help: "Peers that a location should have",
        of: |location, _| Some(location.peers.configured),
    },
    NumberOfLocation {
        name: "peers_live",
        help: "Peers that a location should have and has",
        of: |location, _| Some(location.peers.live),
    },
    NumberOfLocation {
        name: "peers_pending",
        help: "Peers that a location should have and has not",
        of: |location, _| Some(location.peers.configured.saturating_sub(location.peers.live)),
    },
    NumberOfLocation {
        name: "peers_connected",
        help: "Peers whose last handshake is less than three minutes old",
        of: |location, snapshot| snapshot.connected(location.id),
    },
    NumberOfLocation {
        name: "devices_unconnected",
        help: "Devices that are no peers because the location asks for a second factor and none was given",
        of: |location, _| Some(location.unconnected),
    },
    NumberOfLocation {
        name: "devices_waiting",
        help: "Devices that may use a location and wait for an address",
        of: |location, _| Some(location.waiting),
    },
    NumberOfLocation {
        name: "addresses",
        help: "Devices that a location has addresses for in all",
        of: |location, _| Some(location.addresses),
    },
    NumberOfLocation {
        name: "addresses_free",
        help: "Devices that a location still has addresses for",
        of: |location, _| Some(location.free),
    },
];

impl NumberOfLocation {
    fn register(&self, registry: &mut Registry, stored: &Stored, snapshot: &Snapshot) {
        let family: Family<OfLocation, Whole> = Family::default();
        for location in &stored.locations {
            if let Some(value) = (self.of)(location, snapshot) {
                family.get_or_create(&OfLocation { location: location.name.clone() }).set(value);
            }
        }
        registry.register(self.name, self.help, family);
    }
}

fn bytes(registry: &mut Registry, stored: &Stored, traffic: &Traffic) {
    let [received, sent]: [Family<OfLocation, Counter>; 2] = Default::default();
    for location in &stored.locations {
        let labels = OfLocation { location: location.name.clone() };
        let bytes = traffic.of(location.id);
        received.get_or_create(&labels).inc_by(bytes.received);
        sent.get_or_create(&labels).inc_by(bytes.sent);
    }
    registry.register("received_bytes", "Bytes received from peers, since the first scrape", received);
    registry.register("sent_bytes", "Bytes sent to peers, since the first scrape", sent);
}

/// By the names that every program's metrics have.
fn process(registry: &mut Registry, snapshot: &Snapshot) {
    let registry = registry.sub_registry_with_prefix("process");
    let help = "Start of the process, in seconds since 1970";
    time(registry, "start_time_seconds", help, snapshot.started_at);
    let Some(process) = Process::look() else { return };
    let cpu = RealCounter::default();
    cpu.inc_by(process.cpu_seconds);
    registry.register("cpu_seconds", "User and system CPU time", cpu);
    whole(registry, "resident_memory_bytes", "Resident memory", process.resident_bytes);
    whole(registry, "open_fds", "Open file descriptors", process.open_files);
    whole(registry, "max_fds", "How many file descriptors there may be", process.most_files);
}
