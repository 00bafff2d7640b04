//! The seal: how an intact table is told from one that somebody changed.
//!
//! What nft lists differs from what it was given, and from version to version, so the rules are not compared
//! with those we would write. Instead the listing of a fresh table is hashed, and the hash is kept in the table
//! itself, in the comment of a rule of a chain that no packet meets. A table whose listing has another hash was
//! changed; so was one whose seal is missing. Not seen: what nft does not list (1.0.6: a table's flags).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use nftables::batch::Batch;
use nftables::schema::{Chain, NfListObject, Nftables, Rule};
use nftables::stmt::Statement;
use nftables::types::NfFamily;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::observed::FirewallFingerprint;

/// The chain that holds the seal.
const CHAIN: &str = "seal";

/// What nft lists of one table.
pub(super) struct Listing {
    /// The comments of the rules in the seal's chain.
    seals: Vec<String>,
    /// Everything else, in nft's order (which is the order of rules within a chain), elements of sets sorted.
    objects: Vec<String>,
}

impl Listing {
    /// Reads the output of `nft -j list table`.
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let mut listing = Self { seals: Vec::new(), objects: Vec::new() };
        for mut object in objects(text)? {
            let Some((kind, body)) = object.as_object_mut().and_then(|object| object.iter_mut().next())
            else {
                continue;
            };
            if kind == "metainfo" || (kind == "chain" && text_of(body, "name") == CHAIN) {
                continue;
            }
            if kind == "rule" && text_of(body, "chain") == CHAIN {
                listing.seals.push(text_of(body, "comment").to_owned());
                continue;
            }
            normalise(body);
            listing.objects.push(object.to_string());
        }
        Ok(listing)
    }

    /// The fingerprint in the seal, if there is exactly one seal and it is of this listing.
    pub(super) fn intact(&self) -> Option<FirewallFingerprint> {
        let [seal] = self.seals.as_slice() else { return None };
        let (fingerprint, _) = seal.split_once('.')?;
        let fingerprint = STANDARD_NO_PAD.decode(fingerprint).ok()?;
        let fingerprint = FirewallFingerprint(fingerprint.try_into().ok()?);
        (self.sealed(fingerprint) == *seal).then_some(fingerprint)
    }

    /// The transaction that seals this listing, as that of a table made from policies with `fingerprint`.
    pub(super) fn seal(&self, table: &str, fingerprint: FirewallFingerprint) -> Nftables<'static> {
        let table = table.to_owned();
        let mut batch = Batch::new();
        batch.add(NfListObject::Chain(Chain {
            family: NfFamily::INet,
            table: table.clone().into(),
            name: CHAIN.into(),
            ..Chain::default()
        }));
        batch.add(NfListObject::Rule(Rule {
            family: NfFamily::INet,
            table: table.into(),
            chain: CHAIN.into(),
            expr: vec![Statement::Return(None)].into(),
            comment: Some(self.sealed(fingerprint).into()),
            ..Rule::default()
        }));
        batch.to_nftables()
    }

    /// 87 of the at most 128 bytes of a comment. The version is part of it: other code, other rules.
    fn sealed(&self, fingerprint: FirewallFingerprint) -> String {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        hash.update(fingerprint.0);
        for object in &self.objects {
            hash.update(object);
            hash.update("\n");
        }
        let digest = STANDARD_NO_PAD.encode(hash.finalize());
        format!("{}.{digest}", STANDARD_NO_PAD.encode(fingerprint.0))
    }
}

/// Whether the output of `nft -j list tables inet` names the table.
pub(super) fn names_table(text: &str, name: &str) -> Result<bool, serde_json::Error> {
    let named = |object: &Value| object.get("table").is_some_and(|table| text_of(table, "name") == name);
    Ok(objects(text)?.iter().any(named))
}

fn objects(text: &str) -> Result<Vec<Value>, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Output {
        nftables: Vec<Value>,
    }
    serde_json::from_str(text).map(|output: Output| output.nftables)
}

fn text_of<'v>(body: &'v Value, key: &str) -> &'v str {
    body.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Takes away what differs between two tables with the same rules.
fn normalise(body: &mut Value) {
    let Some(fields) = body.as_object_mut() else { return };
    fields.remove("handle");
    if let Some(elements) = fields.get_mut("elem").and_then(Value::as_array_mut) {
        elements.sort_by_cached_key(Value::to_string);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINGERPRINT: FirewallFingerprint = FirewallFingerprint([7; 32]);

    fn listed(rules: &[&str]) -> Listing {
        let of_rule = |rule: &&str| format!(r#"{{"rule": {{"chain": "input", {rule}}}}}"#);
        let rules: Vec<String> = rules.iter().map(of_rule).collect();
        let (separator, rules) = (if rules.is_empty() { "" } else { "," }, rules.join(", "));
        Listing::parse(&format!(
            r#"{{"nftables": [{{"metainfo": {{"version": "1"}}}},
                {{"set": {{"name": "s", "handle": 3, "elem": ["a", "b"]}}}}{separator} {rules}]}}"#
        ))
        .unwrap()
    }

    fn sealed(mut listing: Listing, as_of: &Listing) -> Listing {
        listing.seals = vec![as_of.sealed(FINGERPRINT)];
        listing
    }

    #[test]
    fn a_table_is_intact_whatever_its_handles() {
        let fresh = listed(&[r#""handle": 1, "expr": []"#]);
        let later = sealed(listed(&[r#""handle": 9, "expr": []"#]), &fresh);
        assert_eq!(later.intact(), Some(FINGERPRINT));
    }

    #[test]
    fn a_table_with_other_rules_or_another_order_is_not_intact() {
        let fresh = listed(&[r#""expr": [1]"#, r#""expr": [2]"#]);
        assert!(sealed(listed(&[r#""expr": [1]"#]), &fresh).intact().is_none());
        assert!(sealed(listed(&[r#""expr": [2]"#, r#""expr": [1]"#]), &fresh).intact().is_none());
    }

    #[test]
    fn a_table_without_a_seal_or_with_two_is_not_intact() {
        let mut listing = listed(&[]);
        assert!(listing.intact().is_none());
        listing.seals = vec![listing.sealed(FINGERPRINT); 2];
        assert!(listing.intact().is_none());
    }

    #[test]
    fn a_mangled_seal_is_not_a_seal() {
        let mut listing = listed(&[]);
        for seal in ["", ".", "AAAA.AAAA", "é.é"] {
            listing.seals = vec![seal.to_owned()];
            assert!(listing.intact().is_none(), "{seal}");
        }
    }

    #[test]
    fn a_table_is_found_among_the_tables_by_its_whole_name() {
        let text = r#"{"nftables": [{"metainfo": {}}, {"table": {"family": "inet", "name": "postern_1"}}]}"#;
        assert!(names_table(text, "postern_1").unwrap());
        assert!(!names_table(text, "postern").unwrap());
    }
}
