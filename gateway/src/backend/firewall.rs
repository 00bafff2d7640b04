//! Our one nftables table: replaced as a whole in one transaction, and recognised again only when it is intact.
//!
//! What the rules say is in `rules`; how an altered table is told from an intact one is in `seal`. No other
//! table is read or written. The host's own firewall keeps the last word: what is accepted here still passes
//! through its chains.

mod rules;
mod seal;

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;

use nftables::helper::{DEFAULT_NFT, NftablesError, get_current_ruleset_raw};
use nftables::schema::Nftables;
use nix::sys::memfd::{MFdFlags, memfd_create};
use sha2::{Digest as _, Sha256};

use self::seal::Listing;
use crate::backend::BackendError;
use crate::firewall::Firewall;
use crate::net::Owner;
use crate::observed::FirewallFingerprint;

/// The nftables table of one installation, in the network namespace of the calling thread.
#[derive(Debug, Clone)]
pub struct NftTable {
    name: String,
}

impl NftTable {
    /// The table `inet postern_<hash>` of `owner`: always the same for one, never the same for two.
    pub fn of(owner: &Owner) -> Self {
        let digest = Sha256::digest(owner.alias());
        let suffix = digest.iter().take(4).fold(0_u32, |suffix, byte| suffix << 8 | u32::from(*byte));
        Self { name: format!("postern_{suffix:08x}") }
    }

    /// Its name, in the family `inet`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fingerprint of the policies the table was made from; `None` when there is no table, or when it is
    /// not exactly what [`NftTable::replace`] of this version of postern left.
    pub fn observe(&self) -> Result<Option<FirewallFingerprint>, BackendError> {
        Ok(self.list()?.and_then(|listing| listing.intact()))
    }

    /// Makes the table enforce exactly `firewall`, or removes it when that names no interface. At every moment
    /// a packet meets either all the rules of before or all the new ones.
    ///
    /// After an error the old rules or the new ones stand, and [`NftTable::observe`] says `None` of the new.
    pub fn replace(&self, firewall: &Firewall) -> Result<(), BackendError> {
        let action = || format!("replace the nftables table inet {}", self.name);
        load(action, &rules::replacement(&self.name, firewall))?;
        if firewall.interfaces.is_empty() {
            return Ok(());
        }
        let listing = self.list()?.ok_or_else(|| BackendError::new(action(), "it vanished at once"))?;
        load(action, &listing.seal(&self.name, firewall.fingerprint()))
    }

    /// What nft says of the table; `None` when there is none.
    fn list(&self) -> Result<Option<Listing>, BackendError> {
        let action = || format!("list the nftables table inet {}", self.name);
        match nft(action, &["list", "table", "inet", &self.name]) {
            Ok(text) => Listing::parse(&text).map(Some).map_err(|source| BackendError::new(action(), source)),
            // Its message for a missing table may be translated: the list of tables tells.
            Err(error) if self.exists()? => Err(error),
            Err(_) => Ok(None),
        }
    }

    fn exists(&self) -> Result<bool, BackendError> {
        let action = || "list the nftables tables".to_owned();
        let text = nft(action, &["list", "tables", "inet"])?;
        seal::names_table(&text, &self.name).map_err(|source| BackendError::new(action(), source))
    }
}

/// Gives nft one transaction. It reads a file in memory, because the crate's way over standard input loses what
/// nft says of an error.
fn load(action: impl Fn() -> String, commands: &Nftables<'_>) -> Result<(), BackendError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| BackendError::new(action(), source);
    let text = serde_json::to_string(commands).map_err(|source| failed(source.into()))?;
    let memory =
        memfd_create("postern-nft", MFdFlags::MFD_CLOEXEC).map_err(|source| failed(source.into()))?;
    let mut file = File::from(memory);
    file.write_all(text.as_bytes()).map_err(|source| failed(source.into()))?;
    let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    nft(action, &["-f", &path]).map(drop)
}

/// Runs `nft -j` with `arguments` and returns what it prints.
fn nft(action: impl Fn() -> String, arguments: &[&str]) -> Result<String, BackendError> {
    get_current_ruleset_raw(DEFAULT_NFT, arguments.iter().copied()).map_err(|error| match error {
        NftablesError::NftFailed { stderr, .. } => BackendError::new(action(), stderr.trim().to_owned()),
        NftablesError::NftExecution { .. }
        | NftablesError::NftOutputEncoding { .. }
        | NftablesError::NftInvalidJson(_) => BackendError::new(action(), error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_installation_has_its_own_table() {
        let table = |instance| NftTable::of(&Owner::of_instance(instance));
        assert_eq!(table("a").name(), table("a").name());
        assert_ne!(table("a").name(), table("b").name());
        assert!(table("a").name().starts_with("postern_"));
    }
}
