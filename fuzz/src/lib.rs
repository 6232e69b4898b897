//! Targets of the coverage-guided fuzzer. What they do is in `tests/tests/fuzz/bytes.rs` and `tests/tests/model/`, where the same runs
//! as ordinary tests, over the corpus and over random bytes: here is only what hands them libFuzzer's bytes (`make fuzz`).

#![allow(dead_code, unused_imports, unused_macros, unsafe_code, clippy::unwrap_used)]

#[path = "../../tests/tests/fuzz/arguments.rs"]
mod arguments;
#[path = "../../tests/tests/fuzz/bytes.rs"]
mod bytes;
#[path = "../../tests/tests/fuzz/callbacks.rs"]
mod callbacks;
#[path = "../../tests/tests/fuzz/calls.rs"]
mod calls;
#[path = "../../tests/tests/fuzz/content.rs"]
mod content;
#[path = "../../tests/tests/fuzz/control.rs"]
mod control;
#[path = "../../tests/tests/fuzz/decode.rs"]
mod decode;
#[path = "../../tests/tests/fuzz/foreign.rs"]
mod foreign;
#[path = "../../tests/tests/model/hands.rs"]
mod hands;
#[path = "../../tests/tests/fuzz/harness.rs"]
mod harness;
#[path = "../../tests/tests/model/look.rs"]
mod look;
#[path = "../../tests/tests/fuzz/messages.rs"]
mod messages;
#[path = "../../core/tests/model/naive.rs"]
mod naive;
#[path = "../../tests/tests/fuzz/names.rs"]
mod names;
#[path = "../../tests/tests/fuzz/nodes.rs"]
mod nodes;
#[path = "../../tests/tests/fuzz/opens.rs"]
mod opens;
#[path = "../../core/tests/model/operations.rs"]
mod operations;
#[path = "../../core/tests/model/oracle.rs"]
mod oracle;
#[path = "../../tests/tests/fuzz/paths.rs"]
mod paths;
#[path = "../../tests/tests/fuzz/regressions.rs"]
mod regressions;
#[path = "../../tests/tests/fuzz/sanity.rs"]
mod sanity;
#[path = "../../tests/tests/fuzz/sequences.rs"]
mod sequences;
#[path = "../../tests/tests/model/through_c.rs"]
mod through_c;
#[path = "../../tests/tests/fuzz/volumes.rs"]
mod volumes;
#[path = "../../tests/tests/fuzz/windows.rs"]
mod windows;
#[path = "../../tests/tests/fuzz/world.rs"]
mod world;

/// Runs the target of this name.
///
/// # Panics
///
/// With what is wrong.
pub fn run(target: &str, data: &[u8]) {
    if target == "operations" {
        return through_c::run_bytes(data);
    }
    let (_, run) = bytes::TARGETS.iter().find(|(name, _)| *name == target).expect("a target of this name");
    if let Err(why) = run(data) {
        panic!("{why}");
    }
}
