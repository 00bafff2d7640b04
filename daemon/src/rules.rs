//! Decisions without IO: no SQL, no HTTP, no files, no clock, no runtime. Time and randomness are parameters.

pub mod access;
pub mod action;
pub mod addressing;
pub mod browser;
pub mod certificate;
pub mod colour;
pub mod connection;
pub mod enrollment;
pub mod fact;
pub mod ids;
pub mod links;
pub mod message;
pub mod names;
pub mod recovery;
pub mod reset;
pub mod seal;
pub mod second_factor;
pub mod session;
pub mod token;
pub mod totp;
pub mod vacancy;
pub mod wg_quick;
pub mod wizard;
