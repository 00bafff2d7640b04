//! What is read as text: servers of `wg-quick`, configuration, Markdown, templates.

use std::fs;
use std::path::{Path, PathBuf};

use postern::config;
use postern::markdown;
use postern::rules::wg_quick;
use postern::template::{Landing, Template, Values};

use crate::Trial;

/// A target.
pub(crate) fn no_file_of_wg_quick_is_too_strange() -> Trial {
    Box::new(|bytes| {
        let Ok(read) = wg_quick::parse(&String::from_utf8_lossy(bytes)) else { return };
        let written = wg_quick::render(&read.server);
        let again = wg_quick::parse(&written).unwrap_or_else(|error| panic!("{error}: {}", written.as_str()));
        assert!(again.server == read.server && again.left_out.is_empty(), "{:?}", again.left_out);
    })
}

/// A target.
pub(crate) fn no_configuration_is_too_strange() -> Trial {
    let dir = tempfile::tempdir().unwrap();
    Box::new(move |bytes| {
        let path = dir.path().join("postern.toml");
        fs::write(&path, bytes).unwrap();
        is_judged(&path);
    })
}

/// A target.
pub(crate) fn no_location_is_too_strange() -> Trial {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(of_repository("config/postern.dev.toml"), dir.path().join("postern.toml")).unwrap();
    let locations = dir.path().join("dev-locations.d");
    fs::create_dir(&locations).unwrap();
    Box::new(move |bytes| {
        fs::write(locations.join("strange.toml"), bytes).unwrap();
        is_judged(&dir.path().join("postern.toml"));
    })
}

/// Either it is taken, or every mistake is told.
fn is_judged(path: &Path) {
    if let Err(errors) = config::load(path) {
        assert!(!errors.to_string().is_empty());
    }
}

/// A target.
pub(crate) fn no_markdown_becomes_anything_that_acts() -> Trial {
    Box::new(|bytes| {
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
            let links = parts.chunks_exact(2).filter(|pair| pair[0].ends_with("href=")).map(|pair| pair[1]);
            assert!(
                links.into_iter().all(|to| to.starts_with("https:") || to.starts_with("mailto:")),
                "{tag}"
            );
        }
    })
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

/// A target.
pub(crate) fn no_template_takes_long_or_much() -> Trial {
    let values =
        Values::from([("first_name", "Ann".to_owned()), ("web_link", "https://x.example/?a&b".to_owned())]);
    Box::new(move |bytes| {
        let Ok(template) = Template::parse(&String::from_utf8_lossy(bytes)) else { return };
        drop(template.unknown_variables(&values));
        for landing in [Landing::Text, Landing::Markdown, Landing::Html] {
            let _ = template.render(&values, landing);
        }
    })
}

fn of_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
