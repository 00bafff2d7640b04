//! What the pages say, in English, Polish and German: Fluent catalogs, compiled in. A test proves that no catalog lacks a
//! message, has a spare one, or names other variables than the pages give.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language there is a catalog for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Polish,
    German,
}

impl Language {
    /// All there are, the one for everybody else first.
    pub(super) const ALL: [Self; 3] = [Self::English, Self::Polish, Self::German];

    /// As in `lang="…"`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Polish => "pl",
            Self::German => "de",
        }
    }

    /// As its speakers call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Polish => "Polski",
            Self::German => "Deutsch",
        }
    }

    pub(super) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(code))
    }

    /// The language a browser likes best among ours (RFC 9110, 12.5.4).
    pub(super) fn accepted(header: &str) -> Option<Self> {
        let wishes = header.split(',').take(32).filter_map(|wish| {
            let (range, weight) = wish.split_once(';').unwrap_or((wish, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
            let primary = range.trim().split('-').next()?;
            Self::from_code(primary).filter(|_| weight > 0.0).map(|language| (language, weight))
        });
        // The first of several that are liked alike.
        wishes.reduce(|best, wish| if wish.1 > best.1 { wish } else { best }).map(|best| best.0)
    }

    fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("../../../templates/i18n/en.ftl"),
            Self::Polish => include_str!("../../../templates/i18n/pl.ftl"),
            Self::German => include_str!("../../../templates/i18n/de.ftl"),
        }
    }

    fn catalog(self) -> &'static Catalog {
        static CATALOGS: LazyLock<[Catalog; 3]> = LazyLock::new(|| Language::ALL.map(Catalog::read));
        let [english, polish, german] = &*CATALOGS;
        match self {
            Self::English => english,
            Self::Polish => polish,
            Self::German => german,
        }
    }

    /// What message `key` says.
    pub(super) fn say(self, key: Key) -> Phrase {
        Phrase { language: self, key, args: FluentArgs::new() }
    }
}

/// The name of a message. Written as a literal in exactly one form, so that the test finds every use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(pub(super) &'static str);

/// A message with its values; put together where it is shown.
pub(super) struct Phrase {
    language: Language,
    key: Key,
    args: FluentArgs<'static>,
}

impl Phrase {
    /// Gives a variable a text.
    #[must_use]
    pub(super) fn with(mut self, variable: &'static str, value: impl fmt::Display) -> Self {
        self.args.set(variable, FluentValue::String(Cow::Owned(value.to_string())));
        self
    }

    /// Gives a variable a number, by which the message may choose its words.
    #[must_use]
    pub(super) fn count(mut self, variable: &'static str, number: impl Borrow<i64>) -> Self {
        self.args.set(variable, FluentValue::from(*number.borrow()));
        self
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.language.catalog().text(self.key, &self.args))
    }
}

struct Catalog(FluentBundle<FluentResource>);

impl Catalog {
    /// Whatever is wrong with a catalog is found by its test; here the rest of it is used.
    fn read(language: Language) -> Self {
        let resource = match FluentResource::try_new(language.source().to_owned()) {
            Ok(resource) | Err((resource, _)) => resource,
        };
        let locale: LanguageIdentifier = language.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![locale]);
        // All three languages are written from left to right.
        bundle.set_use_isolating(false);
        bundle.add_resource_overriding(resource);
        Self(bundle)
    }

    fn text(&self, key: Key, args: &FluentArgs<'_>) -> String {
        let pattern = self.0.get_message(key.0).and_then(|message| message.value());
        let mut errors = Vec::new();
        pattern.map_or_else(
            || key.0.to_owned(),
            |pattern| self.0.format_pattern(pattern, Some(args), &mut errors).into_owned(),
        )
    }
}

#[cfg(test)]
mod tests;
