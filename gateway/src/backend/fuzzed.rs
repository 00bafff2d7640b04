//! Everything that reads what the kernel says over netlink, given any bytes in its place. For tests/fuzz: the kernel is not
//! asked, and nothing is made of it.

use super::{batch, firewall, netlink, rtnl};

/// Reads what may have been received at once. Gives how much of it said something.
pub fn read(received: &[u8]) -> usize {
    let messages = netlink::received(received);
    let (device, stats) = batch::read(&messages);
    let objects = messages.iter().flat_map(firewall::read).filter(|object| object.len() > 2);
    let routed = rtnl::read(received).is_some();
    device.peers.len() + stats.len() + objects.count() + usize::from(routed)
}
