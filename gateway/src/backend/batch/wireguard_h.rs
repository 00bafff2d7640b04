//! The numbers of `linux/wireguard.h`.

/// The name of the generic netlink family, as the kernel wants it.
pub(super) const FAMILY: &[u8] = b"wireguard\0";
pub(super) const VERSION: u8 = 1;
pub(super) const GET_DEVICE: u8 = 0;
pub(super) const SET_DEVICE: u8 = 1;

/// `WGDEVICE_A_*`
pub(super) mod device {
    pub(in super::super) const NAME: u16 = 2;
    pub(in super::super) const PRIVATE_KEY: u16 = 3;
    pub(in super::super) const PUBLIC_KEY: u16 = 4;
    pub(in super::super) const FLAGS: u16 = 5;
    pub(in super::super) const LISTEN_PORT: u16 = 6;
    pub(in super::super) const FWMARK: u16 = 7;
    pub(in super::super) const PEERS: u16 = 8;
    /// A value of [`FLAGS`].
    pub(in super::super) const REPLACE_PEERS: u32 = 1;
}

/// `WGPEER_A_*`
pub(super) mod peer {
    pub(in super::super) const PUBLIC_KEY: u16 = 1;
    pub(in super::super) const PRESHARED_KEY: u16 = 2;
    pub(in super::super) const FLAGS: u16 = 3;
    pub(in super::super) const ENDPOINT: u16 = 4;
    pub(in super::super) const KEEPALIVE: u16 = 5;
    pub(in super::super) const LAST_HANDSHAKE: u16 = 6;
    pub(in super::super) const RX_BYTES: u16 = 7;
    pub(in super::super) const TX_BYTES: u16 = 8;
    pub(in super::super) const ALLOWED_IPS: u16 = 9;
    /// Values of [`FLAGS`].
    pub(in super::super) const REMOVE_ME: u32 = 1;
    pub(in super::super) const REPLACE_ALLOWED_IPS: u32 = 2;
    pub(in super::super) const UPDATE_ONLY: u32 = 4;
}

/// `WGALLOWEDIP_A_*`
pub(super) mod allowed_ip {
    pub(in super::super) const FAMILY: u16 = 1;
    pub(in super::super) const ADDRESS: u16 = 2;
    pub(in super::super) const PREFIX: u16 = 3;
    /// Values of [`FAMILY`]: `AF_INET` and `AF_INET6`.
    pub(in super::super) const V4: u16 = 2;
    pub(in super::super) const V6: u16 = 10;
}
