//! What mails about second factors say.

use crate::rules::message::Message;
use crate::rules::second_factor::Factor;

/// The variables of a message about one.
pub(super) fn about_factor(message: &Message) -> Vec<(&'static str, String)> {
    if let Message::SecondFactorSet { factor, .. } = message {
        vec![("factor", called(Some(*factor)))]
    } else if let Message::SecondFactorRemoved { factor, .. } = message {
        vec![("factor", called(*factor))]
    } else if let Message::RecoveryCodeUsed { left, .. } = message {
        vec![("codes_left", left.to_string())]
    } else {
        Vec::new()
    }
}

/// What a second factor is called in mails; `None`: all there were.
fn called(factor: Option<Factor>) -> String {
    let name = match factor {
        Some(Factor::Totp) => "the codes of an authenticator app",
        Some(Factor::Email) => "codes by e-mail",
        Some(Factor::Passkey) => "a passkey",
        Some(Factor::Recovery) => "recovery codes",
        None => "everything beside the password",
    };
    name.to_owned()
}
