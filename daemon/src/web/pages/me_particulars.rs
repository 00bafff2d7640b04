//! One's own particulars, as far as one may change them oneself.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::form::Form;
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::trouble::{Trouble, page};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::config::Particular;
use crate::flows::own_particulars::{self, Typed};
use crate::rules::names;

#[derive(Template)]
#[template(path = "pages/me-particulars.html")]
struct ParticularsPage {
    frame: Frame,
    typed: Typed,
    changes_name: bool,
    changes_phone: bool,
    wrong: Wrong,
}

/// What is wrong with each field.
#[derive(Default)]
struct Wrong {
    first_name: Option<Phrase>,
    last_name: Option<Phrase>,
    phone: Option<Phrase>,
}

/// Fields for what may be changed.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let user = pages.signed_in(&visit).await?.user;
    let phone = user.phone.unwrap_or_default();
    let typed = Typed { first_name: user.first_name, last_name: user.last_name, phone };
    page(&particulars_page(&pages, &visit, typed, Wrong::default())?)
}

/// Changes it.
pub(super) async fn set(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let user = pages.signed_in(&visit).await?.user;
    let form = Form::read(body).await?;
    let field = |name| form.get(name).trim().to_owned();
    let mut typed =
        Typed { first_name: field("first_name"), last_name: field("last_name"), phone: field("phone") };
    let may = pages.app.site().config.portal.may_change.clone();
    if !may.contains(&Particular::Name) {
        (typed.first_name, typed.last_name) = (user.first_name, user.last_name);
    }
    if !may.contains(&Particular::Phone) {
        typed.phone = user.phone.unwrap_or_default();
    }
    let wrong = wrong(&visit, &typed);
    if wrong.first_name.is_some() || wrong.last_name.is_some() || wrong.phone.is_some() {
        let shown = page(&particulars_page(&pages, &visit, typed, wrong)?)?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response());
    }
    let changed = pages
        .change_own(&visit, move |tx, site, who, now| own_particulars::change(tx, site, who, &typed, now));
    changed.await??;
    Ok(see_other("/me?done=changed"))
}

fn wrong(visit: &Visit, typed: &Typed) -> Wrong {
    let named =
        |name: &str| names::person_name(name).err().map(|_| visit.language.say(Key("refused-person-name")));
    let phone = names::phone(&typed.phone).err().map(|_| visit.language.say(Key("refused-phone")));
    Wrong { first_name: named(&typed.first_name), last_name: named(&typed.last_name), phone }
}

fn particulars_page(
    pages: &Pages,
    visit: &Visit,
    typed: Typed,
    wrong: Wrong,
) -> Result<ParticularsPage, Trouble> {
    let site = pages.app.site();
    let may = &site.config.portal.may_change;
    if may.is_empty() {
        return Err(Trouble::NotFound);
    }
    Ok(ParticularsPage {
        frame: Frame::own(&site, visit),
        typed,
        changes_name: may.contains(&Particular::Name),
        changes_phone: may.contains(&Particular::Phone),
        wrong,
    })
}
