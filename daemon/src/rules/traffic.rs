//! A day's traffic, hour by hour: how it is cut, and how counters that begin anew are read.

use jiff::Timestamp;

/// How many hours a day is looked at in.
pub const HOURS: usize = 24;

/// Bytes as the gateway counts them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Bytes {
    /// From the device.
    pub received: u64,
    /// To the device.
    pub sent: u64,
}

/// An hour, counted since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(pub i64);

/// The hours up to one that may not be over, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    first: Hour,
    hours: [Bytes; HOURS],
}

impl Bytes {
    /// Both ways.
    pub fn total(self) -> u64 {
        self.received.saturating_add(self.sent)
    }

    /// What was added since the same counters stood at `before`. One that is lower than before began anew.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        let added = |before: u64, now: u64| now.checked_sub(before).unwrap_or(now);
        Self { received: added(before.received, self.received), sent: added(before.sent, self.sent) }
    }

    fn plus(self, more: Self) -> Self {
        let received = self.received.saturating_add(more.received);
        Self { received, sent: self.sent.saturating_add(more.sent) }
    }
}

impl Hour {
    /// The one that a moment is in.
    pub fn of(now: Timestamp) -> Self {
        Self(now.as_second().div_euclid(3600))
    }

    /// The first one of the day that ends with this one.
    #[must_use]
    pub fn first_of_day(self) -> Self {
        Self(self.0.saturating_sub(23))
    }
}

impl Day {
    /// One in which nothing was moved.
    pub fn ending_with(hour: Hour) -> Self {
        Self { first: hour.first_of_day(), hours: [Bytes::default(); HOURS] }
    }

    /// Adds what was moved in one of its hours; of others, nothing.
    pub fn add(&mut self, hour: Hour, bytes: Bytes) {
        let index = usize::try_from(hour.0.saturating_sub(self.first.0)).ok();
        if let Some(of) = index.and_then(|index| self.hours.get_mut(index)) {
            *of = of.plus(bytes);
        }
    }

    /// What was moved in each.
    pub fn hours(&self) -> [Bytes; HOURS] {
        self.hours
    }

    /// What was moved in all of them.
    pub fn total(&self) -> Bytes {
        self.hours.iter().fold(Bytes::default(), |sum, hour| sum.plus(*hour))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(received: u64, sent: u64) -> Bytes {
        Bytes { received, sent }
    }

    #[test]
    fn counters_that_begin_anew_count_from_nothing() {
        assert_eq!(bytes(15, 9).since(bytes(10, 9)), bytes(5, 0));
        assert_eq!(bytes(3, 12).since(bytes(10, 9)), bytes(3, 3));
    }

    #[test]
    fn a_day_has_the_hours_up_to_the_present_one() {
        let hour = Hour::of(Timestamp::from_second(100 * 3600 + 3599).unwrap());
        assert_eq!((hour, hour.first_of_day()), (Hour(100), Hour(77)));
        let mut day = Day::ending_with(hour);
        for (hour, received) in [(76, 1), (77, 2), (100, 3), (100, 4), (101, 5), (i64::MAX, 6), (i64::MIN, 7)]
        {
            day.add(Hour(hour), bytes(received, 1));
        }
        assert_eq!((day.hours()[0], day.hours()[23], day.total()), (bytes(2, 1), bytes(7, 2), bytes(9, 3)));
    }
}
