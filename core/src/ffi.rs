//! The C API: what `include/bough.h` declares.
//!
//! Owns the exported functions, the structures they pass and the opaque handles. Each export is the same few lines:
//! [`boundary`] stops panics and turns pointers into references, one call of the core follows, its error becomes a number.
//! No rule of the file system lives here.
//!
//! The types bear the names that C knows them by, and cbindgen writes the header from these files and
//! `control/messages` alone. Every export leaves what its pointers promise to its caller: the header says so once, at its top.

#![allow(non_camel_case_types, unsafe_code)]
// The promises that a caller makes are the same for every export and stand in the header.
#![allow(clippy::missing_safety_doc, clippy::too_many_arguments)]

pub mod attributes;
mod boundary;
pub mod content;
pub mod control;
pub mod diff;
pub mod events;
pub mod foreign;
pub mod identity;
pub mod layout;
pub mod locks;
pub mod log;
pub mod names;
pub mod opened_names;
pub mod opened_ranges;
pub mod opens;
pub mod paths;
pub mod pins;
pub mod refs;
pub mod results;
pub mod rights;
pub mod streams;
pub mod tokens;
pub mod types;
pub mod utf16;
pub mod view;
pub mod volume;
pub mod xattrs;
