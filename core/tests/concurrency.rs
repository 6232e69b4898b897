//! Many threads at once, on few names and files, while snapshots are taken and branches come and go. Nothing may
//! panic or stand still, nobody may see half of a rename or of a write, and nothing may be left over. Debug builds assert
//! the order of locks besides.

// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

#[path = "concurrency/arena.rs"]
mod arena;
#[path = "concurrency/atomicity.rs"]
mod atomicity;
#[path = "concurrency/history.rs"]
mod history;
#[path = "concurrency/leftovers.rs"]
mod leftovers;
#[path = "concurrency/trees.rs"]
mod trees;
#[path = "concurrency/windows.rs"]
mod windows;
