//! Sequences of calls of every export on one volume. After each the volume is whole, everything closes, and nothing is
//! left when all is removed.

use proptest::collection::vec;

use bough::ffi::volume::FS_NAMES_MACOS;

use crate::arguments::*;
use crate::calls::Call;
use crate::content::{ContentCall, Options};
use crate::harness::{Verdict, check, step};
use crate::nodes::NodeCall;
use crate::sanity;
use crate::world::World;

const CASES: u32 = 300;
const MOST_CALLS: usize = 120;

/// Runs calls, and then looks at all there is.
pub(crate) fn run(names: u32, calls: &[Call]) -> Verdict {
    let mut world = World::new(names);
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

/// A directory, a file with content and a link, so that calls have something to work on.
fn furniture() -> Vec<Call> {
    let (view, who, parent, out, mode) = (View(0), Who(0, Twist::Right), Parent(Node::Root), Twist::Right, Mode(0o777));
    let name = |name: &[u8]| Name(Bytes(name.to_vec()));
    let options = Options(Flags(3), mode, out);
    let (node, handle) = (Content(Node::File(1)), Handle::Known(1));
    vec![
        NodeCall::fs_mkdir { view, who, parent, name: name(b"a"), mode, out }.into(),
        ContentCall::fs_create { view, who, parent, name: name(b"b"), options, out }.into(),
        ContentCall::fs_write { view, who, node, handle, offset: Big(0), room: Room(70_000) }.into(),
        NodeCall::fs_symlink { view, who, parent, name: name(b"link"), target: Target(Bytes(b"a".to_vec())), out }
            .into(),
    ]
}

/// Runs calls on a volume that has something in it.
pub(crate) fn run_furnished(names: u32, calls: Vec<Call>) -> Verdict {
    run(names, &[furniture(), calls].concat())
}

#[test]
fn no_sequence_of_calls_breaks_a_volume() {
    let sequences = || (0..=FS_NAMES_MACOS, vec(Call::any(), 1..MOST_CALLS));
    check("no_sequence_of_calls_breaks_a_volume", CASES, sequences, |(names, calls)| run_furnished(names, calls));
}

#[test]
fn every_export_is_fuzzed() {
    let list = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/exports.txt");
    let listed = std::fs::read_to_string(list).unwrap();
    let mut fuzzed = Call::exports();
    fuzzed.sort_unstable();
    assert_eq!(fuzzed, listed.lines().collect::<Vec<_>>(), "left: fuzzed, right: core/exports.txt");
}
