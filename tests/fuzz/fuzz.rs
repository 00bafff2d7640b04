//! Whatever is read from outside, changed at random for some seconds: nothing panics, nothing hangs, and what comes out is
//! what it should be. Every kept case is tried first, and what fails is kept, as `corpus/*/found-SEED-NUMBER`.
//!
//! There is no feedback from the code that runs: that takes building every library once more. `POSTERN_FUZZ_SECONDS` says how long,
//! `POSTERN_FUZZ_SEED` begins where a run that failed began.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "a field that is not there fails the test")]
#![expect(clippy::print_stderr, reason = "how much was tried is worth knowing")]

mod http;
mod mutate;
#[expect(dead_code, reason = "the protocol's stories use the rest of it")]
#[path = "../story/support/mod.rs"]
mod support;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use mutate::{Dice, mutated};
use postern::config;
use postern::markdown;
use postern::rules::wg_quick;
use postern::template::{Landing, Template, Values};

/// A case takes this long at most, on a machine that does ten other things.
const LONGEST: Duration = Duration::from_secs(20);

#[test]
fn no_file_of_wg_quick_is_too_strange() {
    fuzz("wg_quick", &[], |bytes| {
        let Ok(read) = wg_quick::parse(&String::from_utf8_lossy(bytes)) else { return };
        let written = wg_quick::render(&read.server);
        let again = wg_quick::parse(&written).unwrap_or_else(|error| panic!("{error}: {}", written.as_str()));
        assert!(again.server == read.server && again.left_out.is_empty(), "{:?}", again.left_out);
    });
}

#[test]
fn no_configuration_is_too_strange() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postern.toml");
    let shipped = fs::read(of_repository("config/postern.toml")).unwrap();
    fuzz("configuration", &[shipped], |bytes| {
        fs::write(&path, bytes).unwrap();
        is_judged(&path);
    });
}

#[test]
fn no_location_is_too_strange() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("postern.toml");
    fs::write(&path, fs::read(of_repository("config/postern.dev.toml")).unwrap()).unwrap();
    let locations = dir.path().join("dev-locations.d");
    fs::create_dir(&locations).unwrap();
    let shipped = fs::read(of_repository("config/locations.d/example.toml.sample")).unwrap();
    fuzz("location", &[shipped], |bytes| {
        fs::write(locations.join("strange.toml"), bytes).unwrap();
        is_judged(&path);
    });
}

/// Either it is taken, or every mistake is told.
fn is_judged(path: &Path) {
    if let Err(errors) = config::load(path) {
        assert!(!errors.to_string().is_empty());
    }
}

#[test]
fn no_markdown_becomes_anything_that_acts() {
    let shipped = ["final.md", "welcome/onboarding.md"]
        .map(|name| fs::read(of_repository(&format!("config/mail/{name}"))).unwrap());
    fuzz("markdown", &shipped, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        drop(markdown::to_text(&text));
        let html = markdown::to_html(&text).to_lowercase()
            + &markdown::to_html_below_a_heading(&text).to_lowercase();
        for tag in tags(&html) {
            let parts: Vec<&str> = tag.split('"').collect();
            // Between quotes are values, which say what they like; but links lead to where people expect.
            let outside = parts.iter().step_by(2).copied().collect::<String>();
            let name =
                outside.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
            assert!(
                !["script", "img", "style", "iframe", "form", "svg", "link", "object"].contains(&name),
                "{tag}"
            );
            assert!(![" on", " src", " style"].iter().any(|attribute| outside.contains(attribute)), "{tag}");
            let links = parts.windows(2).filter(|pair| pair[0].ends_with("href=")).map(|pair| pair[1]);
            assert!(
                links.into_iter().all(|to| to.starts_with("https:") || to.starts_with("mailto:")),
                "{tag}"
            );
        }
    });
}

/// What is between `<` and `>` where no quotes are around.
fn tags(html: &str) -> Vec<String> {
    let (mut found, mut tag, mut is_quoted) = (Vec::new(), None::<String>, false);
    for c in html.chars() {
        match (&mut tag, c) {
            (None, '<') => tag = Some(String::new()),
            (Some(_), '>') if !is_quoted => found.extend(tag.take()),
            (Some(open), _) => {
                is_quoted ^= c == '"';
                open.push(c);
            }
            (None, _) => {}
        }
    }
    found
}

#[test]
fn no_template_takes_long_or_much() {
    let values =
        Values::from([("first_name", "Ann".to_owned()), ("web_link", "https://x.example/?a&b".to_owned())]);
    let shipped = ["layout.html", "invitation/body.html", "invitation/body.txt", "welcome/onboarding.md"]
        .map(|name| fs::read(of_repository(&format!("config/mail/{name}"))).unwrap());
    fuzz("template", &shipped, |bytes| {
        let Ok(template) = Template::parse(&String::from_utf8_lossy(bytes)) else { return };
        drop(template.unknown_variables(&values));
        for landing in [Landing::Text, Landing::Markdown, Landing::Html] {
            let _ = template.render(&values, landing);
        }
    });
}

#[test]
fn no_request_is_too_strange() {
    let mut world = http::World::new();
    fuzz("http", &[], |bytes| world.ask(bytes));
}

/// Tries what is kept, then changed copies of it and of `shipped`, until the time is over.
fn fuzz(target: &str, shipped: &[Vec<u8>], mut trial: impl FnMut(&[u8])) {
    let folder = of_repository(&format!("tests/fuzz/corpus/{target}"));
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut corpus: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    corpus.extend_from_slice(shipped);
    for bytes in &corpus {
        trial(bytes);
    }
    let from_environment = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = from_environment("POSTERN_FUZZ_SEED").unwrap_or_else(another_each_second);
    let is_long = std::env::var_os("POSTERN_TEST_LONG").is_some();
    let seconds = from_environment("POSTERN_FUZZ_SECONDS").unwrap_or(if is_long { 600 } else { 10 });
    let (mut dice, mut tried) = (Dice(seed), 0_u64);
    let until = now() + Duration::from_secs(seconds);
    let (begins, watched) = mpsc::channel();
    let watch = thread::spawn(move || end_what_hangs(&watched, seed));
    while now() < until {
        let bytes = mutated(&corpus, &mut dice);
        tried += 1;
        begins.send(tried).unwrap();
        let begun = now();
        let outcome = catch_unwind(AssertUnwindSafe(|| trial(&bytes)));
        let took = begun.elapsed();
        if outcome.is_err() || took > LONGEST {
            let kept = folder.join(format!("found-{seed}-{tried}"));
            fs::write(&kept, &bytes).unwrap();
            eprintln!(
                "{target}: POSTERN_FUZZ_SEED={seed}, case {tried}, after {took:?}, kept as {}",
                kept.display()
            );
            outcome.unwrap_or_else(|panic| resume_unwind(panic));
            panic!("it took {took:?}");
        }
    }
    drop(begins);
    watch.join().unwrap();
    eprintln!("{target}: {tried} cases of seed {seed}");
}

/// Ends this program when a case goes on without end.
fn end_what_hangs(begun: &mpsc::Receiver<u64>, seed: u64) {
    let mut case = 0;
    loop {
        match begun.recv_timeout(3 * LONGEST) {
            Ok(next) => case = next,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                eprintln!("POSTERN_FUZZ_SEED={seed}: case {case} hangs");
                std::process::abort();
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "every run is to try something else")]
fn another_each_second() -> u64 {
    jiff::Timestamp::now().as_second().cast_unsigned()
}

#[expect(clippy::disallowed_methods, reason = "only the real time says how long something takes")]
fn now() -> Instant {
    Instant::now()
}

fn of_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}
