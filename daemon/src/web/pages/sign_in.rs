//! Signing in with the account's password, and out again. Whoever tries learns nothing of which accounts there are: the
//! answer, and the work for it, is the same.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use zeroize::Zeroizing;

use super::form::Form;
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::openid::Waiting;
use super::trouble::{Trouble, page};
use super::visit::{Seat, Visit};
use super::{Pages, see_other};
use crate::flows::passkeys;
use crate::flows::sign_in::{self, Entered, Entry, Found};
use crate::flows::sign_in_code::{self, WAITS_FOR};
use crate::rules::action::{Action, Reason};
use crate::rules::browser;
use crate::store::StoreError;
use crate::store::session::BROWSER_KNOWN_FOR;
use crate::web::limit::{Attempt, Way};
use crate::web::seconds_of;

#[derive(Template)]
#[template(path = "pages/sign-in.html")]
struct SignInPage {
    frame: Frame,
    /// As typed.
    name: String,
    error: Option<Phrase>,
    /// What else is good to know then.
    hint: Option<Phrase>,
    help_text: String,
    /// Whether a forgotten password can be replaced: that takes a mail.
    sends_mail: bool,
    /// Whether browsers have passkeys for where we are.
    has_passkeys: bool,
    passkey_error: Option<Phrase>,
    /// What they sign in for in this window, sealed.
    carried: Option<String>,
}

/// What became of a name and a password.
pub(super) enum Judged {
    /// They belong together.
    Right(Box<Found>),
    /// They do not, or the account may not sign in.
    Wrong,
    /// Nobody looked; for so many seconds nobody will.
    TooOften(u64),
}

/// What a browser keeps that signed in.
pub(super) struct Keepsakes {
    session: Zeroizing<String>,
    browser: Zeroizing<String>,
}

/// Fields for both.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    // An application may want them to sign in although they are.
    let waiting = match pages.waiting_for(&visit) {
        Some(Waiting::App(request)) => Some(request),
        Some(Waiting::Page { .. }) | None => None,
    };
    let is_seated = visit.session(Seat::Account, &pages.app.site()).is_some();
    if is_seated && waiting.is_none() && pages.anybody(&visit).await.is_ok() {
        return Ok(see_other("/me"));
    }
    let name = waiting.and_then(|request| request.login_hint).unwrap_or_default();
    page(&sign_in_page(&pages, &visit, name, None))
}

/// Signs in.
pub(super) async fn enter(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let form = Form::read(body).await?;
    let name = form.get("username").trim().to_owned();
    let password = Zeroizing::new(form.get("password").to_owned());
    let say = |key| visit.language.say(key);
    let carried = form.get("carried");
    let refused = |status, error, hint: Option<Key>| {
        let plain = sign_in_page(&pages, &visit, name.clone(), Some(error));
        let shown = page(&SignInPage { hint: hint.map(say), carried: sent_along(carried), ..plain })?;
        Ok((status, shown).into_response())
    };
    if name.is_empty() || password.is_empty() {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, say(Key("refused-empty")), None);
    }
    let entered = match pages.judge(&visit, Action::SessionStart, (&name, password)).await? {
        Judged::Right(found) => Some(pages.enter(&visit, *found).await?),
        Judged::Wrong => None,
        Judged::TooOften(seconds) => {
            let hint = pages.app.site().config.mail.is_sent().then_some(Key("refused-too-often-hint"));
            let answer = refused(StatusCode::TOO_MANY_REQUESTS, too_often(&visit, seconds), hint);
            return answer.map(|answer| retry_after(answer, seconds));
        }
    };
    let mut answer = match entered {
        Some((Entered::SignedIn, keepsakes)) => pages.keeping("/me", &keepsakes),
        Some((Entered::OwesCode, keepsakes)) => {
            pages.seated("/sign-in/code", Seat::Code, &keepsakes.session, WAITS_FOR)
        }
        Some((Entered::Refused, _)) | None => {
            let hint = Some(Key("refused-sign-in-hint"));
            return refused(StatusCode::UNAUTHORIZED, say(Key("refused-sign-in")), hint);
        }
    };
    pages.carry_on(&mut answer, carried);
    Ok(answer)
}

/// Signs out of this browser.
pub(super) async fn leave(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    pages.anybody(&visit).await?;
    pages.change_own(&visit, |tx, _, who, now| Ok(sign_in::sign_out(tx, who, now)?)).await??;
    Ok(pages.seated("/sign-in", Seat::Account, "", 0))
}

/// What to tell whoever tried too often.
pub(super) fn too_often(visit: &Visit, seconds: u64) -> Phrase {
    let minutes = i64::try_from(seconds.div_ceil(60)).unwrap_or(i64::MAX);
    visit.language.say(Key("refused-too-often")).count("minutes", minutes)
}

/// An answer that says how long to wait.
pub(super) fn retry_after(mut answer: Response, seconds: u64) -> Response {
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

impl Pages {
    /// Finds out whether a password is right for the account of a name: one look at the database, one run of Argon2 and, if
    /// it is not, what the audit log takes of a refused `action`, whatever there is under that name.
    pub(super) async fn judge(
        &self,
        visit: &Visit,
        action: Action,
        (name, password): (&str, Zeroizing<String>),
    ) -> Result<Judged, Trouble> {
        let browser = visit.session(Seat::Browser, &self.app.site());
        let typed = name.to_owned();
        let found = self.app.store.read(move |tx| sign_in::find(tx, &typed, browser)).await?;
        let attempt = Attempt {
            name,
            account: found.account(),
            browser: browser.filter(|_| found.is_known),
            client: visit.client,
        };
        let permit = match self.limits.sign_ins.attempt(attempt, self.app.now()) {
            Ok(permit) => permit,
            Err(wait) => {
                self.refusals.no_password(visit.client, action, Reason::Limit, &found).await;
                return Ok(Judged::TooOften(seconds_of(wait)));
            }
        };
        match self.passwords.verify(password, found.password_hash()).await {
            Ok(is_right) if is_right && permit.counts() => {
                let way = if found.is_known { Way::Known } else { Way::Stranger };
                let entered =
                    found.account().map(|account| self.limits.sign_ins.enter(account, way, self.app.now()));
                if let Some(Err(wait)) = entered {
                    // What the attempt took stays taken: it cost a hash.
                    self.refusals.no_password(visit.client, action, Reason::Limit, &found).await;
                    return Ok(Judged::TooOften(seconds_of(wait)));
                }
                permit.give_back();
                Ok(Judged::Right(Box::new(found)))
            }
            Ok(_) => {
                self.refusals.no_password(visit.client, action, Reason::Password, &found).await;
                Ok(Judged::Wrong)
            }
            Err(error) => {
                // Nobody looked.
                permit.give_back();
                Err(error.into())
            }
        }
    }

    /// Signs in whoever was right, or has them wait for their second factor.
    async fn enter(&self, visit: &Visit, found: Found) -> Result<(Entered, Keepsakes), Trouble> {
        let (keepsakes, entry) = self.keepsakes(visit);
        let (app, now) = (self.app.clone(), self.app.now());
        let entering = self.app.store.write(move |tx| {
            let entered = sign_in::enter(tx, &found, &entry, now)?;
            if let (Entered::OwesCode, Some(user)) = (entered, found.account()) {
                sign_in_code::send_code(tx, &app.site(), user, now)?;
            }
            Ok::<_, StoreError>((entered, found))
        });
        let ((entered, found), _) = entering.await?;
        if entered == Entered::Refused {
            self.refusals.no_password(visit.client, Action::SessionStart, Reason::Password, &found).await;
        }
        Ok((entered, keepsakes))
    }

    /// A new session and another name for the browser, whatever it had before.
    pub(super) fn keepsakes(&self, visit: &Visit) -> (Keepsakes, Entry) {
        let (session, session_hash) = self.new_session();
        let (browser, browser_hash) = self.new_session();
        let entry = Entry {
            session: session_hash,
            browser: browser_hash,
            former: visit.session(Seat::Browser, &self.app.site()),
            called: browser::name(visit.user_agent()),
        };
        self.limits.issued(session_hash, self.app.now());
        (Keepsakes { session, browser }, entry)
    }

    /// Goes to another page, signed in.
    pub(super) fn keeping(&self, to: &'static str, keepsakes: &Keepsakes) -> Response {
        let [_, absolute] = self.app.site().config.sign_in.seconds();
        let mut answer = self.seated(to, Seat::Account, &keepsakes.session, absolute);
        self.seat(&mut answer, Seat::Browser, &keepsakes.browser, BROWSER_KNOWN_FOR);
        answer
    }
}

/// The page, with what is wrong with a passkey.
pub(super) fn passkey_refused(
    pages: &Pages,
    visit: &Visit,
    carried: &str,
    why: Phrase,
) -> Result<Response, Trouble> {
    let plain = sign_in_page(pages, visit, String::new(), None);
    page(&SignInPage { passkey_error: Some(why), carried: sent_along(carried), ..plain })
}

/// What a form carried goes on with its window, whatever the browser carries meanwhile.
fn sent_along(carried: &str) -> Option<String> {
    Some(carried.to_owned()).filter(|carried| !carried.is_empty())
}

fn sign_in_page(pages: &Pages, visit: &Visit, name: String, error: Option<Phrase>) -> SignInPage {
    let site = pages.app.site();
    SignInPage {
        frame: Frame::new(&site, visit),
        name,
        error,
        hint: None,
        help_text: site.config.branding.help_text.clone(),
        sends_mail: site.config.mail.is_sent(),
        has_passkeys: passkeys::are_possible(&site),
        passkey_error: None,
        carried: pages.carried(visit),
    }
}

#[cfg(test)]
mod tests;
