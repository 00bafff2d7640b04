//! The certificate of https: read and judged ([`pair`]), presented to visitors ([`presented`]). Which mode there is stands in the
//! configuration, where certificates come from in [`crate::background`]; who serves with it is in `web`.

pub mod pair;
pub mod presented;
