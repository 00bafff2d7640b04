//! Asking for a password reset, by page or by API: limited by sender and by address, and answered alike, for the same
//! work and after the same time, whether or not there is such an account.

use std::net::IpAddr;
use std::time::Duration;

use super::error::WebError;
use super::limit::Limits;
use super::refusals::Refusals;
use super::seconds_of;
use crate::app::App;
use crate::flows::password_reset;
use crate::rules::token::Token;

/// An answer takes this long: more than the work does.
const ANSWERED_AFTER: Duration = Duration::from_millis(400);

/// Writes the wish down; whether somebody gets a mail is found out when nobody waits for it.
pub(super) async fn request(
    app: &App,
    limits: &Limits,
    refusals: &Refusals,
    client: IpAddr,
    email: &str,
) -> Result<(), WebError> {
    let now = app.now();
    if let Err(wait) = limits.asks_for_reset(client, now) {
        refusals.asks_too_often(client).await;
        return Err(WebError::TooMany { seconds: seconds_of(wait) });
    }
    let mailbox = Token::presented(&email.to_ascii_lowercase()).hash();
    let answered = tokio::time::sleep(ANSWERED_AFTER);
    // Who asks too often for one mailbox is told nothing, or it would tell others something.
    if limits.mails_reset(mailbox, now).is_ok() {
        let (shared, email) = (app.clone(), email.to_owned());
        app.store.write(move |tx| password_reset::request(tx, &shared.site(), &email, now)).await?;
    } else {
        refusals.asks_too_often(client).await;
    }
    answered.await;
    Ok(())
}
