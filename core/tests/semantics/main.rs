//! What the file system means, through the crate's public API: one file per noun, one sentence per test.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod acl;
mod attributes;
mod base;
mod branches;
mod case_insensitive;
mod content;
mod control;
mod diff;
mod document;
mod events;
mod handles;
mod holdings;
mod labels;
mod limits;
mod listing;
mod locks;
mod mac_files;
mod macos_names;
mod names;
mod paths;
mod permissions;
mod rename;
mod reparse;
mod security;
mod snapshots;
mod space;
mod streams;
mod switch;
mod watches;
mod windows_access;
mod windows_delete;
mod windows_files;
mod windows_locks;
mod windows_model;
mod windows_names;
mod windows_open;
mod windows_rename;
mod windows_streams;
mod xattrs;
