//! The real world: kernel WireGuard, links, addresses and routes, and our nftables table, behind one [`Backend`].

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::batch::{Device, KernelWireguard};
use crate::backend::firewall::NftTable;
use crate::backend::rtnl::{Link, Rtnl};
use crate::backend::{Backend, BackendError, BackendKind, StepError};
use crate::key::PublicKey;
use crate::net::{InterfaceName, Owner};
use crate::observed::{Observed, ObservedInterface};
use crate::plan::Step;
use crate::stats::PeerStats;

/// The network namespace of the thread that opened it. Its calls block and must not be made from within an async
/// runtime. Dropping it leaves everything in the kernel as it is.
pub struct Host {
    owner: Owner,
    rtnl: Rtnl,
    table: NftTable,
    wireguard: Option<KernelWireguard>,
}

impl Host {
    /// Needs `CAP_NET_ADMIN` for everything but looking.
    pub fn new(owner: Owner) -> Result<Self, BackendError> {
        let table = NftTable::of(&owner);
        Ok(Self { owner, rtnl: Rtnl::open()?, table, wireguard: None })
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
        if KernelWireguard::open().is_ok() {
            return true;
        }
        let Ok(probe) = "pst-probe".parse::<InterfaceName>() else { return false };
        let made = self.rtnl.create_wireguard(&probe, crate::net::Mtu::DEFAULT, &self.owner);
        let removed = self.rtnl.index_of(&probe).and_then(|index| self.rtnl.delete(&probe, index));
        made.and(removed).is_ok()
    }

    fn observe_interface(
        &mut self,
        name: &InterfaceName,
        link: &Link,
    ) -> Result<ObservedInterface, BackendError> {
        let (backend, device) = if link.is_wireguard {
            (BackendKind::Kernel, self.wireguard()?.device(name)?)
        } else {
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
        if link.alias.as_deref() != Some(self.owner.alias()) {
            let action = format!("remove the interface {interface}");
            return Err(BackendError::new(action, "it no longer carries our mark"));
        }
        if link.is_wireguard {
            self.wireguard()?.drain(interface)?;
        }
        self.rtnl.delete(interface, link.index)
    }

    fn create(
        &mut self,
        interface: &InterfaceName,
        kind: BackendKind,
        mtu: crate::net::Mtu,
    ) -> Result<(), BackendError> {
        match kind {
            BackendKind::Kernel => self.rtnl.create_wireguard(interface, mtu, &self.owner),
            BackendKind::Userspace => {
                let action = format!("create the userspace interface {interface}");
                Err(BackendError::new(action, "this build has no userspace WireGuard"))
            }
        }
    }
}

impl Backend for Host {
    fn available(&mut self) -> Vec<BackendKind> {
        if self.has_kernel_wireguard() { vec![BackendKind::Kernel] } else { Vec::new() }
    }

    fn observe(&mut self) -> Result<Observed, BackendError> {
        let mut observed = Observed { firewall: self.table.observe()?, ..Observed::default() };
        let mut by_index = BTreeMap::new();
        for (name, link) in self.rtnl.links()? {
            if link.alias.as_deref() == Some(self.owner.alias()) {
                let interface = self.observe_interface(&name, &link)?;
                by_index.insert(link.index, name.clone());
                observed.interfaces.insert(name, interface);
            } else {
                observed.foreign.insert(name);
            }
        }
        if by_index.is_empty() {
            return Ok(observed);
        }
        let (mut addresses, mut routes) = (self.rtnl.addresses()?, self.rtnl.routes()?);
        for (index, name) in by_index {
            let Some(interface) = observed.interfaces.get_mut(&name) else { continue };
            interface.addresses = addresses.remove(&index).unwrap_or_default();
            interface.routes = routes.remove(&index).unwrap_or_default();
        }
        Ok(observed)
    }

    fn perform(&mut self, step: &Step) -> Result<(), StepError> {
        match step {
            Step::DeleteInterface { interface } => self.delete(interface)?,
            Step::ReplaceFirewall { firewall } => self.table.replace(firewall)?,
            Step::CreateInterface { interface, backend, mtu } => self.create(interface, *backend, *mtu)?,
            Step::SetDevice { interface, private_key, listen_port } => {
                self.wireguard()?.set_device(interface, private_key, *listen_port)?;
            }
            Step::RemovePeers { interface, peers } => self.wireguard()?.remove_peers(interface, peers)?,
            Step::UpdatePeers { interface, peers } => self.wireguard()?.update_peers(interface, peers)?,
            Step::AddPeers { interface, peers } => self.wireguard()?.add_peers(interface, peers)?,
            Step::RemoveAddress { interface, address } => self.rtnl.remove_address(interface, *address)?,
            Step::AddAddress { interface, address } => self.rtnl.add_address(interface, *address)?,
            Step::SetMtu { interface, mtu } => self.rtnl.set_mtu(interface, *mtu)?,
            Step::SetLinkUp { interface } => self.rtnl.set_up(interface)?,
            Step::AddRoute { interface, destination } => self.rtnl.add_route(interface, *destination)?,
        }
        Ok(())
    }

    fn stats(&mut self, interface: &InterfaceName) -> Result<BTreeMap<PublicKey, PeerStats>, BackendError> {
        self.wireguard()?.stats(interface)
    }
}
