//! A pretend kernel, for tests of what stands above the backends.
//!
//! It has the semantics the rest of the crate relies upon, made apart from the model in [`crate::Observed`] so
//! that the two can be compared: an allowed IP has one owner and moves to the last peer that claims it, an
//! update creates no peer, connected routes come with address and link. Addresses are never secondary here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::backend::{Backend, BackendError, StepError};
use crate::desired::DesiredInterface;
use crate::key::PublicKey;
use crate::kind::BackendKind;
use crate::net::InterfaceName;
use crate::observed::{FirewallFingerprint, Observed};
use crate::plan::Step;
use crate::stats::PeerStats;
use link::Link;

mod link;

/// The pretend kernel. Clones are handles to the same one: a test keeps one to look at it and to disturb it.
#[derive(Clone, Default)]
pub struct MemoryBackend(Arc<Mutex<Kernel>>);

#[derive(Default)]
struct Kernel {
    links: BTreeMap<InterfaceName, Link>,
    foreign: BTreeSet<InterfaceName>,
    /// WireGuard links without a mark.
    unmarked: BTreeMap<InterfaceName, Link>,
    /// What is routed to links that are no WireGuard, and their names.
    routes_elsewhere: BTreeMap<IpNet, String>,
    firewall: Option<FirewallFingerprint>,
    stats: BTreeMap<(InterfaceName, PublicKey), PeerStats>,
    written: Vec<Step>,
    broken_interfaces: BTreeSet<InterfaceName>,
    refused_peers: BTreeSet<PublicKey>,
    firewall_refused: bool,
    observation_fails: bool,
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.observed().fmt(f)
    }
}

/// What tests see.
impl MemoryBackend {
    /// All steps that were tried, in order; they are forgotten here.
    pub fn take_written(&self) -> Vec<Step> {
        std::mem::take(&mut self.kernel().written)
    }

    /// What exists.
    pub fn observed(&self) -> Observed {
        self.kernel().observe()
    }
}

/// What others do to the host, and what tests break.
impl MemoryBackend {
    /// `wg set INTERFACE peer KEY remove`.
    pub fn remove_peer(&self, interface: &InterfaceName, key: &PublicKey) {
        self.with_link(interface, |link| link.remove_peer(key));
    }

    /// `ip address flush dev INTERFACE`.
    pub fn flush_addresses(&self, interface: &InterfaceName) {
        self.with_link(interface, Link::flush_addresses);
    }

    /// `ip route flush dev INTERFACE`.
    pub fn flush_routes(&self, interface: &InterfaceName) {
        self.with_link(interface, |link| link.routes.clear());
    }

    /// `ip link set INTERFACE down`, which takes all routes and the IPv6 addresses with it.
    pub fn set_down(&self, interface: &InterfaceName) {
        self.with_link(interface, Link::set_down);
    }

    /// `ip link delete INTERFACE`.
    pub fn delete_link(&self, interface: &InterfaceName) {
        self.kernel().links.remove(interface);
    }

    /// `nft delete table` of our table.
    pub fn drop_firewall(&self) {
        self.kernel().firewall = None;
    }

    /// A link of this name is not ours; one of ours becomes somebody else's.
    pub fn make_foreign(&self, interface: &InterfaceName) {
        let mut kernel = self.kernel();
        kernel.links.remove(interface);
        kernel.unmarked.remove(interface);
        kernel.foreign.insert(interface.clone());
    }

    /// A link of ours is what it was before it was ours: the same, without our mark. Nothing of ours is left.
    pub fn unmark(&self, interface: &InterfaceName) {
        let mut kernel = self.kernel();
        let found = kernel.links.remove(interface);
        kernel.unmarked.extend(found.map(|link| (interface.clone(), link)));
        kernel.firewall = None;
    }

    /// Somebody else runs this WireGuard, up and with nobody's mark.
    pub fn run_elsewhere(&self, name: &InterfaceName, interface: &DesiredInterface) {
        let mut kernel = self.kernel();
        kernel.foreign.remove(name);
        kernel.unmarked.insert(name.clone(), Link::running(interface));
    }

    /// The link that is not ours goes away.
    pub fn remove_foreign(&self, interface: &InterfaceName) {
        self.kernel().foreign.remove(interface);
    }

    /// `ip route add DESTINATION dev LINK`.
    pub fn route_elsewhere(&self, destination: IpNet, link: &str) {
        self.kernel().routes_elsewhere.insert(destination, link.to_owned());
    }

    /// `ip route delete DESTINATION`, of such a route.
    pub fn unroute_elsewhere(&self, destination: &IpNet) {
        self.kernel().routes_elsewhere.remove(destination);
    }

    /// Every step for this interface fails as a whole, until [`MemoryBackend::heal`].
    pub fn break_interface(&self, interface: &InterfaceName) {
        self.kernel().broken_interfaces.insert(interface.clone());
    }

    /// Every step about this peer leaves it out, until [`MemoryBackend::heal`].
    pub fn refuse_peer(&self, key: PublicKey) {
        self.kernel().refused_peers.insert(key);
    }

    /// The firewall cannot be replaced, until [`MemoryBackend::heal`].
    pub fn refuse_firewall(&self) {
        self.kernel().firewall_refused = true;
    }

    /// Nothing can be observed, until [`MemoryBackend::heal`].
    pub fn refuse_observation(&self) {
        self.kernel().observation_fails = true;
    }

    /// Everything works again.
    pub fn heal(&self) {
        let mut kernel = self.kernel();
        kernel.broken_interfaces.clear();
        kernel.refused_peers.clear();
        kernel.firewall_refused = false;
        kernel.observation_fails = false;
    }

    /// What [`Backend::stats`] says of a peer, while it exists.
    pub fn set_stats(&self, interface: &InterfaceName, key: PublicKey, stats: PeerStats) {
        self.kernel().stats.insert((interface.clone(), key), stats);
    }

    fn with_link(&self, interface: &InterfaceName, change: impl FnOnce(&mut Link)) {
        if let Some(link) = self.kernel().links.get_mut(interface) {
            change(link);
        }
    }

    /// A test that panicked while holding the lock has failed already.
    fn kernel(&self) -> MutexGuard<'_, Kernel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for MemoryBackend {
    fn available(&mut self) -> Vec<BackendKind> {
        vec![BackendKind::Kernel, BackendKind::Userspace]
    }

    fn observe(&mut self) -> Result<Observed, BackendError> {
        let kernel = self.kernel();
        if kernel.observation_fails {
            return Err(BackendError::new("list the links", io::Error::other("told to fail")));
        }
        Ok(kernel.observe())
    }

    fn routes_elsewhere(
        &mut self,
        interface: &InterfaceName,
    ) -> Result<BTreeMap<IpNet, String>, BackendError> {
        Ok(self.kernel().routes_elsewhere(interface))
    }

    fn perform(&mut self, step: &Step) -> Result<(), StepError> {
        let mut kernel = self.kernel();
        kernel.written.push(step.clone());
        kernel.perform(step)
    }

    fn stats(&mut self, interface: &InterfaceName) -> Result<BTreeMap<PublicKey, PeerStats>, BackendError> {
        let kernel = self.kernel();
        let link = kernel.links.get(interface);
        let link =
            link.ok_or_else(|| error(&format!("read the peers of {interface}"), io::ErrorKind::NotFound))?;
        let quiet = PeerStats { endpoint: None, last_handshake: None, rx_bytes: 0, tx_bytes: 0 };
        let of = |key: &PublicKey| kernel.stats.get(&(interface.clone(), *key)).copied().unwrap_or(quiet);
        Ok(link.peers.keys().map(|key| (*key, of(key))).collect())
    }
}

impl Kernel {
    fn observe(&self) -> Observed {
        Observed {
            interfaces: self.links.iter().map(|(name, link)| (name.clone(), link.observe())).collect(),
            foreign: self.foreign.iter().chain(self.unmarked.keys()).cloned().collect(),
            unmarked: self.unmarked.iter().map(|(name, link)| (name.clone(), link.observe())).collect(),
            firewall: self.firewall,
            ..Observed::default()
        }
    }

    fn routes_elsewhere(&self, interface: &InterfaceName) -> BTreeMap<IpNet, String> {
        let others = self.links.iter().chain(&self.unmarked).filter(|(name, _)| *name != interface);
        let routes = others
            .flat_map(|(name, link)| link.routes.iter().map(|destination| (*destination, name.to_string())));
        routes.chain(self.routes_elsewhere.clone()).collect()
    }

    /// Why a step cannot be done, if so.
    fn refusal(&self, step: &Step) -> Option<BackendError> {
        let refused = |kind| error(&step.to_string(), kind);
        if step.interface().is_some_and(|name| self.broken_interfaces.contains(name)) {
            return Some(refused(io::ErrorKind::Other));
        }
        if let Step::SetDevice { interface, listen_port, .. } = step {
            let is_taken = self.is_taken(interface, listen_port.get());
            return is_taken.then(|| refused(io::ErrorKind::AddrInUse));
        }
        if let Step::CreateInterface { interface, .. } = step {
            return self.has_link(interface).then(|| refused(io::ErrorKind::AlreadyExists));
        }
        if let Step::AddRoute { interface, destination } = step
            && let Some(link) = self.routes_elsewhere(interface).get(destination)
        {
            let taken = format!("it is routed to {link}, which is not changed");
            return Some(BackendError::new(step.to_string(), taken));
        }
        let is_firewall = matches!(step, Step::ReplaceFirewall { .. });
        (is_firewall && self.firewall_refused)
            .then(|| error("replace the nftables table", io::ErrorKind::PermissionDenied))
    }

    fn has_link(&self, interface: &InterfaceName) -> bool {
        self.foreign.contains(interface)
            || self.unmarked.contains_key(interface)
            || self.links.contains_key(interface)
    }

    fn is_taken(&self, interface: &InterfaceName, port: u16) -> bool {
        self.links.iter().any(|(name, link)| name != interface && link.listen_port == port)
    }

    fn perform(&mut self, step: &Step) -> Result<(), StepError> {
        if let Some(refusal) = self.refusal(step) {
            return Err(refusal.into());
        }
        let missing = || error(&step.to_string(), io::ErrorKind::NotFound);
        match step {
            Step::ReplaceFirewall { firewall } => {
                self.firewall = (!firewall.is_empty()).then(|| firewall.fingerprint());
                Ok(())
            }
            Step::Adopt { interface } => {
                let link = self.unmarked.remove(interface).ok_or_else(missing)?;
                self.links.insert(interface.clone(), link);
                Ok(())
            }
            Step::CreateInterface { interface, backend, mtu } => {
                self.links.insert(interface.clone(), Link::new(*backend, mtu.get()));
                Ok(())
            }
            Step::DeleteInterface { interface } => {
                Ok(self.links.remove(interface).map(drop).ok_or_else(missing)?)
            }
            Step::SetDevice { interface, .. }
            | Step::LeavePort { interface }
            | Step::RemovePeers { interface, .. }
            | Step::UpdatePeers { interface, .. }
            | Step::AddPeers { interface, .. }
            | Step::RemoveAddress { interface, .. }
            | Step::AddAddress { interface, .. }
            | Step::SetMtu { interface, .. }
            | Step::SetLinkUp { interface }
            | Step::AddRoute { interface, .. }
            | Step::RemoveRoute { interface, .. } => {
                let link = self.links.get_mut(interface).ok_or_else(missing)?;
                link.perform(step, &self.refused_peers)
            }
        }
    }
}

fn error(action: &str, kind: io::ErrorKind) -> BackendError {
    BackendError::new(action, io::Error::from(kind))
}
