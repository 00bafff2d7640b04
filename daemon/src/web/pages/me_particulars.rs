//! One's own particulars, as far as one may change them oneself.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::form::Form;
use super::frame::Frame;
use super::trouble::{Trouble, page};
use super::visit::Visit;
use super::{Pages, see_other};
use crate::config::Particular;
use crate::flows::own_particulars::{self, Typed, Wrong};

#[derive(Template)]
#[template(path = "pages/me-particulars.html")]
struct ParticularsPage {
    frame: Frame,
    typed: Typed,
    changes_name: bool,
    changes_phone: bool,
    wrong: Wrong,
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
    pages.signed_in(&visit).await?;
    let form = Form::read(body).await?;
    let field = |name| form.get(name).trim().to_owned();
    let typed =
        Typed { first_name: field("first_name"), last_name: field("last_name"), phone: field("phone") };
    let given = typed.clone();
    let changed = pages
        .change_own(&visit, move |tx, site, who, now| own_particulars::change(tx, site, who, &given, now));
    match changed.await??.0 {
        Ok(()) => Ok(see_other("/me?done=changed")),
        Err(wrong) => {
            let shown = page(&particulars_page(&pages, &visit, typed, wrong)?)?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
        }
    }
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
