//! Desired states for tests, built from small numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use crate::apply::{Outcome, apply};
use crate::backend::Backend as _;
use crate::backend::memory::MemoryBackend;
use crate::desired::{Desired, DesiredInterface, DesiredPeer, Dialled, ForwardPolicy};
use crate::key::{PresharedKey, PrivateKey, PublicKey};
use crate::kind::BackendKind;
use crate::net::{InterfaceName, Mtu};
use crate::plan::{Scope, plan};

pub(crate) fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

pub(crate) fn key(seed: u8) -> PublicKey {
    PublicKey::from_bytes([seed + 10; 32]).unwrap()
}

pub(crate) fn peer(allowed_ips: &[&str]) -> DesiredPeer {
    DesiredPeer {
        allowed_ips: allowed_ips.iter().map(|text| text.parse().unwrap()).collect(),
        preshared_key: None,
        dialled: None,
    }
}

/// With a keepalive every 25 seconds.
pub(crate) fn called_at(endpoint: &str, mut peer: DesiredPeer) -> DesiredPeer {
    let endpoint = endpoint.parse().unwrap();
    peer.dialled = Some(Dialled { endpoint, keepalive: NonZeroU16::new(25) });
    peer
}

pub(crate) fn with_preshared_key(mut peer: DesiredPeer, seed: u8) -> DesiredPeer {
    peer.preshared_key = PresharedKey::from_bytes([seed; 32]);
    peer
}

/// `10.77.0.1/24` and `fd00:77::1/64` on port 51820, with these peers.
pub(crate) fn an_interface(peers: impl IntoIterator<Item = (PublicKey, DesiredPeer)>) -> DesiredInterface {
    DesiredInterface {
        backend: BackendKind::Kernel,
        private_key: PrivateKey::from_random([7; 32]),
        listen_port: 51820.try_into().unwrap(),
        mtu: Mtu::DEFAULT,
        addresses: ["10.77.0.1/24", "fd00:77::1/64"].map(|text| text.parse().unwrap()).into(),
        peers: peers.into_iter().collect(),
        undecided: BTreeSet::new(),
        routes: BTreeSet::new(),
        policy: ForwardPolicy::default(),
    }
}

pub(crate) fn at_port(port: u16, interface: DesiredInterface) -> DesiredInterface {
    DesiredInterface { listen_port: port.try_into().unwrap(), ..interface }
}

pub(crate) fn desired<const N: usize>(interfaces: [(&str, DesiredInterface); N]) -> Desired {
    Desired { interfaces: BTreeMap::from(interfaces.map(|(text, interface)| (name(text), interface))) }
}

/// Observes, plans and applies everything.
pub(crate) fn reach(kernel: &mut MemoryBackend, desired: &Desired) -> Outcome {
    let mut observed = kernel.observe().unwrap();
    let plan = plan(desired, &observed, &Scope::Everything);
    apply(kernel, &plan, &mut observed)
}
