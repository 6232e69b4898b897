//! The model and its operations, for tests within the crate: those need what the crate does not show, a disk that fails or a
//! scheduler of their own.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

#[path = "actor.rs"]
pub(crate) mod actor;
#[path = "compare.rs"]
pub(crate) mod compare;
#[path = "differences.rs"]
pub(crate) mod differences;
#[path = "harness.rs"]
pub(crate) mod harness;
#[path = "histories.rs"]
pub(crate) mod histories;
#[path = "naive.rs"]
pub(crate) mod naive;
#[path = "operations.rs"]
pub(crate) mod operations;
#[path = "oracle.rs"]
pub(crate) mod oracle;
#[path = "runner.rs"]
pub(crate) mod runner;
#[path = "stage.rs"]
pub(crate) mod stage;
