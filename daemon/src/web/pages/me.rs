//! What is one's own: who one is, one's devices and where they may be, and where one is signed in.

use std::collections::BTreeMap;

use askama::Template;
use axum::Extension;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use jiff::Timestamp;
use postern_gateway::chain;

use super::form::{Form, asked};
use super::frame::Frame;
use super::lamp::Lit;
use super::language::{Key, Language, Phrase};
use super::me_traffic::Chart;
use super::trouble::{Trouble, page};
use super::visit::{Seat, Visit};
use super::{Pages, see_other};
use crate::flows::own_apps;
use crate::flows::own_client;
use crate::flows::refusal::Refusal;
use crate::flows::roster::{self, DeviceView, PlaceState, PlaceView};
use crate::flows::second_factor;
use crate::flows::sign_in::{self, SignInError, SignedIn, Which};
use crate::gateway_view::is_fresh;
use crate::rules::ids::{DeviceId, LocationId, SessionId};
use crate::rules::second_factor::Factors;
use crate::rules::session::Session;
use crate::rules::traffic::{Day, Hour};
use crate::site::Site;
use crate::store::account::User;
use crate::store::{Revision, StoreError, Tx};
use crate::web::limit::Presented;

/// What each device moved on each location.
type Days = BTreeMap<(DeviceId, LocationId), Day>;

#[derive(Template)]
#[template(path = "pages/me.html")]
struct MePage {
    frame: Frame,
    /// What was just done.
    notice: Option<Notice>,
    user: User,
    /// Whether they may change anything about themselves.
    changes_particulars: bool,
    groups: String,
    /// Whether there is an application of theirs, if only one that they may not open any more.
    has_apps: bool,
    /// Name and address of each application they may open.
    apps: Vec<(String, Option<String>)>,
    /// What signing in takes beside the password.
    factors: Factors,
    devices: Vec<ShownDevice>,
    /// The one that looks, first.
    sessions: Vec<ShownSession>,
}

struct Notice {
    /// As style sheets know it.
    kind: &'static str,
    said: Phrase,
}

struct ShownDevice {
    id: i64,
    name: String,
    places: Vec<ShownPlace>,
}

struct ShownPlace {
    location: String,
    addresses: String,
    /// As style sheets know it.
    lit: &'static str,
    state: Phrase,
    /// Of the last day, if anything was moved.
    chart: Option<Chart>,
}

struct ShownSession {
    id: i64,
    is_this: bool,
    browser: Option<String>,
    address: String,
    since: Phrase,
    used: Phrase,
}

/// The page.
pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    RawQuery(query): RawQuery,
) -> Result<Response, Trouble> {
    let who = pages.signed_in(&visit).await?;
    if query.is_none() && pages.waiting_for(&visit).is_some() {
        // They signed in because an application asked for it, or to see another page.
        return Ok(see_other("/openid/continue"));
    }
    let (app, now, asked) = (pages.app.clone(), pages.app.now(), who.clone());
    let found = pages.app.store.read(move |tx| {
        let site = app.site();
        let devices = roster::devices(tx, &site, Some(&asked.user.username), now)?;
        let groups = tx.groups_of(asked.user.id)?;
        let days = tx.traffic_of(asked.user.id, Hour::of(now))?;
        let apps = own_apps::list(tx, &asked)?;
        Ok::<_, Refusal>((devices, groups, apps, sign_in::sessions(tx, &site, &asked, now)?, days))
    });
    let (devices, groups, apps, sessions, days) = found.await?;
    let stats = pages.lamp.stats(now).await;
    let devices =
        devices.into_iter().map(|device| shown(device.with_traffic(&stats), &days, visit.language, now));
    let mut sessions: Vec<_> =
        sessions.into_iter().map(|session| shown_session(session, &who, visit.language, now)).collect();
    sessions.sort_by_key(|session| !session.is_this);
    page(&MePage {
        frame: Frame::own(&pages.app.site(), &visit),
        notice: notice(query.as_deref(), visit.language),
        user: who.user,
        factors: who.factors,
        changes_particulars: !pages.app.site().config.portal.may_change.is_empty(),
        groups: groups.into_iter().collect::<Vec<_>>().join(", "),
        has_apps: !apps.is_empty(),
        apps: apps
            .into_iter()
            .filter(|own| own.is_permitted)
            .map(|own| (own.app.name, own.app.url))
            .collect(),
        devices: devices.collect(),
        sessions,
    })
}

/// Ends one session, or all but this one.
pub(super) async fn end_sessions(
    State(pages): State<Pages>,
    Extension(visit): Extension<Visit>,
    body: Body,
) -> Result<Response, Trouble> {
    pages.signed_in(&visit).await?;
    let form = Form::read(body).await?;
    let which = match form.get("session") {
        "others" => Which::Others,
        number => Which::One(SessionId(number.parse().map_err(|_| Trouble::Malformed)?)),
    };
    let ended = pages.change_own(&visit, move |tx, site, who, now| {
        if which == Which::Others {
            own_client::withdraw(tx, site, who, now)?;
        }
        Ok(sign_in::end(tx, who, which, now)?)
    });
    ended.await??;
    Ok(see_other("/me?done=ended"))
}

/// Where one's forms were sent to, looked at again.
pub(super) async fn again() -> Response {
    see_other("/me")
}

impl Pages {
    /// Who is signed in, and owes nothing that the configuration wants of them.
    pub(super) async fn signed_in(&self, visit: &Visit) -> Result<SignedIn, Trouble> {
        self.owing_nothing(self.anybody(visit).await?)
    }

    /// As [`Self::signed_in`], for an application beside us, which asks often.
    pub(super) async fn signed_in_beside(&self, visit: &Visit) -> Result<SignedIn, Trouble> {
        self.owing_nothing(self.noted(visit, Presented::SessionBeside).await?)
    }

    /// Who is signed in. Their use is written down, once a minute.
    pub(super) async fn anybody(&self, visit: &Visit) -> Result<SignedIn, Trouble> {
        self.noted(visit, Presented::Session).await
    }

    async fn noted(&self, visit: &Visit, what: Presented) -> Result<SignedIn, Trouble> {
        let who = self.seated_with(visit, what).await?;
        let now = self.app.now();
        if who.session.is_to_note(&visit.client.to_string(), now) {
            let used = who.clone();
            if let Err(error) = self.app.store.write(move |tx| sign_in::note_use(tx, &used, now)).await {
                // Looking goes on while nothing can be written.
                tracing::warn!(error = chain(&error), "that a session is used could not be written down");
            }
        }
        Ok(who)
    }

    /// As [`Self::signed_in`], but that they looked does not count as use: a script did.
    pub(super) async fn looks(&self, visit: &Visit) -> Result<SignedIn, Trouble> {
        self.owing_nothing(self.seated_with(visit, Presented::Session).await?)
    }

    fn owing_nothing(&self, who: SignedIn) -> Result<SignedIn, Trouble> {
        if second_factor::owes(&self.app.site(), who.factors) { Err(Trouble::OwesSetUp) } else { Ok(who) }
    }

    async fn seated_with(&self, visit: &Visit, what: Presented) -> Result<SignedIn, Trouble> {
        let cookie = visit.session(Seat::Account, &self.app.site()).ok_or(Trouble::SignedOut)?;
        let admission = self.admit(what, cookie, visit).await?;
        let (app, now) = (self.app.clone(), self.app.now());
        let found = self.app.store.read(move |tx| sign_in::session(tx, &app.site(), cookie, now)).await;
        if matches!(found, Err(SignInError::NoSession)) {
            admission.unknown();
        } else {
            admission.known();
        }
        Ok(found?)
    }

    /// Changes something of who is signed in, and looks in the same transaction that they still are.
    pub(super) async fn change_own<T: Send + 'static>(
        &self,
        visit: &Visit,
        work: impl FnOnce(&Tx<'_>, &Site, &SignedIn, Timestamp) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<Result<(T, Revision), Refusal>, Trouble> {
        self.change_own_or(visit, work).await
    }

    /// The same for what is refused in its own words.
    pub(super) async fn change_own_or<T: Send + 'static, E: Send + 'static>(
        &self,
        visit: &Visit,
        work: impl FnOnce(&Tx<'_>, &Site, &SignedIn, Timestamp) -> Result<T, E> + Send + 'static,
    ) -> Result<Result<(T, Revision), E>, Trouble> {
        let cookie = visit.session(Seat::Account, &self.app.site()).ok_or(Trouble::SignedOut)?;
        let (app, now) = (self.app.clone(), self.app.now());
        let changed = self.app.store.write(move |tx| {
            let site = app.site();
            let who = sign_in::session(tx, &site, cookie, now)?;
            work(tx, &site, &who, now).map_err(Undone::Refused)
        });
        match changed.await {
            Ok(done) => Ok(Ok(done)),
            Err(Undone::Refused(refused)) => Ok(Err(refused)),
            Err(Undone::Before(error)) => Err(error.into()),
        }
    }
}

/// Why nothing was changed.
enum Undone<E> {
    /// Nobody is signed in, or nobody could look.
    Before(SignInError),
    Refused(E),
}

impl<E> From<SignInError> for Undone<E> {
    fn from(error: SignInError) -> Self {
        Self::Before(error)
    }
}

impl<E> From<StoreError> for Undone<E> {
    fn from(error: StoreError) -> Self {
        Self::Before(error.into())
    }
}

fn notice(query: Option<&str>, language: Language) -> Option<Notice> {
    let done = asked(query, "done")?;
    let key = match &*done {
        "password" => Some(Key("notice-password")),
        "renamed" => Some(Key("notice-renamed")),
        "removed" => Some(Key("notice-removed")),
        "removing" => Some(Key("notice-removing")),
        "ended" => Some(Key("notice-ended")),
        "factor-removed" => Some(Key("notice-factor-removed")),
        "withdrawn" => Some(Key("notice-withdrawn")),
        "changed" => Some(Key("notice-changed")),
        _ => None,
    }?;
    let kind = if done == "removing" { "notice" } else { "done" };
    Some(Notice { kind, said: language.say(key) })
}

fn shown(device: DeviceView, days: &Days, language: Language, now: Timestamp) -> ShownDevice {
    let places = device.locations.into_iter().map(|place| {
        let chart = days.get(&(device.id, place.id)).map(|day| Chart::of(day, language));
        ShownPlace { chart, ..shown_place(place, language, now) }
    });
    ShownDevice { places: places.collect(), id: device.id.0, name: device.name }
}

fn shown_place(place: PlaceView, language: Language, now: Timestamp) -> ShownPlace {
    let [v4, v6] = [place.ipv4.map(|ip| ip.to_string()), place.ipv6.map(|ip| ip.to_string())];
    let own = place.allowed_ips.iter().map(ToString::to_string);
    let addresses: Vec<String> = v4.into_iter().chain(v6).chain(own).collect();
    let handshake = place.traffic.and_then(|traffic| traffic.last_handshake);
    let (lit, state) = match (place.state, handshake) {
        (PlaceState::NoAddress, _) => (Lit::Pending, language.say(Key("place-no-address"))),
        (PlaceState::SecondFactor, _) => (Lit::Pending, language.say(Key("place-second-factor"))),
        (PlaceState::LeftOut, _) => (Lit::Pending, language.say(Key("place-left-out"))),
        (PlaceState::Pending, _) => (Lit::Pending, language.say(Key("lamp-pending"))),
        // WireGuard forgets handshakes when the host starts anew: there may have been some.
        (PlaceState::Live, None) => (Lit::Ready, language.say(Key("place-idle"))),
        (PlaceState::Live, Some(at)) if is_fresh(at, now) => {
            (Lit::Connected, language.say(Key("lamp-connected")))
        }
        (PlaceState::Live, Some(at)) => {
            let said = language.say(Key("place-idle-since"));
            (Lit::Ready, said.with("ago", ago(at.as_second(), language, now)))
        }
    };
    let lit = lit.name();
    ShownPlace { location: place.location, addresses: addresses.join(", "), lit, state, chart: None }
}

fn shown_session(session: Session, who: &SignedIn, language: Language, now: Timestamp) -> ShownSession {
    ShownSession {
        id: session.id.0,
        is_this: session.id == who.session.id,
        browser: Some(session.browser).filter(|browser| !browser.is_empty()),
        address: session.address,
        since: ago(session.created_at, language, now),
        used: ago(session.last_used_at, language, now),
    }
}

/// How long ago a Unix second was: a moment, or so many minutes, hours or days.
pub(super) fn ago(second: i64, language: Language, now: Timestamp) -> Phrase {
    let minutes = now.as_second().saturating_sub(second).max(0) / 60;
    match (minutes, minutes / 60, minutes / (60 * 24)) {
        (0, ..) => language.say(Key("ago-moment")),
        (_, 0, _) => language.say(Key("ago-minutes")).count("count", minutes),
        (_, hours, 0) => language.say(Key("ago-hours")).count("count", hours),
        (.., days) => language.say(Key("ago-days")).count("count", days),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    #[test]
    fn times_are_told_in_the_words_of_a_language() {
        let said = |seconds, language| ago(0, language, at(seconds)).to_string();
        for (seconds, english, polish, german) in [
            (-5, "just now", "przed chwilą", "gerade eben"),
            (59, "just now", "przed chwilą", "gerade eben"),
            (60, "1 minute ago", "1 minutę temu", "vor 1 Minute"),
            (3 * 60, "3 minutes ago", "3 minuty temu", "vor 3 Minuten"),
            (5 * 3600, "5 hours ago", "5 godzin temu", "vor 5 Stunden"),
            (24 * 3600, "1 day ago", "1 dzień temu", "vor 1 Tag"),
        ] {
            assert_eq!(said(seconds, Language::English), english);
            assert_eq!(said(seconds, Language::Polish), polish);
            assert_eq!(said(seconds, Language::German), german);
        }
    }
}
