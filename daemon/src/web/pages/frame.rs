//! What is around every page: the company, the language, who helps, how far one is and how much time is left.

use jiff::Timestamp;

use super::branding;
use super::language::{Key, Language, Phrase};
use super::visit::Visit;
use crate::flows::inviter::Inviter;
use crate::rules::wizard::Step;
use crate::site::Site;
use crate::web::assets;

/// See the module.
pub(super) struct Frame {
    pub(super) company: String,
    /// The picture beside its name.
    pub(super) mark: String,
    pub(super) styles: [String; 2],
    pub(super) script: &'static str,
    /// The licences of what scripts and styles are made of.
    pub(super) notices: &'static str,
    pub(super) language: &'static str,
    /// Address, code and name of the page in each language.
    pub(super) languages: [(String, &'static str, &'static str); 3],
    /// What is typed can be read on the way.
    pub(super) in_the_open: bool,
    pub(super) helper: Option<Helper>,
    pub(super) steps: Vec<(StepState, Phrase)>,
    pub(super) seconds_left: Option<i64>,
    speaks: Language,
}

/// Whom to ask.
pub(super) struct Helper {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) phone: Option<Phone>,
}

/// A phone number.
pub(super) struct Phone {
    pub(super) shown: String,
    /// Digits, and perhaps a plus.
    pub(super) dialled: String,
}

/// How a step is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepState {
    Done,
    Here,
    Ahead,
}

impl StepState {
    /// Its class in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Here => "here",
            Self::Ahead => "ahead",
        }
    }
}

impl Frame {
    /// Around a page that stands alone.
    pub(super) fn new(site: &Site, visit: &Visit) -> Self {
        let brand = &site.config.branding;
        Self {
            company: brand.company.clone(),
            mark: branding::mark_url(brand),
            styles: [assets::url("app.css").to_owned(), branding::styles_url(brand)],
            script: assets::url("app.js"),
            notices: assets::url("third-party.txt"),
            language: visit.language.code(),
            languages: Language::ALL
                .map(|language| (visit.here_in(language), language.code(), language.name())),
            in_the_open: visit.is_in_the_open(site),
            helper: None,
            steps: Vec::new(),
            seconds_left: None,
            speaks: visit.language,
        }
    }

    /// Around a page of somebody who is signed in: it shows the contact, of whom strangers learn nothing.
    pub(super) fn own(site: &Site, visit: &Visit) -> Self {
        Self::new(site, visit).helped_by(Inviter::contact(site))
    }

    /// Shows who helps.
    #[must_use]
    pub(super) fn helped_by(self, inviter: Inviter) -> Self {
        let dialled = |shown: &str| shown.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
        let phone = |shown: String| Phone { dialled: dialled(&shown), shown };
        let helper = Helper { name: inviter.name(), email: inviter.email, phone: inviter.phone.map(phone) };
        Self { helper: Some(helper), ..self }
    }

    /// Shows how far one is on the way of `steps`.
    #[must_use]
    pub(super) fn at(self, here: Step, steps: &[Step]) -> Self {
        let steps = steps.iter().map(|step| {
            let state = match step.cmp(&here) {
                std::cmp::Ordering::Less => StepState::Done,
                std::cmp::Ordering::Equal => StepState::Here,
                std::cmp::Ordering::Greater => StepState::Ahead,
            };
            (state, self.speaks.say(step_name(*step)))
        });
        Self { steps: steps.collect(), ..self }
    }

    /// Shows how much time is left until `deadline` (Unix seconds).
    #[must_use]
    pub(super) fn until(self, deadline: i64, now: Timestamp) -> Self {
        Self { seconds_left: Some(deadline.saturating_sub(now.as_second()).max(0)), ..self }
    }

    /// What message `key` says. Templates call it with a literal.
    pub(super) fn say(&self, key: &'static str) -> Phrase {
        self.speaks.say(Key(key))
    }

    /// Which of the steps this is, counted from one, and how many there are.
    pub(super) fn step_count(&self) -> (i64, i64) {
        let at = |states: usize| i64::try_from(states).unwrap_or(i64::MAX);
        let here = self.steps.iter().take_while(|step| step.0 == StepState::Done).count();
        (at(here + 1), at(self.steps.len()))
    }

    /// What the step is called that one is at.
    pub(super) fn step_here(&self) -> String {
        let here = self.steps.iter().find(|step| step.0 == StepState::Here);
        here.map(|step| step.1.to_string()).unwrap_or_default()
    }

    /// Whole minutes that are left, rounded up.
    pub(super) fn minutes_left(&self) -> i64 {
        self.seconds_left.map_or(0, |seconds| seconds.saturating_add(59) / 60)
    }
}

fn step_name(step: Step) -> Key {
    match step {
        Step::You => Key("step-you"),
        Step::Password => Key("step-password"),
        Step::Factor => Key("factor-title"),
        Step::Device => Key("step-device"),
        Step::Done => Key("step-done"),
    }
}
