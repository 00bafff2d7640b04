//! The mails in the folder: who was told what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::model::{Deed, World};

/// Who was invited, presented their link, and was disabled, whether that was answered to or not.
#[derive(Debug, Default, Clone)]
pub(crate) struct Subjects {
    pub(crate) invited: BTreeSet<String>,
    pub(crate) opened: BTreeSet<String>,
    pub(crate) disabled: BTreeSet<String>,
}

impl Subjects {
    /// Somebody does, or tries, something.
    pub(crate) fn note(&mut self, deed: &Deed) {
        if let Deed::Invite(name) = deed {
            self.invited.insert(name.clone());
        } else if let Deed::Open(name) = deed {
            self.opened.insert(name.clone());
        } else if let Deed::Disable(name) = deed {
            self.disabled.insert(name.clone());
        }
    }
}

/// Of each mail's receiver, the subjects.
pub(crate) struct Mails(BTreeMap<String, Vec<String>>);

/// Reads them all; half a mail is none.
pub(crate) fn read(dir: &Path) -> Mails {
    let mut mails: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let files = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
    for file in files.filter(|file| file.extension().is_some_and(|ending| ending == "eml")) {
        let text = fs::read_to_string(&file).unwrap();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{}: no {name} in {text}", file.display())).trim().to_owned()
        };
        let to = field("To:");
        let name = to.trim_matches(['<', '>']).split('@').next().unwrap().to_owned();
        mails.entry(name).or_default().push(field("Subject:"));
    }
    Mails(mails)
}

impl Mails {
    /// Everybody of a lane who is there was invited, unless they used their link before the mail left; those with password
    /// and device were welcomed, unless they were disabled before; and nobody got a mail who was never invited.
    pub(crate) fn tell_whom_they_should(&self, seen: &World, of: &Subjects) {
        for (name, person) in &seen.people {
            let subjects = self.0.get(name).map_or(&[][..], Vec::as_slice);
            let has = |words: &str| subjects.iter().any(|subject| subject.contains(words));
            assert!(has("invites you") || of.opened.contains(name), "{name} got no invitation: {subjects:?}");
            if person.enrolled && person.key.is_some() {
                assert!(
                    has("Welcome") || of.disabled.contains(name),
                    "{name} was not welcomed: {subjects:?}"
                );
            }
        }
    }

    /// Who got a mail and is of a lane.
    pub(crate) fn receivers(&self, lane: &str) -> BTreeSet<String> {
        self.0.keys().filter(|name| name.starts_with(lane)).cloned().collect()
    }
}
