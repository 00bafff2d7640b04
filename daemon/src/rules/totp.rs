//! Codes of authenticator apps (TOTP, RFC 6238): HMAC-SHA-1, six digits, another one every 30 seconds, as all apps can. One
//! code before and one after the present one are right, too (5.2); none is right twice.

use jiff::Timestamp;
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

/// As long as the output of SHA-1, as RFC 4226, 4, recommends.
pub const SECRET_BYTES: usize = 20;
/// Seconds for which an app shows a code.
const STEP_SECONDS: u64 = 30;
/// So many codes before and after the present one are right, because clocks differ and people are slow.
const SKEW: u16 = 1;
const DIGITS: u8 = 6;

/// Which code of all that a secret has: the number of its 30 seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step(pub i64);

/// What an app and we compute codes from.
pub struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl Secret {
    /// `random` is to be fresh.
    pub fn from_random(random: [u8; 32]) -> Self {
        let random = Zeroizing::new(random);
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        secret.iter_mut().zip(random.iter()).for_each(|(to, from)| *to = *from);
        Self(secret)
    }

    /// `None`: not so many bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// To be sealed.
    pub fn expose(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// To be typed into an app: base32 without padding.
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(self.codes("", "").secret().to_base32())
    }

    /// To be scanned by an app: `otpauth://totp/ISSUER:ACCOUNT?…`, in which neither name has a colon.
    pub fn uri(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        // It fails for names that are empty or have a colon; usernames are neither.
        Zeroizing::new(self.codes(&issuer.replace(':', " "), account).to_url().unwrap_or_default())
    }

    /// Which step a code belongs to, if it is right at this moment and belongs to a later step than the last one used. Spaces in
    /// it are people's.
    pub fn check(&self, code: &str, last: Option<Step>, now: Timestamp) -> Option<Step> {
        let code: Zeroizing<String> = Zeroizing::new(code.split_whitespace().collect());
        let step = self.codes("", "").check(&code, u64::try_from(now.as_second()).ok()?)?;
        let step = Step(i64::try_from(step).ok()?);
        last.is_none_or(|last| step > last).then_some(step)
    }

    fn codes(&self, issuer: &str, account: &str) -> Totp {
        // Everything in it is as the RFC wants it.
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_step_duration(STEP_SECONDS)
            .with_skew(SKEW)
            .with_secret(self.0.to_vec())
            .with_issuer((!issuer.is_empty()).then_some(issuer))
            .with_account_name(account)
            .build_noncompliant()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the ASCII digits, with the last six of its eight digits.
    const RFC: &[u8] = b"12345678901234567890";

    fn rfc() -> Secret {
        Secret::from_bytes(RFC).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        for (second, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(rfc().check(code, None, at(second)), Some(Step(second / 30)), "{second}");
        }
    }

    #[test]
    fn a_code_is_right_a_step_before_and_after_and_no_longer() {
        for (second, is_right) in
            [(0, true), (29, true), (30, true), (59, true), (89, true), (90, false), (120, false)]
        {
            assert_eq!(rfc().check("287082", None, at(second)).is_some(), is_right, "{second}");
        }
    }

    #[test]
    fn no_step_is_used_twice_nor_an_earlier_one_after_it() {
        assert_eq!(rfc().check("287082", Some(Step(0)), at(59)), Some(Step(1)));
        assert_eq!(rfc().check("287082", Some(Step(1)), at(59)), None);
        assert_eq!(rfc().check("287082", Some(Step(2)), at(59)), None);
    }

    #[test]
    fn only_six_digits_are_a_code_and_spaces_do_not_count() {
        assert!(rfc().check(" 287 082\n", None, at(59)).is_some());
        for code in ["", "28708", "2870820", "+28708", "-87082", "28708a", "287O82", "٢٨٧٠٨٢"] {
            assert!(rfc().check(code, None, at(59)).is_none(), "{code}");
        }
    }

    #[test]
    fn an_app_learns_issuer_account_and_secret_by_a_link() {
        let uri = rfc().uri("Example: VPN & more", "ann.b");
        assert_eq!(
            uri.as_str(),
            "otpauth://totp/Example%20%20VPN%20%26%20more:ann.b?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example%20%20VPN%20%26%20more"
        );
        assert_eq!(rfc().base32().as_str(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }
}
