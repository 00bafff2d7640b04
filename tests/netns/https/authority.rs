//! A certificate authority with one between it and the hosts, as they have.

use std::fs;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Who signs.
pub(crate) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    between: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let root = CertifiedIssuer::self_signed(signs("Root"), KeyPair::generate().unwrap()).unwrap();
        let between =
            CertifiedIssuer::signed_by(signs("Between"), KeyPair::generate().unwrap(), &root).unwrap();
        Self { root, between }
    }

    /// What visitors trust.
    pub(crate) fn pem(&self) -> String {
        self.root.pem()
    }

    /// A fresh `chain.pem` and its `key.pem`, ECDSA P-256.
    pub(crate) fn issue(&self, name: &str, dir: &Path) {
        self.issue_for(&KeyPair::generate().unwrap(), name, dir);
    }

    /// The same for this key.
    pub(crate) fn issue_for(&self, key: &KeyPair, name: &str, dir: &Path) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let own = params.signed_by(key, &self.between).unwrap();
        fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
        fs::write(dir.join("chain.pem"), own.pem() + &self.between.pem()).unwrap();
    }
}

fn signs(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
