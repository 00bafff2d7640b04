//! Backups of a real installation's files: what goes in comes out, and nothing else is taken for one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tar::{Builder, EntryType, Header};
use uuid::Uuid;

use super::*;
use crate::fixtures::{a_person, at};
use crate::rules::action::Action;
use crate::store::Store;

/// A configuration and a state folder.
struct Installation(tempfile::TempDir);

impl Installation {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        for (name, text) in [
            ("postern.toml", MAIN),
            ("locations.d/hq.toml", "name = \"hq\"\n"),
            ("locations.d/hq.toml.removed", "name = \"old\"\n"),
            ("mail/invitation/subject.txt", "Welcome"),
            ("smtp-password", "secret\n"),
            ("logo.svg", "<svg/>"),
            ("state/keys/token.key", "of tokens\n"),
            ("state/keys/location-1.key", "l\n"),
            ("state/keys/location-1.key.new", "half"),
            ("state/acme/account.json", "{}"),
        ] {
            let path = this.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let store = this.store();
        store.write_blocking(|tx| tx.instance(Uuid::nil())).unwrap();
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn store(&self) -> Store {
        Store::open(&self.path("state/postern.db")).unwrap()
    }

    fn take(&self, keys: KeyFiles) -> Taken {
        take(&self.path("postern.toml"), &self.path("state"), keys, at(1_700_000_000)).unwrap()
    }
}

const MAIN: &str = "state_dir = \"state\"\nlocations_dir = \"locations.d\"\n[branding]\nlogo = \"logo.svg\"\n[mail]\ntemplates_dir = \
                    \"mail\"\n[mail.smtp]\npassword_file = \"smtp-password\"\nca_file = \"/etc/hostname\"\n";

fn archive(taken: Taken) -> Vec<u8> {
    let mut bytes = Vec::new();
    taken.write(&mut bytes).unwrap();
    bytes
}

/// Unpacks beside `place`, and says what is left there if it fails.
fn unpacked(bytes: &[u8], place: &Path) -> Result<Unpacked, BackupError> {
    let outcome = unpack(bytes, |_, _| Staging::beside(place, "2026-11-28T205226Z"));
    if outcome.is_err() {
        let left: Vec<_> = fs::read_dir(place.parent().unwrap()).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
    outcome
}

fn names(manifest: &Manifest) -> Vec<&str> {
    manifest.files.iter().map(|file| &*file.name).collect()
}

#[test]
fn what_goes_in_comes_out() {
    let installation = Installation::new();
    let taken = installation.take(KeyFiles::With);
    assert_eq!(
        names(&taken.manifest),
        [
            "config/postern.toml",
            "config/locations.d/hq.toml",
            "config/mail/invitation/subject.txt",
            "config/files/logo.svg",
            "config/files/smtp-password",
            "state/postern.db",
            "state/keys/location-1.key",
            "state/keys/token.key",
            "state/acme/account.json",
        ]
    );
    assert_eq!(taken.manifest.left_out, ["/etc/hostname: it is outside of the configuration's folder"]);
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("state");
    let Unpacked { manifest, config, state } = unpacked(&archive(taken), &place).unwrap();
    assert!(!installation.path("state/backup.tmp").exists());
    assert_eq!((manifest.instance, manifest.with_keys), (Uuid::nil().to_string(), true));
    assert_eq!(config.len(), 5);
    assert_eq!(config[0].bytes.as_slice(), MAIN.as_bytes());
    state.complete(None).unwrap();
    state.swap(&dir.path().join("aside")).unwrap().keep();
    assert_eq!(fs::read_to_string(place.join("keys/token.key")).unwrap(), "of tokens\n");
    assert!(Store::open(&place.join("postern.db")).is_ok());
}

#[test]
fn without_keys_no_secret_is_in_it() {
    let taken = Installation::new().take(KeyFiles::Without);
    assert!(!taken.manifest.with_keys);
    let secret = |name: &&str| name.contains("key") || name.contains("acme") || name.contains("password");
    assert_eq!(names(&taken.manifest).into_iter().find(secret), None);
}

#[test]
fn without_keys_no_private_key_is_in_it_beside_a_certificate_either() {
    let installation = Installation::new();
    fs::write(installation.path("logo.svg"), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    let taken = installation.take(KeyFiles::Without);
    assert!(taken.manifest.left_out.iter().any(|told| told.ends_with("a private key is in it")));
    assert!(!names(&taken.manifest).contains(&"config/files/logo.svg"));
}

#[test]
fn a_wrong_key_elsewhere_keeps_nothing_out_and_is_told_as_credentials_are() {
    let installation = Installation::new();
    let more = "password_credential = \"smtp\"\nmistyped = 1\n[http]\nlisten = 7\n";
    fs::write(installation.path("postern.toml"), format!("{MAIN}{more}")).unwrap();
    let taken = installation.take(KeyFiles::With);
    assert!(names(&taken.manifest).contains(&"config/files/smtp-password"));
    let told = |what: &str| taken.manifest.left_out.iter().any(|told| told.contains(what));
    assert!(told("mail.smtp.password_credential: ") && told("http.listen"), "{:?}", taken.manifest.left_out);
}

#[test]
fn what_was_committed_is_in_it_under_its_right_name_and_is_not_owed_once_it_is_restored() {
    let installation = Installation::new();
    let [from, to] =
        ["state/keys/location-1.key.new", "state/keys/location-1.key"].map(|name| installation.path(name));
    installation.store().write_blocking(|tx| tx.owe_rename(&from, &to)).unwrap();
    let bytes = archive(installation.take(KeyFiles::With));
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("state");
    let Unpacked { manifest, state, .. } = unpacked(&bytes, &place).unwrap();
    state.record(&manifest, at(2)).unwrap();
    state.swap(&dir.path().join("aside")).unwrap().keep();
    assert_eq!(fs::read_to_string(place.join("keys/location-1.key")).unwrap(), "half");
    let restored = Store::open(&place.join("postern.db")).unwrap();
    let owed = restored.read_blocking(|tx| tx.owed_renames().map(|owed| owed.len()));
    assert_eq!(owed.unwrap(), 0);
}

#[test]
fn whoever_was_signed_in_when_a_backup_was_taken_is_not_once_it_is_restored() {
    let installation = Installation::new();
    let hash = crate::rules::token::TokenHash([1; 32]);
    let signed_in =
        |tx: &crate::store::Tx<'_>| tx.sign_in(a_person(tx, "ann"), hash, ("Firefox", "::1"), at(1));
    installation.store().write_blocking(signed_in).unwrap();
    let bytes = archive(installation.take(KeyFiles::With));
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("state");
    let Unpacked { manifest, state, .. } = unpacked(&bytes, &place).unwrap();
    state.record(&manifest, at(2)).unwrap();
    state.swap(&dir.path().join("aside")).unwrap().keep();
    let restored = Store::open(&place.join("postern.db")).unwrap();
    assert!(restored.read_blocking(|tx| tx.session_by_token(hash)).unwrap().is_none());
}

#[test]
fn without_keys_nothing_is_left_that_the_old_key_sealed() {
    let installation = Installation::new();
    let other = crate::rules::seal::SealKey::from_bytes([3; 32]);
    let sealed = installation.store().write_blocking(|tx| {
        crate::fixtures::everything_sealed(tx);
        tx.opens_what_is_sealed(&other)
    });
    assert!(!sealed.unwrap().0);
    for (keys, opens) in [(KeyFiles::With, false), (KeyFiles::Without, true)] {
        let bytes = archive(installation.take(keys));
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("state");
        let Unpacked { manifest, state, .. } = unpacked(&bytes, &place).unwrap();
        state.record(&manifest, at(2)).unwrap();
        state.swap(&dir.path().join("aside")).unwrap().keep();
        let restored = Store::open(&place.join("postern.db")).unwrap();
        assert_eq!(restored.read_blocking(|tx| tx.opens_what_is_sealed(&other)).unwrap(), opens, "{keys:?}");
        let signs = |tx: &crate::store::Tx<'_>| Ok::<_, StoreError>(!tx.signing_keys()?.is_empty());
        assert_eq!(restored.read_blocking(signs).unwrap(), !opens, "{keys:?}");
    }
}

#[test]
fn what_a_killed_restore_left_is_removed_by_the_next_and_what_another_makes_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("state");
    let others = [
        "state.before-restore-2026-01-01T000000Z",
        "state.restoring-2026-01-01T000000Z.mine",
        "state.restoring-notes",
        "state2.restoring-2026-01-01T000000Z",
    ];
    for name in others.iter().chain(&["state.restoring-2026-01-01T000000Z"]) {
        fs::create_dir_all(dir.path().join(name).join("keys")).unwrap();
    }
    let running = Staging::beside(&place, "2026-01-02T000000Z").unwrap();
    let next = Staging::beside(&place, "2026-01-02T000001Z").unwrap();
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let mut expected: Vec<_> = others.iter().map(std::ffi::OsString::from).collect();
    expected
        .extend(["02T000000Z", "02T000001Z"].map(|stamp| format!("state.restoring-2026-01-{stamp}").into()));
    expected.sort();
    assert_eq!(names, expected);
    drop((running, next));
}

#[test]
fn a_folder_in_its_place_is_exchanged_and_comes_back_unless_the_new_one_is_kept() {
    let bytes = archive(Installation::new().take(KeyFiles::With));
    let dir = tempfile::tempdir().unwrap();
    let (place, aside) = (dir.path().join("state"), dir.path().join("aside"));
    let staged = || unpack(&*bytes, |_, _| Staging::beside(&place, "now")).map(|unpacked| unpacked.state);
    fs::create_dir(&place).unwrap();
    fs::write(place.join("mine"), "").unwrap();
    let swapped = staged().unwrap_or_else(|error: BackupError| panic!("{error}")).swap(&aside).unwrap();
    assert!(place.join("postern.db").exists() && aside.join("mine").exists());
    drop(swapped);
    assert!(place.join("mine").exists() && !aside.exists());
    staged().unwrap_or_else(|error: BackupError| panic!("{error}")).swap(&aside).unwrap().keep();
    assert!(place.join("postern.db").exists() && aside.join("mine").exists());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

/// Writers never stop; what they were told is done before the backup began is in it, and it is whole.
#[test]
fn a_backup_under_write_load_holds_what_was_acknowledged_before_it_began() {
    let installation = Installation::new();
    let store = installation.store();
    let (acknowledged, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let (store, acknowledged, stop) = (store.clone(), Arc::clone(&acknowledged), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let written = store.write_blocking(|tx| {
                        tx.audit("writer", Action::MailTest, "x", Some(&"y".repeat(500)), at(1))
                    });
                    written.unwrap_or_else(|error: StoreError| panic!("{error}"));
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 1..=3 {
        while acknowledged.load(Ordering::SeqCst) < round * 50 {
            std::thread::yield_now();
        }
        let before = acknowledged.load(Ordering::SeqCst);
        let bytes = archive(installation.take(KeyFiles::With));
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("state");
        unpacked(&bytes, &place).unwrap().state.swap(&dir.path().join("aside")).unwrap().keep();
        let restored = Store::open(&place.join("postern.db")).unwrap();
        let entries = restored.read_blocking(|tx| tx.audit_since(0, u32::MAX)).unwrap();
        assert!(u64::try_from(entries.len()).unwrap() >= before, "{} of {before}", entries.len());
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.join().unwrap();
    }
}

#[test]
fn a_second_backup_at_the_same_time_is_refused_and_what_a_crash_left_is_no_obstacle() {
    let installation = Installation::new();
    fs::write(installation.path("state/backup.tmp"), "half a copy").unwrap();
    let first = installation.take(KeyFiles::With);
    let second = take(&installation.path("postern.toml"), &installation.path("state"), KeyFiles::With, at(0));
    assert!(matches!(second, Err(BackupError::Busy)));
    drop(first);
    drop(installation.take(KeyFiles::With));
}

#[test]
fn an_archive_that_is_cut_or_changed_is_refused() {
    let bytes = archive(Installation::new().take(KeyFiles::With));
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("state");
    let find = |text: &[u8]| bytes.windows(text.len()).position(|part| part == text).unwrap();
    for at in [
        find(b"Welcome"),
        find(b"SQLite format 3"),
        find(b"secret\n"),
        find(b"of tokens"),
        find(b"\"schema\"") + 10,
    ] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(unpacked(&changed, &place).is_err(), "byte {at}");
    }
    for length in [0, 100, 512, 2000, find(b"SQLite format 3") + 100, find(b"account.json")] {
        assert!(unpacked(&bytes[..length], &place).is_err(), "cut at {length}");
    }
    assert!(unpacked(&bytes, &place).is_ok());
}

/// An archive of these files, with a manifest that names them.
fn made_by_hand(files: &[(&str, EntryType)], schema: i64) -> Vec<u8> {
    let main = ("config/postern.toml", EntryType::Regular);
    let database = ("state/postern.db", EntryType::Regular);
    let files: Vec<_> = [main].iter().chain(files).chain([&database]).copied().collect();
    let entry = |name: &str| Entry {
        name: name.to_owned(),
        bytes: 1,
        sha256: staging::hex(&sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(b"x"))),
    };
    let manifest = Manifest {
        format: 1,
        program: "9.9.9".to_owned(),
        schema,
        instance: String::new(),
        taken_at: at(0),
        with_keys: true,
        left_out: Vec::new(),
        files: files.iter().map(|(name, _)| entry(name)).collect(),
    };
    let mut archive = Builder::new(Vec::new());
    let text = serde_json::to_vec(&manifest).unwrap();
    let all = [(manifest::NAME, EntryType::Regular, text.as_slice())].into_iter();
    for (name, kind, bytes) in all.chain(files.iter().map(|(name, kind)| (*name, *kind, b"x".as_slice()))) {
        let mut header = Header::new_gnu();
        // As no well-meaning program would write it.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(u64::try_from(bytes.len()).unwrap());
        header.set_entry_type(kind);
        header.set_cksum();
        archive.append(&header, bytes).unwrap();
    }
    archive.into_inner().unwrap()
}

#[test]
fn a_name_that_leads_elsewhere_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("state");
    for name in [
        "../x",
        "state/../../x",
        "state/keys/../../x",
        "state/keys//x",
        "state/./postern.db",
        "/etc/passwd",
        "config/files/../../../x",
        "config/files//etc/passwd",
        "config/locations.d/a/b.toml",
        "state/other",
        "state/keys/a/b",
        "other",
        "",
    ] {
        let error = unpacked(&made_by_hand(&[(name, EntryType::Regular)], 1), &place).err().unwrap();
        assert!(matches!(&error, BackupError::Foreign(said) if said == name), "{name}: {error}");
    }
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Char] {
        let error = unpacked(&made_by_hand(&[("state/keys/token.key", kind)], 1), &place).err().unwrap();
        assert!(matches!(&error, BackupError::Foreign(_) | BackupError::NoManifest), "{kind:?}: {error}");
    }
}

#[test]
fn a_backup_of_a_newer_schema_names_both_and_what_to_do() {
    let newest = crate::store::whole::newest_schema();
    let dir = tempfile::tempdir().unwrap();
    let error = unpacked(&made_by_hand(&[], newest + 1), &dir.path().join("state")).err().unwrap();
    let said = error.to_string();
    for words in ["9.9.9", &format!("schema {}", newest + 1), &format!("up to {newest}"), "install"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn names_say_the_place_and_places_their_name() {
    for place in [
        Place::Main,
        Place::Location("hq.toml".into()),
        Place::Text("welcome/onboarding.md".into()),
        Place::Named("tls/key.pem".into()),
        Place::State("keys/token.key".into()),
    ] {
        assert_eq!(Place::of(&place.name().unwrap()), Some(place));
    }
    assert_eq!(Place::Named("a/../../b".into()).name(), None);
    assert_eq!(Place::State("other.db".into()).name(), None);
}
