//! Our one nftables table: changed in one transaction, and recognised again only when it is intact.
//!
//! What the rules say is in `rules`, nft itself is run in `nft`; what the kernel then has is read in `listing`, and how
//! an altered table is told from an intact one is in `seal`. No other table is read or written. The host's own
//! firewall keeps the last word: what is accepted here still passes through its chains.

mod listing;
mod nft;
mod rules;
mod seal;

#[cfg(feature = "fuzzed")]
pub(super) use listing::read;

use std::io;

use self::listing::{Listing, Nfnetlink, SEAL_CHAIN};
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
        Self { name: format!("postern_{}", owner.short()) }
    }

    /// Its name, in the family `inet`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fingerprint of the policies the table was made from; `None` when there is no table, or when it is
    /// not exactly what [`NftTable::replace`] of this version of postern left.
    pub fn observe(&self) -> Result<Option<FirewallFingerprint>, BackendError> {
        Ok(self.list()?.and_then(|listing| seal::intact(&listing)))
    }

    /// Makes the table enforce exactly `firewall`, or removes it when that names no interface. At every moment
    /// a packet meets either all the rules of before or all the new ones.
    ///
    /// After an error the old rules or the new ones stand, and [`NftTable::observe`] says `None` of the new.
    pub fn replace(&self, firewall: &Firewall) -> Result<(), BackendError> {
        let action = || format!("replace the nftables table inet {}", self.name);
        let found = self.list()?.filter(|_| !firewall.is_empty());
        match found.filter(|listing| !listing.has_strangers) {
            // Hooks somebody moved cannot be changed where they are.
            Some(listing) => nft::load(&rules::change(&self.name, firewall, &listing.chains))
                .or_else(|_| nft::load(&rules::replacement(&self.name, firewall))),
            None => nft::load(&rules::replacement(&self.name, firewall)),
        }
        .map_err(|source| BackendError::new(action(), source))?;
        if firewall.is_empty() {
            return Ok(());
        }
        let listing = self.list()?.ok_or_else(|| BackendError::new(action(), "it vanished at once"))?;
        let seal = seal::of(&listing, firewall.fingerprint());
        let sealed = Nfnetlink::open().and_then(|mut kernel| kernel.comment(&self.name, SEAL_CHAIN, &seal));
        sealed.map_err(|source| BackendError::new(action(), source))
    }

    /// What the kernel says of the table; `None` when there is none.
    fn list(&self) -> Result<Option<Listing>, BackendError> {
        let failed = |source: io::Error| {
            BackendError::new(format!("list the nftables table inet {}", self.name), source)
        };
        Nfnetlink::open().and_then(|mut kernel| kernel.list(&self.name)).map_err(failed)
    }
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
