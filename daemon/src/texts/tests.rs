//! The texts that are compiled in, and what happens to replacements.

use super::*;

fn sources(values: &Values) -> Vec<(&'static str, String)> {
    let texts = Texts::default();
    SHIPPED.iter().map(|(name, _)| (*name, texts.render(name, values))).collect()
}

#[test]
fn every_shipped_text_can_be_filled_in_and_names_only_variables_there_are() {
    for (name, source) in SHIPPED {
        let template = Template::parse(source).unwrap();
        let values = sample_of(name);
        let unknown = template.unknown_variables(&values);
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
        assert!(!template.render(&values, landing(name)).unwrap().trim().is_empty(), "{name}");
    }
}

#[test]
fn every_message_has_its_texts() {
    for kind in Kind::ALL {
        let bodies: &[&str] =
            if is_markdown(*kind) { &["onboarding.md"] } else { &["body.txt", "body.html"] };
        for file in bodies.iter().chain(&["subject.txt"]) {
            let name = format!("{}/{file}", kind.name());
            assert!(SHIPPED.iter().any(|(shipped, _)| *shipped == name), "{name}");
        }
    }
}

#[test]
fn shipped_plain_text_fits_a_mail_programs_window() {
    for (name, text) in sources(&Values::new()) {
        let too_long = text.lines().find(|line| landing(name) == Landing::Text && line.chars().count() > 88);
        assert_eq!(too_long, None, "{name}");
    }
}

#[test]
fn shipped_html_loads_nothing_and_has_no_styles_of_its_own_but_inline() {
    for (name, html) in sources(&sample(Kind::Invitation)) {
        if landing(name) == Landing::Html {
            for word in ["<img", "<link", "<style", "<script", "class=", "src=", "url("] {
                assert!(!html.contains(word), "{name}: {word}");
            }
        }
    }
}

#[test]
fn a_copy_of_what_is_shipped_replaces_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let replaces = |text: &str| {
        fs::write(dir.path().join(FINAL_PAGE), text).unwrap();
        Texts::read(dir.path()).texts.replaces(FINAL_PAGE)
    };
    assert!(!Texts::default().replaces(FINAL_PAGE));
    assert!(!replaces(shipped(FINAL_PAGE)));
    assert!(replaces("Hi {{ first_name }}"));
}

#[test]
fn a_replacement_is_used_and_unknown_variables_and_strangers_are_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("welcome")).unwrap();
    fs::write(dir.path().join("welcome/onboarding.md"), "Hi {{ first_name }}{{ frist_name }}").unwrap();
    fs::write(dir.path().join("welcome/body.txt"), "never read").unwrap();

    let read = Texts::read(dir.path());

    assert_eq!(read.texts.render("welcome/onboarding.md", &sample(Kind::Welcome)), "Hi Ann");
    let told: Vec<String> =
        read.oddities.iter().map(|(path, reason)| format!("{}: {reason}", path.display())).collect();
    assert_eq!(read.mistakes, []);
    assert!(told[0].contains("welcome/body.txt: replaces no text"), "{told:?}");
    assert!(told[1].contains("onboarding.md: there is no variable \"frist_name\" here"), "{told:?}");
}

#[test]
fn replacements_that_cannot_be_used_are_told_with_file_and_line() {
    for (source, said) in [
        ("ok\n{{ first_name", "line 2: syntax error"),
        ("{{ first_name|shout }}", "line 1: unknown filter"),
        ("{{ [1]*100000000 }}", "line 1: "),
        (&"x".repeat(5 * 1024 * 1024), "is larger than 256 KiB"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("final.md"), source).unwrap();
        let read = Texts::read(dir.path());
        assert_eq!(read.mistakes.len(), 1);
        let (path, reason) = &read.mistakes[0];
        assert!(path.ends_with("final.md") && reason.starts_with(said), "{reason}");
    }
}

#[test]
fn a_replacement_that_fails_after_all_gives_way_to_the_shipped_text() {
    let template = Template::parse("{{ first_name|shout }}").unwrap();
    let texts = Texts(BTreeMap::from([(FINAL_PAGE, template)]));
    assert!(texts.render(FINAL_PAGE, &sample(Kind::Welcome)).starts_with("# Welcome, Ann"));
}
