//! What the steps of a running session share: where it stands, and that nobody is on a page before its turn.

use axum::response::Response;

use super::frame::Frame;
use super::trouble::Trouble;
use super::visit::{Seat, Visit};
use super::{Pages, see_other};
use crate::config::SecondFactor;
use crate::flows::enroll::{self, EnrollError, Session};
use crate::flows::wizard::{Progress, progress};
use crate::rules::enrollment::EnrollmentKind;
use crate::rules::token::TokenHash;
use crate::rules::wizard::Step;
use crate::site::Site;
use crate::store::{Revision, Tx};
use crate::web::limit::Presented;

/// The steps that somebody with this kind of token takes.
fn steps(kind: EnrollmentKind, second_factor: SecondFactor) -> &'static [Step] {
    match kind {
        EnrollmentKind::Enrollment if second_factor.is_required() => &Step::ALL,
        EnrollmentKind::Enrollment => &[Step::You, Step::Password, Step::Device, Step::Done],
        EnrollmentKind::Activation | EnrollmentKind::Machine => &[Step::Device, Step::Done],
    }
}

/// Where a step's page is.
pub(super) fn path(step: Step) -> &'static str {
    match step {
        Step::You => "/enroll/you",
        Step::Password => "/enroll/password",
        Step::Factor => "/enroll/second-factor",
        Step::Device => "/enroll/device",
        Step::Done => "/enroll/done",
    }
}

/// The frame of a step's page.
pub(super) fn frame(site: &Site, visit: &Visit, progress: &Progress, step: Step, pages: &Pages) -> Frame {
    Frame::new(site, visit)
        .helped_by(progress.inviter.clone())
        .at(step, steps(progress.kind(), site.config.second_factor))
        .until(progress.session.deadline, pages.app.now())
}

impl Pages {
    /// Where the session of a visit stands.
    pub(super) async fn progress(&self, visit: &Visit) -> Result<Progress, Trouble> {
        self.within(visit, progress).await
    }

    /// Where the session stands if `step` may be looked at; else the page to go to.
    pub(super) async fn at_step(
        &self,
        visit: &Visit,
        step: Step,
    ) -> Result<Result<Progress, Response>, Trouble> {
        let progress = self.progress(visit).await?;
        if step.may_be_seen(progress.kind(), progress.next) {
            Ok(Ok(progress))
        } else {
            Ok(Err(see_other(path(progress.next))))
        }
    }

    /// Changes something in the session of a visit.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        visit: &Visit,
        work: impl FnOnce(&Tx<'_>, &Site, &Session) -> Result<T, EnrollError> + Send + 'static,
    ) -> Result<Result<(T, Revision), EnrollError>, Trouble> {
        let cookie = visit.session(Seat::Enrollment, &self.app.site()).ok_or(Trouble::NoSession)?;
        let admission = self.admit(Presented::Session, cookie, visit).await?;
        let (app, now) = (self.app.clone(), self.app.now());
        let outcome = self.app.store.write(move |tx| {
            let site = app.site();
            let session = enroll::session(tx, cookie, now)?;
            work(tx, &site, &session)
        });
        let outcome = outcome.await;
        if matches!(outcome, Err(EnrollError::NoSession)) {
            admission.unknown();
        } else {
            admission.known();
        }
        Ok(outcome)
    }

    pub(super) async fn within<T: Send + 'static>(
        &self,
        visit: &Visit,
        work: impl FnOnce(&Tx<'_>, &Site, TokenHash, jiff::Timestamp) -> Result<T, EnrollError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let cookie = visit.session(Seat::Enrollment, &self.app.site()).ok_or(Trouble::NoSession)?;
        let admission = self.admit(Presented::Session, cookie, visit).await?;
        let (app, now) = (self.app.clone(), self.app.now());
        let outcome = self.app.store.read(move |tx| work(tx, &app.site(), cookie, now)).await;
        if matches!(outcome, Err(EnrollError::NoSession)) {
            admission.unknown();
        } else {
            admission.known();
        }
        Ok(outcome?)
    }
}
