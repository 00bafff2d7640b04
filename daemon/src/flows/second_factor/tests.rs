//! Codes given and used up, once each, and what they open.

use super::*;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::issue::issue_enrollment;
use crate::flows::sign_in::{self, Entered, Entry};
use crate::flows::sign_in_code::{self, Given};
use crate::rules::enrollment::{EnrollmentKind, Subject};
use crate::rules::ids::LocationId;
use crate::rules::second_factor::Factors;
use crate::store::Store;
use crate::store::pending_sign_in::PendingSignIn;

const SECRET: [u8; 32] = *b"1234567890123456789012345678901\0";
/// RFC 6238, appendix B, at second 59; and the one after it.
const CODE: &str = "287082";
const NEXT: &str = "359152";

/// Bytes of which no code is like another.
fn random(first: u8) -> [[u8; 32]; 4] {
    let mut number = first;
    [(); 4].map(|()| {
        [(); 32].map(|()| {
            number = number.wrapping_mul(5).wrapping_add(3);
            number
        })
    })
}

fn entry(number: u8) -> Entry {
    let [session, browser] = [TokenHash([number; 32]), TokenHash([number + 100; 32])];
    Entry { session, browser, former: None, called: "Firefox, Linux".to_owned() }
}

/// A store in which ann has a password; with codes by an app, of which none was used but that of second 0.
fn with_ann(work: impl FnOnce(&Tx<'_>, &Site, &User, RecoveryCodes) -> Result<(), StoreError>) {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let worked = store.write_blocking(|tx| {
        let ann = a_person(tx, "ann");
        tx.activate_user(ann, "old", None)?;
        let ann = tx.user(ann)?.unwrap();
        begin(tx, &site, &ann, [SECRET, [9; 32]], at(0))?.unwrap();
        let codes = confirm(tx, &site, &ann, "755224", None, &random(1), at(0))?.unwrap();
        work(tx, &site, &ann, codes)
    });
    worked.unwrap();
}

#[test]
fn a_secret_counts_once_a_code_was_given_and_is_sealed() {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let worked = store.write_blocking(|tx| {
        let ann = a_person(tx, "ann");
        let ann = tx.user(ann)?.unwrap();
        assert!(confirm(tx, &site, &ann, CODE, None, &random(1), at(59))?.is_none(), "nothing was begun");
        let set_up = begin(tx, &site, &ann, [SECRET, [9; 32]], at(0))?.unwrap();
        assert!(set_up.uri.contains(set_up.secret.as_str()));
        assert!(!tx.factors_of(ann.id)?.any());
        assert!(give(tx, &site, &ann, CODE, at(59))?.is_none());
        assert!(confirm(tx, &site, &ann, "000000", None, &random(1), at(59))?.is_none());
        assert!(begun(tx, &site, &ann, at(3599))?.is_some() && begun(tx, &site, &ann, at(3600))?.is_none());
        let codes = confirm(tx, &site, &ann, CODE, None, &random(1), at(59))?.unwrap();
        assert_eq!(codes.len(), 10);
        assert!(tx.factors_of(ann.id)?.any());
        assert!(begin(tx, &site, &ann, [[7; 32]; 2], at(60))?.is_none(), "it has one");
        assert!(give(tx, &site, &ann, CODE, at(59))?.is_none(), "it was used to confirm");
        Ok::<_, StoreError>(())
    });
    worked.unwrap();
}

#[test]
fn a_code_is_used_once_and_so_is_a_recovery_code() {
    with_ann(|tx, site, ann, codes| {
        assert_eq!(give(tx, site, ann, CODE, at(59))?, Some(Factor::Totp));
        assert_eq!(give(tx, site, ann, CODE, at(59))?, None, "replayed");
        assert_eq!(give(tx, site, ann, NEXT, at(60))?, Some(Factor::Totp));
        let code = codes[3].as_str();
        assert_eq!(give(tx, site, ann, code, at(60))?, Some(Factor::Recovery));
        assert_eq!(give(tx, site, ann, code, at(60))?, None, "used");
        assert_eq!(tx.factors_of(ann.id)?.recovery_codes, 9);
        let newer = renew_codes(tx, ann, &random(2), at(61))?.unwrap();
        assert_eq!(give(tx, site, ann, codes[4].as_str(), at(61))?, None, "replaced");
        assert_eq!(give(tx, site, ann, newer[4].as_str(), at(61))?, Some(Factor::Recovery));
        Ok(())
    });
}

#[test]
fn somebody_elses_codes_are_nobodys() {
    with_ann(|tx, site, _, codes| {
        let ben = a_person(tx, "ben");
        let ben = tx.user(ben)?.unwrap();
        begin(tx, site, &ben, [[7; 32]; 2], at(0))?;
        assert_eq!(give(tx, site, &ben, CODE, at(59))?, None);
        assert_eq!(give(tx, site, &ben, codes[0].as_str(), at(59))?, None);
        assert!(site.keys.seal.open(Sealed::Totp(ben.id), &[0; 60]).is_none());
        Ok(())
    });
}

#[test]
fn the_password_alone_opens_nothing_and_a_code_does_in_the_browser_that_gave_it() {
    with_ann(|tx, site, ann, _| {
        let found = sign_in::find(tx, "ann", None)?;
        assert_eq!(sign_in::enter(tx, &found, &entry(1), at(59))?, Entered::OwesCode);
        assert!(sign_in::session(tx, site, TokenHash([1; 32]), at(59)).is_err());
        let given = |token, code, number, second| {
            sign_in_code::give(tx, site, (TokenHash([token; 32]), code), &entry(number), at(second))
        };
        assert_eq!(given(2, CODE, 3, 59)?, Given::Nobody, "another browser");
        assert_eq!(given(1, "000000", 3, 59)?, Given::Wrong);
        assert_eq!(given(1, CODE, 3, 59)?, Given::SignedIn(Factor::Totp));
        let who = sign_in::session(tx, site, TokenHash([3; 32]), at(59)).unwrap();
        assert_eq!(who.session.second_factor, Some(Factor::Totp));
        assert_eq!((who.session.second_factor_at, who.session.authenticated_at), (Some(59), 59));
        assert_eq!(given(1, NEXT, 4, 60)?, Given::Nobody, "it is used up");
        let known = sign_in::find(tx, "ann", Some(TokenHash([103; 32])))?;
        assert!(known.is_known);
        assert_eq!(sign_in::enter(tx, &known, &entry(5), at(60))?, Entered::OwesCode, "a known browser too");
        assert_eq!(tx.audit_of(Action::SessionStart, 9)?.len(), 1);
        assert_eq!(ann.username, "ann");
        Ok(())
    });
}

#[test]
fn who_waits_is_let_in_for_ten_minutes_and_not_with_another_password_nor_disabled() {
    with_ann(|tx, site, ann, codes| {
        let wait = |number, second| {
            let found = sign_in::find(tx, "ann", None)?;
            sign_in::enter(tx, &found, &entry(number), at(second))
        };
        let given = |number, code: usize, second| {
            let code = codes[code].as_str();
            sign_in_code::give(tx, site, (TokenHash([number; 32]), code), &entry(50 + number), at(second))
        };
        wait(1, 0)?;
        assert_eq!(given(1, 0, 600)?, Given::Nobody);
        assert_eq!(given(1, 0, 599)?, Given::SignedIn(Factor::Recovery));
        wait(2, 0)?;
        tx.change_password(ann.id, "new", at(1))?;
        assert_eq!(given(2, 1, 2)?, Given::Nobody, "another password");
        wait(3, 2)?;
        tx.set_disabled(ann.id, Some(at(3)))?;
        assert_eq!(given(3, 1, 3)?, Given::Nobody, "disabled");
        assert!(matches!(tx.pending_by_token(TokenHash([3; 32]))?, Some(PendingSignIn { .. })));
        Ok(())
    });
}

#[test]
fn setting_one_up_ends_other_sessions_and_a_reset_ends_all() {
    let store = Store::in_memory().unwrap();
    let site = a_site(&store);
    let worked = store.write_blocking(|tx| {
        let ann = a_person(tx, "ann");
        tx.activate_user(ann, "old", None)?;
        for number in [1, 2] {
            sign_in::enter(tx, &sign_in::find(tx, "ann", None)?, &entry(number), at(0))?;
        }
        let who = sign_in::session(tx, &site, TokenHash([1; 32]), at(0)).unwrap();
        begin(tx, &site, &who.user, [SECRET, [9; 32]], at(0))?;
        let given = super::Given { method: Method::Totp, code: CODE, mailed: "" };
        confirm_here(tx, &site, &who, given, &random(1), at(59))?.unwrap();
        let session = |number| sign_in::session(tx, &site, TokenHash([number; 32]), at(60)).ok();
        assert!(session(2).is_none(), "it never gave one");
        assert_eq!(session(1).unwrap().session.second_factor, Some(Factor::Totp));
        let root = Actor { name: "root".to_owned(), account: None };
        let (subject, kind) = (Subject::User(ann), EnrollmentKind::Activation);
        let (link, ..) = issue_enrollment(tx, &site, subject, kind, None, Duration::from_hours(1), at(1))?;
        tx.open_enrollment(link, 600, at(2))?;
        let done = reset(tx, &site, &root, "ann", at(60)).unwrap();
        assert_eq!(done.removed, ["totp"]);
        assert!(session(1).is_none() && !tx.factors_of(ann)?.any());
        assert!(tx.running_enrollments(ann)?.is_empty(), "what was begun with a link");
        assert_eq!(tx.factors_of(ann)?.recovery_codes, 0);
        assert_eq!(reset(tx, &site, &root, "ann", at(61)).unwrap().removed, [""; 0]);
        assert_eq!(tx.audit_of(Action::SecondFactorReset, 9)?.len(), 1);
        Ok::<_, StoreError>(())
    });
    worked.unwrap();
}

#[test]
fn removing_the_last_one_takes_the_recovery_codes_along() {
    with_ann(|tx, site, ann, _| {
        assert!(!remove(tx, site, ann, Factor::Email, at(1))?);
        assert_eq!(tx.factors_of(ann.id)?.recovery_codes, 10);
        assert!(remove(tx, site, ann, Factor::Totp, at(1))? && !remove(tx, site, ann, Factor::Totp, at(1))?);
        assert_eq!(tx.factors_of(ann.id)?, Factors::default());
        begin(tx, site, ann, [SECRET, [9; 32]], at(1))?;
        assert!(!remove(tx, site, ann, Factor::Totp, at(1))?, "it was only begun");
        assert_eq!(tx.audit_of(Action::SecondFactorRemove, 9)?.len(), 1);
        Ok(())
    });
}

#[test]
fn a_code_by_mail_is_good_for_ten_minutes_and_one_use_and_not_to_connect_with() {
    with_ann(|tx, site, ann, _| {
        tx.delete_totp(ann.id)?;
        tx.confirm_email_factor(ann.id)?;
        let issue = |purpose, second| {
            let id = tx.make_code(ann.id, purpose, at(second))?;
            Ok::<_, StoreError>(mailed_code::digits(site, &tx.mailed_code(id)?.unwrap()))
        };
        let first = issue(Purpose::SignIn, 0)?;
        assert_eq!(give(tx, site, ann, &first, at(600))?, None, "over");
        assert_eq!(give(tx, site, ann, &first, at(599))?, Some(Factor::Email));
        assert_eq!(give(tx, site, ann, &first, at(599))?, None, "used");
        let (replaced, code) = (issue(Purpose::SignIn, 1)?, issue(Purpose::SignIn, 2)?);
        assert_ne!(replaced, code);
        let key = postern_gateway::PrivateKey::from_random([9; 32]).public();
        let owner = crate::store::device::DeviceOwner::User(ann.id);
        let laptop = tx.insert_device(owner, "laptop", Some(key), None, at(0))?;
        let to_connect = issue(Purpose::Connect(laptop, LocationId(1)), 2)?;
        assert_eq!(give(tx, site, ann, &to_connect, at(3))?, None);
        assert_eq!(give(tx, site, ann, &replaced, at(3))?, None);
        assert_eq!(give(tx, site, ann, &code, at(3))?, Some(Factor::Email), "each in its own place");
        issue(Purpose::SignIn, 4)?;
        let count = || {
            let codes = [Purpose::SignIn, Purpose::Connect(laptop, LocationId(1))];
            codes.into_iter().filter(|purpose| tx.mailed_code_of(ann.id, *purpose).unwrap().is_some()).count()
        };
        mailed_code::forget(tx, at(601))?;
        assert_eq!(count(), 2);
        mailed_code::forget(tx, at(602))?;
        assert_eq!(count(), 1, "the older one is swept");
        issue(Purpose::SignIn, 603)?;
        assert!(remove(tx, site, ann, Factor::Email, at(604))?);
        assert_eq!(
            mailed_code::waiting(tx, ann.id, Purpose::SignIn, at(604))?,
            None,
            "it went with the factor"
        );
        Ok(())
    });
}

#[test]
fn where_the_secret_of_an_app_is_lost_every_code_of_it_is_wrong_and_recovery_codes_let_in() {
    with_ann(|tx, site, ann, codes| {
        tx.forget_totp_secrets()?;
        assert!(tx.factors_of(ann.id)?.totp, "as guarded as before");
        assert_eq!(give(tx, site, ann, CODE, at(59))?, None);
        assert_eq!(give(tx, site, ann, &codes[0], at(59))?, Some(Factor::Recovery));
        Ok(())
    });
}

#[test]
fn who_asks_again_soon_is_mailed_the_same_code_and_not_within_a_minute() {
    let store = Store::in_memory().unwrap();
    let mut site = a_site(&store);
    site.config.mail.directory = Some("mail".into());
    let worked = store.write_blocking(|tx| {
        let ann = a_person(tx, "ann");
        let ask = |may: bool, second| {
            let may_mail = |_| if may { Ok(()) } else { Err(Duration::from_secs(7)) };
            mailed_code::send(tx, &site, (ann, Purpose::SignIn), may_mail, at(second))
        };
        let sent = |second| {
            assert_eq!(ask(true, second)?, Sent::OnItsWay);
            let code = tx.mailed_code_of(ann, Purpose::SignIn)?.unwrap();
            Ok::<_, StoreError>((code.id.0, tx.due_mail(at(9999), 99)?.len()))
        };
        assert_eq!(ask(false, 0)?, Sent::NotFor(7));
        assert_eq!([sent(0)?, sent(59)?], [(1, 1); 2]);
        assert_eq!([sent(60)?, sent(119)?, sent(299)?], [(1, 2), (1, 2), (1, 3)]);
        assert_eq!([sent(359)?, sent(360)?], [(2, 4), (2, 4)]);
        assert_eq!(ask(false, 958)?, Sent::OnItsWay, "the one before it is good");
        assert_eq!(ask(false, 959)?, Sent::NotFor(7));
        assert_eq!(sent(100)?, (3, 5), "a clock that is set back makes nobody wait");
        Ok::<_, StoreError>(())
    });
    worked.unwrap();
}

#[test]
fn codes_by_mail_are_set_up_by_who_has_neither_them_nor_an_app_and_recovery_codes_by_who_has_a_factor() {
    with_ann(|tx, site, ann, _| {
        let mut site = site.clone();
        site.config.mail.directory = Some("mail".into());
        let begin =
            |second| begin_by(tx, &site, ann, (Method::Email, [SECRET, [9; 32]]), |_| Ok(()), at(second));
        assert!(matches!(begin(1)?, Begun::Nothing), "there is an app");
        remove(tx, &site, ann, Factor::Totp, at(1))?;
        assert!(renew_codes(tx, ann, &random(2), at(1))?.is_none());
        assert_eq!(tx.factors_of(ann.id)?, Factors::default());
        assert!(matches!(begin(2)?, Begun::Email(Sent::OnItsWay)));
        tx.confirm_email_factor(ann.id)?;
        assert!(matches!(begin(100)?, Begun::Nothing), "it is set up");
        assert!(renew_codes(tx, ann, &random(2), at(101))?.is_some());
        Ok(())
    });
}
