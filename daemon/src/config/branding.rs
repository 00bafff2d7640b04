//! How the pages and mails look and speak as the company's own.

use std::path::Path;
use std::sync::Arc;

use super::problem::Problems;
use super::raw::{RawBranding, RawLink};
use super::values;
use crate::rules::colour::Colour;

/// A logo is drawn a few centimetres wide.
const MOST_LOGO_BYTES: u64 = 256 * 1024;
/// More would not be read.
const MOST_HELP_CHARS: usize = 2000;
/// More would not be found.
const MOST_LINKS: usize = 12;

/// See the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branding {
    /// Whose VPN it is; the instance's name unless something else is given.
    pub company: String,
    /// The one colour that is not grey.
    pub accent: Colour,
    /// Shown at the top of every page.
    pub logo: Option<Logo>,
    /// What everybody may read, also who has no invitation; may be empty.
    pub help_text: String,
    /// Shown on the last page.
    pub links: Vec<Link>,
}

/// A picture, as its file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logo {
    /// The file.
    pub bytes: Arc<[u8]>,
    /// Of which kind.
    pub kind: LogoKind,
}

/// Pictures that every browser draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoKind {
    /// Vector.
    Svg,
    /// Pixels.
    Png,
}

/// Where else to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What is shown.
    pub text: String,
    /// `https`, `http` or `mailto`.
    pub url: String,
}

pub(super) fn branding(
    raw: RawBranding,
    instance_name: &str,
    base: &Path,
    file: &Path,
    problems: &mut Problems,
) -> Branding {
    let company = if raw.company.is_empty() { instance_name.to_owned() } else { raw.company };
    let named = values::shown_name(&company);
    let accent = raw.accent.parse::<Colour>().map_err(|error| format!("{:?}: {error}", raw.accent));
    let logo = raw.logo.map(|logo| read_logo(&base.join(logo))).transpose();
    let help = help_text(&raw.help_text);
    let links = links(raw.links);
    let mut told = |key: &str, reason: String| problems.add(file, key, reason);
    named.unwrap_or_else(|reason| told("branding.company", reason));
    Branding {
        company,
        accent: accent.unwrap_or_else(|reason| {
            told("branding.accent", reason);
            Colour::default()
        }),
        logo: logo.unwrap_or_else(|reason| {
            told("branding.logo", reason);
            None
        }),
        help_text: help.unwrap_or_else(|reason| {
            told("branding.help_text", reason);
            String::new()
        }),
        links: links.unwrap_or_else(|reason| {
            told("branding.links", reason);
            Vec::new()
        }),
    }
}

/// The kind is told by the content: a name can lie.
fn read_logo(path: &Path) -> Result<Logo, String> {
    let unreadable = |error: std::io::Error| format!("{}: cannot be read: {error}", path.display());
    if std::fs::metadata(path).map_err(unreadable)?.len() > MOST_LOGO_BYTES {
        return Err(format!("{}: is larger than {} KiB", path.display(), MOST_LOGO_BYTES / 1024));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let is_svg = std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg"));
    let kind = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        LogoKind::Png
    } else if is_svg {
        LogoKind::Svg
    } else {
        return Err(format!("{}: is neither an SVG nor a PNG picture", path.display()));
    };
    Ok(Logo { bytes: bytes.into(), kind })
}

fn help_text(text: &str) -> Result<String, String> {
    if text.chars().count() > MOST_HELP_CHARS {
        return Err(format!("is longer than {MOST_HELP_CHARS} characters"));
    }
    Ok(text.trim().to_owned())
}

fn links(raw: Vec<RawLink>) -> Result<Vec<Link>, String> {
    if raw.len() > MOST_LINKS {
        return Err(format!("{} links are too many: at most {MOST_LINKS}", raw.len()));
    }
    raw.into_iter().map(|link| self::link(link.text, link.url)).collect()
}

fn link(text: String, url: String) -> Result<Link, String> {
    values::shown_name(&text)?;
    let has_scheme = ["https://", "http://", "mailto:"].iter().any(|scheme| url.starts_with(scheme));
    if has_scheme && url.len() <= 2000 && !url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Ok(Link { text, url })
    } else {
        Err(format!("{url:?} is not a link: write it like \"https://help.example.com/vpn\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(raw: RawBranding) -> Vec<String> {
        let mut problems = Problems::default();
        branding(raw, "Example", Path::new("/nowhere"), Path::new("postern.toml"), &mut problems);
        problems.into_texts()
    }

    fn link_to(url: &str) -> RawLink {
        RawLink { text: "Help".to_owned(), url: url.to_owned() }
    }

    #[test]
    fn every_mistake_is_named_with_its_key() {
        let cases: [(RawBranding, &str); 5] = [
            (
                RawBranding { accent: "blue".to_owned(), ..RawBranding::default() },
                "branding.accent: \"blue\": a colour is written as \"#2457d6\"",
            ),
            (
                RawBranding { logo: Some("logo.svg".into()), ..RawBranding::default() },
                "branding.logo: /nowhere/logo.svg: cannot be read",
            ),
            (
                RawBranding { help_text: "x".repeat(2001), ..RawBranding::default() },
                "branding.help_text: is longer than 2000 characters",
            ),
            (
                RawBranding { links: vec![link_to("javascript:alert(1)")], ..RawBranding::default() },
                "branding.links: \"javascript:alert(1)\" is not a link",
            ),
            (
                RawBranding { company: "a\nb".to_owned(), ..RawBranding::default() },
                "branding.company: \"a\\nb\" is empty",
            ),
        ];
        for (raw, said) in cases {
            let problems = problems_of(raw);
            assert!(problems.len() == 1 && problems[0].contains(said), "{said}: {problems:?}");
        }
        assert!(problems_of(RawBranding::default()).is_empty());
    }

    #[test]
    fn a_logo_is_told_by_its_content_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let read = |bytes: &[u8]| {
            let path = dir.path().join("logo.svg");
            std::fs::write(&path, bytes).unwrap();
            read_logo(&path).map(|logo| logo.kind)
        };
        assert_eq!(read(b"\x89PNG\r\n\x1a\nrest"), Ok(LogoKind::Png));
        assert_eq!(read(b"<?xml version=\"1.0\"?><svg/>"), Ok(LogoKind::Svg));
        assert!(read(b"GIF89a").unwrap_err().contains("neither"));
        assert!(read(&vec![b'x'; 256 * 1024 + 1]).unwrap_err().contains("larger than 256 KiB"));
    }
}
