//! With an authenticator that answers as it is told to.

use std::cell::RefCell;

use super::authenticator::Authenticator;
use super::*;
use crate::fixtures::{a_person, a_site, at};
use crate::flows::sign_in::{self, Entered, Entry};
use crate::rules::action::Reason;
use crate::rules::token::TokenHash;
use crate::store::Store;

const HANDLE: Handle = [9; 16];

/// A store with ann, who is signed in, and her authenticator with a passkey called `phone`.
struct World {
    store: Store,
    site: RefCell<Site>,
    phone: RefCell<Authenticator>,
}

impl World {
    fn new() -> Self {
        let store = Store::in_memory().unwrap();
        let mut site = a_site(&store);
        site.config.mail.directory = Some("mail".into());
        let world = Self { store, site: RefCell::new(site), phone: RefCell::new(Authenticator::new(1)) };
        world.write(|tx, site| {
            for (name, number) in [("ann", 1), ("ben", 2)] {
                tx.activate_user(a_person(tx, name), "old", None).unwrap();
                sign_in::enter(tx, &sign_in::find(tx, name, None).unwrap(), &entry(number), at(0)).unwrap();
            }
            added(tx, site, 1, &mut world.phone.borrow_mut(), "phone").unwrap();
        });
        world.phone.borrow_mut().counter = 5;
        world
    }

    fn write<T>(&self, work: impl FnOnce(&Tx<'_>, &Site) -> T) -> T {
        let done = self.store.write_blocking(|tx| Ok::<_, StoreError>(work(tx, &self.site.borrow())));
        done.unwrap().0
    }

    /// What becomes of what `phone` says to what it is asked.
    fn tries(&self, change: impl FnOnce(&mut Authenticator)) -> Result<UserId, Reason> {
        let phone = &mut self.phone.borrow_mut();
        change(phone);
        self.write(|tx, site| {
            let (options, challenge) = challenge(site).unwrap();
            entered(tx, site, &challenge, &phone.answer(&options))
        })
    }

    /// What the audit log and the outbox have.
    fn told(&self, action: Action) -> (usize, Vec<Message>) {
        self.write(|tx, _| {
            let mails = tx.due_mail(at(99), 99).unwrap().into_iter().map(|mail| mail.message().unwrap());
            (tx.audit_of(action, 99).unwrap().len(), mails.collect())
        })
    }
}

fn random() -> [[u8; 32]; 4] {
    let byte = |array: usize, at: usize| u8::try_from(array * 32 + at).unwrap();
    std::array::from_fn(|array| std::array::from_fn(|at| byte(array, at)))
}

fn entry(number: u8) -> Entry {
    let [session, browser] = [TokenHash([number; 32]), TokenHash([number + 100; 32])];
    Entry { session, browser, former: None, called: "Firefox, Linux".to_owned() }
}

/// Who is signed in with the session of this number.
fn seated(tx: &Tx<'_>, site: &Site, number: u8) -> SignedIn {
    sign_in::session(tx, site, TokenHash([number; 32]), at(1)).unwrap()
}

fn added(
    tx: &Tx<'_>,
    site: &Site,
    who: u8,
    authenticator: &mut Authenticator,
    name: &str,
) -> Result<Option<RecoveryCodes>, PasskeyError> {
    let who = seated(tx, site, who);
    let (options, adding) = begin(tx, site, &who.user, HANDLE)?;
    let answer = authenticator.make(&options);
    add(tx, site, (&who.user, Some(who.session.id)), (&adding, &answer, name), &random(), at(1))
}

fn entered(tx: &Tx<'_>, site: &Site, challenge: &Challenge, answer: &str) -> Result<UserId, Reason> {
    let judged = judge(tx, site, challenge, answer).unwrap().map_err(|refused| refused.reason);
    let entered = enter(tx, site, (challenge, answer), &entry(3), at(2)).unwrap();
    let entered = entered.map_err(|refused| refused.reason);
    assert_eq!(judged, entered);
    assert_eq!(entered.is_ok(), sign_in::session(tx, site, TokenHash([3; 32]), at(2)).is_ok());
    entered
}

#[test]
fn a_passkey_signs_its_owner_in_and_its_counter_is_remembered() {
    let world = World::new();
    let ann = world.tries(|phone| phone.counter = 5).unwrap();
    world.write(|tx, site| {
        let who = seated(tx, site, 3);
        assert_eq!((who.user.id, who.session.second_factor), (ann, Some(Factor::Passkey)));
        let phone = &list(tx, ann).unwrap()[0];
        assert_eq!((phone.name.as_str(), phone.created_at, phone.last_used_at), ("phone", 1, Some(2)));
        assert!(phone.credential.contains("\"counter\":5"), "{}", phone.credential);
        let started = &tx.audit_of(Action::SessionStart, 9).unwrap()[0];
        assert_eq!(
            started.detail.as_deref(),
            Some("Firefox, Linux; without a password, by the passkey phone")
        );
    });
    let (added, mails) = world.told(Action::PasskeyAdd);
    assert_eq!(
        (added, mails),
        (1, vec![Message::Passkey { user: ann, passkey: "phone".to_owned(), event: PasskeyEvent::Added }])
    );
}

#[test]
fn authenticators_that_do_not_count_sign_in_again_and_again() {
    let world = World::new();
    let synced = RefCell::new(Authenticator::new(2));
    synced.borrow_mut().counter = 0;
    world.write(|tx, site| added(tx, site, 1, &mut synced.borrow_mut(), "synced")).unwrap();
    let world = World { phone: synced, ..world };
    assert!(
        world.tries(|_| {}).is_ok() && {
            world.write(|tx, site| sign_in::sign_out(tx, &seated(tx, site, 3), at(2)).unwrap());
            world.tries(|_| {}).is_ok()
        }
    );
}

#[test]
fn an_answer_from_another_origin_or_party_is_refused() {
    for origin in [
        "https://evil.example",
        "http://vpn.example.com",
        "https://vpn.example.com:8443",
        "https://vpn.example.com.evil.example",
        "https://a.vpn.example.com",
    ] {
        assert_eq!(
            World::new().tries(|phone| phone.origin = origin.to_owned()),
            Err(Reason::Passkey),
            "{origin}"
        );
    }
    let other = World::new().tries(|phone| phone.party = "example.com".to_owned());
    assert_eq!(other, Err(Reason::Passkey));
}

#[test]
fn an_answer_without_verification_of_the_user_is_refused() {
    assert_eq!(World::new().tries(|phone| phone.verifies = false), Err(Reason::Passkey));
    let world = World::new();
    let mut lax = Authenticator::new(2);
    lax.verifies = false;
    let refused = world.write(|tx, site| added(tx, site, 1, &mut lax, "lax"));
    assert!(matches!(refused, Err(PasskeyError::Answer(WebauthnError::UserNotVerified))));
}

#[test]
fn tampered_answers_are_refused() {
    let world = World::new();
    assert_eq!(world.tries(|phone| phone.kind = "webauthn.create"), Err(Reason::Passkey));
    world.phone.borrow_mut().kind = "webauthn.get";
    world.write(|tx, site| {
        let (options, asked) = challenge(site).unwrap();
        world.phone.borrow_mut().counter = 5;
        let answer = world.phone.borrow_mut().answer(&options);
        let (_, other) = challenge(site).unwrap();
        assert_eq!(entered(tx, site, &other, &answer), Err(Reason::Passkey), "to another question");
        let tampered = |field: &str| {
            let mut answer: Value = serde_json::from_str(&answer).unwrap();
            let text = answer["response"][field].as_str().unwrap().to_owned();
            // In the middle: the first bytes are of the outermost form.
            let at = text.len() / 2;
            let other = if text[at..].starts_with('A') { "B" } else { "A" };
            answer["response"][field] = format!("{}{other}{}", &text[..at], &text[at + 1..]).into();
            answer.to_string()
        };
        for field in ["clientDataJSON", "authenticatorData", "signature"] {
            assert_eq!(entered(tx, site, &asked, &tampered(field)), Err(Reason::Passkey), "{field}");
        }
        for answer in ["", "{}", "null", "[]", "\u{0}"] {
            assert_eq!(entered(tx, site, &asked, answer), Err(Reason::Passkey), "{answer}");
        }
        assert!(entered(tx, site, &asked, &answer).is_ok());
    });
}

#[test]
fn a_passkey_that_nobody_has_is_refused_like_a_wrong_one() {
    let world = World::new();
    assert_eq!(world.tries(|phone| phone.id = vec![7; 20]), Err(Reason::Passkey));
}

#[test]
fn whose_it_is_has_to_be_said_and_right() {
    assert_eq!(World::new().tries(|phone| phone.handle = None), Err(Reason::Passkey));
    let world = World::new();
    assert_eq!(
        world.tries(|phone| phone.handle = Some("CAgICAgICAgICAgICAgICA".to_owned())),
        Err(Reason::Passkey)
    );
}

#[test]
fn a_counter_that_goes_back_is_refused_for_good_and_told_once() {
    let world = World::new();
    let ann = world.tries(|phone| phone.counter = 5).unwrap();
    world.write(|tx, site| sign_in::sign_out(tx, &seated(tx, site, 3), at(2)).unwrap());
    world.write(|tx, site| seated(tx, site, 1));
    for counter in [5, 4, 6, 7] {
        assert_eq!(world.tries(|phone| phone.counter = counter), Err(Reason::Copied), "{counter}");
    }
    let mails = world.told(Action::SessionStart).1;
    let copied = Message::Passkey { user: ann, passkey: "phone".to_owned(), event: PasskeyEvent::Copied };
    assert_eq!(mails.into_iter().filter(|mail| *mail == copied).count(), 1);
    assert_eq!(world.write(|tx, _| list(tx, ann).unwrap()[0].doubted_at), Some(2));
    let session =
        |number| world.write(|tx, site| sign_in::session(tx, site, TokenHash([number; 32]), at(2)).is_ok());
    assert!(!session(1) && session(2), "the copy may have opened it, and nobody else's");
}

#[test]
fn the_passkey_of_a_disabled_account_is_refused() {
    let world = World::new();
    world.write(|tx, _| {
        let ann = tx.user_by_name("ann").unwrap().unwrap();
        tx.set_disabled(ann.id, Some(at(1))).unwrap();
    });
    assert_eq!(world.tries(|phone| phone.counter = 5), Err(Reason::Disabled));
}

#[test]
fn a_removed_passkey_is_refused_and_its_owner_told() {
    let world = World::new();
    let ann = world.write(|tx, site| {
        let (ann, ben) = (seated(tx, site, 1), seated(tx, site, 2));
        let phone = list(tx, ann.user.id).unwrap()[0].id;
        let strangers = [remove(tx, site, &ben, phone, at(2)), rename(tx, &ben, phone, "mine", at(2))];
        assert!(strangers.iter().all(|done| matches!(done, Err(PasskeyError::Unknown))));
        rename(tx, &ann, phone, " old phone ", at(2)).unwrap();
        assert!(matches!(rename(tx, &ann, phone, " ", at(2)), Err(PasskeyError::Name(_))));
        sign_in::seat(tx, &ann.user, &entry(6), at(2)).unwrap();
        remove(tx, site, &ann, phone, at(2)).unwrap();
        assert!(
            sign_in::session(tx, site, TokenHash([6; 32]), at(2)).is_err(),
            "it may have been opened with it"
        );
        seated(tx, site, 1).user.id
    });
    assert_eq!(world.tries(|phone| phone.counter = 5), Err(Reason::Passkey));
    let (removed, mails) = world.told(Action::PasskeyRemove);
    assert_eq!(removed, 1);
    assert_eq!(
        mails.last(),
        Some(&Message::Passkey { user: ann, passkey: "old phone".to_owned(), event: PasskeyEvent::Removed })
    );
}

#[test]
fn a_passkey_is_added_once_and_nobody_has_more_than_ten() {
    let world = World::new();
    world.write(|tx, site| {
        let again = added(tx, site, 2, &mut Authenticator::new(1), "phone");
        assert!(matches!(again, Err(PasskeyError::Taken)));
        let (options, adding) = begin_here(tx, site, &seated(tx, site, 1), [7; 16]).unwrap();
        assert_eq!(options["publicKey"]["user"]["id"], "CQkJCQkJCQkJCQkJCQkJCQ", "the same for all of hers");
        assert_eq!(options["publicKey"]["excludeCredentials"][0]["id"], "AQEBAQEBAQEBAQEBAQEBAQEBAQE");
        assert_eq!(options["publicKey"]["authenticatorSelection"]["residentKey"], "required");
        assert_eq!(options["publicKey"]["authenticatorSelection"]["userVerification"], "required");
        let answer = Authenticator::new(2).make(&options);
        let made = (&adding, &*answer, "x");
        let others = add(tx, site, (&seated(tx, site, 2).user, None), made, &random(), at(1));
        assert!(matches!(others, Err(PasskeyError::Unknown)), "it was begun by somebody else");
        for number in 2..=10 {
            added(tx, site, 1, &mut Authenticator::new(number), "another").unwrap();
        }
        assert!(matches!(begin_here(tx, site, &seated(tx, site, 1), HANDLE), Err(PasskeyError::Enough)));
        let late = add(tx, site, (&seated(tx, site, 1).user, None), made, &random(), at(1));
        assert!(matches!(late, Err(PasskeyError::Enough)), "begun before the tenth");
    });
}

#[test]
fn one_made_for_another_origin_is_not_added() {
    let world = World::new();
    let mut stranger = Authenticator::new(2);
    stranger.origin = "https://evil.example".to_owned();
    let refused = world.write(|tx, site| added(tx, site, 1, &mut stranger, "x"));
    assert!(matches!(refused, Err(PasskeyError::Answer(WebauthnError::InvalidRPOrigin))));
}

#[test]
fn what_is_asked_is_the_same_for_everybody() {
    let world = World::new();
    let [mut first, mut second] = [0, 1].map(|_| challenge(&world.site.borrow()).unwrap().0);
    let taken = [&mut first, &mut second].map(|asked| asked["publicKey"]["challenge"].take());
    assert_ne!(taken[0], taken[1]);
    assert_eq!(first, second);
    assert_eq!(first["publicKey"]["allowCredentials"], json!([]));
    assert_eq!(first["publicKey"]["userVerification"], "required");
}

/// Has somebody wait under the token of this number, who gave the right password.
fn waits(tx: &Tx<'_>, name: &str, number: u8) -> UserId {
    let found = sign_in::find(tx, name, None).unwrap();
    assert_eq!(sign_in::enter(tx, &found, &entry(number), at(2)).unwrap(), Entered::OwesCode);
    found.account().unwrap()
}

#[test]
fn a_passkey_is_a_second_factor_and_nobody_elses_is() {
    let world = World::new();
    let mut bens = Authenticator::new(2);
    world.write(|tx, site| added(tx, site, 2, &mut bens, "bens").unwrap());
    world.write(|tx, site| {
        let ann = waits(tx, "ann", 7);
        let (options, asked) = challenge_for(tx, site, ann).unwrap();
        assert_eq!(
            options["publicKey"]["allowCredentials"],
            json!([{ "type": "public-key", "id": "AQEBAQEBAQEBAQEBAQEBAQEBAQE" }])
        );
        let gives = |asked: &Challenge, answer: &str| {
            let given = give(tx, site, TokenHash([7; 32]), (asked, answer), &entry(8), at(3)).unwrap();
            given.map(|given| given.map_err(|refused| refused.reason))
        };
        bens.counter = 5;
        assert_eq!(gives(&asked, &bens.answer(&options)), Some(Err(Reason::Passkey)));
        let (everybodys, anybody) = challenge(site).unwrap();
        let phone = &mut world.phone.borrow_mut();
        assert_eq!(
            gives(&anybody, &phone.answer(&everybodys)),
            Some(Err(Reason::Passkey)),
            "asked of anybody"
        );
        assert!(sign_in::session(tx, site, TokenHash([8; 32]), at(3)).is_err());
        // Who is known need not be named.
        phone.handle = None;
        let answer = phone.answer(&options);
        assert_eq!(gives(&asked, &answer), Some(Ok(())));
        let session = sign_in::session(tx, site, TokenHash([8; 32]), at(3)).unwrap().session;
        assert_eq!((session.second_factor, session.second_factor_at), (Some(Factor::Passkey), Some(3)));
        assert_eq!(gives(&asked, &answer), None, "nobody waits any more");
    });
}

#[test]
fn the_first_passkey_ends_sessions_without_one_and_brings_recovery_codes_that_go_with_the_last() {
    let world = World::new();
    world.write(|tx, site| {
        let found = sign_in::find(tx, "ben", None).unwrap();
        sign_in::enter(tx, &found, &entry(5), at(0)).unwrap();
        let codes = added(tx, site, 2, &mut Authenticator::new(2), "first").unwrap();
        assert_eq!(codes.map(|codes| codes.len()), Some(10));
        assert!(sign_in::session(tx, site, TokenHash([5; 32]), at(1)).is_err(), "it was opened without");
        let ben = seated(tx, site, 2);
        assert_eq!((ben.session.second_factor, ben.factors.passkeys), (Some(Factor::Passkey), 1));
        assert!(added(tx, site, 2, &mut Authenticator::new(3), "second").unwrap().is_none());
        let theirs = list(tx, ben.user.id).unwrap();
        remove(tx, site, &ben, theirs[0].id, at(2)).unwrap();
        assert_eq!(tx.factors_of(ben.user.id).unwrap().recovery_codes, 10);
        remove(tx, site, &ben, theirs[1].id, at(2)).unwrap();
        assert_eq!(tx.factors_of(ben.user.id).unwrap(), crate::rules::second_factor::Factors::default());
    });
}

#[test]
fn an_administrators_reset_takes_passkeys_too() {
    let world = World::new();
    world.write(|tx, site| {
        let root = crate::flows::invite::Actor { name: "root".to_owned(), account: None };
        let reset = second_factor::reset(tx, site, &root, "ann", at(2)).unwrap();
        assert_eq!(reset.removed, ["passkey"]);
    });
    assert_eq!(world.tries(|_| {}), Err(Reason::Passkey));
}

#[test]
fn there_are_passkeys_where_browsers_have_them() {
    let world = World::new();
    for (url, expected) in [
        ("https://vpn.example.com/", true),
        ("https://vpn.example.com:8443/", true),
        ("http://localhost:8080/", true),
        ("http://vpn.example.com/", false),
        ("https://192.0.2.1/", false),
        ("https://[2001:db8::1]/", false),
    ] {
        url.clone_into(&mut world.site.borrow_mut().config.public_url);
        assert_eq!(are_possible(&world.site.borrow()), expected, "{url}");
    }
}
