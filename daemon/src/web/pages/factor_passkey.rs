//! A passkey in place of an app or codes by mail, where everybody has to have a second factor: made as at /me, while enrolling.

use std::array;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};

use super::factor::{HERE, choice};
use super::form::Form;
use super::language::Key;
use super::passkeys::why_not;
use super::step::{frame, path};
use super::trouble::Trouble;
use super::visit::{Seat, Visit};
use super::{Pages, factor_form, see_other};
use crate::flows::enroll::{self, EnrollError};
use crate::flows::enroll_factor;
use crate::flows::passkeys::PasskeyError;
use crate::rules::wizard::Step;

/// Says, to a script, what the browser is to make.
pub(super) async fn begin(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    if let Err(elsewhere) = pages.at_step(&visit, Step::Factor).await? {
        return Ok(elsewhere);
    }
    Form::read(body).await?;
    let cookie = visit.session(Seat::Enrollment, &pages.app.site()).ok_or(Trouble::NoSession)?;
    let handle = pages.new_handle();
    let begun = pages.within(&visit, move |tx, site, cookie, now| {
        Ok(enroll_factor::begin_passkey(tx, site, &enroll::session(tx, cookie, now)?, handle))
    });
    let Some((options, adding)) = begun.await?? else { return Ok(see_other(HERE.back)) };
    pages.ceremonies.adding.wait_for(cookie, adding, pages.app.now());
    Ok(Json(options).into_response())
}

/// Adds what the browser made, and shows recovery codes.
pub(super) async fn add(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let progress = match pages.at_step(&visit, Step::Factor).await? {
        Ok(progress) => progress,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let form = Form::read(body).await?;
    let name = form.get("name").trim().to_owned();
    let cookie = visit.session(Seat::Enrollment, &pages.app.site()).ok_or(Trouble::NoSession)?;
    let why = match pages.ceremonies.adding.take(cookie, pages.app.now()) {
        Some(adding) => {
            let (answer, typed) = (form.get("credential").to_owned(), name.clone());
            let (random, now) = (array::from_fn(|_| pages.app.random()), pages.app.now());
            let added = pages.change(&visit, move |tx, site, session| {
                let made = (&adding, &*answer, &*typed);
                match enroll_factor::add_passkey(tx, site, session, made, &random, now) {
                    Err(PasskeyError::Store(error)) => Err(EnrollError::Store(error)),
                    done => Ok(done),
                }
            });
            match added.await??.0 {
                Ok(Some(codes)) => {
                    let frame = frame(&pages.app.site(), &visit, &progress, Step::Factor, &pages);
                    return factor_form::codes(frame, codes, path(Step::Device));
                }
                Ok(None) => return Ok(see_other(HERE.back)),
                Err(error) => why_not(error)?,
            }
        }
        None => Key("refused-passkey-late"),
    };
    let shown = choice(&pages, &visit, &progress, name, Some(visit.language.say(why)))?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
}
