//! A plan as people read it: one line for each change, without a secret.

use std::fmt;

use super::{Plan, Step};
use crate::desired::DesiredPeer;
use crate::key::PublicKey;
use crate::net::InterfaceName;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() && self.conflicts.is_empty() {
            return f.write_str("nothing to change");
        }
        let mut separator = "";
        for name in &self.conflicts {
            write!(f, "{separator}{name}: ! left alone, a link of this name is not postern's")?;
            separator = "\n";
        }
        for step in &self.steps {
            write!(f, "{separator}{step}")?;
            separator = "\n";
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    /// A line, or one for each peer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReplaceFirewall { firewall } if firewall.is_empty() => f.write_str("firewall: - table"),
            Self::ReplaceFirewall { firewall } => {
                let names: Vec<&str> = firewall.interfaces.keys().map(InterfaceName::as_str).collect();
                write!(f, "firewall: ~ table for {}", names.join(", "))
            }
            Self::DeleteInterface { interface } => write!(f, "{interface}: - interface"),
            Self::Adopt { interface } => {
                write!(f, "{interface}: ~ taken over as it is, it has this location's key")
            }
            Self::CreateInterface { interface, backend, mtu } => {
                write!(f, "{interface}: + interface ({backend}, MTU {})", mtu.get())
            }
            Self::SetDevice { interface, private_key, listen_port } => {
                write!(f, "{interface}: ~ public key {}, port {}", private_key.public(), listen_port.get())
            }
            Self::LeavePort { interface } => write!(f, "{interface}: ~ any port, another takes its own"),
            Self::RemovePeers { interface, peers } => {
                lines(f, peers, |f, key| write!(f, "{interface}: - peer {key}"))
            }
            Self::UpdatePeers { interface, peers, .. } => {
                lines(f, peers, |f, peer| show(f, interface, '~', peer))
            }
            Self::AddPeers { interface, peers } => lines(f, peers, |f, peer| show(f, interface, '+', peer)),
            Self::RemoveAddress { interface, address } => write!(f, "{interface}: - address {address}"),
            Self::AddAddress { interface, address } => write!(f, "{interface}: + address {address}"),
            Self::SetMtu { interface, mtu } => write!(f, "{interface}: ~ MTU {}", mtu.get()),
            Self::SetLinkUp { interface } => write!(f, "{interface}: ~ up"),
            Self::AddRoute { interface, destination } => write!(f, "{interface}: + route {destination}"),
            Self::RemoveRoute { interface, destination } => write!(f, "{interface}: - route {destination}"),
        }
    }
}

fn lines<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    show: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    let mut separator = "";
    for item in items {
        f.write_str(separator)?;
        show(f, item)?;
        separator = "\n";
    }
    Ok(())
}

fn show(
    f: &mut fmt::Formatter<'_>,
    interface: &InterfaceName,
    sign: char,
    (key, peer): &(PublicKey, DesiredPeer),
) -> fmt::Result {
    let networks: Vec<String> = peer.allowed_ips.iter().map(|network| network.to_string()).collect();
    let networks = if networks.is_empty() { "nothing".to_owned() } else { networks.join(",") };
    let preshared = if peer.preshared_key.is_some() { " with a preshared key" } else { "" };
    write!(f, "{interface}: {sign} peer {key} {networks}{preshared}")?;
    peer.dialled.map_or(Ok(()), |dialled| write!(f, ", called at {}", dialled.endpoint))
}
