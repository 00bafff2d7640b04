//! The certificate that visitors are shown, which may change at any moment, and what is wrong with its successor. A
//! connection keeps the one it began with.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::pair::Pair;
use crate::rules::certificate::Certificate;

/// What is presented. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Presented(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    pair: ArcSwapOption<Pair>,
    trouble: ArcSwapOption<Trouble>,
}

/// Why the certificate could not be replaced; the one before is still presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// As a sentence.
    pub reason: String,
}

impl Presented {
    /// From now on visitors are shown this one, and nothing is wrong.
    pub fn present(&self, pair: Pair) {
        self.0.pair.store(Some(Arc::new(pair)));
        self.0.trouble.store(None);
    }

    /// Remembers why there is no other.
    pub fn keep_for(&self, trouble: Trouble) {
        self.0.trouble.store(Some(Arc::new(trouble)));
    }

    /// What is presented; `None`: nothing yet.
    pub fn certificate(&self) -> Option<Certificate> {
        self.0.pair.load().as_ref().map(|pair| pair.certificate.clone())
    }

    /// Why it was not replaced.
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.trouble.load().as_deref().cloned()
    }

    /// TLS 1.2 and 1.3 with the library's choice of suites, which all have forward secrecy and authenticated encryption,
    /// for HTTP/2 and 1.1.
    pub fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let config = ServerConfig::builder_with_provider(default_provider().into());
        let config = config.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = config.with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Presented {
    /// Without a certificate there is no handshake: a made-up one would teach people to click warnings away.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.pair.load().as_ref().map(|pair| Arc::clone(&pair.key))
    }
}
