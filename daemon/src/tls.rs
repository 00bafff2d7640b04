//! The certificate of https: read and judged ([`pair`]), presented to visitors ([`presented`]), reloaded when one's own
//! files change ([`own_files`]), obtained from an authority ([`acme`]). Which mode there is stands in the configuration; who serves with it is in `web`.

pub mod acme;
pub mod own_files;
pub mod pair;
pub mod presented;
