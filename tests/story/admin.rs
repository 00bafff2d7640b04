//! What administrators do, with the real command line over a real socket: locations in one module, people and machines in
//! another, servers of wg-quick in a third; and what the command line never asks.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]

mod apps;
mod locations;
mod packaged;
mod people;
mod requests;
mod running;
mod service_user;
mod setup;
mod socket;
mod take_over;
