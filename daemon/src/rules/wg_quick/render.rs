//! Writes such a file.

use std::fmt::{self, Write as _};

use ipnet::IpNet;
use zeroize::Zeroizing;

use super::{WgPeer, WgQuick};

/// The text of a file; it holds keys.
pub fn render(server: &WgQuick) -> Zeroizing<String> {
    // Growing would leave copies of what was written behind.
    let size = 512 + server.peers.iter().map(size_of).sum::<usize>() + 50 * server.addresses.len();
    let mut text = Zeroizing::new(String::with_capacity(size));
    // Writing to a String cannot fail.
    let _ = interface(&mut text, server);
    for peer in &server.peers {
        let _ = self::peer(&mut text, peer);
    }
    text
}

fn size_of(peer: &WgPeer) -> usize {
    let name = peer.name.as_ref().map_or(0, String::len);
    let endpoint = peer.endpoint.as_ref().map_or(0, String::len);
    400 + name + endpoint + 50 * peer.allowed_ips.len()
}

fn interface(text: &mut String, server: &WgQuick) -> fmt::Result {
    writeln!(text, "[Interface]\nPrivateKey = {}", server.private_key.to_base64().as_str())?;
    for address in &server.addresses {
        writeln!(text, "Address = {address}")?;
    }
    if let Some(port) = server.listen_port {
        writeln!(text, "ListenPort = {}", port.get())?;
    }
    server.mtu.map_or(Ok(()), |mtu| writeln!(text, "MTU = {}", mtu.get()))
}

fn peer(text: &mut String, peer: &WgPeer) -> fmt::Result {
    writeln!(text)?;
    if let Some(name) = &peer.name {
        writeln!(text, "# Name: {name}")?;
    }
    writeln!(text, "[Peer]\nPublicKey = {}", peer.public_key)?;
    if let Some(preshared) = &peer.preshared_key {
        writeln!(text, "PresharedKey = {}", preshared.to_base64().as_str())?;
    }
    if !peer.allowed_ips.is_empty() {
        let networks: Vec<String> = peer.allowed_ips.iter().map(IpNet::to_string).collect();
        writeln!(text, "AllowedIPs = {}", networks.join(", "))?;
    }
    if let Some(endpoint) = &peer.endpoint {
        writeln!(text, "Endpoint = {endpoint}")?;
    }
    peer.keepalive.map_or(Ok(()), |seconds| writeln!(text, "PersistentKeepalive = {seconds}"))
}
