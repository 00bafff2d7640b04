//! Passkeys whose authenticator counts its answers, so that a copy is found.

use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::passkeys::{add, answered, ask};
use crate::sign_in::{enrolled, signed_in};
use crate::support::Postern;

#[tokio::test]
async fn a_right_answer_that_comes_twice_is_no_copy_and_a_copy_is_found_all_the_same() {
    let postern = Postern::new();
    enrolled(&postern, "jdoe").await;
    let mut key = Authenticator::new(1);
    let mut owner = signed_in(&postern, "jdoe").await;
    add(&mut owner, &mut key, "/me/passkeys").await.shows(200, &["never again"]);
    // From here on it counts.
    key.counter = 1;
    let mut browser = Browser::new(&postern);
    let (_, asked) = ask(&mut browser, "/sign-in/passkey/begin", "").await;
    let right = key.answer(&asked);
    let mut resent = Browser { cookies: browser.cookies.clone(), ..Browser::new(&postern) };
    assert_eq!(answered(&mut browser, &right).await.went_to(), "/me");
    answered(&mut resent, &right).await.shows(401, &["That took too long"]);
    browser.get("/me").await.shows(200, &["jdoe@example.com"]);
    let mut copier = Browser::new(&postern);
    let (_, asked) = ask(&mut copier, "/sign-in/passkey/begin", "").await;
    answered(&mut copier, &key.answer(&asked)).await.shows(401, &["This passkey is not accepted here"]);
    assert_eq!(browser.get("/me").await.went_to(), "/sign-in", "there may be a copy");
    key.counter = 2;
    let (_, asked) = ask(&mut browser, "/sign-in/passkey/begin", "").await;
    answered(&mut browser, &key.answer(&asked)).await.shows(401, &["This passkey is not accepted here"]);
}
