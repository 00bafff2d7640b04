//! What somebody else changed: what was found against what was held since the turn before. Commits change neither, so none
//! of them is ever taken for drift, whenever it comes.

use std::collections::BTreeSet;

use postern_gateway::{InterfaceName, Observed, Plan, Step, StepKind};

/// Beyond so many lines a diff is cut short.
const MOST_LINES: usize = 50;

/// Where something is not as it was left. Nothing, by default.
#[derive(Debug, Default)]
pub(super) struct Drift {
    interfaces: BTreeSet<InterfaceName>,
    firewall: bool,
}

impl Drift {
    /// What differs. Nobody knows how the `broken` interfaces were left.
    pub(super) fn between(held: &Observed, found: &Observed, broken: &BTreeSet<InterfaceName>) -> Self {
        let names = held.interfaces.keys().chain(found.interfaces.keys());
        let is_changed = |name: &&InterfaceName| {
            !broken.contains(*name) && held.interfaces.get(*name) != found.interfaces.get(*name)
        };
        Self {
            interfaces: names.filter(is_changed).cloned().collect(),
            firewall: held.firewall != found.firewall,
        }
    }

    /// The steps of `plan` that put an interface right that somebody changed, as a diff; `None`: there are none.
    pub(super) fn repairs_of(&self, plan: &Plan, interface: &InterfaceName) -> Option<String> {
        let concerns = |step: &&Step| self.caused(step) && step.interface() == Some(interface);
        diff(plan.steps.iter().filter(concerns))
    }

    /// What those steps are about.
    pub(super) fn kinds_of(&self, plan: &Plan, interface: &InterfaceName) -> BTreeSet<StepKind> {
        let concerns = |step: &&Step| self.caused(step) && step.interface() == Some(interface);
        plan.steps.iter().filter(concerns).map(Step::kind).collect()
    }

    /// Whether `plan` puts our nftables table right that somebody changed.
    pub(super) fn is_of_firewall(&self, plan: &Plan) -> bool {
        plan.steps.iter().any(|step| step.interface().is_none() && self.caused(step))
    }

    /// Logs what is going to be done.
    pub(super) fn report(&self, plan: &Plan) {
        let steps = plan.steps.len();
        if let Some(repairs) = diff(plan.steps.iter().filter(|step| self.caused(step))) {
            tracing::warn!(steps, "found changed from outside, putting right:\n{repairs}");
        } else if steps > 0 {
            tracing::debug!(steps, "changing:\n{plan}");
        }
    }

    fn caused(&self, step: &Step) -> bool {
        step.interface().map_or(self.firewall, |name| self.interfaces.contains(name))
    }
}

fn diff<'a>(steps: impl Iterator<Item = &'a Step>) -> Option<String> {
    let text = steps.map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let mut lines: Vec<&str> = text.lines().collect();
    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    let rest = if more == 0 { String::new() } else { format!("\n({more} more lines)") };
    (!lines.is_empty()).then(|| lines.join("\n") + &rest)
}
