//! Routes: which link has which, and adding and removing those of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt as _;
use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use nix::libc;
use rtnetlink::RouteMessageBuilder;

use super::{Rtnl, is_link_local, name_of};
use crate::backend::BackendError;
use crate::net::InterfaceName;

/// Who has which route.
#[derive(Default)]
pub(in crate::backend) struct RoutesByName(BTreeMap<IpNet, Vec<String>>);

impl RoutesByName {
    /// Those that lead to other links than this one; of several links, one.
    pub(in crate::backend) fn elsewhere(&self, interface: &InterfaceName) -> BTreeMap<IpNet, String> {
        let other =
            |destination: &IpNet| Some((*destination, self.other(interface, destination)?.to_owned()));
        self.0.keys().filter_map(other).collect()
    }

    /// Refuses to take a route from another link. Whatever the metrics are: one of ours would come before theirs.
    pub(in crate::backend) fn may_add(
        &self,
        interface: &InterfaceName,
        destination: IpNet,
    ) -> Result<(), BackendError> {
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
    /// Destinations of the main table by link, multicast and link-local ones left out.
    pub(in crate::backend) fn routes(&self) -> Result<BTreeMap<u32, BTreeSet<IpNet>>, BackendError> {
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

    /// Destinations of the main table, whatever their metric, with the names of the links that they lead to.
    pub(in crate::backend) fn routes_by_name(&self) -> Result<RoutesByName, BackendError> {
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
    pub(in crate::backend) fn add_route(
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
    pub(in crate::backend) fn remove_route(
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
}

fn action_of_route(interface: &InterfaceName, destination: IpNet) -> String {
    format!("route {destination} to {interface}")
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

pub(super) fn route(message: &RouteMessage) -> Option<(u32, IpNet)> {
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
