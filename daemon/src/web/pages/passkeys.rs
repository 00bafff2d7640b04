//! One's own passkeys: which there are, adding one (which takes a script), another name, removing one. Whoever signed in a
//! while ago gives their password again before a passkey comes or goes: it outlives a browser that was left open.

use std::array;

use askama::Template;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use postern_gateway::chain;

use super::factor_form::{self, NewPasskey};
use super::form::{Form, asked};
use super::frame::Frame;
use super::language::{Key, Language, Phrase};
use super::me::ago;
use super::me_confirm::Back;
use super::trouble::{Trouble, page, passkey_refusal};
use super::visit::{Seat, Visit};
use super::{Pages, see_other};
use crate::flows::passkeys::{self, PasskeyError};
use crate::flows::refusal::Refusal;
use crate::flows::sign_in::SignedIn;
use crate::rules::browser;
use crate::rules::ids::PasskeyId;
use crate::site::Site;
use crate::store::Tx;
use crate::store::passkey::Passkey;

#[derive(Template)]
#[template(path = "pages/passkeys.html")]
struct PasskeysPage {
    frame: Frame,
    /// What was just done.
    notice: Option<Phrase>,
    passkeys: Vec<ShownPasskey>,
    /// Whether browsers have passkeys for where we are.
    is_possible: bool,
    /// Whether something else is to be set up first.
    comes_later: bool,
    asks_password: bool,
    adding: NewPasskey,
}

struct ShownPasskey {
    id: i64,
    name: String,
    used: Phrase,
    is_doubted: bool,
}

#[derive(Template)]
#[template(path = "pages/passkey.html")]
struct PasskeyPage {
    frame: Frame,
    id: i64,
    /// As it is called.
    called: String,
    /// As typed.
    name: String,
    error: Option<Phrase>,
}

#[derive(Template)]
#[template(path = "pages/passkey-remove.html")]
struct RemovePage {
    frame: Frame,
    id: i64,
    name: String,
}

/// The page.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.anybody(&visit).await?;
    let plain = pages.passkeys_page(&visit, who, browser::name(visit.user_agent())).await?;
    let notice = notice(query.as_deref()).map(|said| visit.language.say(said));
    page(&PasskeysPage { notice, ..plain })
}

/// Where scripts ask, looked at.
pub(super) async fn again() -> Response {
    see_other("/me/passkeys")
}

/// Says, to a script, what the browser is to make.
pub(super) async fn begin(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let who = pages.fresh(&visit, Back::Passkeys).await?;
    Form::read(body).await?;
    let cookie = visit.session(Seat::Account, &pages.app.site()).ok_or(Trouble::SignedOut)?;
    let (app, handle) = (pages.app.clone(), pages.new_handle());
    let begun = pages.app.store.read(move |tx| passkeys::begin_here(tx, &app.site(), &who, handle));
    let (options, adding) = begun.await?;
    pages.ceremonies.adding.wait_for(cookie, adding, pages.app.now());
    Ok(Json(options).into_response())
}

/// Adds what the browser made.
pub(super) async fn add(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let who = pages.anybody(&visit).await?;
    let form = Form::read(body).await?;
    let name = form.get("name").trim().to_owned();
    let cookie = visit.session(Seat::Account, &pages.app.site()).ok_or(Trouble::SignedOut)?;
    let why = match pages.ceremonies.adding.take(cookie, pages.app.now()) {
        Some(adding) => {
            let (answer, typed) = (form.get("credential").to_owned(), name.clone());
            let random = array::from_fn(|_| pages.app.random());
            let added = pages.change_passkeys(&visit, move |tx, site, who, now| {
                let here = (&who.user, Some(who.session.id));
                passkeys::add(tx, site, here, (&adding, &answer, &typed), &random, now)
            });
            match added.await? {
                Ok(None) => return Ok(see_other("/me/passkeys?done=added")),
                Ok(Some(codes)) => {
                    let frame = Frame::own(&pages.app.site(), &visit);
                    return factor_form::codes(frame, codes, "/me/passkeys?done=added");
                }
                Err(error) => why_not(error)?,
            }
        }
        None => Key("refused-passkey-late"),
    };
    let plain = pages.passkeys_page(&visit, who, name).await?;
    let adding = NewPasskey { error: Some(visit.language.say(why)), ..plain.adding };
    let shown = page(&PasskeysPage { adding, ..plain })?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
}

/// A field for the name of one.
pub(super) async fn show_one(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.anybody(&visit).await?;
    let Some(id) = asked_for(query.as_deref()) else { return Ok(see_other("/me/passkeys")) };
    let passkey = pages.own_passkey(who, id).await?;
    let (called, name) = (passkey.name.clone(), passkey.name);
    page(&PasskeyPage { frame: Frame::own(&pages.app.site(), &visit), id: id.0, called, name, error: None })
}

/// Gives it another name.
pub(super) async fn rename(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let who = pages.anybody(&visit).await?;
    let form = Form::read(body).await?;
    let (id, name) = (passkey_id(form.get("passkey"))?, form.get("name").trim().to_owned());
    let typed = name.clone();
    let renamed =
        pages.change_passkeys(&visit, move |tx, _, who, now| passkeys::rename(tx, who, id, &typed, now));
    let Err(refused) = renamed.await? else { return Ok(see_other("/me/passkeys?done=renamed")) };
    let why = visit.language.say(passkey_refusal(&refused).ok_or(refused)?);
    let called = pages.own_passkey(who, id).await?.name;
    let frame = Frame::own(&pages.app.site(), &visit);
    let shown = page(&PasskeyPage { frame, id: id.0, called, name, error: Some(why) })?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
}

/// Asks whether it is meant.
pub(super) async fn ask_to_remove(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.fresh(&visit, Back::Passkeys).await?;
    let Some(id) = asked_for(query.as_deref()) else { return Ok(see_other("/me/passkeys")) };
    let name = pages.own_passkey(who, id).await?.name;
    page(&RemovePage { frame: Frame::own(&pages.app.site(), &visit), id: id.0, name })
}

/// Removes it.
pub(super) async fn remove(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    pages.fresh(&visit, Back::Passkeys).await?;
    let id = passkey_id(Form::read(body).await?.get("passkey"))?;
    let removed =
        pages.change_passkeys(&visit, move |tx, site, who, now| passkeys::remove(tx, site, who, id, now));
    removed.await??;
    Ok(see_other("/me/passkeys?done=removed"))
}

impl Pages {
    /// Changes passkeys of who is signed in.
    async fn change_passkeys<T: Send + 'static>(
        &self,
        visit: &Visit,
        work: impl FnOnce(&Tx<'_>, &Site, &SignedIn, Timestamp) -> Result<T, PasskeyError> + Send + 'static,
    ) -> Result<Result<T, PasskeyError>, Trouble> {
        let changed = self.change_own(visit, move |tx, site, who, now| match work(tx, site, who, now) {
            Err(PasskeyError::Store(error)) => Err(Refusal::Store(error)),
            done => Ok(done),
        });
        let (done, _) = changed.await??;
        Ok(done)
    }

    async fn own_passkey(&self, who: SignedIn, id: PasskeyId) -> Result<Passkey, Trouble> {
        Ok(self.app.store.read(move |tx| passkeys::find(tx, &who, id)).await?)
    }

    async fn passkeys_page(
        &self,
        visit: &Visit,
        who: SignedIn,
        name: String,
    ) -> Result<PasskeysPage, Trouble> {
        let (site, now) = (self.app.site(), self.app.now());
        let user = who.user.id;
        let theirs = self.app.store.read(move |tx| passkeys::list(tx, user)).await?;
        Ok(PasskeysPage {
            frame: Frame::own(&site, visit),
            notice: None,
            passkeys: theirs.into_iter().map(|passkey| shown(passkey, visit.language, now)).collect(),
            is_possible: passkeys::are_possible(&site),
            comes_later: passkeys::comes_later(&site, &who),
            asks_password: !who.session.is_fresh(now),
            adding: NewPasskey { action: "/me/passkeys", begin: "/me/passkeys/begin", name, error: None },
        })
    }
}

/// Why a passkey is not added, in the reader's words.
pub(super) fn why_not(error: PasskeyError) -> Result<Key, Trouble> {
    tracing::debug!(error = chain(&error), "a passkey was not added");
    Ok(passkey_refusal(&error).ok_or(error)?)
}

fn notice(query: Option<&str>) -> Option<Key> {
    match asked(query, "done")?.as_str() {
        "added" => Some(Key("notice-passkey-added")),
        "renamed" => Some(Key("notice-passkey-renamed")),
        "removed" => Some(Key("notice-passkey-removed")),
        _ => None,
    }
}

fn shown(passkey: Passkey, language: Language, now: Timestamp) -> ShownPasskey {
    let added = ago(passkey.created_at, language, now).to_string();
    let used = match passkey.last_used_at {
        Some(at) => {
            language.say(Key("passkey-used")).with("used", ago(at, language, now)).with("added", added)
        }
        None => language.say(Key("passkey-unused")).with("added", added),
    };
    ShownPasskey { id: passkey.id.0, name: passkey.name, used, is_doubted: passkey.doubted_at.is_some() }
}

/// The passkey that an address names.
fn asked_for(query: Option<&str>) -> Option<PasskeyId> {
    asked(query, "id")?.parse().ok().map(PasskeyId)
}

fn passkey_id(text: &str) -> Result<PasskeyId, Trouble> {
    text.parse().map(PasskeyId).map_err(|_| Trouble::Malformed)
}
