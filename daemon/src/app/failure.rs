//! Why the daemon could not start, and what systemd and people are told by its exit status.

use std::io::ErrorKind;
use std::net::SocketAddr;

use postern_gateway::BackendError;

use super::state_dir::StateDirError;
use crate::config::ConfigErrors;
use crate::flows::configure::ConfigureError;
use crate::keys::KeysError;
use crate::reload::ReloadError;
use crate::store::StoreError;
use crate::web::admin_api;

/// Why the daemon could not start, or a reload was refused.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The files have an error.
    #[error("the configuration has an error")]
    Config(#[from] ConfigErrors),
    /// The files are well, but cannot be put into force here.
    #[error("the configuration cannot be put into force")]
    Configure(#[from] ConfigureError),
    /// The folder of database and keys.
    #[error(transparent)]
    State(#[from] StateDirError),
    /// See [`KeysError`].
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// See [`StoreError`].
    #[error("cannot open the database")]
    Store(#[from] StoreError),
    /// A change that was under way when the daemon died.
    #[error("cannot finish the last change of the configuration")]
    Reload(#[from] ReloadError),
    /// Nothing to manage interfaces with.
    #[error("cannot manage network interfaces")]
    Gateway(#[from] BackendError),
    /// The kernel lets this process change none.
    #[error("cannot manage network interfaces: run as root, or with CAP_NET_ADMIN")]
    Forbidden(#[source] BackendError),
    /// A TCP listener.
    #[error("cannot listen on {address}{}", why_not(source))]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// One that systemd opened.
    #[error("systemd hands in a socket named {0:?}: FileDescriptorName= in its unit must be https or http")]
    Socket(String),
    /// The command line's socket.
    #[error(transparent)]
    AdminSocket(#[from] admin_api::BindError),
    /// A part of the daemon that runs until the end, by a panic above all.
    #[error("{0} ended by itself, the log says why: start postern again; kernel tunnels stay up meanwhile")]
    Ended(&'static str),
    /// Threads and signals.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl RunError {
    /// 78: the configuration or the database has to be put right first. 77: a right is lacking, or somebody has one too many.
    /// 1: it may be well the next time, without anybody's doing or after a `modprobe`. The first two are those of
    /// sysexits.h; systemd/postern.service does not try again after them.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Socket(_) => 78,
            Self::Store(error) if error.is_lasting() => 78,
            Self::Forbidden(_)
            | Self::State(StateDirError::Exposed(_))
            | Self::Keys(KeysError::Exposed { .. }) => 77,
            Self::Listen { source, .. } if source.kind() == ErrorKind::PermissionDenied => 77,
            // At the start it is the host that lacks a backend, or the database that does not answer.
            Self::Configure(_)
            | Self::Gateway(_)
            | Self::State(StateDirError::Taken(_) | StateDirError::Io { .. })
            | Self::Keys(_)
            | Self::Store(_)
            | Self::Reload(_)
            | Self::Listen { .. }
            | Self::AdminSocket(_)
            | Self::Ended(_)
            | Self::System { .. } => 1,
        }
    }
}

/// What the kernel's word for it means here.
fn why_not(source: &std::io::Error) -> &'static str {
    let meanings = [
        (ErrorKind::AddrInUse, ": another program listens there"),
        (ErrorKind::AddrNotAvailable, ": no interface of this host has the address"),
        (
            ErrorKind::PermissionDenied,
            ": ports below 1024 need CAP_NET_BIND_SERVICE, or a socket of systemd (postern.socket, postern-http.socket)",
        ),
    ];
    meanings.iter().find(|(kind, _)| *kind == source.kind()).map_or("", |(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn unheard() -> BackendError {
        BackendError::new("ask", "no answer")
    }

    fn not_bound(kind: ErrorKind) -> RunError {
        RunError::Listen { address: ([192, 0, 2, 1], 443).into(), source: kind.into() }
    }

    #[test]
    fn what_may_be_well_the_next_time_is_tried_again() {
        let folder = Path::new("/state").to_owned();
        for (error, status) in [
            (RunError::Config(ConfigErrors(Vec::new())), 78),
            (RunError::Socket("ftp".to_owned()), 78),
            (RunError::Forbidden(unheard()), 77),
            (RunError::State(StateDirError::Exposed(folder.clone())), 77),
            (RunError::Keys(KeysError::Exposed { path: folder.clone() }), 77),
            (not_bound(ErrorKind::PermissionDenied), 77),
            (not_bound(ErrorKind::AddrInUse), 1),
            (not_bound(ErrorKind::AddrNotAvailable), 1),
            (RunError::Configure(ConfigureError::Store(StoreError::Unreadable("row"))), 1),
            (RunError::Configure(ConfigErrors(Vec::new()).into()), 1),
            (RunError::Gateway(unheard()), 1),
            (RunError::State(StateDirError::Taken(folder)), 1),
        ] {
            assert_eq!(error.exit_status(), status, "{error:?}");
        }
    }
}
