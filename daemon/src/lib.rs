//! postern: a WireGuard gateway daemon with its own enrollment.
//!
//! The configuration and the database say what should be; the gateway makes it so. A request ends in one
//! transaction ([`flows`] over [`store`]); everything that follows (peers, mail) is driven by that commit
//! ([`background`]). Decisions are pure functions ([`rules`]).

pub mod app;
pub mod applied;
pub mod background;
pub mod backup;
pub mod cli;
pub mod config;
pub mod durable;
pub mod envelope;
#[cfg(test)]
mod fixtures;
pub mod flows;
pub mod gateway_view;
pub mod jose;
pub mod keys;
pub mod location_files;
pub mod log;
pub mod mail;
pub mod mailbox;
pub mod markdown;
pub mod metrics;
pub mod password;
pub mod pulse;
pub mod reload;
pub mod rules;
pub mod site;
pub mod store;
pub mod taken;
pub mod template;
pub mod texts;
pub mod tls;
pub mod web;
