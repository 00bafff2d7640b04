//! The loops that act on the world. They are woken by commits and never told what to do.

pub mod acme;
pub mod connections;
pub mod deliver_mail;
pub mod own_files;
pub mod reconcile;
pub mod sweep;
pub mod traffic;
