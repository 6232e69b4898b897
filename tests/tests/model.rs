//! The operations of the core's model through the C API: every answer is what the naive model says, to the code, and after each
//! operation the whole tree is compared, as a program sees it that knows the header alone.
//!
//! `BOUGH_MODEL_CASES` sets how many sequences are tried. A failure prints the seed that replays it.

// The exports are unsafe. A panic is how a failure is told.
#![allow(unsafe_code, clippy::unwrap_used)]

#[path = "fuzz/decode.rs"]
mod decode;
#[path = "model/hands.rs"]
mod hands;
#[path = "../../core/tests/model/harness.rs"]
mod harness;
#[path = "model/look.rs"]
mod look;
#[path = "../../core/tests/model/naive.rs"]
mod naive;
#[path = "../../core/tests/model/operations.rs"]
mod operations;
#[path = "../../core/tests/model/oracle.rs"]
#[allow(dead_code, reason = "made for drivers that answer the core's own errors")]
mod oracle;
#[path = "model/through_c.rs"]
mod through_c;

use std::panic::AssertUnwindSafe;

use bough::NamePolicy;

use hands::Hands;
use naive::Model;
use operations::{Op, sequence};
use oracle::Oracle;
use through_c::{run, run_bytes};

const CASES: u32 = 60;

fn check(test: &'static str, cases: u32, names: NamePolicy) {
    let command = "cargo test -p bough-tests --test model";
    harness::check(command, test, cases, move || sequence(names), move |steps| run(steps, names));
}

#[test]
fn the_c_api_does_what_the_model_does() {
    check("the_c_api_does_what_the_model_does", CASES, NamePolicy::Posix);
}

#[test]
fn the_c_api_with_the_names_of_windows_does_what_the_model_does() {
    check("the_c_api_with_the_names_of_windows_does_what_the_model_does", CASES / 3, NamePolicy::Windows);
}

#[test]
fn operations_made_of_any_bytes_do_what_the_model_does() {
    let bytes = || proptest::collection::vec(proptest::arbitrary::any::<[u8; decode::STEP_BYTES]>(), 0..80);
    let test = "operations_made_of_any_bytes_do_what_the_model_does";
    harness::check("cargo test -p bough-tests --test model", test, CASES / 3, bytes, |steps| {
        run_bytes(&steps.concat())
    });
}

#[test]
fn the_corpus_does_what_the_model_does() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/operations");
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    // To draw them takes more stack than a test's thread has.
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let run = move || files.iter().for_each(|file| run_bytes(&std::fs::read(file).unwrap()));
    thread.spawn(run).unwrap().join().unwrap();
}

#[test]
fn a_difference_is_seen() {
    let path = |text: &str| naive::Path { text: text.into(), follow: false };
    let (mut hands, mut oracle) = (Hands::new(NamePolicy::Posix), Oracle::new(Model::new(0, NamePolicy::Posix)));
    let make = Op::Make(path("a"), 0o644, naive::What::File);
    hands.perform(0, &make).unwrap();
    oracle.perform(0, &make).unwrap();
    look::compare(hands.view, oracle.model.tree());
    hands.perform(0, &Op::Chmod(path("a"), 0o600)).unwrap();
    let seen = std::panic::catch_unwind(AssertUnwindSafe(|| look::compare(hands.view, oracle.model.tree())));
    assert!(seen.is_err());
}
