//! What a fuzzer's bytes stand for: every [`STEP_BYTES`] of them for one step, drawn as a test draws it, with these bytes for a seed.
//! So a fuzzer that changes, moves, doubles or drops bytes does so with steps, and leaves the others as they are.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

pub(crate) const STEP_BYTES: usize = 8;

/// One value.
pub(crate) fn one<S: Strategy>(data: &[u8], strategy: &S) -> S::Value {
    let mut seed = [0; 32];
    let length = data.len().min(STEP_BYTES);
    seed[..length].copy_from_slice(&data[..length]);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    strategy.new_tree(&mut runner).expect("nothing that is drawn is refused").current()
}

/// As many as there are bytes for, but no more than so many.
pub(crate) fn many<S: Strategy>(data: &[u8], most: usize, strategy: &S) -> Vec<S::Value> {
    data.chunks(STEP_BYTES).take(most).map(|bytes| one(bytes, strategy)).collect()
}
