//! `docs/hosts.md` says which calls serve each callback of the frameworks that hosts are written for: each call is in
//! the header, each test is there.

// What helps a test is part of it.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// `FSP_FILE_SYSTEM_INTERFACE` of WinFsp 2.x, in its order.
const WINFSP: [&str; 32] = [
    "GetVolumeInfo",
    "SetVolumeLabel",
    "GetSecurityByName",
    "Create",
    "CreateEx",
    "Open",
    "Overwrite",
    "OverwriteEx",
    "Cleanup",
    "Close",
    "Read",
    "Write",
    "Flush",
    "GetFileInfo",
    "SetBasicInfo",
    "SetFileSize",
    "CanDelete",
    "SetDelete",
    "Rename",
    "GetSecurity",
    "SetSecurity",
    "ReadDirectory",
    "GetDirInfoByName",
    "ResolveReparsePoints",
    "GetReparsePoint",
    "SetReparsePoint",
    "DeleteReparsePoint",
    "GetStreamInfo",
    "Control",
    "GetEa",
    "SetEa",
    "DispatcherStopped",
];

/// What a module of FSKit (macOS 26) answers, but for what block devices need.
const FSKIT: [&str; 44] = [
    "probeResource",
    "loadResource",
    "unloadResource",
    "didFinishLoading",
    "containerStatus",
    "maximumLinkCount",
    "maximumNameLength",
    "restrictsOwnershipChanges",
    "truncatesLongNames",
    "maximumXattrSize",
    "maximumFileSize",
    "supportedVolumeCapabilities",
    "volumeStatistics",
    "enableOpenUnlinkEmulation",
    "requestedMountOptions",
    "mount",
    "unmount",
    "synchronize",
    "activate",
    "deactivate",
    "getAttributes",
    "setAttributes",
    "lookupItem",
    "reclaimItem",
    "readSymbolicLink",
    "createItem",
    "createSymbolicLink",
    "createLink",
    "removeItem",
    "renameItem",
    "enumerateDirectory",
    "openItem",
    "closeItem",
    "read",
    "write",
    "getXattr",
    "setXattr",
    "listXattrs",
    "supportedXattrNames",
    "checkAccess",
    "setVolumeName",
    "preallocateSpace",
    "itemDeactivationPolicy",
    "deactivateItem",
];

struct Row {
    name: String,
    calls: Vec<String>,
    tests: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn rows() -> Vec<Row> {
    let document = fs::read_to_string(root().join("docs/hosts.md")).unwrap();
    let cells = document.lines().filter(|line| line.starts_with("| ")).map(|line| line.split('|').collect::<Vec<_>>());
    let rows = cells.map(|cells| {
        assert_eq!(cells.len(), 5, "three columns: {cells:?}");
        Row { name: cells[1].trim().to_owned(), calls: quoted(cells[2]), tests: quoted(cells[3]) }
    });
    rows.filter(|row| !matches!(row.name.as_str(), "callback" | "method")).collect()
}

/// Whether a test in Rust, or a part of the tests in C, is where it is said to be.
fn exists(test: &str) -> bool {
    let Some((place, name)) = test.split_once("::") else { return false };
    let within = if place.contains('/') { place.to_owned() } else { format!("core/tests/semantics/{place}.rs") };
    let source = fs::read_to_string(root().join(&within)).unwrap_or_default();
    match within.ends_with(".c") {
        true => source.contains(&format!("void {name}(")),
        false => source.contains(&format!("fn {name}()")),
    }
}

#[test]
fn every_callback_and_method_has_a_row() {
    let found: Vec<String> = rows().into_iter().map(|row| row.name).collect();
    assert_eq!(found, [&WINFSP[..], &FSKIT[..]].concat());
}

#[test]
fn no_row_is_empty() {
    for row in rows() {
        assert!(!row.calls.is_empty() && !row.tests.is_empty(), "{} has no call or no test", row.name);
    }
}

#[test]
fn every_call_named_is_exported() {
    let exports = fs::read_to_string(root().join("core/exports.txt")).unwrap();
    let exports: Vec<&str> = exports.lines().collect();
    for row in rows() {
        for call in row.calls {
            assert!(exports.contains(&call.as_str()), "{}: no call is named {call}", row.name);
        }
    }
}

#[test]
fn every_test_named_exists() {
    for row in rows() {
        for test in row.tests {
            assert!(exists(&test), "{}: no test is named {test}", row.name);
        }
    }
}
