//! What the file system means, through the crate's public API: one file per noun, one sentence per test.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod acl;
mod attributes;
mod content;
mod events;
mod handles;
mod listing;
mod locks;
mod names;
mod paths;
mod permissions;
mod rename;
mod space;
mod xattrs;
