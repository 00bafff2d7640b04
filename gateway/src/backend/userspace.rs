//! WireGuard inside this process, for hosts whose kernel has none: gotatun on a TUN, whose tunnels end with the process.
//!
//! gotatun's traps are kept here: it wants its key when it is built, opens no socket before its peers were set once,
//! and takes one peer's allowed IPs for another's as the kernel does. Links and addresses are not its business.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use gotatun::device::{DefaultDeviceTransports, Device as Gotatun, DeviceBuilder, Error, Peer};
use gotatun::tun::tun_async_device::TunDevice;
use gotatun::x25519;
use tokio::runtime::Runtime;

use crate::backend::batch::Device;
use crate::backend::{BackendError, StepError};
use crate::desired::DesiredPeer;
use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::net::{InterfaceName, ListenPort};
use crate::observed::ObservedPeer;
use crate::stats::PeerStats;

type Refused = BTreeMap<PublicKey, BackendError>;

/// Removing 10 000 peers one by one takes five seconds; no call takes longer than this.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often, and how far apart, a port in use is tried again: a device that gets another key opens its port anew while
/// tasks of gotatun's still hold the old sockets, which they close a moment later.
const REBINDS: usize = 20;
const REBIND_PAUSE: Duration = Duration::from_millis(10);

/// The interfaces this process runs. Dropping it ends them.
pub(super) struct Userspace {
    interfaces: BTreeMap<InterfaceName, Interface>,
    // Last: the devices' tasks live on it.
    runtime: Runtime,
}

struct Interface {
    tun: TunDevice,
    /// `None` before a key is set.
    device: Option<Gotatun<DefaultDeviceTransports>>,
}

impl Drop for Userspace {
    fn drop(&mut self) {
        // gotatun ends a device's tasks on the runtime it is dropped within.
        let _within = self.runtime.enter();
        self.interfaces.clear();
    }
}

impl Userspace {
    pub(super) fn open() -> Result<Self, BackendError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("wireguard")
            .enable_all()
            .build()
            .map_err(|source| BackendError::new("start the userspace WireGuard", source))?;
        Ok(Self { interfaces: BTreeMap::new(), runtime })
    }

    /// Whether this host can make a TUN.
    pub(super) fn is_available() -> bool {
        Path::new("/dev/net/tun").exists()
    }

    /// Whether this process runs the interface.
    pub(super) fn runs(&self, interface: &InterfaceName) -> bool {
        self.interfaces.contains_key(interface)
    }

    /// Makes the TUN, down. The name must be free: an existing TUN would be taken over.
    pub(super) fn create(&mut self, interface: &InterfaceName) -> Result<(), BackendError> {
        let _within = self.runtime.enter();
        let failed = |source| BackendError::new(format!("create the TUN {interface}"), source);
        let tun = TunDevice::from_name(interface.as_str()).map_err(failed)?;
        self.interfaces.insert(interface.clone(), Interface { tun, device: None });
        Ok(())
    }

    /// Ends its tunnels; its link goes with its last file descriptor.
    pub(super) fn delete(&mut self, interface: &InterfaceName) -> Result<(), BackendError> {
        let Some(Interface { tun, device }) = self.interfaces.remove(interface) else { return Ok(()) };
        drop(tun);
        let Some(device) = device else { return Ok(()) };
        self.run(&format!("stop {interface}"), device.stop())
    }

    /// Sets key and port. When the port cannot be opened nothing is left running: the next look says so.
    pub(super) fn set_device(
        &mut self,
        interface: &InterfaceName,
        private_key: &PrivateKey,
        listen_port: ListenPort,
    ) -> Result<(), BackendError> {
        let action = format!("set the key and port {} of {interface}", listen_port.get());
        let Some(Interface { tun, device }) = self.interfaces.remove(interface) else {
            return Err(BackendError::new(action, "this process does not run it"));
        };
        let secret = x25519::StaticSecret::from(*private_key.expose_bytes());
        let kept = tun.clone();
        let started = self.run(&action, async {
            match device {
                Some(device) => change(device, secret, listen_port).await,
                None => start(tun, secret, listen_port).await,
            }
        });
        let (device, outcome) = match started {
            Ok(Ok(device)) => (Some(device), Ok(())),
            Ok(Err(source)) => (None, Err(BackendError::new(action, source))),
            Err(late) => (None, Err(late)),
        };
        self.interfaces.insert(interface.clone(), Interface { tun: kept, device });
        outcome
    }

    /// Moves it to a port of the kernel's choice.
    pub(super) fn leave_port(&self, interface: &InterfaceName) -> Result<(), BackendError> {
        let Some(device) = self.started(interface) else { return Ok(()) };
        let action = format!("free the port of {interface}");
        let write = device.write(async |device| device.set_listen_port(0));
        self.run(&action, write)?.map_err(|source| BackendError::new(action, source))
    }

    /// Key, port and peers; nothing for an interface that has no key yet.
    pub(super) fn device(&self, interface: &InterfaceName) -> Result<Device, BackendError> {
        let Some(device) = self.started(interface) else { return Ok(Device::default()) };
        self.run(
            &format!("read the peers of {interface}"),
            device.read(async |device| {
                let secret = device.private_key();
                Device {
                    public_key: secret.and_then(|secret| ours(&x25519::PublicKey::from(secret))),
                    listen_port: device.listen_port(),
                    fwmark: device.fwmark().unwrap_or(0),
                    peers: device
                        .peers()
                        .await
                        .into_iter()
                        .filter_map(|entry| observed(&entry.peer))
                        .collect(),
                }
            }),
        )
    }

    /// Counters and handshakes.
    pub(super) fn stats(
        &self,
        interface: &InterfaceName,
    ) -> Result<BTreeMap<PublicKey, PeerStats>, BackendError> {
        let Some(device) = self.started(interface) else { return Ok(BTreeMap::new()) };
        let action = format!("read the counters of {interface}");
        let entries = self.run(&action, device.read(async |device| device.peers().await))?;
        let now = now();
        let mut stats = BTreeMap::new();
        for entry in entries {
            let Some(key) = ours(&entry.peer.public_key) else { continue };
            let counted = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
            stats.insert(
                key,
                PeerStats {
                    endpoint: entry.peer.endpoint,
                    last_handshake: entry.stats.last_handshake.and_then(|age| now.checked_sub(age)),
                    rx_bytes: counted(entry.stats.rx_bytes),
                    tx_bytes: counted(entry.stats.tx_bytes),
                },
            );
        }
        Ok(stats)
    }

    pub(super) fn add_peers(
        &self,
        interface: &InterfaceName,
        peers: &[(PublicKey, DesiredPeer)],
    ) -> Result<(), StepError> {
        let device = self.to_change(interface)?;
        let write = device.write(async |device| {
            let own = device.private_key().map(x25519::PublicKey::from);
            let mut refused = Refused::new();
            for (key, peer) in peers {
                let new = fresh(key, peer);
                let reason = if own == Some(new.public_key) {
                    "it is the interface's own key"
                } else {
                    "it is there already"
                };
                if own == Some(new.public_key) || !device.add_peer(new) {
                    refused.insert(*key, BackendError::new(format!("add a peer of {interface}"), reason));
                }
            }
            refused
        });
        self.conclude(&format!("add peers of {interface}"), write)
    }

    /// Sessions are kept; a peer that is gone meanwhile stays gone.
    pub(super) fn update_peers(
        &self,
        interface: &InterfaceName,
        peers: &[(PublicKey, DesiredPeer)],
    ) -> Result<(), StepError> {
        let device = self.to_change(interface)?;
        let write = device.write(async |device| {
            for (key, peer) in peers {
                let Peer { public_key, allowed_ips, preshared_key, keepalive, .. } = fresh(key, peer);
                device
                    .modify_peer(&public_key, |peer| {
                        peer.clear_allowed_ips();
                        peer.add_allowed_ips(allowed_ips);
                        peer.set_preshared_key(preshared_key);
                        peer.set_keepalive(keepalive);
                    })
                    .await;
            }
            Refused::new()
        });
        self.conclude(&format!("update peers of {interface}"), write)
    }

    pub(super) fn remove_peers(
        &self,
        interface: &InterfaceName,
        peers: &[PublicKey],
    ) -> Result<(), StepError> {
        let device = self.to_change(interface)?;
        let write = device.write(async |device| {
            for key in peers {
                device.remove_peer(&theirs(key)).await;
            }
            Refused::new()
        });
        self.conclude(&format!("remove peers of {interface}"), write)
    }

    fn started(&self, interface: &InterfaceName) -> Option<&Gotatun<DefaultDeviceTransports>> {
        self.interfaces.get(interface)?.device.as_ref()
    }

    fn to_change(
        &self,
        interface: &InterfaceName,
    ) -> Result<&Gotatun<DefaultDeviceTransports>, BackendError> {
        let failed = || BackendError::new(format!("change the peers of {interface}"), "it has no key yet");
        self.started(interface).ok_or_else(failed)
    }

    fn conclude(
        &self,
        action: &str,
        write: impl Future<Output = Result<Refused, Error>>,
    ) -> Result<(), StepError> {
        let refused = self.run(action, write)?.map_err(|source| BackendError::new(action, source))?;
        if refused.is_empty() { Ok(()) } else { Err(StepError::Peers(refused)) }
    }

    fn run<T>(&self, action: &str, call: impl Future<Output = T>) -> Result<T, BackendError> {
        let bounded = async { tokio::time::timeout(PATIENCE, call).await };
        self.runtime.block_on(bounded).map_err(|late| BackendError::new(action, late))
    }
}

/// Clearing the peers, of which there are none, is what opens the socket of a device built without any.
async fn start(
    tun: TunDevice,
    secret: x25519::StaticSecret,
    port: ListenPort,
) -> Result<Gotatun<DefaultDeviceTransports>, Error> {
    let builder = DeviceBuilder::new().with_default_udp().with_ip(tun);
    let device = builder.with_private_key(secret).with_listen_port(port.get()).build().await?;
    match device.write(async |device| device.clear_peers()).await {
        Ok(_) => Ok(device),
        Err(error) => {
            device.stop().await;
            Err(error)
        }
    }
}

async fn change(
    device: Gotatun<DefaultDeviceTransports>,
    secret: x25519::StaticSecret,
    port: ListenPort,
) -> Result<Gotatun<DefaultDeviceTransports>, Error> {
    let write = device.write(async |device| {
        device.set_private_key(secret).await;
        device.set_listen_port(port.get());
        device.set_fwmark(0)
    });
    let mut written = write.await.flatten();
    for _ in 0..REBINDS {
        if !matches!(&written, Err(Error::Bind(source, _)) if source.kind() == io::ErrorKind::AddrInUse) {
            break;
        }
        tokio::time::sleep(REBIND_PAUSE).await;
        // Only another port than before opens a socket.
        let reopen = device.write(async |device| {
            device.set_listen_port(0);
            device.set_listen_port(port.get());
        });
        written = reopen.await;
    }
    match written {
        Ok(()) => Ok(device),
        Err(error) => {
            device.stop().await;
            Err(error)
        }
    }
}

fn fresh(key: &PublicKey, peer: &DesiredPeer) -> Peer {
    let mut new = Peer::new(theirs(key));
    // Its network type is of another crate; every network's text is one of its networks.
    new.allowed_ips =
        peer.allowed_ips.iter().filter_map(|network| network.to_string().parse().ok()).collect();
    new.preshared_key = peer.preshared_key.as_ref().map(|preshared| *preshared.expose_bytes());
    new.endpoint = peer.dialled.map(|dialled| dialled.endpoint);
    new.keepalive = peer.keepalive();
    new
}

fn observed(peer: &Peer) -> Option<(PublicKey, ObservedPeer)> {
    let allowed_ips =
        peer.allowed_ips.iter().filter_map(|network| network.to_string().parse().ok()).collect();
    let preshared_key = peer.preshared_key.and_then(PresharedKey::from_bytes);
    let keepalive = peer.keepalive.filter(|seconds| *seconds > 0);
    Some((ours(&peer.public_key)?, ObservedPeer { allowed_ips, preshared_key, keepalive }))
}

fn theirs(key: &PublicKey) -> x25519::PublicKey {
    x25519::PublicKey::from(*key.as_bytes())
}

fn ours(key: &x25519::PublicKey) -> Option<PublicKey> {
    PublicKey::from_bytes(key.to_bytes()).ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "gotatun tells a handshake's age only, at the time of the call"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
