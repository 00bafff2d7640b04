//! Our nftables table: changed in one transaction, and recognised again only when it is intact; and its copy, which
//! nobody else can change.
//!
//! What the rules say is in `rules`, nft itself is run in `nft`; what the kernel then has is read in `listing`, how an
//! altered table is told from an intact one is in `seal`, and the copy in `held`. No other table is read or written. The
//! host's own firewall keeps the last word: what is accepted here still passes through its chains.

mod held;
mod listing;
mod nft;
mod rules;
mod seal;

#[cfg(feature = "fuzzed")]
pub(super) use listing::read;

use std::io;

use nix::libc;

use self::held::Held;
use self::listing::{Listing, Nfnetlink, SEAL_CHAIN};
use crate::backend::{BackendError, Weakness};
use crate::firewall::Firewall;
use crate::net::Owner;
use crate::observed::FirewallFingerprint;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Of `linux/errno.h`: the rules are of another generation.
const ERESTART: i32 = 85;
/// How often a change is tried that others' changes come between.
const TRIES: usize = 5;

/// The nftables tables of one installation, in the network namespace of the thread that calls: one that stays, and its
/// copy, which goes when this is dropped.
pub struct NftTable {
    name: String,
    twin: Twin,
}

/// Where the copy stands.
enum Twin {
    /// Nothing was to be copied yet.
    None,
    /// Of a table with this fingerprint.
    Of(FirewallFingerprint, Held),
    /// The kernel did not take one, and why.
    Missing(io::Error),
}

impl NftTable {
    /// The table `inet postern_<hash>` of `owner`: always the same for one, never the same for two.
    pub fn of(owner: &Owner) -> Self {
        Self { name: format!("postern_{}", owner.short()), twin: Twin::None }
    }

    /// Its name, in the family `inet`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The fingerprint of the policies the table was made from; `None` when there is no table, when it is
    /// not exactly what [`NftTable::replace`] of this version of postern left, or when it has no copy yet. A copy that
    /// failed is tried again.
    pub fn observe(&mut self) -> Result<Option<FirewallFingerprint>, BackendError> {
        let Some(listing) = self.list()? else { return Ok(None) };
        let Some(fingerprint) = seal::intact(&listing) else { return Ok(None) };
        if matches!(&self.twin, Twin::Missing(error) if !is_final(error)) {
            self.copy(&listing, fingerprint);
        }
        let stands = match &self.twin {
            Twin::None => false,
            Twin::Of(copied, _) => *copied == fingerprint,
            Twin::Missing(_) => true,
        };
        Ok(stands.then_some(fingerprint))
    }

    /// Why the table has no copy that keeps shut what it forbids when somebody deletes it; `None`: it has one, or there is
    /// no table.
    pub fn weakness(&self) -> Option<Weakness> {
        let Twin::Missing(error) = &self.twin else { return None };
        let is_lasting = is_final(error);
        let why = if is_lasting {
            format!("the kernel keeps no nftables table for this process alone ({error}; Linux 5.12 can)")
        } else {
            format!("the copy of our nftables table could not be made, which is tried again ({error})")
        };
        let text = format!(
            "{why}: whoever deletes the table {} opens what it forbids, until it is back a moment later",
            self.name
        );
        Some(Weakness { text, is_lasting })
    }

    /// Makes the tables enforce exactly `firewall`, or removes them when that names no interface. At every moment
    /// a packet meets either all the rules of before or all the new ones; while the copy follows, both.
    ///
    /// After an error the old rules or the new ones stand, and [`NftTable::observe`] says `None` of the new.
    pub fn replace(&mut self, firewall: &Firewall) -> Result<(), BackendError> {
        let action = format!("replace the nftables table inet {}", self.name);
        let failed = |source| BackendError::new(action.clone(), source);
        if firewall.is_empty() {
            self.twin = Twin::None;
            return nft::load(&rules::replacement(&self.name, firewall))
                .map_err(|error| failed(error.into()));
        }
        for _ in 0..TRIES {
            if let Some(listing) = self.sealed(firewall).map_err(failed)? {
                self.copy(&listing, firewall.fingerprint());
                return Ok(());
            }
        }
        Err(failed("others kept changing the rules".into()))
    }

    /// What the kernel says of the table, once it is that of `firewall`; `None`: somebody changed it just then.
    fn sealed(&self, firewall: &Firewall) -> Result<Option<Listing>, Cause> {
        let fingerprint = firewall.fingerprint();
        let found = self.list()?;
        if found.as_ref().and_then(seal::intact) == Some(fingerprint) {
            return Ok(found);
        }
        let whole = rules::replacement(&self.name, firewall);
        match found.filter(|listing| !listing.has_strangers) {
            // Hooks somebody moved cannot be changed where they are.
            Some(listing) => nft::load(&rules::change(&self.name, firewall, &listing.chains))
                .or_else(|_| nft::load(&whole))?,
            None => nft::load(&whole)?,
        }
        let mut kernel = Nfnetlink::open()?;
        let generation = kernel.generation()?;
        let made = kernel.list(&self.name)?.filter(|made| made.told.rules.len() == rules::number_in(&whole));
        let Some(made) = made else { return Ok(None) };
        let seal = seal::of(&made, fingerprint);
        match kernel.comment(&self.name, SEAL_CHAIN, &seal, generation) {
            // Other rules than those that were listed.
            Err(error) if matches!(error.raw_os_error(), Some(ERESTART | libc::ENOENT)) => Ok(None),
            sealed => sealed.map(|()| Some(made)).map_err(Cause::from),
        }
    }

    /// Has the copy follow. One that cannot is dropped: it would go on to forbid what is allowed.
    fn copy(&mut self, listing: &Listing, fingerprint: FirewallFingerprint) {
        let held = match std::mem::replace(&mut self.twin, Twin::None) {
            Twin::Of(_, held) => Ok(held),
            Twin::None | Twin::Missing(_) => Held::open(format!("{}_held", self.name)),
        };
        let copied = held.and_then(|mut held| held.copy(&listing.told).map(|()| held));
        self.twin = match copied {
            Ok(held) => Twin::Of(fingerprint, held),
            Err(error) => Twin::Missing(error),
        };
    }

    /// What the kernel says of the table; `None` when there is none.
    fn list(&self) -> Result<Option<Listing>, BackendError> {
        let failed = |source: io::Error| {
            BackendError::new(format!("list the nftables table inet {}", self.name), source)
        };
        Nfnetlink::open().and_then(|mut kernel| kernel.list(&self.name)).map_err(failed)
    }
}

/// Whether the kernel refused a copy as such: nothing but another kernel helps.
fn is_final(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP))
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
