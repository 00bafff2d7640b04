//! The certificate that visitors are shown, which may change at any moment, and what is wrong with it or its successor. A
//! connection keeps the one it began with.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use tokio::sync::{Notify, watch};

use super::pair::Pair;
use crate::rules::certificate::Certificate;

/// What is presented. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Presented(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    pair: ArcSwapOption<Pair>,
    trouble: ArcSwapOption<Trouble>,
    proof: ArcSwapOption<Proof>,
    again: Notify,
    changed: watch::Sender<()>,
}

/// What shows an authority that a name is this host.
#[derive(Debug, Clone)]
pub enum Proof {
    /// An answer on port 80 (RFC 8555, 8.3).
    Http {
        /// What is asked for.
        token: String,
        /// What is answered.
        answer: String,
    },
    /// A certificate for who offers nothing but [`ACME_TLS`] (RFC 8737).
    TlsAlpn(Arc<CertifiedKey>),
}

/// What an authority wants to speak when it looks for a proof.
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// Why there is no certificate, or why it could not be replaced: the one before is still presented then.
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
        self.0.changed.send_replace(());
    }

    /// Remembers what is wrong; what is presented stays.
    pub fn keep_for(&self, trouble: Trouble) {
        self.0.trouble.store(Some(Arc::new(trouble)));
    }

    /// Nothing is wrong any more.
    pub fn is_well(&self) {
        self.0.trouble.store(None);
    }

    /// Changes each time another certificate is presented.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// What is presented; `None`: nothing yet.
    pub fn pair(&self) -> Option<Arc<Pair>> {
        self.0.pair.load_full()
    }

    /// What stands in it.
    pub fn certificate(&self) -> Option<Certificate> {
        self.pair().map(|pair| pair.certificate.clone())
    }

    /// What is wrong.
    pub fn trouble(&self) -> Option<Trouble> {
        self.0.trouble.load().as_deref().cloned()
    }

    /// Has this proof, or none, for who looks.
    pub fn prove(&self, proof: Option<Proof>) {
        self.0.proof.store(proof.map(Arc::new));
    }

    /// What is answered to who asks for `token` on port 80.
    pub fn answer_to(&self, token: &str) -> Option<String> {
        match self.0.proof.load().as_deref()? {
            Proof::Http { token: known, answer } if known == token => Some(answer.clone()),
            Proof::Http { .. } | Proof::TlsAlpn(_) => None,
        }
    }

    /// Somebody may have mended what kept a certificate from being obtained.
    pub fn ask_to_try(&self) {
        self.0.again.notify_one();
    }

    /// Returns once somebody asked.
    pub async fn asked_to_try(&self) {
        self.0.again.notified().await;
    }

    /// TLS 1.2 and 1.3 with the library's choice of suites, which all have forward secrecy and authenticated encryption,
    /// for HTTP/2 and 1.1.
    pub fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let config = ServerConfig::builder_with_provider(default_provider().into());
        let config = config.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = config.with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), ACME_TLS.to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Presented {
    /// Without a certificate there is no handshake: a made-up one would teach people to click warnings away.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut offered| offered.all(|protocol| protocol == ACME_TLS)) {
            return match self.0.proof.load().as_deref()? {
                Proof::TlsAlpn(key) => Some(Arc::clone(key)),
                Proof::Http { .. } => None,
            };
        }
        self.0.pair.load().as_ref().map(|pair| Arc::clone(&pair.key))
    }
}
