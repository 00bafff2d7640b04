//! The client API as desktop clients and their command line tool see it, with a decoder as strict as theirs. One module
//! for each question that `desktop-client-protocol` puts to a server.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "a field that is not there fails the test")]

mod support;

#[path = "protocol/arbitrary.rs"]
mod arbitrary;
#[path = "protocol/audit.rs"]
mod audit;
#[path = "protocol/bad_input.rs"]
mod bad_input;
#[path = "protocol/connect.rs"]
mod connect;
#[path = "protocol/connect_crowd.rs"]
mod connect_crowd;
#[path = "protocol/connect_ends.rs"]
mod connect_ends;
#[path = "protocol/cookies.rs"]
mod cookies;
#[path = "protocol/limits.rs"]
mod limits;
#[path = "protocol/machines.rs"]
mod machines;
#[path = "protocol/offboarding.rs"]
mod offboarding;
#[path = "protocol/pools.rs"]
mod pools;
#[path = "protocol/races.rs"]
mod races;
#[path = "protocol/refusals.rs"]
mod refusals;
#[path = "protocol/second_factor.rs"]
mod second_factor;
#[path = "protocol/stable.rs"]
mod stable;
#[path = "protocol/strictness.rs"]
mod strictness;
#[path = "protocol/transcripts.rs"]
mod transcripts;
#[path = "protocol/transport.rs"]
mod transport;
