//! Pairs as people hand them in.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

/// An authority, and a chain of a host's certificate and the authority's own, with the host's key.
fn a_pair(dir: &Path) -> (String, String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "Authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["vpn.example.com".to_owned(), "192.0.2.1".to_owned()]).unwrap();
    let own = params.signed_by(&key, &authority).unwrap();
    let (own, key, authority) = (own.pem(), key.serialize_pem(), authority.pem());
    std::fs::write(dir.join("chain.pem"), format!("{own}{authority}")).unwrap();
    std::fs::write(dir.join("key.pem"), &key).unwrap();
    (own, key, authority)
}

fn judged(dir: &Path) -> Result<Certificate, String> {
    let read = Pair::read(&dir.join("chain.pem"), &KeySource::File(dir.join("key.pem")));
    read.map(|pair| pair.certificate).map_err(|error| error.to_string())
}

#[test]
fn a_chain_and_its_key_say_whose_they_are() {
    let dir = tempfile::tempdir().unwrap();
    a_pair(dir.path());
    let certificate = judged(dir.path()).unwrap();
    assert_eq!(certificate.names, ["vpn.example.com", "192.0.2.1"]);
    assert!(certificate.issuer.contains("Authority"), "{}", certificate.issuer);
    assert!(certificate.not_before < certificate.not_after);
}

#[test]
fn what_visitors_could_not_use_is_refused_with_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let (own, key, authority) = a_pair(dir.path());
    let another = KeyPair::generate().unwrap().serialize_pem();
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    for (chain, key, said) in [
        (String::new(), key.clone(), "holds no certificate in PEM form"),
        (nonsense, key.clone(), "is not an X.509 certificate"),
        (format!("{authority}{own}"), key.clone(), "is broken"),
        (format!("{own}{own}"), key.clone(), "is broken"),
        (own.clone(), another, "is not the key of the first certificate"),
        (own.clone(), own.clone(), "holds no private key"),
        ("a".repeat(300_000), key, "longer than"),
    ] {
        std::fs::write(dir.path().join("chain.pem"), chain).unwrap();
        std::fs::write(dir.path().join("key.pem"), key).unwrap();
        let refused = judged(dir.path()).unwrap_err();
        assert!(refused.contains(said), "{said}: {refused}");
        assert!(!refused.contains("BEGIN"), "{refused}");
    }
}

#[test]
fn a_key_that_may_not_be_read_names_the_remedy() {
    let refused = PairError::Io { path: "/etc/key.pem".into(), source: ErrorKind::PermissionDenied.into() };
    assert!(
        refused.to_string().contains("chgrp postern /etc/key.pem && chmod 0640 /etc/key.pem"),
        "{refused}"
    );
}
