//! Many threads at once, on few names and files, while snapshots are taken and branches come and go. Nothing may
//! panic or stand still, nobody may see half of a rename or of a write, and nothing may be left over. Debug builds assert
//! the order of locks besides.

// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

// The naive model and its operations are shared with the other tests that try them.
#[path = "model/actor.rs"]
mod actor;
#[path = "concurrency/arena.rs"]
mod arena;
#[path = "concurrency/atomicity.rs"]
mod atomicity;
#[path = "model/histories.rs"]
mod histories;
#[path = "concurrency/history.rs"]
mod history;
#[path = "concurrency/leftovers.rs"]
mod leftovers;
#[path = "concurrency/linearizability.rs"]
mod linearizability;
#[path = "model/naive.rs"]
mod naive;
#[path = "model/operations.rs"]
#[allow(dead_code)]
mod operations;
#[path = "model/oracle.rs"]
mod oracle;
#[path = "model/stage.rs"]
mod stage;
#[path = "concurrency/trees.rs"]
mod trees;
#[path = "concurrency/windows.rs"]
mod windows;
