//! Random sequences of operations on a volume and on a naive model of it. After every operation the whole tree of
//! the branch or snapshot in view is compared, every few operations those of all branches and snapshots.
//!
//! `BOUGH_MODEL_CASES` sets how many sequences are tried. A failure prints the seed that replays it.

// Here a panic is how a failure is told.
#![allow(clippy::unwrap_used)]

#[path = "model/compare.rs"]
mod compare;
#[path = "model/differences.rs"]
mod differences;
#[path = "model/naive.rs"]
mod naive;
#[path = "model/operations.rs"]
mod operations;
#[cfg(target_os = "linux")]
#[path = "model/over_base.rs"]
mod over_base;
#[path = "model/regressions.rs"]
mod regressions;
#[path = "model/runner.rs"]
mod runner;

use std::hash::{BuildHasher, RandomState};
use std::sync::Once;

use bough::NamePolicy;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use operations::{Op, sequence};
use runner::Runner;

const DEFAULT_CASES: u32 = 400;
const STACK_BYTES: usize = 64 << 20;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

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

fn try_sequences(test: &str, cases: u32, names: NamePolicy, run: Run) -> Result<(), String> {
    let seed = number_from("BOUGH_MODEL_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let cases = number_from("BOUGH_MODEL_CASES").map_or(cases, |cases| cases as u32);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let answer = runner.run(&sequence(names), |steps| {
        run(&steps, names);
        Ok(())
    });
    let Err(TestError::Fail(why, steps)) = answer else { return Ok(()) };
    let steps: Vec<String> = steps.iter().map(|step| format!("    {step:?},")).collect();
    let replay = format!("BOUGH_MODEL_SEED={seed} BOUGH_MODEL_CASES={cases} cargo test -p bough --test model {test}");
    Err(format!("{why}\nafter:\n{}\nreplay with: {replay}", steps.join("\n")))
}

/// In a thread of its own: drawing a sequence takes more stack than a test's thread has, and what fails while it is
/// shrunk need not be told each time.
fn check(test: &'static str, cases: u32, names: NamePolicy) {
    check_by(test, cases, names, run);
}

fn check_by(test: &'static str, cases: u32, names: NamePolicy, run: Run) {
    const THREAD: &str = "model";
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() != Some(THREAD) {
                loud(info);
            }
        }));
    });
    let thread = std::thread::Builder::new().name(THREAD.into()).stack_size(STACK_BYTES);
    let done = thread.spawn(move || try_sequences(test, cases, names, run)).unwrap().join();
    if let Err(failure) = done.expect("the runner itself does not panic") {
        panic!("{failure}");
    }
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
