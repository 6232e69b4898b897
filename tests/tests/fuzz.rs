//! Fuzzing of the C API: control messages, names and paths, and sequences of calls of every export. Bad input is one
//! clear error, nothing is lost, and no panic gets as far as the boundary.
//!
//! `BOUGH_FUZZ_CASES` multiplies how many cases are tried. A failure prints the smallest case, its seed and the command
//! that replays it.

// The exports are unsafe, and what helps a test is part of it.
#![allow(unsafe_code, clippy::unwrap_used)]

#[path = "fuzz/arguments.rs"]
mod arguments;
#[path = "fuzz/bytes.rs"]
mod bytes;
#[path = "fuzz/callbacks.rs"]
mod callbacks;
#[path = "fuzz/calls.rs"]
mod calls;
#[path = "fuzz/content.rs"]
mod content;
#[path = "fuzz/control.rs"]
mod control;
#[path = "fuzz/decode.rs"]
mod decode;
#[path = "fuzz/foreign.rs"]
mod foreign;
#[path = "fuzz/harness.rs"]
mod harness;
#[path = "fuzz/messages.rs"]
mod messages;
#[path = "fuzz/names.rs"]
mod names;
#[path = "fuzz/nodes.rs"]
mod nodes;
#[path = "fuzz/opens.rs"]
mod opens;
#[path = "fuzz/paths.rs"]
mod paths;
#[path = "fuzz/regressions.rs"]
mod regressions;
#[path = "fuzz/sanity.rs"]
mod sanity;
#[path = "fuzz/sequences.rs"]
mod sequences;
#[path = "fuzz/volumes.rs"]
mod volumes;
#[path = "fuzz/windows.rs"]
mod windows;
#[path = "fuzz/world.rs"]
mod world;
