//! Signing in with a passkey, which says itself whose it is and has made sure that they are there. What is asked is the same
//! for everybody, and so is the answer to whatever opens nothing.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};

use super::form::Form;
use super::language::{Key, Phrase};
use super::sign_in::{passkey_refused, retry_after, too_often};
use super::trouble::Trouble;
use super::visit::{Seat, Visit};
use super::{Pages, see_other};
use crate::flows::passkeys::{self, Refused};
use crate::rules::action::Reason;
use crate::web::ceremonies::{ANSWER_WITHIN, Asked};
use crate::web::limit::Way;
use crate::web::seconds_of;

/// What came of an answer.
enum Judged {
    /// It is right, or has to be written down, to what was asked.
    Goes(Asked),
    Refused(Refused),
    /// It is to nothing that was asked of this browser in the last minutes.
    Late,
    /// Nobody looked; for so many seconds nobody will.
    TooOften(u64),
}

/// Where the button leads, looked at.
pub(super) async fn again() -> Response {
    see_other("/sign-in")
}

/// Says, to a script, what authenticators are to be asked.
pub(super) async fn begin(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let now = pages.app.now();
    pages.limits.asks_for_passkey(visit.client, now).map_err(|wait| Trouble::TooMany(seconds_of(wait)))?;
    Form::read(body).await?;
    let (options, challenge) = passkeys::challenge(&pages.app.site())?;
    let cookie = pages.ceremonies.entering.ask(&challenge, pages.app.random(), now);
    let mut answer = Json(options).into_response();
    pages.seat(&mut answer, Seat::Passkey, &cookie, ANSWER_WITHIN);
    Ok(answer)
}

/// Signs in.
pub(super) async fn enter(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let form = Form::read(body).await?;
    let (answer, carried) = (form.get("credential").to_owned(), form.get("carried"));
    let asked = match pages.judge_passkey(&visit, &answer).await? {
        Judged::Goes(asked) => asked,
        Judged::Refused(why) => return pages.no_passkey(&visit, carried, why).await,
        Judged::Late => {
            let why = visit.language.say(Key("refused-passkey-late"));
            return refused(&pages, &visit, carried, StatusCode::UNAUTHORIZED, why);
        }
        Judged::TooOften(seconds) => {
            let why = too_often(&visit, seconds);
            let shown = refused(&pages, &visit, carried, StatusCode::TOO_MANY_REQUESTS, why);
            return shown.map(|shown| retry_after(shown, seconds));
        }
    };
    let (keepsakes, entry) = pages.keepsakes(&visit);
    let (app, now) = (pages.app.clone(), pages.app.now());
    let entered = pages
        .app
        .store
        .write(move |tx| passkeys::enter(tx, &app.site(), (&asked.challenge, &answer), &entry, now));
    let (entered, _) = entered.await?;
    if let Err(why) = entered {
        return pages.no_passkey(&visit, carried, why).await;
    }
    let mut answer = pages.keeping("/me", &keepsakes);
    pages.carry_on(&mut answer, carried);
    pages.seat(&mut answer, Seat::Passkey, "", 0);
    Ok(answer)
}

impl Pages {
    /// Finds out whether an answer is right; signatures are looked at as often as an address may guess.
    async fn judge_passkey(&self, visit: &Visit, answer: &str) -> Result<Judged, Trouble> {
        let (site, now) = (self.app.site(), self.app.now());
        let permit = match self.limits.sign_ins.by_passkey(visit.client, now) {
            Ok(permit) => permit,
            Err(wait) => return Ok(self.too_many_passkeys(visit, seconds_of(wait)).await),
        };
        let entering = &self.ceremonies.entering;
        let cookie = visit.cookie(Seat::Passkey, &site);
        let Some(asked) = cookie.and_then(|cookie| entering.asked(&cookie, now)) else {
            return Ok(Judged::Late);
        };
        let (challenge, given) = (asked.challenge.clone(), answer.to_owned());
        let judged = self.app.store.read(move |tx| passkeys::judge(tx, &site, &challenge, &given)).await?;
        match judged {
            Ok(user) => {
                if let Err(wait) = self.limits.sign_ins.enter(user, Way::Passkey, now) {
                    return Ok(self.too_many_passkeys(visit, seconds_of(wait)).await);
                }
                if !entering.use_up(&asked, now) {
                    return Ok(Judged::Late);
                }
                permit.give_back();
                Ok(Judged::Goes(asked))
            }
            // The counter went on with the answer itself: the browser sent it again.
            Err(Refused { reason: Reason::Copied, .. }) if entering.is_used_up(&asked) => Ok(Judged::Late),
            Err(Refused { reason: Reason::Copied, .. }) => Ok(Judged::Goes(asked)),
            Err(why) => Ok(Judged::Refused(why)),
        }
    }

    async fn too_many_passkeys(&self, visit: &Visit, seconds: u64) -> Judged {
        self.refusals.no_passkey(visit.client, Reason::Limit, None).await;
        Judged::TooOften(seconds)
    }

    /// Refuses, with the same words whatever the reason.
    async fn no_passkey(&self, visit: &Visit, carried: &str, why: Refused) -> Result<Response, Trouble> {
        self.refusals.no_passkey(visit.client, why.reason, why.username).await;
        let said = visit.language.say(Key("refused-passkey"));
        refused(self, visit, carried, StatusCode::UNAUTHORIZED, said)
    }
}

fn refused(
    pages: &Pages,
    visit: &Visit,
    carried: &str,
    status: StatusCode,
    why: Phrase,
) -> Result<Response, Trouble> {
    Ok((status, passkey_refused(pages, visit, carried, why)?).into_response())
}
