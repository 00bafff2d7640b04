//! Embeds `web-assets/dist`, which `make assets` made, as a table for `web/assets.rs`. Runs no other program: a build needs
//! no network and no Node, only what is there already; where that is missing or older than its sources, it says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

const WHAT_TO_DO: &str =
    "run `make assets` (it needs Node and npm, and installs them when missing), then build again";

fn main() -> Result<(), io::Error> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("web-assets");
    for path in ["build.mjs", "package-lock.json", "tsconfig.json", "src", "styles", "dist/manifest.json"] {
        println!("cargo::rerun-if-changed=web-assets/{path}");
    }
    // A word a relocation in place of three: a megabyte less to load. The oldest C library we run on knows it.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    match table(&root)? {
        Ok(table) => fs::write(PathBuf::from(variable("OUT_DIR")?).join("assets.rs"), table)?,
        Err(complaint) => println!("cargo::error={complaint}: {WHAT_TO_DO}"),
    }
    Ok(())
}

/// `dist/manifest.json`.
#[derive(Deserialize)]
struct Manifest {
    sources: String,
    assets: Vec<Asset>,
}

#[derive(Deserialize)]
struct Asset {
    name: String,
    file: String,
    #[serde(rename = "type")]
    content_type: String,
    hash: String,
    gzip: bool,
}

/// The expression that `web/assets.rs` includes, or what is wrong with what is there.
fn table(root: &Path) -> Result<Result<String, &'static str>, io::Error> {
    let Ok(manifest) = fs::read_to_string(root.join("dist/manifest.json")) else {
        return Ok(Err("the scripts and styles of the web pages have not been built"));
    };
    let manifest: Manifest = serde_json::from_str(&manifest)?;
    if manifest.sources != digest_of_sources(root)? {
        return Ok(Err("the scripts and styles of the web pages are older than their sources"));
    }
    let entries: Option<String> =
        manifest.assets.iter().map(|asset| asset.entry(&root.join("dist"))).collect();
    Ok(entries
        .map(|entries| format!("&[\n{entries}]"))
        .ok_or("the scripts and styles of the web pages are incomplete"))
}

impl Asset {
    /// `None`: its file is not there.
    fn entry(&self, dist: &Path) -> Option<String> {
        let bytes = |file: &str| {
            let path = dist.join(file);
            Some(format!("include_bytes!({:?})", path.to_str().filter(|_| path.exists())?))
        };
        let Self { name, file, content_type, hash, gzip } = self;
        let packed =
            if *gzip { format!("Some({})", bytes(&format!("{file}.gz"))?) } else { "None".to_owned() };
        let path = format!("/assets/{file}");
        let (etag, gzip_etag) = (format!("\"{hash}\""), format!("\"{hash}-gzip\""));
        Some(format!(
            "Asset {{ name: {name:?}, path: {path:?}, content_type: {content_type:?}, etag: {etag:?}, \
             gzip_etag: {gzip_etag:?}, bytes: {}, gzip: {packed} }},\n",
            bytes(file)?
        ))
    }
}

/// As build.mjs computes it: of each source's name and content, by name.
fn digest_of_sources(root: &Path) -> Result<String, io::Error> {
    let mut sources = BTreeMap::new();
    for name in ["build.mjs", "package-lock.json", "tsconfig.json"] {
        sources.insert(name.to_owned(), fs::read(root.join(name))?);
    }
    for folder in ["src", "styles"] {
        for file in fs::read_dir(root.join(folder))? {
            let file = file?;
            sources
                .insert(format!("{folder}/{}", file.file_name().to_string_lossy()), fs::read(file.path())?);
        }
    }
    let mut hash = Sha256::new();
    for (name, content) in sources {
        hash.update(format!("{name}\n{}\n", content.len()));
        hash.update(content);
    }
    Ok(hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

fn variable(name: &str) -> Result<String, io::Error> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}
