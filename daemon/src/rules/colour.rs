//! Colours and whether text can be read on them (WCAG 2.2: relative luminance and contrast ratio).

use std::fmt;
use std::str::FromStr;

/// What text needs against its ground (WCAG 2.2, 1.4.3).
const READABLE: f64 = 4.5;
/// Behind text when the reader prefers a light page: the darkest ground there is, see `styles/app.css`.
const LIGHT_GROUND: Colour = Colour([0xf1, 0xf2, 0xf5]);
/// Behind text when the reader prefers a dark page: the lightest ground there is, see `styles/app.css`.
const DARK_GROUND: Colour = Colour([0x24, 0x28, 0x30]);
const BLACK: Colour = Colour([0; 3]);
const WHITE: Colour = Colour([255; 3]);

/// Red, green and blue (sRGB).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour([u8; 3]);

/// Not a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a colour is written as \"#2457d6\"")]
pub struct ColourError;

/// An accent as it can be used: as text and lines on the page, and as a ground for text of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent {
    /// The accent itself, readable on the page.
    pub colour: Colour,
    /// Text on it.
    pub on: Colour,
}

impl Default for Colour {
    /// A blue that can be read on every light page.
    fn default() -> Self {
        Self([0x24, 0x57, 0xd6])
    }
}

impl Colour {
    /// The nearest shade that can be read on a light page.
    pub fn on_light_pages(self) -> Accent {
        self.readable(LIGHT_GROUND, BLACK)
    }

    /// The nearest shade that can be read on a dark page.
    pub fn on_dark_pages(self) -> Accent {
        self.readable(DARK_GROUND, WHITE)
    }

    /// How well one is read on the other: 1 (not at all) to 21.
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Goes towards `extreme` until it can be read on `ground`.
    fn readable(self, ground: Self, extreme: Self) -> Accent {
        let shades = (0..=100).map(|percent| self.mixed(extreme, percent));
        let colour = shades.into_iter().find(|shade| shade.contrast(ground) >= READABLE).unwrap_or(extreme);
        let on = if colour.contrast(WHITE) >= READABLE { WHITE } else { BLACK };
        Accent { colour, on }
    }

    fn mixed(self, other: Self, percent: u16) -> Self {
        let mut mixed = self;
        for (part, other) in mixed.0.iter_mut().zip(other.0) {
            let sum = u16::from(*part) * (100 - percent) + u16::from(other) * percent;
            *part = u8::try_from(sum / 100).unwrap_or(u8::MAX);
        }
        mixed
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl FromStr for Colour {
    type Err = ColourError;

    fn from_str(text: &str) -> Result<Self, ColourError> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or(ColourError)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ColourError);
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| ColourError)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_are_six_hexadecimal_digits() {
        assert_eq!("#2457D6".parse::<Colour>().unwrap().to_string(), "#2457d6");
        for wrong in ["", "2457d6", "#245", "#2457d6ff", "red", "#+457d6", "#2457dg", "#ä457d"] {
            assert_eq!(wrong.parse::<Colour>(), Err(ColourError), "{wrong}");
        }
    }

    #[test]
    fn black_on_white_has_the_greatest_contrast() {
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 1e-9);
        assert!((WHITE.contrast(WHITE) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_colour_that_can_be_read_stays_as_it_is() {
        let blue: Colour = "#2457d6".parse().unwrap();
        assert_eq!(blue.on_light_pages(), Accent { colour: blue, on: WHITE });
    }

    proptest! {
        #[test]
        fn whatever_the_accent_everything_can_be_read(parts: [u8; 3]) {
            let (light, dark) = (Colour(parts).on_light_pages(), Colour(parts).on_dark_pages());
            prop_assert!(light.colour.contrast(LIGHT_GROUND) >= READABLE);
            prop_assert!(dark.colour.contrast(DARK_GROUND) >= READABLE);
            prop_assert!(light.colour.contrast(light.on) >= READABLE);
            prop_assert!(dark.colour.contrast(dark.on) >= READABLE);
        }
    }
}
