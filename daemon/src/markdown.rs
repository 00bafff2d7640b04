//! The company's own texts: Markdown to HTML that is safe to show, and to plain text that reads well.
//!
//! HTML inside the Markdown is not trusted either: what is not on the sanitiser's list is dropped. Links lead to https
//! or to a mail program; pictures are left out, as showing one would tell a stranger who reads the text.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::Builder;
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Whoever opened the link learns nothing, and gets no hold of the page it was on.
const LINK_REL: &str = "noopener noreferrer";
/// How wide a paragraph of plain text gets, in characters.
const WIDTH: usize = 76;

static SANITISER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from([
            "a",
            "p",
            "br",
            "hr",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "ul",
            "ol",
            "li",
            "strong",
            "em",
            "del",
            "code",
            "pre",
            "blockquote",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        ]))
        .clean_content_tags(HashSet::from(["script", "style"]))
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href", "title"])),
            ("ol", HashSet::from(["start"])),
        ]))
        .url_schemes(HashSet::from(["https", "mailto"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some(LINK_REL));
    builder
});

/// `markdown` as HTML without scripts, styles, classes, pictures, or links to anything but https and mailto.
pub fn to_html(markdown: &str) -> String {
    let mut html = String::with_capacity(markdown.len().saturating_mul(2));
    pulldown_cmark::html::push_html(&mut html, parsed(markdown));
    SANITISER.clean(&html).to_string()
}

/// [`to_html`] to be shown below a page's own heading: every heading is a level lower.
pub fn to_html_below_a_heading(markdown: &str) -> String {
    // The sanitiser leaves tags without attributes, and no such thing in texts.
    (1..=5).rev().fold(to_html(markdown), |html, level| {
        let lower = level + 1;
        html.replace(&format!("<h{level}>"), &format!("<h{lower}>"))
            .replace(&format!("</h{level}>"), &format!("</h{lower}>"))
    })
}

fn parsed(markdown: &str) -> Parser<'_> {
    Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
}

/// `markdown` as plain text: headings underlined, lists with dashes and numbers, links with where they lead, lines
/// that fit a mail program's window. Code keeps its lines; HTML is left out.
pub fn to_text(markdown: &str) -> String {
    let mut writer = TextWriter::default();
    for event in parsed(markdown) {
        writer.take(event);
    }
    writer.finish()
}

/// A list under way: its next number, or dashes.
type List = Option<u64>;

#[derive(Default)]
struct TextWriter {
    text: String,
    /// The paragraph or heading under way.
    line: String,
    /// The nesting lists.
    lists: Vec<List>,
    /// What the next line of the innermost item begins with.
    marker: Option<String>,
    quotes: usize,
    /// Where the links under way lead, and where their texts begin in `line`.
    links: Vec<(String, usize)>,
    is_code: bool,
}

impl TextWriter {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open(tag),
            Event::End(tag) => self.close(tag),
            Event::Text(text) | Event::Code(text) => self.line.push_str(&text),
            Event::SoftBreak => self.line.push(' '),
            Event::HardBreak => self.line.push('\n'),
            Event::Rule => {
                self.line.push_str("---");
                self.end_block();
            }
            Event::Html(_)
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => {}
        }
    }

    fn open(&mut self, tag: Tag<'_>) {
        if let Tag::List(first) = tag {
            self.end_block();
            self.lists.push(first);
        } else if let Tag::Item = tag {
            self.marker = Some(self.next_marker());
        } else if let Tag::BlockQuote(_) = tag {
            self.quotes += 1;
        } else if let Tag::CodeBlock(_) = tag {
            self.is_code = true;
        } else if let Tag::Link { dest_url, .. } = tag {
            self.links.push((dest_url.into_string(), self.line.len()));
        }
    }

    fn next_marker(&mut self) -> String {
        let Some(Some(number)) = self.lists.last_mut() else { return "- ".to_owned() };
        let marker = format!("{number}. ");
        *number = number.saturating_add(1);
        marker
    }

    fn close(&mut self, tag: TagEnd) {
        if let TagEnd::Heading(level) = tag {
            let rule = if level == HeadingLevel::H1 { "=" } else { "-" };
            let width = self.line.chars().count().min(WIDTH);
            self.end_lines();
            self.text.push_str(&rule.repeat(width));
            self.text.push('\n');
            self.gap();
        } else if matches!(tag, TagEnd::Paragraph | TagEnd::HtmlBlock | TagEnd::CodeBlock) {
            self.end_block();
            self.is_code = false;
        } else if matches!(tag, TagEnd::Item | TagEnd::TableHead | TagEnd::TableRow) {
            self.end_lines();
        } else if let TagEnd::List(_) = tag {
            self.lists.pop();
            if self.lists.is_empty() {
                self.gap();
            }
        } else if let TagEnd::BlockQuote(_) = tag {
            self.quotes = self.quotes.saturating_sub(1);
        } else if tag == TagEnd::TableCell {
            self.line.push_str("  ");
        } else if tag == TagEnd::Table {
            self.gap();
        } else if tag == TagEnd::Link {
            self.end_link();
        }
    }

    /// Where a link leads stands behind it, unless its text says so already.
    fn end_link(&mut self) {
        let Some((url, start)) = self.links.pop() else { return };
        let shown = self.line.get(start..).unwrap_or_default().trim();
        let is_said = shown == url || url.strip_prefix("mailto:") == Some(shown);
        if !is_said && !url.is_empty() {
            self.line.extend([" <", &url, ">"]);
        }
    }

    fn end_block(&mut self) {
        if self.line.trim().is_empty() && self.marker.is_none() {
            return;
        }
        self.end_lines();
        // Inside a list the items follow each other closely.
        if self.lists.is_empty() {
            self.gap();
        }
    }

    /// Writes what is under way, in lines that fit.
    fn end_lines(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.trim().is_empty() {
            return;
        }
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let quote = "> ".repeat(self.quotes);
        let marker = self.marker.take();
        let hang = if self.lists.is_empty() { String::new() } else { "  ".to_owned() };
        let mut first = marker.unwrap_or_else(|| hang.clone());
        let rest = if first.len() > hang.len() { " ".repeat(first.len()) } else { hang };
        let room = WIDTH.saturating_sub(quote.len() + indent.len() + rest.len());
        for part in line.trim_end().split('\n') {
            let lines = if self.is_code { vec![format!("    {part}")] } else { wrapped(part, room) };
            for line in lines {
                let whole = format!("{quote}{indent}{first}{line}");
                self.text.push_str(whole.trim_end());
                self.text.push('\n');
                first.clone_from(&rest);
            }
        }
    }

    fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    fn finish(mut self) -> String {
        self.end_block();
        format!("{}\n", self.text.trim_end())
    }
}

/// `text` in lines of at most `width` characters; a longer word, such as a link, keeps its line.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if line.is_empty() || length < room => {
                if !line.is_empty() {
                    line.push(' ');
                    room = room.saturating_sub(1);
                }
                line.push_str(word);
                room = room.saturating_sub(length);
            }
            Some(_) | None => {
                lines.push(word.to_owned());
                room = width.saturating_sub(length);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests;
