//! The company's colour and logo, at addresses that change with their content.

use std::fmt::Write as _;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::Pages;
use super::trouble::Trouble;
use super::visit::Visit;
use crate::config::{Branding, Logo, LogoKind};

/// The address names the content, so it never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// An SVG may hold styles; scripts in it never run.
const PICTURE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// Where the colours are.
pub(super) fn styles_url(brand: &Branding) -> String {
    format!("/branding/{}", styles_name(&styles(brand)))
}

/// Where the logo is, or what stands for one.
pub(super) fn mark_url(brand: &Branding) -> String {
    format!("/branding/{}", picture_name(&mark(brand)))
}

pub(super) async fn show(
    State(pages): State<Pages>,
    Extension(_): Extension<Visit>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    let site = pages.app.site();
    let brand = &site.config.branding;
    let colours = styles(brand);
    if name == styles_name(&colours) {
        let kind = HeaderValue::from_static("text/css; charset=utf-8");
        return Ok(lasting(colours.into_bytes(), kind));
    }
    let mark = mark(brand);
    if picture_name(&mark) != name {
        return Err(Trouble::NotFound);
    }
    let mut answer = lasting(mark.bytes.to_vec(), HeaderValue::from_static(kind_of(&mark)));
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PICTURE_POLICY));
    Ok(answer)
}

/// The logo; without one a plain gate in the accent's colour.
fn mark(brand: &Branding) -> Logo {
    let plain = || {
        let colour = brand.accent.on_light_pages();
        let drawing = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><rect width=\"32\" height=\"32\" rx=\"8\" \
             fill=\"{}\"/><path d=\"M9 25V14a7 7 0 0 1 14 0v11M16 25v-9\" fill=\"none\" stroke=\"{}\" \
             stroke-width=\"2.5\" stroke-linecap=\"round\"/></svg>",
            colour.colour, colour.on
        );
        Logo { bytes: drawing.into_bytes().into(), kind: LogoKind::Svg }
    };
    brand.logo.clone().unwrap_or_else(plain)
}

/// The accent, darkened or lightened until it can be read.
fn styles(brand: &Branding) -> String {
    let (light, dark) = (brand.accent.on_light_pages(), brand.accent.on_dark_pages());
    format!(
        ":root{{--accent:{};--on-accent:{}}}@media (prefers-color-scheme:dark){{:root{{--accent:{};--on-accent:{}}}}}\n",
        light.colour, light.on, dark.colour, dark.on
    )
}

fn lasting(bytes: Vec<u8>, kind: HeaderValue) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static(FOR_EVER))];
    (headers, bytes).into_response()
}

fn styles_name(styles: &str) -> String {
    format!("{}.css", digest(styles.as_bytes()))
}

fn picture_name(logo: &Logo) -> String {
    let ending = match logo.kind {
        LogoKind::Svg => "svg",
        LogoKind::Png => "png",
    };
    format!("{}.{ending}", digest(&logo.bytes))
}

fn kind_of(logo: &Logo) -> &'static str {
    match logo.kind {
        LogoKind::Svg => "image/svg+xml",
        LogoKind::Png => "image/png",
    }
}

fn digest(bytes: &[u8]) -> String {
    let mut name = String::with_capacity(16);
    for byte in Sha256::digest(bytes).iter().take(8) {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}
