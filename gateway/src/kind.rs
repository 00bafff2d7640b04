//! The two kinds of WireGuard.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where an interface's WireGuard runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// The kernel module: tunnels outlive the daemon.
    Kernel,
    /// Inside this process: tunnels end with it.
    Userspace,
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::Userspace => "userspace",
        })
    }
}
