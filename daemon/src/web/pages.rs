//! The pages that people see in their browser: enrolling step by step, a forgotten password, and what is one's own after
//! signing in. Rendered here, usable without scripts up to the device's key; a thin door over the same flows as the client
//! API. Looking at a page changes nothing, but when a session was last used: mail scanners look at links too.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::ceremonies::Ceremonies;
use super::cookie::{Cookie, SameSite};
use super::limit::{Admission, Limits, Presented};
use super::refusals::Refusals;
use crate::app::App;
use crate::gateway_view::GatewayView;
use crate::password::Passwords;
use crate::rules::token::TokenHash;
use crate::store::passkey::Handle;

mod branding;
mod device;
mod device_parts;
mod done;
mod factor;
mod factor_form;
mod factor_passkey;
mod form;
mod frame;
mod guard;
mod lamp;
mod language;
mod link;
mod me;
mod me_add;
mod me_apps;
mod me_client;
mod me_confirm;
mod me_device;
mod me_factor;
mod me_particulars;
mod me_password;
mod me_traffic;
mod openid;
mod passkey_code;
mod passkey_sign_in;
mod passkeys;
mod password;
mod places;
mod reset;
mod sign_in;
mod sign_in_code;
mod step;
mod trouble;
mod visit;
mod you;

use lamp::Lamp;
use trouble::Trouble;
use visit::{LANGUAGE_COOKIE, Seat, Visit};

/// How long a chosen language is remembered.
const LANGUAGE_FOR: Duration = Duration::from_hours(365 * 24);

/// What the handlers of pages share.
#[derive(Clone)]
pub(super) struct Pages {
    app: App,
    passwords: Passwords,
    limits: Arc<Limits>,
    refusals: Arc<Refusals>,
    ceremonies: Arc<Ceremonies>,
    lamp: Lamp,
}

/// All pages, with an answer for everything else.
pub(super) fn routes(
    app: App,
    passwords: Passwords,
    limits: Arc<Limits>,
    refusals: Arc<Refusals>,
    view: GatewayView,
) -> Router {
    let (ceremonies, lamp) = (Arc::new(Ceremonies::new(app.random())), Lamp::new(view));
    let pages = Pages { app, passwords, limits, refusals, ceremonies, lamp };
    enrolling()
        .merge(own())
        .merge(beside_the_password())
        .route("/branding/{name}", get(branding::show))
        .merge(openid::from_here())
        .route_layer(from_fn_with_state(pages.clone(), from_here))
        .merge(openid::from_anywhere())
        .fallback(|| async { Trouble::NotFound })
        .method_not_allowed_fallback(|| async { Trouble::Method })
        .layer(from_fn_with_state(pages.clone(), around))
        .with_state(pages)
}

/// Those of a link, and of a forgotten password.
fn enrolling() -> Router<Pages> {
    Router::new()
        .route("/", get(link::show))
        .route("/enroll", get(link::show))
        .route("/enroll/start", get(begin).post(link::start))
        .route("/enroll/new-link", get(begin).post(link::ask_for_another))
        .route("/enroll/you", get(you::show).post(you::review))
        .route("/enroll/password", get(password::show).post(password::set))
        .route("/enroll/second-factor", get(factor::show).post(factor::begin))
        .route("/enroll/second-factor/code", get(factor::again).post(factor::verify))
        .route("/enroll/second-factor/passkey", get(factor::again).post(factor_passkey::add))
        .route("/enroll/second-factor/passkey/begin", get(factor::again).post(factor_passkey::begin))
        .route("/enroll/device", get(device::show).post(device::register))
        .route("/enroll/device/key", post(device::replace_key))
        .route("/enroll/device/state", get(device::state))
        .route("/enroll/device/{file}", get(device::file))
        .route("/enroll/skip", get(begin).post(device::skip))
        .route("/enroll/done", get(done::show))
        .route("/password", get(reset::ask).post(reset::request))
        .route("/password/sent", get(reset::sent))
        .route("/password-reset", get(reset::show).post(reset::start))
        .route("/password-reset/new", get(reset::choose).post(reset::set))
        .route("/password-reset/done", get(reset::done))
}

/// Those of what is one's own.
fn own() -> Router<Pages> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::enter))
        .route("/sign-out", get(me::again).post(sign_in::leave))
        .route("/me", get(me::show))
        .route("/me/sessions", get(me::again).post(me::end_sessions))
        .route("/me/password", get(me_password::show).post(me_password::set))
        .route("/me/particulars", get(me_particulars::show).post(me_particulars::set))
        .route("/me/devices/add", get(me_add::show).post(me_add::register))
        .route("/me/device", get(me_device::show).post(me_device::rename))
        .route("/me/device/remove", get(me_device::ask_to_remove).post(me_device::remove))
        .route("/me/device/files", get(me_add::files))
        .route("/me/device/file", get(me_add::file))
        .route("/me/device/key", get(me::again).post(me_add::renew_key))
        .route("/me/device/state", get(me_add::state))
        .route("/me/client", get(me_client::show).post(me_client::issue))
        .route("/me/client/withdraw", get(me_client::again).post(me_client::withdraw))
}

/// Those of what is asked for beside the password, or in its place.
fn beside_the_password() -> Router<Pages> {
    Router::new()
        .route("/sign-in/code", get(sign_in_code::show).post(sign_in_code::give))
        .route("/me/confirm", get(me_confirm::show).post(me_confirm::confirm))
        .route("/me/second-factor", get(me_factor::show).post(me_factor::begin))
        .route("/me/second-factor/set-up", get(me_factor::set_up).post(me_factor::verify))
        .route("/me/second-factor/codes", get(me_factor::again).post(me_factor::renew_codes))
        .route("/me/second-factor/remove", get(me_factor::ask_to_remove).post(me_factor::remove))
        .route("/me/passkeys", get(passkeys::show).post(passkeys::add))
        .route("/me/passkeys/begin", get(passkeys::again).post(passkeys::begin))
        .route("/me/passkey", get(passkeys::show_one).post(passkeys::rename))
        .route("/me/passkey/remove", get(passkeys::ask_to_remove).post(passkeys::remove))
        .route("/sign-in/code/passkey", get(passkey_code::again).post(passkey_code::give))
        .route("/sign-in/code/passkey/begin", get(passkey_code::again).post(passkey_code::begin))
        .route("/sign-in/passkey", get(passkey_sign_in::again).post(passkey_sign_in::enter))
        .route("/sign-in/passkey/begin", get(passkey_sign_in::again).post(passkey_sign_in::begin))
}

/// Around every page: who looks at it, what went wrong, and the headers.
async fn around(State(pages): State<Pages>, mut request: Request, next: Next) -> Response {
    let site = pages.app.site();
    let visit = Visit::of(&request, &site);
    request.extensions_mut().insert(visit.clone());
    let panicked = || Trouble::Inside.into_response();
    let mut answer = super::caught(next.run(request)).await.unwrap_or_else(panicked);
    if let Some(trouble) = answer.extensions_mut().remove::<Trouble>() {
        answer = trouble.shown(&site, &visit);
    }
    guard::add_headers(answer.headers_mut(), &site);
    if let Some(language) = visit.chosen {
        let cookie = Cookie {
            name: LANGUAGE_COOKIE,
            value: language.code(),
            seconds: i64::try_from(LANGUAGE_FOR.as_secs()).unwrap_or(i64::MAX),
            same_site: SameSite::Lax,
            secure: site.config.is_https(),
        };
        cookie.add_to(answer.headers_mut());
    }
    answer
}

/// Refuses what other sites would have somebody's browser send.
async fn from_here(State(pages): State<Pages>, request: Request, next: Next) -> Response {
    let is_from_here = guard::is_from_here(request.method(), request.headers(), &pages.app.site());
    if is_from_here { next.run(request).await } else { Trouble::Foreign.into_response() }
}

impl Pages {
    /// Counts a request that presents something, known or not.
    async fn admit(
        &self,
        what: Presented,
        bearer: TokenHash,
        visit: &Visit,
    ) -> Result<Admission<'_>, Trouble> {
        match self.limits.admit(what, bearer, visit.client, self.app.now()) {
            Ok(admission) => Ok(admission),
            Err(wait) => {
                self.refusals.limited(visit.client, what).await;
                Err(Trouble::TooMany(super::seconds_of(wait)))
            }
        }
    }

    /// By what authenticators are to know somebody.
    fn new_handle(&self) -> Handle {
        let mut handle = [0; 16];
        handle.copy_from_slice(self.app.random().split_at(16).0);
        handle
    }

    /// A new session identifier and its hash.
    fn new_session(&self) -> (Zeroizing<String>, TokenHash) {
        let session = Zeroizing::new(URL_SAFE_NO_PAD.encode(self.app.random()));
        let hash = crate::rules::token::Token::presented(&session).hash();
        (session, hash)
    }

    /// Goes to another page with a cookie for `seconds`; none at all takes it away.
    fn seated(&self, to: &'static str, seat: Seat, session: &str, seconds: i64) -> Response {
        let mut answer = see_other(to);
        self.seat(&mut answer, seat, session, seconds);
        answer
    }

    /// Adds a cookie to an answer.
    fn seat(&self, answer: &mut Response, seat: Seat, session: &str, seconds: i64) {
        let site = self.app.site();
        let cookie = Cookie {
            name: seat.cookie(&site),
            value: session,
            seconds,
            // Opened again out of a mail read in the browser, a link must lead back into the running session.
            same_site: SameSite::Lax,
            secure: site.config.is_https(),
        };
        cookie.add_to(answer.headers_mut());
    }
}

/// Where a form was sent to, looked at again: another language was chosen there, or it was reloaded.
async fn begin() -> Response {
    see_other("/enroll")
}

/// Goes to another page.
fn see_other(to: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::from_static(to))], Body::empty()).into_response()
}
