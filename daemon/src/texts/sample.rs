//! Variables as they could be: what every text may name, what `postern mail preview` shows.

use crate::rules::message::Kind;
use crate::template::Values;

/// Those of protocol 3.13.
pub(super) fn final_page() -> Values {
    Values::from(
        [
            ("first_name", "Ann"),
            ("last_name", "Example"),
            ("username", "ann"),
            ("defguard_url", "https://vpn.example.com/"),
            ("defguard_version", "2.1.0"),
            ("admin_first_name", "Ada"),
            ("admin_last_name", "Admin"),
            ("admin_email", "ada@example.com"),
            ("admin_phone", "+48 123456789"),
        ]
        .map(|(name, value)| (name, value.to_owned())),
    )
}

/// What stands around every mail.
pub(super) fn layout() -> Values {
    let mut values = house();
    values.insert("subject", "A subject".to_owned());
    values.insert("content", "<p>The mail's own HTML.</p>".to_owned());
    values
}

/// What every mail may name.
fn house() -> Values {
    Values::from(
        [
            ("company", "Example"),
            ("instance", "Example VPN"),
            ("url", "https://vpn.example.com/"),
            ("help_text", ""),
            ("accent", "#2457d6"),
            ("button", "background:#2457d6;color:#ffffff"),
        ]
        .map(|(name, value)| (name, value.to_owned())),
    )
}

/// Everything the texts of a message may name.
pub fn sample(kind: Kind) -> Values {
    let token = "4fJc0Q9wXn7TtHkZb2LrVd81sYpGmAeE";
    let web_link = format!("https://vpn.example.com/?token={token}");
    let deep_link = format!("defguard://addinstance?token={token}&url=https%3A%2F%2Fvpn.example.com%2F");
    let reset_link = format!("https://vpn.example.com/password-reset?token={token}");
    let expires = ("expires", "2030-01-02 15:04 UTC");
    let minutes = ("session_minutes", "10");
    let more = match kind {
        Kind::Invitation | Kind::Activation => {
            vec![("token", token), ("web_link", &web_link), ("deep_link", &deep_link), expires, minutes]
        }
        Kind::PasswordReset => vec![("reset_link", &*reset_link), expires, minutes],
        Kind::EnrollmentExpired => vec![expires],
        Kind::DeviceAdded | Kind::DeviceRekeyed | Kind::DeviceRemoved | Kind::DeviceAbandoned => {
            vec![("device", "Ann's laptop")]
        }
        Kind::PasskeyAdded | Kind::PasskeyRemoved | Kind::PasskeyCopied => vec![("passkey", "Ann's phone")],
        Kind::ConnectCode => {
            vec![("code", "271828"), expires, ("device", "Ann's laptop"), ("location", "hq")]
        }
        Kind::LocationFull => vec![("location", "hq")],
        Kind::CertificateFailing => vec![("reason", "the name does not lead to this host"), expires],
        Kind::NewLinkWanted => vec![("command", "postern user reinvite ann")],
        Kind::SecondFactorSet | Kind::SecondFactorRemoved => {
            vec![("factor", "the codes of an authenticator app")]
        }
        Kind::EmailCode => vec![("code", "123456"), expires],
        Kind::RecoveryCodeUsed => vec![("codes_left", "9")],
        Kind::Welcome | Kind::PasswordChanged | Kind::EnrollmentFinished | Kind::Test => vec![],
    };
    let mut values = house();
    values.extend(final_page());
    values.insert("admin_name", "Ada Admin".to_owned());
    values.insert("name", "Ann Example".to_owned());
    values.insert("email", "ann@example.com".to_owned());
    values.extend(more.into_iter().map(|(name, value)| (name, value.to_owned())));
    values
}
