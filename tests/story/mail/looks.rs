//! Every mail as text and as HTML in `target/screenshots/mails`, to be looked at.

use std::fs;
use std::path::Path;

use postern::mail::letter;
use postern::rules::message::Kind;
use postern::store::Store;

use crate::site::Plan;

#[test]
fn every_mail_is_there_to_be_looked_at_and_says_the_same_in_both_forms() {
    let site = Plan::new().site(&Store::in_memory().unwrap());
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots/mails");
    fs::create_dir_all(&dir).unwrap();
    for kind in Kind::ALL {
        let letter = letter::preview(&site, *kind);
        let text = format!("Subject: {}\n\n{}", letter.subject, letter.text);
        fs::write(dir.join(format!("{}.txt", kind.name())), text).unwrap();
        fs::write(dir.join(format!("{}.html", kind.name())), &letter.html).unwrap();
        for needed in postern::texts::sample(*kind).into_iter().filter(|(name, _)| {
            ["token", "device", "location", "expires", "reset_link", "username"].contains(name)
        }) {
            let is_said =
                [letter.text.contains(&needed.1), letter.html.contains(&needed.1.replace('\'', "&#39;"))];
            assert!(is_said[0] == is_said[1], "{kind:?} says {} in one form only", needed.0);
        }
    }
}
