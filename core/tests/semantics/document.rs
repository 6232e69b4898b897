//! `docs/semantics.md` names tests: each of them must exist.

use std::path::{Path, PathBuf};

const DOCUMENT: &str = "docs/semantics.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The file that `FILE::NAME` or `PATH::NAME` is in.
fn file_of(place: &str) -> PathBuf {
    let within = if place.contains('/') { place.into() } else { format!("core/tests/semantics/{place}.rs") };
    root().join(within)
}

fn exists(test: &str) -> bool {
    let Some((place, name)) = test.split_once("::") else { return false };
    let source = std::fs::read_to_string(file_of(place)).unwrap_or_default();
    source.contains(&format!("\nfn {name}()"))
}

#[test]
fn every_test_that_the_promises_name_exists() {
    let document = std::fs::read_to_string(root().join(DOCUMENT)).unwrap();
    let quoted = document.split('`').skip(1).step_by(2);
    let named: Vec<&str> = quoted.filter(|text| text.contains("::") && !text.starts_with("FILE::")).collect();
    let missing: Vec<&&str> = named.iter().filter(|test| !exists(test)).collect();
    assert!(missing.is_empty(), "{DOCUMENT} names tests that are not there: {missing:#?}");
    assert!(named.len() > 50);
}
