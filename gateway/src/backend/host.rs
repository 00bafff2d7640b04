//! The real world: WireGuard in the kernel or in this process, links, addresses and routes, and our nftables table, behind one [`Backend`].

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::backend::batch::{Device, KernelWireguard};
use crate::backend::firewall::NftTable;
use crate::backend::rtnl::{self, Link, RoutesByName, Rtnl};
use crate::backend::userspace::Userspace;
use crate::backend::{Backend, BackendError, StepError, Weakness};
use crate::desired::DesiredPeer;
use crate::key::{PrivateKey, PublicKey};
use crate::kind::BackendKind;
use crate::net::{InterfaceName, ListenPort, Mtu, Owner};
use crate::observed::{Observed, ObservedInterface};
use crate::plan::{Networks, Step};
use crate::stats::PeerStats;

/// The network namespace of the thread that opened it, in which its calls must be made too. They block and must not be
/// made from within an async runtime. Dropping it leaves everything in the kernel as it is, but for the copy of our nftables
/// table, and ends the tunnels of userspace interfaces.
pub struct Host {
    owner: Owner,
    rtnl: Rtnl,
    table: NftTable,
    wireguard: Option<KernelWireguard>,
    /// Opened by the first userspace interface.
    userspace: Option<Userspace>,
    /// As they were when the first of a row of routes was to be added; read once for the row.
    routes: Option<RoutesByName>,
}

/// Whether the kernel of this thread's namespace has WireGuard at hand. Nothing is loaded; the call blocks for a moment.
pub fn is_kernel_wireguard_loaded() -> bool {
    KernelWireguard::open().is_ok()
}

/// Says what to do where the kernel does not know WireGuard's links; any other error stays what it is.
fn explained(interface: &InterfaceName, error: BackendError) -> BackendError {
    if !rtnl::is_unsupported(&error) || is_kernel_wireguard_loaded() {
        return error;
    }
    BackendError::new(
        format!("create the interface {interface}"),
        "the kernel's WireGuard is not loaded: run `modprobe wireguard`; it is tried again until then",
    )
}

impl Host {
    /// Needs `CAP_NET_ADMIN` for everything but looking.
    pub fn new(owner: Owner) -> Result<Self, BackendError> {
        let table = NftTable::of(&owner);
        Ok(Self { owner, rtnl: Rtnl::open()?, table, wireguard: None, userspace: None, routes: None })
    }

    /// Whether the kernel lets this process change network interfaces; nothing is changed.
    pub fn may_change(&self) -> Result<(), BackendError> {
        self.rtnl.may_change()
    }

    fn routes(&mut self) -> Result<&RoutesByName, BackendError> {
        let known = match self.routes.take() {
            Some(known) => known,
            None => self.rtnl.routes_by_name()?,
        };
        Ok(self.routes.insert(known))
    }

    /// The kernel's WireGuard. Its module is loaded by the first link, so this is asked again until it is there.
    fn wireguard(&mut self) -> Result<&mut KernelWireguard, BackendError> {
        if self.wireguard.is_none() {
            let opened = KernelWireguard::open();
            let failed = |source| BackendError::new("speak to the kernel's WireGuard", source);
            self.wireguard = Some(opened.map_err(failed)?);
        }
        self.wireguard
            .as_mut()
            .ok_or_else(|| BackendError::new("speak to the kernel's WireGuard", "not open"))
    }

    /// Making a link loads the module, where there is one.
    fn has_kernel_wireguard(&mut self) -> bool {
        if is_kernel_wireguard_loaded() {
            return true;
        }
        let probe = self.owner.unfinished_link();
        let made = self.discard(&probe).and_then(|()| self.rtnl.create_wireguard(&probe, Mtu::DEFAULT));
        made.and_then(|()| self.discard(&probe)).is_ok()
    }

    /// A WireGuard link, down and marked as ours. Until it is marked it has a name that says whose it is: the kernel
    /// takes no mark at a link's creation, and after a crash in between nobody would know.
    fn create_wireguard(&mut self, interface: &InterfaceName, mtu: Mtu) -> Result<(), BackendError> {
        let unfinished = self.owner.unfinished_link();
        self.discard(&unfinished)?;
        self.rtnl.create_wireguard(&unfinished, mtu).map_err(|error| explained(interface, error))?;
        let marked = self.rtnl.mark(&unfinished, &self.owner);
        let index = marked.and_then(|()| self.rtnl.index_of(&unfinished));
        let named = index.and_then(|index| self.rtnl.rename(&unfinished, index, interface));
        named.inspect_err(|_| {
            // Why it could not be finished is what is told.
            drop(self.discard(&unfinished));
        })
    }

    /// Marks a link that nobody marked since it was observed.
    fn adopt(&self, interface: &InterfaceName) -> Result<(), BackendError> {
        let links = self.rtnl.links()?;
        if links.get(interface).is_some_and(|link| link.is_wireguard && link.alias.is_none()) {
            return self.rtnl.mark(interface, &self.owner);
        }
        Err(BackendError::new(
            format!("take over the interface {interface}"),
            "it carries another mark, or is gone",
        ))
    }

    /// Removes a link that has no peers, if it is there.
    fn discard(&self, interface: &InterfaceName) -> Result<(), BackendError> {
        match self.rtnl.links()?.get(interface) {
            Some(link) => self.rtnl.delete(interface, link.index),
            None => Ok(()),
        }
    }

    /// Whether a link carries our mark, or was left before it could.
    fn is_ours(&self, name: &InterfaceName, link: &Link) -> bool {
        link.alias.as_deref() == Some(self.owner.alias()) || *name == self.owner.unfinished_link()
    }

    fn observe_interface(
        &mut self,
        name: &InterfaceName,
        link: &Link,
    ) -> Result<ObservedInterface, BackendError> {
        let (backend, device) = if link.is_wireguard {
            (BackendKind::Kernel, self.wireguard()?.device(name)?)
        } else if let Some(userspace) = self.running(name) {
            (BackendKind::Userspace, userspace.device(name)?)
        } else {
            // A TUN that another process left, or still has.
            (BackendKind::Userspace, Device::default())
        };
        Ok(ObservedInterface {
            backend,
            up: link.up,
            mtu: link.mtu,
            public_key: device.public_key,
            listen_port: device.listen_port,
            fwmark: device.fwmark,
            addresses: BTreeSet::new(),
            routes: BTreeSet::new(),
            peers: device.peers,
        })
    }

    fn delete(&mut self, interface: &InterfaceName) -> Result<(), BackendError> {
        let links = self.rtnl.links()?;
        let Some(link) = links.get(interface) else { return Ok(()) };
        if !self.is_ours(interface, link) {
            let action = format!("remove the interface {interface}");
            return Err(BackendError::new(action, "it no longer carries our mark"));
        }
        if link.is_wireguard {
            self.wireguard()?.drain(interface)?;
        }
        self.rtnl.delete(interface, link.index)?;
        self.userspace.as_mut().map_or(Ok(()), |userspace| userspace.delete(interface))
    }

    /// The userspace WireGuard, if it is what runs the interface.
    fn running(&self, interface: &InterfaceName) -> Option<&Userspace> {
        self.userspace.as_ref().filter(|userspace| userspace.runs(interface))
    }

    fn userspace(&mut self) -> Result<&mut Userspace, BackendError> {
        let opened = match self.userspace.take() {
            Some(userspace) => userspace,
            None => Userspace::open()?,
        };
        Ok(self.userspace.insert(opened))
    }

    /// A TUN, down and marked as ours. When it cannot be marked it is removed again.
    fn create_tun(&mut self, interface: &InterfaceName, mtu: Mtu) -> Result<(), BackendError> {
        if self.rtnl.links()?.contains_key(interface) {
            let action = format!("create the interface {interface}");
            return Err(BackendError::new(action, "the name is taken"));
        }
        self.userspace()?.create(interface)?;
        let marked = self.rtnl.mark(interface, &self.owner);
        marked.and_then(|()| self.rtnl.set_mtu(interface, mtu)).inspect_err(|_| {
            // Why it could not be finished is what is told.
            drop(self.userspace.as_mut().map(|userspace| userspace.delete(interface)));
        })
    }

    fn set_device(
        &mut self,
        interface: &InterfaceName,
        private_key: &PrivateKey,
        listen_port: ListenPort,
    ) -> Result<(), BackendError> {
        let links = self.rtnl.links()?;
        let Some(link) = links.get(interface).filter(|link| !link.is_wireguard) else {
            return self.wireguard()?.set_device(interface, private_key, listen_port);
        };
        if self.running(interface).is_none() {
            // Left by another process: nobody can give it a key any more.
            let mtu = Mtu::try_from(link.mtu).unwrap_or(Mtu::DEFAULT);
            self.delete(interface)?;
            self.create_tun(interface, mtu)?;
        }
        self.userspace()?.set_device(interface, private_key, listen_port)
    }

    fn leave_port(&mut self, interface: &InterfaceName) -> Result<(), BackendError> {
        match self.running(interface) {
            Some(userspace) => userspace.leave_port(interface),
            None => self.wireguard()?.leave_port(interface),
        }
    }

    fn remove_peers(&mut self, interface: &InterfaceName, peers: &[PublicKey]) -> Result<(), StepError> {
        match self.running(interface) {
            Some(userspace) => userspace.remove_peers(interface, peers),
            None => self.wireguard()?.remove_peers(interface, peers),
        }
    }

    fn update_peers(
        &mut self,
        interface: &InterfaceName,
        peers: &[(PublicKey, DesiredPeer)],
        networks: Networks,
    ) -> Result<(), StepError> {
        match self.running(interface) {
            Some(userspace) => userspace.update_peers(interface, peers),
            None => self.wireguard()?.update_peers(interface, peers, networks),
        }
    }

    fn add_peers(
        &mut self,
        interface: &InterfaceName,
        peers: &[(PublicKey, DesiredPeer)],
    ) -> Result<(), StepError> {
        match self.running(interface) {
            Some(userspace) => userspace.add_peers(interface, peers),
            None => self.wireguard()?.add_peers(interface, peers),
        }
    }

    fn create(&mut self, interface: &InterfaceName, kind: BackendKind, mtu: Mtu) -> Result<(), BackendError> {
        match kind {
            BackendKind::Kernel => self.create_wireguard(interface, mtu),
            BackendKind::Userspace => self.create_tun(interface, mtu),
        }
    }
}

impl Backend for Host {
    fn available(&mut self) -> Vec<BackendKind> {
        let mut kinds = Vec::new();
        if self.has_kernel_wireguard() {
            kinds.push(BackendKind::Kernel);
        }
        if Userspace::is_available() {
            kinds.push(BackendKind::Userspace);
        }
        kinds
    }

    fn observe(&mut self) -> Result<Observed, BackendError> {
        self.routes = None;
        let mut observed = Observed { firewall: self.table.observe()?, ..Observed::default() };
        let mut by_index = BTreeMap::new();
        for (name, link) in self.rtnl.links()? {
            if self.is_ours(&name, &link) {
                let interface = self.observe_interface(&name, &link)?;
                by_index.insert(link.index, name.clone());
                observed.interfaces.insert(name, interface);
            } else {
                // One that cannot be read is somebody else's in any case.
                if link.is_wireguard
                    && link.alias.is_none()
                    && let Ok(interface) = self.observe_interface(&name, &link)
                {
                    by_index.insert(link.index, name.clone());
                    observed.unmarked.insert(name.clone(), interface);
                }
                observed.foreign.insert(name);
            }
        }
        if by_index.is_empty() {
            return Ok(observed);
        }
        let (mut addresses, mut routes) = (self.rtnl.addresses()?, self.rtnl.routes()?);
        for (index, name) in by_index {
            let found = observed.interfaces.get_mut(&name).or_else(|| observed.unmarked.get_mut(&name));
            let Some(interface) = found else { continue };
            interface.addresses = addresses.remove(&index).unwrap_or_default();
            interface.routes = routes.remove(&index).unwrap_or_default();
        }
        Ok(observed)
    }

    fn routes_elsewhere(
        &mut self,
        interface: &InterfaceName,
    ) -> Result<BTreeMap<IpNet, String>, BackendError> {
        Ok(self.rtnl.routes_by_name()?.elsewhere(interface))
    }

    fn perform(&mut self, step: &Step) -> Result<(), StepError> {
        if !matches!(step, Step::AddRoute { .. }) {
            self.routes = None;
        }
        match step {
            Step::DeleteInterface { interface } => self.delete(interface)?,
            Step::ReplaceFirewall { firewall } => self.table.replace(firewall)?,
            Step::Adopt { interface } => self.adopt(interface)?,
            Step::CreateInterface { interface, backend, mtu } => self.create(interface, *backend, *mtu)?,
            Step::SetDevice { interface, private_key, listen_port } => {
                self.set_device(interface, private_key, *listen_port)?;
            }
            Step::LeavePort { interface } => self.leave_port(interface)?,
            Step::RemovePeers { interface, peers } => self.remove_peers(interface, peers)?,
            Step::UpdatePeers { interface, peers, networks } => {
                self.update_peers(interface, peers, *networks)?;
            }
            Step::AddPeers { interface, peers } => self.add_peers(interface, peers)?,
            Step::RemoveAddress { interface, address } => self.rtnl.remove_address(interface, *address)?,
            Step::AddAddress { interface, address } => self.rtnl.add_address(interface, *address)?,
            Step::SetMtu { interface, mtu } => self.rtnl.set_mtu(interface, *mtu)?,
            Step::SetLinkUp { interface } => self.rtnl.set_up(interface)?,
            Step::AddRoute { interface, destination } => {
                self.routes()?.may_add(interface, *destination)?;
                self.rtnl.add_route(interface, *destination)?;
            }
            Step::RemoveRoute { interface, destination } => {
                self.rtnl.remove_route(interface, *destination)?;
            }
        }
        Ok(())
    }

    fn weakness(&self) -> Option<Weakness> {
        self.table.weakness()
    }

    fn stats(&mut self, interface: &InterfaceName) -> Result<BTreeMap<PublicKey, PeerStats>, BackendError> {
        match self.running(interface) {
            Some(userspace) => userspace.stats(interface),
            None => self.wireguard()?.stats(interface),
        }
    }
}
