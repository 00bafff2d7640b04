//! Who is on the other end of the socket, as the kernel tells.

use std::ffi::CString;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tokio::net::UnixStream;

use crate::flows::invite::Actor;
use crate::store::{StoreError, Tx};

/// Its members administer postern.
pub(super) const ADMIN_GROUP: &str = "postern-admin";

/// A process that connected. Unknown credentials are nobody's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(Option<Credentials>);

#[derive(Debug, Clone, Copy)]
struct Credentials {
    uid: Uid,
    /// The primary group.
    gid: Gid,
    /// Whose membership the kernel checked when the process connected, because the socket's file admits no others.
    vouched: Option<Gid>,
}

impl Caller {
    /// Who is on the other end of a connection.
    pub(super) fn of(stream: &UnixStream) -> Self {
        let Ok(found) = stream.peer_cred() else { return Self(None) };
        let address = stream.local_addr().ok();
        let file = address.as_ref().and_then(|address| address.as_pathname());
        let uid = Uid::from_raw(found.uid());
        let vouched = file.and_then(|file| vouched_by(file, uid));
        Self(Some(Credentials { uid, gid: Gid::from_raw(found.gid()), vouched }))
    }

    /// Root, or in the group by its primary or a supplementary membership: the process's own, which the kernel checked
    /// against the socket's file, or the user's in the group database.
    pub(super) fn may_administer(self) -> bool {
        let Some(found) = self.0 else { return false };
        if found.uid.is_root() {
            return true;
        }
        let Ok(Some(group)) = Group::from_name(ADMIN_GROUP) else { return false };
        [Some(found.gid), found.vouched].contains(&Some(group.gid))
            || is_member(found.uid, found.gid, group.gid)
    }

    /// For the audit log.
    pub(super) fn actor(self, tx: &Tx<'_>) -> Result<Actor, StoreError> {
        Actor::of_uid(tx, self.uid(), &self.account())
    }

    /// Its Unix account.
    pub(super) fn uid(self) -> u32 {
        self.0.map_or(u32::MAX, |found| found.uid.as_raw())
    }

    /// The name of its Unix account, or the number where it has none.
    pub(super) fn account(self) -> String {
        match User::from_uid(Uid::from_raw(self.uid())) {
            Ok(Some(user)) => user.name,
            Ok(None) | Err(_) => self.uid().to_string(),
        }
    }
}

/// The group to which a connection of `uid` proves membership: connecting takes the permission to write, and the file
/// gives that to its owner, its group and nobody else. See decision 0004 for why the process's groups are not asked.
fn vouched_by(file: &Path, uid: Uid) -> Option<Gid> {
    let file = std::fs::symlink_metadata(file).ok()?;
    let admits_its_group_only = file.mode() & 0o022 == 0o020;
    (admits_its_group_only && file.uid() != uid.as_raw()).then(|| Gid::from_raw(file.gid()))
}

fn is_member(uid: Uid, gid: Gid, group: Gid) -> bool {
    let Ok(Some(user)) = User::from_uid(uid) else { return false };
    let Ok(name) = CString::new(user.name) else { return false };
    getgrouplist(&name, gid).is_ok_and(|groups| groups.contains(&group))
}
