//! What `deny.toml` says of dependencies, without a tool that must be installed first: each has a licence that is allowed, comes
//! from crates.io or this repository, and has a version. `make audit` asks `cargo deny`, which also knows advisories.

#![allow(clippy::unwrap_used)]

use std::process::Command;

use serde_json::Value;

fn root() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/..")
}

/// The packages that builds on this machine have, with every feature.
fn packages() -> Vec<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut metadata = Command::new(cargo);
    metadata.args(["metadata", "--format-version=1", "--locked", "--all-features", "--filter-platform", host]);
    let output = metadata.current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let used: Vec<&Value> = told["resolve"]["nodes"].as_array().unwrap().iter().map(|node| &node["id"]).collect();
    let all = told["packages"].as_array().unwrap().iter();
    all.filter(|package| used.contains(&&package["id"])).cloned().collect()
}

/// The licences that `deny.toml` allows.
fn allowed() -> Vec<String> {
    let text = std::fs::read_to_string(format!("{}/deny.toml", root())).unwrap();
    let (_, section) = text.split_once("[licenses]").unwrap();
    let (_, list) = section.split_once("allow = [").unwrap();
    let (list, _) = list.split_once(']').unwrap();
    list.split(',').map(|name| name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Whether an expression of SPDX can be met by licences that are allowed: OR binds less than AND.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.replace('/', " OR ");
    let tokens = expression.replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<&str> = tokens.split_whitespace().collect();
    let (met, rest) = any_of(&tokens, allowed);
    assert!(rest.is_empty(), "an expression that is not understood: {expression}");
    met
}

fn any_of<'a, 't>(tokens: &'t [&'a str], allowed: &[String]) -> (bool, &'t [&'a str]) {
    let (mut met, mut rest) = all_of(tokens, allowed);
    while let ["OR", after @ ..] = rest {
        let (other, left) = all_of(after, allowed);
        (met, rest) = (met || other, left);
    }
    (met, rest)
}

fn all_of<'a, 't>(tokens: &'t [&'a str], allowed: &[String]) -> (bool, &'t [&'a str]) {
    let (mut met, mut rest) = one(tokens, allowed);
    while let ["AND", after @ ..] = rest {
        let (other, left) = one(after, allowed);
        (met, rest) = (met && other, left);
    }
    (met, rest)
}

fn one<'a, 't>(tokens: &'t [&'a str], allowed: &[String]) -> (bool, &'t [&'a str]) {
    match tokens {
        ["(", inner @ ..] => {
            let (met, rest) = any_of(inner, allowed);
            (met, rest.strip_prefix(&[")"]).expect("a closing parenthesis"))
        }
        [name, "WITH", exception, rest @ ..] => {
            (allowed.contains(&format!("{name} WITH {exception}")) || allowed.iter().any(|one| one == name), rest)
        }
        [name, rest @ ..] => (allowed.iter().any(|one| one == name), rest),
        [] => panic!("an expression that ends too early"),
    }
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let allowed = allowed();
    assert!(allowed.len() > 3);
    let packages = packages();
    assert!(packages.len() > 50, "{}", packages.len());
    let refused = packages.iter().filter(|package| !is_met(package["license"].as_str().unwrap_or("none"), &allowed));
    let refused: Vec<String> = refused.map(|package| format!("{}: {}", package["name"], package["license"])).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn every_dependency_comes_from_the_registry_or_is_ours() {
    const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
    let foreign =
        packages().into_iter().filter(|package| package["source"].as_str().is_some_and(|from| from != REGISTRY));
    let foreign: Vec<Value> = foreign.map(|package| package["id"].clone()).collect();
    assert!(foreign.is_empty(), "{foreign:#?}");
}

#[test]
fn every_dependency_is_asked_for_by_version() {
    let ours = packages().into_iter().filter(|package| package["source"].is_null());
    for package in ours {
        for dependency in package["dependencies"].as_array().unwrap() {
            let wildcard = dependency["req"] == "*" && dependency["path"].is_null();
            assert!(!wildcard, "{} asks for any {}", package["name"], dependency["name"]);
        }
    }
}

#[test]
fn expressions_of_licences_are_understood() {
    let allowed = ["MIT", "Apache-2.0"].map(String::from);
    for met in ["MIT", "GPL-3.0 OR MIT", "MIT/Unlicense", "(MIT OR GPL-3.0) AND Apache-2.0", "MIT AND Apache-2.0 OR X"]
    {
        assert!(is_met(met, &allowed), "{met}");
    }
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "(GPL-3.0 OR X) AND MIT", "none"] {
        assert!(!is_met(refused, &allowed), "{refused}");
    }
}
