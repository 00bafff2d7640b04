//! Signing out because an application asks for it (OpenID Connect RP-Initiated Logout 1.0). An ID token of who is signed in
//! shows that it may ask; without one the user is asked.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::authorize::found_at;
use super::params_of;
use crate::flows::openid_logout::{self, Farewell};
use crate::flows::sign_in::{self, SignedIn};
use crate::rules::openid::{Params, with_params};
use crate::web::pages::form::Form;
use crate::web::pages::frame::Frame;
use crate::web::pages::language::Key;
use crate::web::pages::trouble::{Trouble, page};
use crate::web::pages::visit::{Seat, Visit};
use crate::web::pages::{Pages, see_other};

/// What the request is made of, and what the form repeats.
const PARAMS: [&str; 4] = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"];

#[derive(Template)]
#[template(path = "pages/app-sign-out.html")]
struct SignOutPage {
    frame: Frame,
    /// Which asks, if that is known.
    app: Option<String>,
    fields: Vec<(&'static str, String)>,
}

/// The end session endpoint.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let params = params_of(query.as_deref());
    let farewell = pages.farewell(&visit, &params).await?;
    if farewell.asks_first {
        let given = |name| params.get(name).map(|value| (name, value.to_owned()));
        return page(&SignOutPage {
            frame: Frame::new(&pages.app.site(), &visit),
            app: farewell.app,
            fields: PARAMS.into_iter().filter_map(given).collect(),
        });
    }
    pages.sign_out_of(&visit).await?;
    let to = farewell.to.map_or_else(|| see_other("/sign-in"), |to| found_at(&to));
    Ok(pages.forgotten(to))
}

/// The same by a form, which browsers send no cookie with.
pub(super) async fn posted(body: Body) -> Result<Response, Trouble> {
    let form = Form::read(body).await?;
    Ok(found_at(&with_params("/openid/logout", form.pairs())))
}

/// The user was asked.
pub(super) async fn confirm(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let params = Form::read(body).await?.into_params();
    let farewell = pages.farewell(&visit, &params).await?;
    pages.sign_out_of(&visit).await?;
    let to = match farewell.to {
        Some(to) => pages.back_page(&visit, to)?,
        None => see_other("/sign-in"),
    };
    Ok(pages.forgotten(to))
}

impl Pages {
    async fn farewell(&self, visit: &Visit, params: &Params) -> Result<Farewell, Trouble> {
        let who = self.whoever(visit).await?;
        let (app, params) = (self.app.clone(), params.clone());
        let read = self.app.store.read(move |tx| openid_logout::read(tx, &app.site(), &params, who.as_ref()));
        read.await?.ok_or(Trouble::Refused(StatusCode::BAD_REQUEST, Key("refused-app-logout")))
    }

    /// Who is signed in, if somebody is, whatever they owe: it is no reason to stay.
    async fn whoever(&self, visit: &Visit) -> Result<Option<SignedIn>, Trouble> {
        match self.anybody(visit).await {
            Err(Trouble::SignedOut) => Ok(None),
            found => found.map(Some),
        }
    }

    async fn sign_out_of(&self, visit: &Visit) -> Result<(), Trouble> {
        if self.whoever(visit).await?.is_some() {
            self.change_own(visit, |tx, _, who, now| Ok(sign_in::sign_out(tx, who, now)?)).await??;
        }
        Ok(())
    }

    fn forgotten(&self, mut answer: Response) -> Response {
        self.seat(&mut answer, Seat::Account, "", 0);
        answer
    }
}
