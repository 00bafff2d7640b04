//! Names and numbers of the network, valid once they exist.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Why a text is not the network value it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// Linux allows 1 to 15 bytes; we allow letters, digits, `.`, `-` and `_`, and neither `.` nor `..`.
    #[error("{0:?} is not an interface name: 1 to 15 letters, digits, '.', '-' or '_'")]
    InterfaceName(String),
    /// See [`HostService`].
    #[error("{0:?} is not a service: write it like \"udp/53\" or \"tcp/443\"")]
    HostService(String),
    /// See [`Mtu`].
    #[error("{0} is not a usable MTU: 1280 (IPv6 needs that much, RFC 8200 section 5) to 65456")]
    Mtu(u32),
    /// Port 0.
    #[error("0 is not a UDP port: 1 to 65535")]
    ListenPort,
}

/// The name of a network interface (`IFNAMSIZ`: at most 15 bytes).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfaceName(String);

impl InterfaceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InterfaceName {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if text.is_empty() || text.len() > 15 || matches!(text, "." | "..") || !text.chars().all(allowed) {
            return Err(NetError::InterfaceName(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for InterfaceName {
    type Error = NetError;

    fn try_from(text: String) -> Result<Self, NetError> {
        text.parse()
    }
}

impl From<InterfaceName> for String {
    fn from(name: InterfaceName) -> Self {
        name.0
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A UDP port to listen on: never 0, which would mean "any".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ListenPort(NonZeroU16);

impl ListenPort {
    /// The port number.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl TryFrom<u16> for ListenPort {
    type Error = NetError;

    fn try_from(port: u16) -> Result<Self, NetError> {
        NonZeroU16::new(port).map(Self).ok_or(NetError::ListenPort)
    }
}

impl From<ListenPort> for u16 {
    fn from(port: ListenPort) -> Self {
        port.get()
    }
}

/// The largest packet that goes through the tunnel, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Mtu(u32);

impl Mtu {
    /// What `wg-quick` arrives at over an Ethernet path of 1500 bytes.
    pub const DEFAULT: Self = Self(1420);

    /// The number of bytes.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Mtu {
    type Error = NetError;

    fn try_from(bytes: u32) -> Result<Self, NetError> {
        if (1280..=65456).contains(&bytes) { Ok(Self(bytes)) } else { Err(NetError::Mtu(bytes)) }
    }
}

impl From<Mtu> for u32 {
    fn from(mtu: Mtu) -> Self {
        mtu.get()
    }
}

/// A peer's allowed IPs: masked, sorted, without doubles.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllowedIps(Box<[IpNet]>);

impl AllowedIps {
    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.0.iter().copied()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the peer may send nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether exactly this network is among them.
    pub fn contains(&self, network: &IpNet) -> bool {
        self.0.binary_search(network).is_ok()
    }
}

impl AllowedIps {
    /// Puts `networks` in order, to be read from there: thousands are made over the same list.
    pub(crate) fn of(networks: &mut Vec<IpNet>) -> Self {
        for network in networks.iter_mut() {
            *network = network.trunc();
        }
        networks.sort_unstable();
        networks.dedup();
        Self(networks.as_slice().into())
    }
}

impl FromIterator<IpNet> for AllowedIps {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        Self::of(&mut networks.into_iter().collect())
    }
}

/// A service of the gateway host itself that peers of a location may reach, such as `udp/53`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HostService {
    /// A TCP port.
    Tcp(NonZeroU16),
    /// A UDP port.
    Udp(NonZeroU16),
}

impl FromStr for HostService {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let wrong = || NetError::HostService(text.to_owned());
        let (protocol, port) = text.split_once('/').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        match protocol {
            "tcp" => Ok(Self::Tcp(port)),
            "udp" => Ok(Self::Udp(port)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for HostService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(port) => write!(f, "tcp/{port}"),
            Self::Udp(port) => write!(f, "udp/{port}"),
        }
    }
}

impl TryFrom<String> for HostService {
    type Error = NetError;

    fn try_from(text: String) -> Result<Self, NetError> {
        text.parse()
    }
}

impl From<HostService> for String {
    fn from(service: HostService) -> Self {
        service.to_string()
    }
}

/// Who an interface belongs to: written as the link's alias (`ip link show` prints it), and the only thing
/// that makes an interface ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(String);

impl Owner {
    /// `instance` identifies the installation, so that two postern on one host leave each other's links alone.
    pub fn of_instance(instance: &str) -> Self {
        Self(format!("postern:{instance}"))
    }

    /// Eight characters that tell owners apart where an alias does not fit.
    pub(crate) fn short(&self) -> String {
        let digest = Sha256::digest(&self.0);
        let start = digest.iter().take(4).fold(0_u32, |start, byte| start << 8 | u32::from(*byte));
        format!("{start:08x}")
    }

    /// The name its links have until they carry its mark: at no time is there an unmarked link that could be taken
    /// for somebody else's.
    pub(crate) fn unfinished_link(&self) -> InterfaceName {
        InterfaceName(format!("pst-{}", self.short()))
    }

    /// The link alias.
    pub fn alias(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_are_what_linux_takes() {
        assert!("wg-hq.1_a".parse::<InterfaceName>().is_ok());
        for text in ["", "sixteen-letters-", "a b", "a/b", ".", "..", "zażółć"] {
            assert!(text.parse::<InterfaceName>().is_err(), "{text}");
        }
    }

    #[test]
    fn allowed_ips_are_masked_sorted_and_without_doubles() {
        let ips: AllowedIps =
            ["fd00::1/64", "10.0.0.9/24", "10.0.0.1/24"].iter().map(|text| text.parse().unwrap()).collect();
        let shown: Vec<String> = ips.iter().map(|ip| ip.to_string()).collect();
        assert_eq!(shown, ["10.0.0.0/24", "fd00::/64"]);
    }

    #[test]
    fn services_are_a_protocol_and_a_port() {
        assert_eq!("udp/53".parse::<HostService>().unwrap().to_string(), "udp/53");
        for text in ["53", "udp/0", "udp/70000", "icmp/1", "udp/"] {
            assert!(text.parse::<HostService>().is_err(), "{text}");
        }
    }
}
