//! When the authority suggests that a certificate be replaced (ARI, RFC 9773): asked for once a day at most. An authority
//! that has no suggestion, or cannot be asked, leaves it to the certificate's age.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{CertificateIdentifier, Error, RenewalInfo};
use jiff::{SignedDuration, Timestamp};
use postern_gateway::chain;
use tokio::time::timeout;

use super::kept::Kept;
use super::order::{AcmeError, asked, known_account};
use super::pace::Window;
use crate::config::Acme;
use crate::tls::pair::Pair;

/// Nothing depends on an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// What was said last, and of which certificate.
#[derive(Default)]
pub(super) struct Advice(Option<Asked>);

struct Asked {
    of: Arc<Pair>,
    at: Timestamp,
    window: Option<Window>,
}

impl Advice {
    /// What is suggested for this one.
    pub(super) fn window(&self, of: &Arc<Pair>) -> Option<Window> {
        self.0.as_ref().filter(|asked| Arc::ptr_eq(&asked.of, of)).and_then(|asked| asked.window)
    }

    /// Whether to ask for this one.
    pub(super) fn is_old(&self, of: &Arc<Pair>, now: Timestamp) -> bool {
        let is_fresh = |asked: &Asked| Arc::ptr_eq(&asked.of, of) && now.duration_since(asked.at) < PAUSE;
        !self.0.as_ref().is_some_and(is_fresh)
    }

    /// Asks for this one. Returns within [`ANSWER_WITHIN`].
    pub(super) async fn ask(&mut self, acme: &Acme, kept: &Kept, of: Arc<Pair>, now: Timestamp) {
        let asked = timeout(ANSWER_WITHIN, suggested(acme, kept, &of)).await;
        let window = match asked.unwrap_or(Err(AcmeError::TooSlow(ANSWER_WITHIN))) {
            Ok(window) => window,
            Err(error) => {
                tracing::debug!(error = chain(&error), "the authority does not say when to renew");
                self.window(&of)
            }
        };
        self.0 = Some(Asked { of, at: now, window });
    }
}

/// How the authority knows this one; `None`: it does not say whose key signed it.
pub(super) fn identifier(of: &Pair) -> Option<CertificateIdentifier<'static>> {
    let own = of.key.cert.first()?;
    CertificateIdentifier::try_from(own).ok().map(CertificateIdentifier::into_owned)
}

async fn suggested(acme: &Acme, kept: &Kept, of: &Pair) -> Result<Option<Window>, AcmeError> {
    let Some(identifier) = identifier(of) else { return Ok(None) };
    let Some(account) = known_account(acme, kept).await? else { return Ok(None) };
    match account.renewal_info(&identifier).await {
        Ok((info, _)) => Ok(window(&info)),
        Err(Error::Unsupported(_)) => Ok(None),
        Err(error) => Err(asked("when to renew")(error)),
    }
}

fn window(info: &RenewalInfo) -> Option<Window> {
    let window = &info.suggested_window;
    let [start, end] = [window.start, window.end].map(|time| Timestamp::from_second(time.unix_timestamp()));
    Some(Window { start: start.ok()?, end: end.ok()? })
}
