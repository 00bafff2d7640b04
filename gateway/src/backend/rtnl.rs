//! Links, addresses and routes over rtnetlink, for kernel and userspace interfaces alike. Calls block, each for a
//! bounded time; they must not be made from within an async runtime.

#![expect(clippy::wildcard_enum_match_arm, reason = "the kernel's attributes are many and not ours")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use nix::libc;
use rtnetlink::{Handle, LinkUnspec, LinkWireguard};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::backend::BackendError;
use crate::net::{InterfaceName, Mtu, Owner};

mod routes;

pub(super) use routes::RoutesByName;

/// The kernel answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// rtnetlink in the network namespace of the thread that opened it.
pub(super) struct Rtnl {
    runtime: Runtime,
    connection: RefCell<Connection>,
}

/// The task that speaks with the kernel, and where it is asked. It ends for ever with the first error of its socket, and
/// whoever waits for an answer then is told that there are no more answers: nothing says that something is wrong.
struct Connection {
    handle: Handle,
    task: JoinHandle<()>,
}

/// A network interface of the host.
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) is_wireguard: bool,
    pub(super) alias: Option<String>,
    pub(super) up: bool,
    pub(super) mtu: u32,
}

impl Rtnl {
    pub(super) fn open() -> Result<Self, BackendError> {
        let failed = |source: io::Error| BackendError::new("open a netlink socket", source);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let connection = RefCell::new(connect(&runtime).map_err(failed)?);
        Ok(Self { runtime, connection })
    }

    fn handle(&self) -> Handle {
        self.connection.borrow().handle.clone()
    }

    /// Whether the kernel lets us change anything: it asks that before it looks for the link, which there is not.
    pub(super) fn may_change(&self) -> Result<(), BackendError> {
        const NO_LINK: u32 = i32::MAX.unsigned_abs();
        let asked = async {
            match self.handle().link().del(NO_LINK).execute().await {
                Err(rtnetlink::Error::NetlinkError(answer)) if answer.raw_code() != -libc::EPERM => Ok(()),
                answer => answer,
            }
        };
        self.run("change network interfaces", asked)
    }

    /// All links of the namespace. Names that are not valid interface names here are left out: no location can
    /// have them.
    pub(super) fn links(&self) -> Result<BTreeMap<InterfaceName, Link>, BackendError> {
        let messages: Vec<LinkMessage> =
            self.run("list the links", self.handle().link().get().execute().try_collect())?;
        Ok(messages.iter().filter_map(link).collect())
    }

    /// All addresses by link, link-local ones left out.
    pub(super) fn addresses(&self) -> Result<BTreeMap<u32, BTreeSet<IpNet>>, BackendError> {
        let messages: Vec<AddressMessage> =
            self.run("list the addresses", self.handle().address().get().execute().try_collect())?;
        let mut addresses: BTreeMap<u32, BTreeSet<IpNet>> = BTreeMap::new();
        for message in &messages {
            if let Some(address) = address(message).filter(|address| !is_link_local(address)) {
                addresses.entry(message.header.index).or_default().insert(address);
            }
        }
        Ok(addresses)
    }

    /// Makes a WireGuard link, down and without our mark.
    pub(super) fn create_wireguard(&self, interface: &InterfaceName, mtu: Mtu) -> Result<(), BackendError> {
        let action = format!("create the WireGuard interface {interface}");
        let message = LinkWireguard::new(interface.as_str()).mtu(mtu.get()).down().build();
        self.run(&action, self.handle().link().add(message).execute())
    }

    /// Gives a link that is down another name.
    pub(super) fn rename(
        &self,
        interface: &InterfaceName,
        index: u32,
        name: &InterfaceName,
    ) -> Result<(), BackendError> {
        let message = LinkUnspec::new_with_index(index).name(name.as_str()).build();
        self.change(&format!("rename the interface {interface} to {name}"), message)
    }

    /// Writes our mark.
    pub(super) fn mark(&self, interface: &InterfaceName, owner: &Owner) -> Result<(), BackendError> {
        let action = format!("mark {interface} as postern's");
        // A link's creation ignores the alias (net/core/rtnetlink.c, rtnl_newlink_create), its change does not.
        let message = LinkUnspec::new_with_name(interface.as_str()).alias(owner.alias()).build();
        self.run(&action, self.handle().link().change(message).execute())
    }

    pub(super) fn delete(&self, interface: &InterfaceName, index: u32) -> Result<(), BackendError> {
        self.run(&format!("remove the interface {interface}"), self.handle().link().del(index).execute())
    }

    pub(super) fn set_mtu(&self, interface: &InterfaceName, mtu: Mtu) -> Result<(), BackendError> {
        let message = LinkUnspec::new_with_name(interface.as_str()).mtu(mtu.get()).build();
        self.change(&format!("set the MTU of {interface} to {}", mtu.get()), message)
    }

    pub(super) fn set_up(&self, interface: &InterfaceName) -> Result<(), BackendError> {
        let message = LinkUnspec::new_with_name(interface.as_str()).up().build();
        self.change(&format!("set {interface} up"), message)
    }

    pub(super) fn add_address(&self, interface: &InterfaceName, address: IpNet) -> Result<(), BackendError> {
        let index = self.index_of(interface)?;
        let request = self.handle().address().add(index, address.addr(), address.prefix_len());
        self.run(&format!("give {interface} the address {address}"), request.execute())
    }

    pub(super) fn remove_address(
        &self,
        interface: &InterfaceName,
        wanted: IpNet,
    ) -> Result<(), BackendError> {
        let index = self.index_of(interface)?;
        let action = format!("take the address {wanted} off {interface}");
        let messages: Vec<AddressMessage> = self.run(
            &action,
            self.handle().address().get().set_link_index_filter(index).execute().try_collect(),
        )?;
        for message in messages.into_iter().filter(|message| address(message) == Some(wanted)) {
            self.run(&action, self.handle().address().del(message).execute())?;
        }
        Ok(())
    }

    pub(super) fn index_of(&self, interface: &InterfaceName) -> Result<u32, BackendError> {
        let action = format!("find the interface {interface}");
        let request = self.handle().link().get().match_name(interface.to_string());
        let found = self.run(&action, async move { request.execute().try_next().await })?;
        let link =
            found.ok_or_else(|| BackendError::new(action, io::Error::from(io::ErrorKind::NotFound)))?;
        Ok(link.header.index)
    }

    fn change(&self, action: &str, message: LinkMessage) -> Result<(), BackendError> {
        self.run(action, self.handle().link().change(message).execute())
    }

    fn run<T>(
        &self,
        action: &str,
        request: impl Future<Output = Result<T, rtnetlink::Error>>,
    ) -> Result<T, BackendError> {
        let bounded = async { tokio::time::timeout(PATIENCE, request).await };
        let answer = self.runtime.block_on(bounded);
        if self.connection.borrow().task.is_finished() {
            if let Ok(another) = connect(&self.runtime) {
                *self.connection.borrow_mut() = another;
            }
            return Err(BackendError::new(action, "the connection to the kernel broke off"));
        }
        match answer {
            Ok(answer) => answer.map_err(|source| BackendError::new(action, source)),
            Err(late) => Err(BackendError::new(action, late)),
        }
    }
}

fn connect(runtime: &Runtime) -> io::Result<Connection> {
    let _within = runtime.enter();
    let (connection, handle, _) = rtnetlink::new_connection()?;
    Ok(Connection { handle, task: runtime.spawn(connection) })
}

/// Whether the kernel does not know what was asked for.
pub(super) fn is_unsupported(error: &BackendError) -> bool {
    let said = error.source.downcast_ref::<rtnetlink::Error>();
    matches!(said, Some(rtnetlink::Error::NetlinkError(said)) if said.raw_code() == -libc::EOPNOTSUPP)
}

/// What a message of a dump is about, if it is of interest: for tests/fuzz.
#[cfg(feature = "fuzzed")]
pub(super) fn read(bytes: &[u8]) -> Option<String> {
    use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
    use rtnetlink::packet_route::RouteNetlinkMessage as Said;
    let NetlinkPayload::InnerMessage(said) = NetlinkMessage::<Said>::deserialize(bytes).ok()?.payload else {
        return None;
    };
    match said {
        Said::NewLink(message) => link(&message).map(|(name, _)| name.to_string()),
        Said::NewAddress(message) => address(&message).map(|address| address.to_string()),
        Said::NewRoute(message) => routes::route(&message).map(|(_, network)| network.to_string()),
        _ => None,
    }
}

fn name_of(message: &LinkMessage) -> Option<&str> {
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

fn link(message: &LinkMessage) -> Option<(InterfaceName, Link)> {
    let mut name = None;
    let mut link = Link {
        index: message.header.index,
        is_wireguard: false,
        alias: None,
        up: message.header.flags.contains(LinkFlags::Up),
        mtu: 0,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = text.parse().ok(),
            LinkAttribute::Mtu(bytes) => link.mtu = *bytes,
            LinkAttribute::IfAlias(text) => link.alias = Some(text.clone()),
            LinkAttribute::LinkInfo(parts) => {
                link.is_wireguard = parts.contains(&LinkInfo::Kind(InfoKind::Wireguard));
            }
            _ => {}
        }
    }
    Some((name?, link))
}

/// The address itself; on a point-to-point link `IFA_ADDRESS` would be the other end's.
fn address(message: &AddressMessage) -> Option<IpNet> {
    let find = |local: bool| {
        message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(ip) if local => Some(*ip),
            AddressAttribute::Address(ip) if !local => Some(*ip),
            _ => None,
        })
    };
    IpNet::new(find(true).or_else(|| find(false))?, message.header.prefix_len).ok()
}

fn is_link_local(network: &IpNet) -> bool {
    match network.addr() {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}
