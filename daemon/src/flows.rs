//! User stories, one synchronous function each over one transaction. Effects follow from the commit; nothing here
//! talks to a device, a socket or a mail server.

pub mod configure;
pub mod enroll;
pub mod issue;
pub mod permit;
