//! User stories, one synchronous function each over one transaction. Effects follow from the commit; nothing here
//! talks to a device, a socket or a mail server.

pub mod accounts;
pub mod certificate_trouble;
pub mod client_config;
pub mod configure;
pub mod connect;
pub mod devices;
pub mod email_code;
pub mod enroll;
pub mod enroll_audit;
pub mod enroll_factor;
pub mod exhaustion;
pub mod first_admin;
pub mod groups;
pub mod invite;
pub mod inviter;
pub mod issue;
pub mod link;
pub mod locations;
pub mod new_link;
pub mod outbox;
pub mod own_devices;
pub mod password_reset;
pub mod permit;
#[cfg(test)]
mod races;
pub mod refusal;
pub mod roster;
pub mod second_factor;
pub mod session_view;
pub mod sign_in;
pub mod sign_in_code;
pub mod status;
pub mod sweep;
pub mod take_over;
pub mod tell;
pub mod welcome;
pub mod wizard;
