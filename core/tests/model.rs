//! Random sequences of operations on a volume and on a naive model of it. After every operation the whole tree of
//! the branch or snapshot in view is compared, every few operations those of all branches and snapshots.
//!
//! `BOUGH_MODEL_CASES` sets how many sequences are tried. A failure prints the seed that replays it.

// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

#[path = "model/actor.rs"]
mod actor;
#[path = "model/compare.rs"]
mod compare;
#[path = "model/differences.rs"]
mod differences;
#[path = "model/harness.rs"]
mod harness;
#[path = "model/naive.rs"]
mod naive;
#[path = "model/operations.rs"]
mod operations;
#[path = "model/oracle.rs"]
mod oracle;
#[cfg(target_os = "linux")]
#[path = "model/over_base.rs"]
mod over_base;
#[path = "model/regressions.rs"]
mod regressions;
#[cfg(target_os = "linux")]
#[path = "model/reverts.rs"]
mod reverts;
#[path = "model/runner.rs"]
mod runner;

use bough::NamePolicy;

use operations::{Op, sequence};
use runner::Runner;

const DEFAULT_CASES: u32 = 400;
const COMMAND: &str = "cargo test -p bough --test model";

/// Memory for everything, and for so little that most of it spills.
const PLENTY: u64 = 1 << 30;
const LITTLE: u64 = 1 << 20;
/// What is done with a sequence.
type Run = fn(&[(usize, Op)], NamePolicy);

fn run(steps: &[(usize, Op)], names: NamePolicy) {
    run_within(steps, names, PLENTY);
}

fn run_within(steps: &[(usize, Op)], names: NamePolicy, memory_bytes: u64) {
    let mut runner = Runner::new(names, memory_bytes);
    for (by, op) in steps {
        runner.step(*by, op);
    }
    runner.finish();
}

fn check(test: &'static str, cases: u32, names: NamePolicy) {
    check_by(test, cases, names, run);
}

fn check_by(test: &'static str, cases: u32, names: NamePolicy, run: Run) {
    harness::check(COMMAND, test, cases, move || sequence(names), move |steps| run(steps, names));
}

#[test]
fn a_volume_does_what_the_model_does() {
    check("a_volume_does_what_the_model_does", DEFAULT_CASES, NamePolicy::Posix);
}

#[test]
fn a_volume_short_of_memory_does_what_the_model_does() {
    const TEST: &str = "a_volume_short_of_memory_does_what_the_model_does";
    check_by(TEST, DEFAULT_CASES / 3, NamePolicy::Posix, |steps, names| run_within(steps, names, LITTLE));
}

#[test]
fn a_volume_that_ignores_case_does_what_the_model_does() {
    check("a_volume_that_ignores_case_does_what_the_model_does", DEFAULT_CASES / 3, NamePolicy::PosixCaseInsensitive);
}

#[test]
fn a_volume_with_the_names_of_windows_does_what_the_model_does() {
    check("a_volume_with_the_names_of_windows_does_what_the_model_does", DEFAULT_CASES / 3, NamePolicy::Windows);
}

#[test]
fn a_volume_with_the_names_of_macos_does_what_the_model_does() {
    check("a_volume_with_the_names_of_macos_does_what_the_model_does", DEFAULT_CASES / 3, NamePolicy::MacOs);
}

#[cfg(target_os = "linux")]
#[test]
fn a_volume_over_a_directory_does_what_one_filled_with_the_same_does() {
    let test = "a_volume_over_a_directory_does_what_one_filled_with_the_same_does";
    check_by(test, DEFAULT_CASES / 8, NamePolicy::Posix, |steps, _| over_base::run(steps));
}

#[cfg(target_os = "linux")]
#[test]
fn paths_over_a_directory_go_back_and_nothing_else_does() {
    const TEST: &str = "paths_over_a_directory_go_back_and_nothing_else_does";
    check_by(TEST, DEFAULT_CASES / 8, NamePolicy::Posix, |steps, _| reverts::over_a_base(steps));
}

#[cfg(target_os = "linux")]
#[test]
fn paths_of_a_branch_go_back_and_nothing_else_does() {
    const TEST: &str = "paths_of_a_branch_go_back_and_nothing_else_does";
    check_by(TEST, DEFAULT_CASES / 8, NamePolicy::Posix, |steps, _| reverts::over_nothing(steps));
}
