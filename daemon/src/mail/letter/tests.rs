//! Every message that there is, against people who might make trouble.

use super::*;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::issue::issue_enrollment;
use crate::flows::password_reset;
use crate::rules::enrollment::EnrollmentKind;
use crate::rules::ids::{CodeId, LocationId};
use crate::rules::message::PasskeyEvent;
use crate::rules::second_factor::Factor;
use crate::rules::token::Purpose;
use crate::store::Store;
use crate::store::device::DeviceOwner;

/// Runs `check` on every message about ann, as she is in the store.
fn on_every_message(site: impl Fn(&mut Site), check: impl Fn(&Message, &Tx<'_>, &Site)) {
    let store = Store::in_memory().unwrap();
    let mut own = a_site(&store);
    site(&mut own);
    let site = &own;
    let every = |tx: &Tx<'_>| {
        let ann = a_person(tx, "ann");
        tx.activate_user(ann, "hash", None)?;
        let subject = Subject::User(ann);
        let ttl = site.config.enrollment.token_ttl;
        let (enrollment, _, _) =
            issue_enrollment(tx, site, subject, EnrollmentKind::Enrollment, None, ttl, at(0))?;
        let (reset, _) = password_reset::grant(tx, site, 0, Some(ann), at(0))?.unwrap();
        let key = postern_gateway::PrivateKey::from_random([9; 32]).public();
        let owner = DeviceOwner::User(ann);
        let device = tx.insert_device(owner, "<i>laptop</i>", Some(key), None, at(0))?;
        let code = |purpose| tx.make_code(ann, purpose, at(0));
        let codes = [code(Purpose::SignIn)?, code(Purpose::Connect(device, LocationId(1)))?];
        for message in messages(ann, enrollment, reset, codes) {
            check(&message, tx, site);
        }
        Ok::<_, StoreError>(())
    };
    store.write_blocking(every).unwrap();
}

fn messages(user: UserId, enrollment: EnrollmentId, reset: ResetId, codes: [CodeId; 2]) -> Vec<Message> {
    let device = "<i>laptop</i>".to_owned();
    let passkey = |event| Message::Passkey { user, passkey: "key".to_owned(), event };
    Kind::ALL
        .iter()
        .filter_map(|kind| {
            let device = device.clone();
            Some(match kind {
                Kind::Invitation => Message::Invitation { enrollment, send_to: None },
                Kind::Activation => Message::Activation { enrollment, send_to: None },
                Kind::Welcome => Message::Welcome { user },
                Kind::PasswordReset => Message::PasswordReset { reset },
                Kind::PasswordChanged => Message::PasswordChanged { user },
                Kind::PasskeyAdded => passkey(PasskeyEvent::Added),
                Kind::PasskeyRemoved => passkey(PasskeyEvent::Removed),
                Kind::PasskeyCopied => passkey(PasskeyEvent::Copied),
                Kind::DeviceAdded => Message::DeviceAdded { user, device },
                Kind::DeviceRekeyed => Message::DeviceRekeyed { user, device },
                Kind::DeviceRemoved => Message::DeviceRemoved { user, device },
                Kind::EnrollmentFinished => Message::EnrollmentFinished { user },
                Kind::EnrollmentExpired => Message::EnrollmentExpired { enrollment },
                Kind::LocationFull => Message::LocationFull { location: device },
                Kind::CertificateFailing => {
                    Message::CertificateFailing { to: None, reason: device, not_after: Some(0) }
                }
                Kind::DeviceAbandoned => Message::DeviceAbandoned { user, device },
                Kind::NewLinkWanted => Message::NewLinkWanted { user },
                Kind::ConnectCode => Message::ConnectCode { code: codes[1] },
                Kind::SecondFactorSet => Message::SecondFactorSet { user, factor: Factor::Totp },
                Kind::SecondFactorRemoved => Message::SecondFactorRemoved { user, factor: None },
                Kind::RecoveryCodeUsed => Message::RecoveryCodeUsed { user, left: 9 },
                Kind::EmailCode => Message::EmailCode { code: codes[0] },
                Kind::Test => return None,
            })
        })
        .collect()
}

#[test]
fn every_message_fills_in_exactly_the_variables_its_texts_may_name_and_goes_where_the_list_says() {
    on_every_message(
        |_| {},
        |message, tx, site| {
            let found = address(tx, site, message, at(1)).unwrap().unwrap();
            let kind = message.kind();
            let mut known = texts::sample(kind);
            if matches!(kind, Kind::LocationFull | Kind::CertificateFailing) {
                known.remove("email");
            }
            assert_eq!(found.values.keys().collect::<Vec<_>>(), known.keys().collect::<Vec<_>>(), "{kind:?}");
            assert_eq!(addressee(tx, site, message).unwrap(), Some(found.to), "{kind:?}");
        },
    );
}

#[test]
fn markup_in_names_is_shown_and_never_obeyed() {
    on_every_message(
        |site| {
            site.config.contact.name = "<script>alert(1)</script> [x](https://evil.example)".to_owned();
            site.config.branding.company = "**Evil** <img src=x>".to_owned();
        },
        |message, tx, site| {
            let Composed::Letter(letter) = compose(tx, site, message, at(1)).unwrap() else { panic!() };
            for word in ["<script", "<img", "<i>", "href=\"https://evil.example"] {
                assert!(!letter.html.contains(word), "{:?}: {word} in {}", message.kind(), letter.html);
            }
        },
    );
}

#[test]
fn who_is_asked_for_another_link_is_told_the_command_that_gives_one() {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let told = |tx: &Tx<'_>, user| {
        let Ok(Composed::Letter(letter)) = compose(tx, &site, &Message::NewLinkWanted { user }, at(1)) else {
            panic!("no letter")
        };
        (letter.text, letter.html)
    };
    store
        .write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            let (text, html) = told(tx, ann);
            assert!([text, html].iter().all(|form| form.contains("postern user reinvite ann")));
            tx.activate_user(ann, "hash", None)?;
            let (text, html) = told(tx, ann);
            assert!([text, html].iter().all(|form| form.contains("postern user activate-client ann")));
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn what_every_administrator_is_told_greets_each_and_goes_to_nobody_who_is_none_any_more() {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    store
        .write_blocking(|tx| {
            let ann = a_person(tx, "ann");
            let message =
                Message::CertificateFailing { to: Some(ann), reason: "no".to_owned(), not_after: None };
            let composed = || compose(tx, &site, &message, at(1));
            assert!(matches!(composed()?, Composed::Pointless(_)));
            tx.update_user(&User { is_admin: true, ..tx.user(ann)?.unwrap() })?;
            let Composed::Letter(letter) = composed()? else { panic!("no letter") };
            assert_eq!(letter.to, "ann@example.com");
            assert_eq!(addressee(tx, &site, &message)?, Some(letter.to));
            let first_name = tx.user(ann)?.unwrap().first_name;
            assert!(letter.text.starts_with(&format!("Hello {first_name},")), "{}", letter.text);
            tx.set_disabled(ann, Some(at(1)))?;
            assert!(matches!(composed()?, Composed::Pointless(_)));
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_message_about_somebody_disabled_is_not_sent() {
    on_every_message(
        |_| {},
        |message, tx, site| {
            let ann = tx.user_by_name("ann").unwrap().unwrap();
            tx.set_disabled(ann.id, Some(at(1))).unwrap();
            let composed = compose(tx, site, message, at(1)).unwrap();
            let is_about_her = !matches!(message.kind(), Kind::LocationFull | Kind::CertificateFailing);
            assert_eq!(matches!(composed, Composed::Pointless(_)), is_about_her, "{:?}", message.kind());
            tx.set_disabled(ann.id, None).unwrap();
        },
    );
}
