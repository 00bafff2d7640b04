//! The fuzzer begins with a request to every route: one that it has no seed for, it may never find.

use std::fs;

use crate::openapi::routes;
use crate::root;

/// Routes of what people and clients ask that no seed of `tests/fuzz/corpus/http` is for, as `method path`.
pub(crate) fn missing() -> Vec<String> {
    let code = |file: &str| fs::read_to_string(root().join("daemon/src/web").join(file)).unwrap();
    let wanted = ["pages.rs", "pages/openid.rs", "client_api.rs"].map(|file| routes(&code(file))).concat();
    assert!(wanted.len() > 50, "{wanted:?}");
    let corpus = fs::read_dir(root().join("tests/fuzz/corpus/http")).unwrap();
    let seeds: Vec<String> =
        corpus.filter_map(|entry| asked(&fs::read(entry.unwrap().path()).unwrap())).collect();
    wanted.into_iter().filter(|route| !seeds.iter().any(|seed| is_for(seed, route))).collect()
}

pub(crate) fn can_fail() {
    let seed = asked(b"POST /a/b?c=d accept */*\n\n{}").unwrap();
    assert!(is_for(&seed, "post /a/{b}") && is_for(&seed, "post /a/b"));
    for route in ["get /a/b", "post /a", "post /a/b/c", "post /{a}"] {
        assert!(!is_for(&seed, route), "{route}");
    }
    assert_eq!(asked(&[0xff]), None);
}

/// `method path` of a seed.
fn asked(seed: &[u8]) -> Option<String> {
    let line = seed.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    Some(format!("{} {}", method.to_lowercase(), path.split('?').next()?))
}

fn is_for(seed: &str, route: &str) -> bool {
    let (seed, route) = (seed.split('/'), route.split('/'));
    seed.clone().count() == route.clone().count()
        && seed.zip(route).all(|(said, wanted)| wanted.starts_with('{') || said == wanted)
}
