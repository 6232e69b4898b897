//! Sequences of calls of every export on one volume. After each the volume is whole, everything closes, and nothing is
//! left when all is removed.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::calls::Call;
use crate::harness::{Verdict, check, step};
use crate::sanity;
use crate::world::World;

const CASES: u32 = 400;
const MOST_CALLS: usize = 120;

/// Runs calls, and then looks at all there is.
pub(crate) fn run(ignores_case: bool, calls: &[Call]) -> Verdict {
    let mut world = World::new(ignores_case);
    for (at, call) in calls.iter().enumerate() {
        step(at);
        call.run(&mut world);
        world.verdict().map_err(|what| format!("{what}\nin {call:?}"))?;
    }
    step(calls.len());
    world.demand_unlatched();
    sanity::check(&mut world)?;
    world.forget_all();
    world.close_all();
    world.verdict()?;
    sanity::check(&mut world)?;
    sanity::demand_empty(world.volume)?;
    world.verdict()
}

#[test]
fn no_sequence_of_calls_breaks_a_volume() {
    let sequences = || (any::<bool>(), vec(Call::any(), 1..MOST_CALLS));
    check("no_sequence_of_calls_breaks_a_volume", CASES, sequences, |(ignores_case, calls)| run(ignores_case, &calls));
}

#[test]
fn every_export_is_fuzzed() {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/exports.txt");
    let listed = std::fs::read_to_string(list).unwrap();
    let mut fuzzed = Call::exports();
    fuzzed.sort_unstable();
    assert_eq!(fuzzed, listed.lines().collect::<Vec<_>>(), "left: fuzzed, right: core/exports.txt");
}
