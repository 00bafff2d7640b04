//! A day's traffic as a small picture, drawn here: a bar for each hour. What it says is beside it, in words.

use super::language::{Key, Language, Phrase};
use crate::rules::traffic::{Bytes, Day};

/// How high the picture is; a bar has a fifth of that.
const HEIGHT: u64 = 20;
/// From bar to bar.
const STEP: usize = 4;

/// The picture, in units of its own.
pub(super) struct Chart {
    pub(super) bars: Vec<Bar>,
    pub(super) said: Phrase,
}

/// An hour in which something was moved.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) y: u64,
    pub(super) height: u64,
}

impl Chart {
    /// Of a day in which something was moved.
    pub(super) fn of(day: &Day, language: Language) -> Self {
        let Bytes { received, sent } = day.total();
        // People look from their device: what the gateway sent is what came.
        let said = language.say(Key("me-traffic"));
        let said = said.with("came", amount(sent, language)).with("went", amount(received, language));
        Self { bars: bars(day), said }
    }
}

fn bars(day: &Day) -> Vec<Bar> {
    let hours = day.hours().map(Bytes::total);
    let most = u128::from(hours.into_iter().max().unwrap_or_default().max(1));
    let bar = |(index, moved): (usize, u64)| {
        // Rounded up: what is there is seen.
        let height = (u128::from(moved) * u128::from(HEIGHT)).div_ceil(most);
        let height = u64::try_from(height).unwrap_or(HEIGHT);
        Bar { x: index * STEP, y: HEIGHT - height, height }
    };
    hours.into_iter().enumerate().filter(|(_, moved)| *moved > 0).map(bar).collect()
}

/// So many bytes, as people say it.
fn amount(bytes: u64, language: Language) -> String {
    let rounded = |tenths: u128, unit: u128| (u128::from(bytes) * tenths + unit / 2) / unit;
    let (mut unit, mut called) = (1, "B");
    for larger in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        // What rounds to a thousand is one of the next.
        if rounded(10, unit) < 9_995 {
            break;
        }
        (unit, called) = (unit * 1000, larger);
    }
    let (whole, tenths) = (rounded(1, unit), rounded(10, unit));
    let point = match language {
        Language::English => '.',
        Language::Polish | Language::German => ',',
    };
    if unit == 1 || tenths >= 1000 {
        format!("{whole}\u{a0}{called}")
    } else {
        format!("{}{point}{}\u{a0}{called}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::traffic::Hour;

    #[test]
    fn amounts_are_told_as_people_say_them() {
        for (bytes, said) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (12_340, "12.3 kB"),
            (999_949, "1.0 MB"),
            (123_456_789, "123 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(amount(bytes, Language::English), said.replace(' ', "\u{a0}"));
        }
        assert_eq!(amount(1500, Language::German), "1,5\u{a0}kB");
    }

    #[test]
    fn the_highest_bar_fills_the_picture_and_the_least_is_seen() {
        let mut day = Day::ending_with(Hour(23));
        assert_eq!(bars(&day), []);
        for (hour, received) in [(0, 1), (3, 500_000), (23, 1_000_000)] {
            day.add(Hour(hour), Bytes { received, sent: 0 });
        }
        let bar = |x, y, height| Bar { x, y, height };
        assert_eq!(bars(&day), [bar(0, 19, 1), bar(12, 10, 10), bar(92, 0, 20)]);
        day.add(Hour(5), Bytes { received: u64::MAX, sent: u64::MAX });
        assert_eq!(bars(&day)[2], bar(20, 0, 20));
    }
}
