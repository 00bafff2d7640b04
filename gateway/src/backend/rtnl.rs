//! Links, addresses and routes over rtnetlink, for kernel and userspace interfaces alike. Calls block, each for a
//! bounded time; they must not be made from within an async runtime.

#![expect(clippy::wildcard_enum_match_arm, reason = "the kernel's attributes are many and not ours")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use nix::libc;
use rtnetlink::{Handle, LinkUnspec, LinkWireguard, RouteMessageBuilder};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::backend::BackendError;
use crate::net::{InterfaceName, Mtu, Owner};

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

/// Who has which route.
#[derive(Default)]
pub(super) struct RoutesByName(BTreeMap<IpNet, Vec<String>>);

impl RoutesByName {
    /// Those that lead to other links than this one; of several links, one.
    pub(super) fn elsewhere(&self, interface: &InterfaceName) -> BTreeMap<IpNet, String> {
        let other =
            |destination: &IpNet| Some((*destination, self.other(interface, destination)?.to_owned()));
        self.0.keys().filter_map(other).collect()
    }

    /// Refuses to take a route from another link. Whatever the metrics are: one of ours would come before theirs.
    pub(super) fn may_add(&self, interface: &InterfaceName, destination: IpNet) -> Result<(), BackendError> {
        let Some(link) = self.other(interface, &destination) else { return Ok(()) };
        let taken = format!("it is routed to {link}, which is not changed");
        Err(BackendError::new(action_of_route(interface, destination), taken))
    }

    fn other(&self, interface: &InterfaceName, destination: &IpNet) -> Option<&str> {
        let links = self.0.get(destination)?;
        links.iter().map(String::as_str).find(|link| *link != interface.as_str())
    }
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

    /// Destinations of the main table by link, multicast and link-local ones left out.
    pub(super) fn routes(&self) -> Result<BTreeMap<u32, BTreeSet<IpNet>>, BackendError> {
        let mut routes: BTreeMap<u32, BTreeSet<IpNet>> = BTreeMap::new();
        let asked: [RouteMessage; 2] =
            [RouteMessageBuilder::<Ipv4Addr>::new().build(), RouteMessageBuilder::<Ipv6Addr>::new().build()];
        for ask in asked {
            let messages: Vec<RouteMessage> =
                self.run("list the routes", self.handle().route().get(ask).execute().try_collect())?;
            for (index, destination) in messages.iter().filter_map(route) {
                routes.entry(index).or_default().insert(destination);
            }
        }
        Ok(routes)
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

    /// Destinations of the main table, whatever their metric, with the names of the links that they lead to.
    pub(super) fn routes_by_name(&self) -> Result<RoutesByName, BackendError> {
        let messages: Vec<LinkMessage> =
            self.run("list the links", self.handle().link().get().execute().try_collect())?;
        let mut routes = self.routes()?;
        let mut by_name = RoutesByName::default();
        for message in &messages {
            let Some(name) = name_of(message) else { continue };
            for destination in routes.remove(&message.header.index).unwrap_or_default() {
                by_name.0.entry(destination).or_default().push(name.to_owned());
            }
        }
        Ok(by_name)
    }

    /// A connected route, as the kernel itself makes it for an address with a prefix. One that is there already is no
    /// error if it leads to this link.
    pub(super) fn add_route(
        &self,
        interface: &InterfaceName,
        destination: IpNet,
    ) -> Result<(), BackendError> {
        let index = self.index_of(interface)?;
        let mut message = route_to(index, destination, RouteScope::Link);
        message.header.protocol = RouteProtocol::Kernel;
        let action = action_of_route(interface, destination);
        let added = async {
            match self.handle().route().add(message).execute().await {
                Err(rtnetlink::Error::NetlinkError(answer)) if answer.raw_code() == -libc::EEXIST => {
                    Ok(false)
                }
                answer => answer.map(|()| true),
            }
        };
        if self.run(&action, added)?
            || self.routes()?.get(&index).is_some_and(|own| own.contains(&destination))
        {
            return Ok(());
        }
        // Unreachable, or over several links at once.
        Err(BackendError::new(action, "there is another route for it, which is not changed"))
    }

    /// Whoever added it; one that is gone already is no error.
    pub(super) fn remove_route(
        &self,
        interface: &InterfaceName,
        destination: IpNet,
    ) -> Result<(), BackendError> {
        let mut message = route_to(self.index_of(interface)?, destination, RouteScope::NoWhere);
        message.header.protocol = RouteProtocol::Unspec;
        let removed = async {
            match self.handle().route().del(message).execute().await {
                Err(rtnetlink::Error::NetlinkError(answer)) if answer.raw_code() == -libc::ESRCH => Ok(()),
                answer => answer,
            }
        };
        self.run(&format!("stop routing {destination} to {interface}"), removed)
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

fn action_of_route(interface: &InterfaceName, destination: IpNet) -> String {
    format!("route {destination} to {interface}")
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

/// `scope` is for IPv4; IPv6 knows none.
fn route_to(index: u32, destination: IpNet, scope: RouteScope) -> RouteMessage {
    let prefix = destination.prefix_len();
    match destination.network() {
        IpAddr::V4(network) => RouteMessageBuilder::<Ipv4Addr>::new()
            .output_interface(index)
            .scope(scope)
            .destination_prefix(network, prefix)
            .build(),
        IpAddr::V6(network) => RouteMessageBuilder::<Ipv6Addr>::new()
            .output_interface(index)
            .destination_prefix(network, prefix)
            .build(),
    }
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
        Said::NewRoute(message) => route(&message).map(|(_, network)| network.to_string()),
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

fn route(message: &RouteMessage) -> Option<(u32, IpNet)> {
    let header = &message.header;
    if header.table != RouteHeader::RT_TABLE_MAIN || header.kind != RouteType::Unicast {
        return None;
    }
    let mut index = None;
    let mut destination = match header.address_family {
        AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(found) => index = Some(*found),
            RouteAttribute::Destination(RouteAddress::Inet(ip)) => destination = IpAddr::V4(*ip),
            RouteAttribute::Destination(RouteAddress::Inet6(ip)) => destination = IpAddr::V6(*ip),
            _ => {}
        }
    }
    let network = IpNet::new(destination, header.destination_prefix_length).ok()?;
    let uninteresting = is_link_local(&network) || network.addr().is_multicast();
    if uninteresting { None } else { Some((index?, network)) }
}
