//! Somebody comes from an application to be signed in to it. What was asked waits, sealed, in a cookie while they sign in and
//! in the consent page's form, so that nothing of it can be changed on the way and nothing is kept here for strangers.
//!
//! At the end of a form the browser is sent back by a page, not by a redirect: Chromium holds every redirect after a form
//! against `form-action`, those of the application's own site too.

use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::params_of;
use crate::flows::openid::{self, Asked, Denied, Next};
use crate::flows::sign_in::SignedIn;
use crate::rules::ids::SessionId;
use crate::rules::openid::{Problem, REQUEST_FOR, Request, with_params};
use crate::rules::seal::Sealed;
use crate::web::pages::form::Form;
use crate::web::pages::language::Key;
use crate::web::pages::trouble::Trouble;
use crate::web::pages::visit::{Seat, Visit};
use crate::web::pages::{Pages, see_other};

/// What browsers surely keep of a cookie is 4096 bytes, its name included (RFC 6265, 6.1).
const MOST_COOKIE_BYTES: usize = 3800;

/// What a browser carries while somebody signs in for it.
#[derive(Serialize, Deserialize)]
pub(in crate::web::pages) enum Waiting {
    /// An application's request.
    App(Box<Request>),
    /// A path of our own host, until a Unix second.
    Page { path: String, until: i64 },
}

/// How the browser goes back to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It came by a link.
    Redirect,
    /// It sent a form.
    Page,
}

/// The authorization endpoint.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let params = params_of(query.as_deref());
    let who = pages.somebody(&visit).await?;
    let asked_in = who.as_ref().map(|who| who.session.id);
    let (app, now) = (pages.app.clone(), pages.app.now());
    let read = pages.app.store.read(move |tx| openid::read(tx, &app.site(), &params, asked_in, now));
    match read.await? {
        Ok(asked) => pages.proceed(&visit, asked, who, Way::Redirect).await,
        Err(denied) => pages.denied(denied, Way::Redirect, &visit),
    }
}

/// The same by a form (Core, 3.1.2.1): browsers send our cookie with links from elsewhere, never with forms from elsewhere.
pub(super) async fn posted(body: Body) -> Result<Response, Trouble> {
    let form = Form::read(body).await?;
    Ok(found_at(&with_params("/openid/authorize", form.pairs())))
}

/// Somebody signed in for the request that their browser carries.
pub(super) async fn go_on(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let Some(waiting) = pages.waiting_for(&visit) else { return Ok(see_other("/me")) };
    let who = pages.somebody(&visit).await?;
    let mut answer = match (waiting, &who) {
        (Waiting::Page { .. }, None) => see_other("/sign-in"),
        (Waiting::Page { path, .. }, Some(_)) => pages.back_page(&visit, pages.own(&path))?,
        (Waiting::App(request), _) => {
            let now = pages.app.now();
            match pages.app.store.read(move |tx| openid::again(tx, *request, now)).await? {
                Ok(asked) => pages.proceed(&visit, asked, who, Way::Page).await?,
                Err(_) => see_other("/me"),
            }
        }
    };
    let is_waiting = answer.headers().get(header::LOCATION).is_some_and(|to| to == "/sign-in");
    if !is_waiting {
        pages.seat(&mut answer, Seat::App, "", 0);
    }
    Ok(answer)
}

/// Somebody agrees, or does not.
pub(super) async fn consent(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    let form = Form::read(body).await?;
    let request = pages.unsealed(form.get("request"), Some(who.session.id)).ok_or(Trouble::Malformed)?;
    let now = pages.app.now();
    let read = pages.app.store.read(move |tx| openid::again(tx, request, now)).await?;
    let Ok(mut asked) = read else { return Err(over()) };
    if form.get("decision") != "allow" {
        let problem = Problem("access_denied", "the user did not agree");
        let to = asked.answer(&pages.app.site(), problem);
        return pages.sent_back(&to, Way::Page, &visit);
    }
    let agreed = asked.clone();
    pages.change_own(&visit, move |tx, _, who, now| Ok(openid::agree(tx, &agreed, who, now)?)).await??;
    asked.request.asks_to_consent = false;
    pages.proceed(&visit, asked, Some(who), Way::Page).await
}

impl Pages {
    /// Who is signed in, if somebody is.
    pub(super) async fn somebody(&self, visit: &Visit) -> Result<Option<SignedIn>, Trouble> {
        match self.signed_in(visit).await {
            Ok(who) => Ok(Some(who)),
            // Who has to set up a second factor first signs in for the application, and does it then.
            Err(Trouble::SignedOut | Trouble::OwesSetUp) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// What the browser carries, if that still waits.
    pub(in crate::web::pages) fn waiting_for(&self, visit: &Visit) -> Option<Waiting> {
        self.waits(&visit.cookie(Seat::App, &self.app.site())?)
    }

    /// The same as it is, for the form in which somebody signs in: in another window they may be asked for something else
    /// meanwhile.
    pub(in crate::web::pages) fn carried(&self, visit: &Visit) -> Option<String> {
        visit.cookie(Seat::App, &self.app.site()).filter(|sealed| self.waits(sealed).is_some())
    }

    /// Has a browser go on with what the form carried, whatever it carries itself.
    pub(in crate::web::pages) fn carry_on(&self, answer: &mut Response, carried: &str) {
        if self.waits(carried).is_some() {
            self.seat(answer, Seat::App, carried, REQUEST_FOR);
        }
    }

    fn waits(&self, sealed: &str) -> Option<Waiting> {
        let (waiting, now) = (self.unsealed(sealed, None)?, self.app.now());
        let waits = match &waiting {
            Waiting::App(request) => request.waits(now.as_second()),
            Waiting::Page { until, .. } => now.as_second() < *until,
        };
        waits.then_some(waiting)
    }

    /// Has a browser carry it; `false`: it is too long for that.
    pub(super) fn have_wait(&self, answer: &mut Response, waiting: &Waiting) -> bool {
        let sealed = self.sealed(waiting, None);
        let fits = sealed.len() <= MOST_COOKIE_BYTES;
        if fits {
            self.seat(answer, Seat::App, &sealed, REQUEST_FOR);
        }
        fits
    }

    async fn proceed(
        &self,
        visit: &Visit,
        asked: Asked,
        who: Option<SignedIn>,
        way: Way,
    ) -> Result<Response, Trouble> {
        let (app, now, on) = (self.app.clone(), self.app.now(), (asked.clone(), who.clone()));
        let next = self.app.store.read(move |tx| openid::next(tx, &app.site(), &on.0, on.1.as_ref(), now));
        match (next.await?, who) {
            (Next::Answer(to), _) => self.sent_back(&to, way, visit),
            (Next::SignIn, _) | (_, None) => self.to_sign_in(visit, &asked, way),
            (Next::Consent(scopes), Some(who)) => {
                let sealed = self.sealed(&asked.request, Some(who.session.id));
                self.consent_page(visit, (&asked.app, &who.user), &scopes, sealed)
            }
            (Next::NotPermitted, Some(_)) => {
                let problem = Problem("access_denied", "the user may not sign in to this application");
                let to = asked.answer(&self.app.site(), problem);
                self.not_permitted_page(visit, asked.app.name, Some(to))
            }
            (Next::Grant, Some(_)) => self.granted(visit, asked, way).await,
        }
    }

    async fn granted(&self, visit: &Visit, asked: Asked, way: Way) -> Result<Response, Trouble> {
        let (code, hash) = self.new_session();
        let granted = self.change_own(visit, move |tx, site, who, now| {
            // What was found a moment ago still has to be so.
            let is_so = openid::next(tx, site, &asked, Some(who), now)? == Next::Grant;
            let grant = || openid::grant(tx, site, (&asked, who), (&code, hash), now);
            Ok(is_so.then(grant).transpose()?)
        });
        let (to, _) = granted.await??;
        self.limits.issued_to_app(hash, self.app.now());
        self.sent_back(&to.ok_or_else(over)?, way, visit)
    }

    fn to_sign_in(&self, visit: &Visit, asked: &Asked, way: Way) -> Result<Response, Trouble> {
        let mut answer = see_other("/sign-in");
        if self.have_wait(&mut answer, &Waiting::App(Box::new(asked.request.clone()))) {
            return Ok(answer);
        }
        let problem = Problem("invalid_request", "the parameters are too long");
        self.sent_back(&asked.answer(&self.app.site(), problem), way, visit)
    }

    fn denied(&self, denied: Denied, way: Way, visit: &Visit) -> Result<Response, Trouble> {
        match denied {
            Denied::UnknownApp => Err(Trouble::Refused(StatusCode::BAD_REQUEST, Key("refused-app"))),
            Denied::RedirectUri => Err(Trouble::Refused(StatusCode::BAD_REQUEST, Key("refused-app-uri"))),
            Denied::Answer(to) => self.sent_back(&to, way, visit),
        }
    }

    fn sent_back(&self, to: &str, way: Way, visit: &Visit) -> Result<Response, Trouble> {
        match way {
            Way::Redirect => Ok(found_at(to)),
            Way::Page => self.back_page(visit, to.to_owned()),
        }
    }

    fn sealed(&self, what: &impl Serialize, session: Option<SessionId>) -> String {
        // A struct of texts and numbers always becomes JSON.
        let plain = serde_json::to_vec(what).unwrap_or_default();
        let site = self.app.site();
        URL_SAFE_NO_PAD.encode(site.keys.seal.seal(Sealed::AppRequest(session), &plain, self.app.random()))
    }

    fn unsealed<T: DeserializeOwned>(&self, text: &str, session: Option<SessionId>) -> Option<T> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let plain = self.app.site().keys.seal.open(Sealed::AppRequest(session), &sealed)?;
        serde_json::from_slice(&plain).ok()
    }
}

/// Goes to an address that is made for this moment.
pub(super) fn found_at(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)], Body::empty()).into_response(),
        Err(_) => Trouble::Malformed.into_response(),
    }
}

fn over() -> Trouble {
    Trouble::Refused(StatusCode::CONFLICT, Key("refused-app-over"))
}
