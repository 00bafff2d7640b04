//! What stands in for userspace WireGuard in a build without it: it cannot be opened, hence has no values.

use std::collections::BTreeMap;

use crate::backend::batch::Device;
use crate::backend::{BackendError, StepError};
use crate::desired::DesiredPeer;
use crate::key::{PrivateKey, PublicKey};
use crate::net::{InterfaceName, ListenPort};
use crate::stats::PeerStats;

pub(super) enum Userspace {}

impl Userspace {
    pub(super) fn open() -> Result<Self, BackendError> {
        Err(BackendError::new("start the userspace WireGuard", "this build has none"))
    }

    pub(super) fn is_available() -> bool {
        false
    }

    pub(super) fn runs(&self, _: &InterfaceName) -> bool {
        match *self {}
    }

    pub(super) fn create(&mut self, _: &InterfaceName) -> Result<(), BackendError> {
        match *self {}
    }

    pub(super) fn delete(&mut self, _: &InterfaceName) -> Result<(), BackendError> {
        match *self {}
    }

    pub(super) fn set_device(
        &mut self,
        _: &InterfaceName,
        _: &PrivateKey,
        _: ListenPort,
    ) -> Result<(), BackendError> {
        match *self {}
    }

    pub(super) fn leave_port(&self, _: &InterfaceName) -> Result<(), BackendError> {
        match *self {}
    }

    pub(super) fn device(&self, _: &InterfaceName) -> Result<Device, BackendError> {
        match *self {}
    }

    pub(super) fn stats(&self, _: &InterfaceName) -> Result<BTreeMap<PublicKey, PeerStats>, BackendError> {
        match *self {}
    }

    pub(super) fn add_peers(
        &self,
        _: &InterfaceName,
        _: &[(PublicKey, DesiredPeer)],
    ) -> Result<(), StepError> {
        match *self {}
    }

    pub(super) fn update_peers(
        &self,
        _: &InterfaceName,
        _: &[(PublicKey, DesiredPeer)],
    ) -> Result<(), StepError> {
        match *self {}
    }

    pub(super) fn remove_peers(&self, _: &InterfaceName, _: &[PublicKey]) -> Result<(), StepError> {
        match *self {}
    }
}
