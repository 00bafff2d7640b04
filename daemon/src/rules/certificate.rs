//! What a certificate says, and when that is a reason to act or to worry. How it is read, presented and obtained is for
//! `tls`.

use jiff::{SignedDuration, Timestamp};

/// So many days before its end a certificate is worth a word: who renews by hand needs them.
const WARN_DAYS: i64 = 14;
/// Of a short life it is the last part of so many. What renews itself does so in the last third: well before.
const LAST_PART: i32 = 6;

/// What stands in the certificate that visitors are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// DNS names, perhaps with a `*` as first label, and IP addresses.
    pub names: Vec<String>,
    /// Who signed it, as one line.
    pub issuer: String,
    /// Not good before.
    pub not_before: Timestamp,
    /// Not good after.
    pub not_after: Timestamp,
}

impl Certificate {
    /// Whether it is for `host`, a name or an address, IPv6 in brackets or not.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        self.names.iter().any(|name| is_for(name, host))
    }

    /// When to ask for the next one: after two thirds of its time, earlier by up to a tenth of that; `share`, from 0 to
    /// 255, says how much, so that not all the world comes at once.
    pub fn renew_at(&self, share: u8) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        let due = life.checked_mul(2).unwrap_or(life) / 3;
        let earlier = due / 10 / 255 * i32::from(share);
        self.not_before.checked_add(due - earlier).unwrap_or(self.not_after)
    }

    /// What visitors of `host` will not like about it, or soon; `None`: nothing.
    pub fn worry(&self, host: &str, now: Timestamp) -> Option<String> {
        if !self.covers(host) {
            let names = self.names.join(", ");
            return Some(format!("the certificate is for {names}, not for {host}, the host of public_url"));
        }
        if now < self.not_before {
            return Some(format!("the certificate is good only from {}: check the clock", self.not_before));
        }
        if now >= self.not_after {
            return Some(format!("the certificate expired at {}: renew it", self.not_after));
        }
        self.is_near_its_end(now).then(|| format!("the certificate expires at {}: renew it", self.not_after))
    }

    /// Whether it should have been replaced by now, however short its life is.
    pub fn is_near_its_end(&self, now: Timestamp) -> bool {
        now > self.last_part()
    }

    /// The last moment at which nobody worries.
    pub fn last_part(&self) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        let part = SignedDuration::from_hours(24 * WARN_DAYS).min(life / LAST_PART);
        self.not_after.checked_sub(part).unwrap_or(self.not_after)
    }
}

fn is_for(name: &str, host: &str) -> bool {
    let wild = name.strip_prefix("*.").zip(host.split_once('.'));
    name.eq_ignore_ascii_case(host)
        || wild.is_some_and(|(domain, (label, rest))| !label.is_empty() && domain.eq_ignore_ascii_case(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    const DAY: i64 = 24 * 60 * 60;

    fn for_90_days(names: &[&str]) -> Certificate {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Certificate { names, issuer: "CN=Test".to_owned(), not_before: at(0), not_after: at(90 * DAY) }
    }

    #[test]
    fn a_star_stands_for_one_label() {
        let certificate = for_90_days(&["*.example.com", "2001:db8::1"]);
        for (host, covered) in [
            ("vpn.example.com", true),
            ("VPN.Example.COM", true),
            ("[2001:db8::1]", true),
            ("example.com", false),
            ("a.vpn.example.com", false),
            (".example.com", false),
        ] {
            assert_eq!(certificate.covers(host), covered, "{host}");
        }
    }

    #[test]
    fn it_is_renewed_after_two_thirds_of_its_time_or_a_little_earlier() {
        let certificate = for_90_days(&["vpn.example.com"]);
        assert_eq!(certificate.renew_at(0), at(60 * DAY));
        let earliest = certificate.renew_at(255);
        assert!((54 * DAY..54 * DAY + 60).contains(&earliest.as_second()), "{earliest}");
    }

    #[test]
    fn one_of_six_days_is_near_its_end_on_the_last_and_not_when_it_becomes_due() {
        let certificate = Certificate { not_after: at(6 * DAY), ..for_90_days(&["vpn.example.com"]) };
        assert!(!certificate.is_near_its_end(certificate.renew_at(0)));
        let from = [5 * DAY, 5 * DAY + 1].map(|second| certificate.is_near_its_end(at(second)));
        assert_eq!(from, [false, true]);
    }

    #[test]
    fn what_visitors_would_be_warned_of_is_told_in_time() {
        let certificate = for_90_days(&["vpn.example.com"]);
        let worry = |host, now| certificate.worry(host, at(now)).unwrap_or_default();
        assert_eq!(worry("vpn.example.com", 75 * DAY), "");
        assert!(worry("vpn.example.com", 77 * DAY).contains("expires at"));
        assert!(worry("vpn.example.com", 90 * DAY).contains("expired at"));
        assert!(worry("vpn.example.com", -1).contains("good only from"));
        assert!(worry("www.example.com", 0).contains("is for vpn.example.com, not for www.example.com"));
    }
}
