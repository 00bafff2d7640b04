//! The second step of signing in: a code of an authenticator app or by mail, or a recovery code; passkeys are another page's. There is nothing to see for a
//! browser in which nobody gave the right password a moment ago.

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use zeroize::Zeroizing;

use super::Pages;
use super::form::Form;
use super::frame::Frame;
use super::language::{Key, Phrase};
use super::sign_in::retry_after;
use super::trouble::{Trouble, page};
use super::visit::{Seat, Visit};
use crate::flows::passkeys;
use crate::flows::sign_in_code::{self, Given, Waiting};
use crate::rules::action::{Action, Reason};
use crate::rules::ids::UserId;
use crate::rules::recovery;
use crate::rules::second_factor::Factors;
use crate::rules::token::TokenHash;
use crate::web::limit::Presented;
use crate::web::seconds_of;

#[derive(Template)]
#[template(path = "pages/sign-in-code.html")]
struct CodePage {
    frame: Frame,
    factors: Factors,
    /// Whether it was a recovery code that was refused.
    by_recovery: bool,
    error: Option<Phrase>,
    help_text: String,
    /// Whether there is one that a browser can use where we are.
    has_passkeys: bool,
    passkey_error: Option<Phrase>,
}

/// A field for the code.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Trouble> {
    let (_, waiting) = pages.waiting(&visit).await?;
    page(&code_page(&pages, &visit, waiting.factors, None))
}

/// Signs in.
pub(super) async fn give(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    let (token, waiting) = pages.waiting(&visit).await?;
    let form = Form::read(body).await?;
    let (code, recovery) = (form.get("code"), form.get("recovery"));
    let typed = Zeroizing::new(if recovery.is_empty() { code } else { recovery }.to_owned());
    let refused = |status, error| {
        let plain = code_page(&pages, &visit, waiting.factors, Some(error));
        let shown = page(&CodePage { by_recovery: !recovery.is_empty(), ..plain })?;
        Ok((status, shown).into_response())
    };
    if typed.trim().is_empty() {
        return refused(StatusCode::UNPROCESSABLE_ENTITY, visit.language.say(Key("refused-no-code")));
    }
    let user = waiting.user.id;
    // Nobody guesses a recovery code: whoever used up the tries of the others is let in with one.
    let counts = recovery::hash(user, &typed).is_none();
    if counts
        && let Err(seconds) =
            pages.take_code(&visit, Action::SessionStart, (user, &waiting.user.username)).await
    {
        let answer = refused(StatusCode::TOO_MANY_REQUESTS, too_many_codes(&visit, seconds));
        return answer.map(|answer| retry_after(answer, seconds));
    }
    match pages.give_code(&visit, (token, typed), user, counts).await? {
        Ok(answer) => Ok(answer),
        Err(Given::Wrong) => {
            pages.no_code(&visit, Action::SessionStart, &waiting.user.username).await;
            refused(StatusCode::UNAUTHORIZED, visit.language.say(Key("refused-code")))
        }
        Err(Given::Nobody | Given::SignedIn(_)) => Err(Trouble::SignedOut),
    }
}

/// The page, with what is wrong with a passkey.
pub(super) fn passkey_refused(
    pages: &Pages,
    visit: &Visit,
    factors: Factors,
    (status, why): (StatusCode, Phrase),
) -> Result<Response, Trouble> {
    let plain = code_page(pages, visit, factors, None);
    let shown = page(&CodePage { passkey_error: Some(why), ..plain })?;
    Ok((status, shown).into_response())
}

/// What to tell whoever gave too many wrong codes.
pub(super) fn too_many_codes(visit: &Visit, seconds: u64) -> Phrase {
    let minutes = i64::try_from(seconds.div_ceil(60)).unwrap_or(i64::MAX);
    visit.language.say(Key("refused-too-many-codes")).count("minutes", minutes)
}

impl Pages {
    /// Signs in whoever gives a right code; what it took, if it `counts`, is theirs again unless it was wrong.
    async fn give_code(
        &self,
        visit: &Visit,
        (token, typed): (TokenHash, Zeroizing<String>),
        user: UserId,
        counts: bool,
    ) -> Result<Result<Response, Given>, Trouble> {
        let (keepsakes, entry) = self.keepsakes(visit);
        let (app, now) = (self.app.clone(), self.app.now());
        let giving = self.app.store.write(move |tx| {
            let site = app.site();
            sign_in_code::give(tx, &site, (token, &typed), &entry, now)
        });
        let given = giving.await;
        if counts && !matches!(given, Ok((Given::Wrong, _))) {
            self.limits.sign_ins.code_was_right(user);
        }
        let given = given?.0;
        if !matches!(given, Given::SignedIn(_)) {
            return Ok(Err(given));
        }
        let mut answer = self.keeping("/me", &keepsakes);
        self.seat(&mut answer, Seat::Code, "", 0);
        Ok(Ok(answer))
    }

    /// Who owes a second factor in this browser, and under what.
    pub(super) async fn waiting(&self, visit: &Visit) -> Result<(TokenHash, Waiting), Trouble> {
        let token = visit.session(Seat::Code, &self.app.site()).ok_or(Trouble::SignedOut)?;
        let admission = self.admit(Presented::Session, token, visit).await?;
        let now = self.app.now();
        let found = self.app.store.read(move |tx| sign_in_code::waiting(tx, token, now)).await;
        let Some(waiting) = found? else {
            admission.unknown();
            return Err(Trouble::SignedOut);
        };
        admission.known();
        Ok((token, waiting))
    }

    /// Takes what a try of a code costs an account, before anybody looks at it; the error says how many seconds to wait.
    pub(super) async fn take_code(
        &self,
        visit: &Visit,
        action: Action,
        (user, username): (UserId, &str),
    ) -> Result<(), u64> {
        let Err(wait) = self.limits.sign_ins.code(user, self.app.now()) else { return Ok(()) };
        self.refusals.no_code(visit.client, action, Reason::Limit, username.to_owned()).await;
        Err(seconds_of(wait))
    }

    /// Writes down that a code was wrong.
    pub(super) async fn no_code(&self, visit: &Visit, action: Action, username: &str) {
        self.refusals.no_code(visit.client, action, Reason::Code, username.to_owned()).await;
    }
}

fn code_page(pages: &Pages, visit: &Visit, factors: Factors, error: Option<Phrase>) -> CodePage {
    let site = pages.app.site();
    CodePage {
        frame: Frame::new(&site, visit),
        factors,
        by_recovery: false,
        error,
        help_text: site.config.branding.help_text.clone(),
        has_passkeys: factors.passkeys > 0 && passkeys::are_possible(&site),
        passkey_error: None,
    }
}
