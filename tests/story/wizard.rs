//! Enrolling in the browser, by plain HTTP over the router, with the link read out of the mail. The browser here runs no
//! scripts; what scripts send is sent by hand. Every page that it sees is judged: its headers, and that nothing in it is
//! written inline or left unsaid.

#![expect(clippy::unwrap_used, reason = "a test stops at the first thing that is wrong")]
#![expect(clippy::indexing_slicing, reason = "a field that is not there fails the test")]

#[expect(dead_code, reason = "the protocol's stories use the rest of it")]
mod support;

#[path = "../../daemon/src/flows/passkeys/authenticator.rs"]
mod authenticator;
#[path = "wizard/browser.rs"]
mod browser;
#[path = "wizard/client_link.rs"]
mod client_link;
#[path = "wizard/devices.rs"]
mod devices;
#[path = "wizard/forward_auth.rs"]
mod forward_auth;
#[path = "wizard/guard.rs"]
mod guard;
#[path = "wizard/hardening.rs"]
mod hardening;
#[path = "wizard/links.rs"]
mod links;
#[path = "wizard/look.rs"]
mod look;
#[path = "wizard/me.rs"]
mod me;
#[path = "wizard/openid.rs"]
mod openid;
#[path = "wizard/openid_bad.rs"]
mod openid_bad;
#[path = "wizard/openid_client.rs"]
mod openid_client;
#[path = "wizard/openid_factor.rs"]
mod openid_factor;
#[path = "wizard/openid_found.rs"]
mod openid_found;
#[path = "wizard/passkeys.rs"]
mod passkeys;
#[path = "wizard/passkeys_counted.rs"]
mod passkeys_counted;
#[path = "wizard/portal.rs"]
mod portal;
#[path = "wizard/relying.rs"]
mod relying;
#[path = "wizard/reset.rs"]
mod reset;
#[path = "wizard/second_factor.rs"]
mod second_factor;
#[path = "wizard/sign_in.rs"]
mod sign_in;
#[path = "wizard/stolen.rs"]
mod stolen;
#[path = "wizard/walk.rs"]
mod walk;
