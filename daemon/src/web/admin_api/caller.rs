//! Who is on the other end of the socket, as the kernel tells.

use std::ffi::CString;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tokio::net::UnixListener;

use crate::flows::invite::Actor;
use crate::store::{StoreError, Tx};

/// Its members administer postern.
pub(super) const ADMIN_GROUP: &str = "postern-admin";

/// A process that connected. Unknown credentials are nobody's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(Option<(Uid, Gid)>);

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let found = stream.io().peer_cred().ok();
        Self(found.map(|found| (Uid::from_raw(found.uid()), Gid::from_raw(found.gid()))))
    }
}

impl Caller {
    /// Root, or in the group by its primary or a supplementary membership.
    pub(super) fn may_administer(self) -> bool {
        let Some((uid, gid)) = self.0 else { return false };
        if uid.is_root() {
            return true;
        }
        let Ok(Some(group)) = Group::from_name(ADMIN_GROUP) else { return false };
        gid == group.gid || is_member(uid, gid, group.gid)
    }

    /// For the audit log.
    pub(super) fn actor(self, tx: &Tx<'_>) -> Result<Actor, StoreError> {
        let uid = self.0.map_or(u32::MAX, |(uid, _)| uid.as_raw());
        let name = match User::from_uid(Uid::from_raw(uid)) {
            Ok(Some(user)) => user.name,
            Ok(None) | Err(_) => uid.to_string(),
        };
        Actor::of_uid(tx, uid, &name)
    }
}

fn is_member(uid: Uid, gid: Gid, group: Gid) -> bool {
    let Ok(Some(user)) = User::from_uid(uid) else { return false };
    let Ok(name) = CString::new(user.name) else { return false };
    getgrouplist(&name, gid).is_ok_and(|groups| groups.contains(&group))
}
