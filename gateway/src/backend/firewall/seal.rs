//! The seal: how an intact table is told from one that somebody changed.
//!
//! What the kernel lists is not what nft was given, so the rules are not compared with those we would write. Instead
//! the listing of a fresh table is hashed, and the hash is kept in the table itself, in the comment of a rule of a
//! chain that no packet meets. A table whose listing has another hash was changed; so was one whose seal is missing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::listing::Listing;
use crate::observed::FirewallFingerprint;

/// The fingerprint in the seal, if there is exactly one seal and it is of this listing.
pub(super) fn intact(listing: &Listing) -> Option<FirewallFingerprint> {
    let [seal] = listing.seals.as_slice() else { return None };
    let (fingerprint, _) = seal.split_once('.')?;
    let fingerprint = STANDARD_NO_PAD.decode(fingerprint).ok()?;
    let fingerprint = FirewallFingerprint(fingerprint.try_into().ok()?);
    (of(listing, fingerprint) == *seal).then_some(fingerprint)
}

/// The seal of this listing, as that of a table made from policies with `fingerprint`: 87 of the at most 128 bytes of
/// a comment. The version is part of it: other code, other rules.
pub(super) fn of(listing: &Listing, fingerprint: FirewallFingerprint) -> String {
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    hash.update(fingerprint.0);
    for object in &listing.objects {
        hash.update(object.len().to_be_bytes());
        hash.update(object);
    }
    let digest = STANDARD_NO_PAD.encode(hash.finalize());
    format!("{}.{digest}", STANDARD_NO_PAD.encode(fingerprint.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINGERPRINT: FirewallFingerprint = FirewallFingerprint([7; 32]);

    fn listed(objects: &[&str]) -> Listing {
        let objects = objects.iter().map(|object| object.as_bytes().to_vec()).collect();
        Listing { objects, ..Listing::default() }
    }

    fn sealed(mut listing: Listing, as_of: &Listing) -> Listing {
        listing.seals = vec![of(as_of, FINGERPRINT)];
        listing
    }

    #[test]
    fn a_table_is_intact_when_it_lists_what_was_sealed() {
        let fresh = listed(&["one", "two"]);
        assert_eq!(intact(&sealed(listed(&["one", "two"]), &fresh)), Some(FINGERPRINT));
    }

    #[test]
    fn a_table_with_other_rules_or_another_order_is_not_intact() {
        let fresh = listed(&["one", "two"]);
        for other in [&["one"][..], &["two", "one"], &["onetwo"], &["one", "two", "three"]] {
            assert!(intact(&sealed(listed(other), &fresh)).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_table_without_a_seal_or_with_two_is_not_intact() {
        let mut listing = listed(&[]);
        assert!(intact(&listing).is_none());
        listing.seals = vec![of(&listing, FINGERPRINT); 2];
        assert!(intact(&listing).is_none());
    }

    #[test]
    fn a_mangled_seal_is_not_a_seal() {
        let mut listing = listed(&[]);
        for seal in ["", ".", "AAAA.AAAA", "é.é"] {
            listing.seals = vec![seal.to_owned()];
            assert!(intact(&listing).is_none(), "{seal}");
        }
    }
}
