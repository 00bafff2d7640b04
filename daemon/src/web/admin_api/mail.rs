//! `/mail`.

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{ConnectInfo, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use postern_gateway::chain;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Admin;
use super::caller::Caller;
use super::error::AdminError;
use super::named::Named;
use super::users::time;
use crate::flows::outbox;
use crate::flows::refusal::Refusal;
use crate::mail::courier::Courier;
use crate::mail::letter;
use crate::mail::mime::Origin;
use crate::rules::message::Kind;
use crate::site::Site;
use crate::store::Tx;
use crate::store::outbox::{Listed, MailState, Outgoing};

/// How long a test mail may take altogether: the command line waits a little longer.
const TEST_WITHIN: Duration = Duration::from_secs(50);

pub(super) fn routes() -> Router<Admin> {
    Router::new()
        .route("/mail", get(list))
        .route("/mail/retry", post(retry_all))
        .route("/mail/test", post(test))
        .route("/mail/preview/{kind}", get(preview))
        .route("/mail/{id}", get(show).delete(discard))
        .route("/mail/{id}/retry", post(retry))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListRequest {
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestRequest {
    to: String,
}

/// A message as it is listed: never what it says, as that may hold a token.
#[derive(Serialize)]
pub(super) struct MailView {
    id: i64,
    kind: &'static str,
    to: Option<String>,
    state: &'static str,
    attempts: u32,
    error: Option<String>,
    answer: Option<String>,
    created_at: Option<String>,
    next_attempt_at: Option<String>,
    sent_at: Option<String>,
    parked_at: Option<String>,
}

fn view(tx: &Tx<'_>, site: &Site, mail: Outgoing) -> Result<MailView, Refusal> {
    let message = mail.message().ok();
    let to = message.as_ref().map(|message| letter::addressee(tx, site, message)).transpose()?.flatten();
    let state = mail.state();
    let is_open = matches!(state, MailState::Waiting | MailState::Retrying);
    Ok(MailView {
        id: mail.id,
        kind: message.map_or("unknown", |message| message.kind().name()),
        to,
        state: match state {
            MailState::Waiting => "waiting",
            MailState::Retrying => "retrying",
            MailState::Sent => "sent",
            MailState::Parked => "parked",
        },
        attempts: mail.attempts,
        error: mail.last_error,
        answer: mail.answer,
        created_at: time(mail.created_at),
        next_attempt_at: is_open.then(|| time(mail.next_attempt_at)).flatten(),
        sent_at: mail.delivered_at.and_then(time),
        parked_at: mail.parked_at.and_then(time),
    })
}

async fn list(
    State(admin): State<Admin>,
    request: Result<Query<ListRequest>, QueryRejection>,
) -> Result<Json<Vec<MailView>>, AdminError> {
    let which = if request?.all { Listed::All } else { Listed::NotSent };
    let views = admin.look(move |tx, site, _| {
        outbox::list(tx, which)?.into_iter().map(|mail| view(tx, site, mail)).collect()
    });
    Ok(Json(views.await?))
}

async fn show(State(admin): State<Admin>, Named(id): Named<i64>) -> Result<Json<MailView>, AdminError> {
    Ok(Json(admin.look(move |tx, site, _| view(tx, site, outbox::find(tx, id)?)).await?))
}

async fn retry(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(id): Named<i64>,
) -> Result<Json<MailView>, AdminError> {
    let retried = admin.change(caller, move |tx, site, actor, now| {
        let mail = outbox::retry(tx, actor, id, now)?;
        view(tx, site, mail)
    });
    Ok(Json(retried.await?.0))
}

async fn retry_all(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
) -> Result<Json<Value>, AdminError> {
    let (count, _) = admin.change(caller, |tx, _, actor, now| outbox::retry_all(tx, actor, now)).await?;
    Ok(Json(json!({ "retried": count })))
}

async fn discard(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    Named(id): Named<i64>,
) -> Result<Json<MailView>, AdminError> {
    let discarded = admin.change(caller, move |tx, site, actor, now| {
        let mail = outbox::discard(tx, actor, id, now)?;
        view(tx, site, mail)
    });
    Ok(Json(discarded.await?.0))
}

async fn preview(State(admin): State<Admin>, Named(kind): Named<String>) -> Result<Json<Value>, AdminError> {
    let kind = Kind::ALL.iter().find(|known| known.name() == kind).ok_or(AdminError::UnknownPath)?;
    let letter = letter::preview(&admin.app.site(), *kind);
    Ok(Json(json!({ "subject": letter.subject, "text": letter.text, "html": letter.html })))
}

/// Sends at once, past the outbox: whoever asks is told what the server said.
async fn test(
    State(admin): State<Admin>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Result<Json<TestRequest>, JsonRejection>,
) -> Result<Json<Value>, AdminError> {
    let Json(TestRequest { to }) = request?;
    let transport = admin.app.site().config.mail.transport().ok_or(Refusal::NoMail)?;
    let written = admin.change(caller, move |tx, site, actor, now| {
        let to = outbox::try_out(tx, actor, &to, now)?;
        Ok((letter::test(tx, site, &to)?, now))
    });
    let ((letter, now), _) = written.await?;
    let (mut courier, site) = (Courier::new(transport), admin.app.site());
    // No message of the outbox has this number.
    let origin = Origin { from: &site.config.mail.from, row: 0, posted_at: now, instance: site.instance };
    match tokio::time::timeout(TEST_WITHIN, courier.deliver(&letter, &origin)).await {
        Ok(Ok(answer)) => {
            courier.close().await;
            Ok(Json(json!({ "to": letter.to, "answer": answer })))
        }
        Ok(Err(error)) => Err(AdminError::NotSent(chain(&error))),
        Err(_) => {
            let seconds = TEST_WITHIN.as_secs();
            Err(AdminError::NotSent(format!("the mail server did not take it within {seconds} s")))
        }
    }
}
