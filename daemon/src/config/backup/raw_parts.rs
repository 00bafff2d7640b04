//! The keys of `postern.toml` that name files, whatever else is in it, valid or not: a backup is made all the same.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::raw::{RawConfig, RawMail};

/// The files that `postern.toml` names; every other key is let be. Defaults are those of [`RawConfig`].
#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct RawParts {
    pub(super) state_dir: PathBuf,
    pub(super) locations_dir: PathBuf,
    pub(super) http: RawHttpFiles,
    pub(super) branding: RawBrandingFiles,
    pub(super) mail: RawMailFiles,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawHttpFiles {
    pub(super) certificate_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) key_credential: Option<String>,
    pub(super) acme: RawAcmeFiles,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawAcmeFiles {
    pub(super) ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawBrandingFiles {
    pub(super) logo: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
pub(super) struct RawMailFiles {
    pub(super) templates_dir: PathBuf,
    pub(super) smtp: RawSmtpFiles,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawSmtpFiles {
    pub(super) password_file: Option<PathBuf>,
    pub(super) password_credential: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
}

impl Default for RawParts {
    fn default() -> Self {
        let RawConfig { state_dir, locations_dir, .. } = RawConfig::default();
        Self {
            state_dir,
            locations_dir,
            http: RawHttpFiles::default(),
            branding: RawBrandingFiles::default(),
            mail: RawMailFiles::default(),
        }
    }
}

impl Default for RawMailFiles {
    fn default() -> Self {
        Self { templates_dir: RawMail::default().templates_dir, smtp: RawSmtpFiles::default() }
    }
}
