//! A snapshot is taken between changes: it has each of them whole or not at all, and what it has stays.

use super::world::{World, shown, together};
use super::{check, demand_found};
use crate::sync::Planted;

const ROUNDS: usize = 40;

fn snapshots_among_writers() {
    let world = World::new();
    world.directory("a");
    world.directory("b");
    world.file("a/x", b"moves");
    world.file("f", b"0000");
    let (mover, writer, keeper) = (world.clone(), world.clone(), world.clone());
    together(vec![
        Box::new(move || {
            mover.rename("a/x", "b/x").unwrap();
            mover.rename("b/x", "a/x").unwrap();
        }),
        Box::new(move || {
            writer.file("f", b"1111");
            writer.file("g", b"after f");
        }),
        Box::new(move || {
            for _ in 0..2 {
                let then = keeper.snapshot();
                let first = shown(&then);
                crate::sync::thread::yield_now();
                assert_eq!(shown(&then), first, "a snapshot has changed");
                look(&first);
            }
        }),
    ]);
    world.check();
}

fn look(shown: &[(String, Vec<u8>)]) {
    let content = |path: &str| shown.iter().find(|(found, _)| found == path).map(|(_, content)| &**content);
    assert!(content("a/x").is_some() != content("b/x").is_some(), "half of a rename: {shown:?}");
    let file = content("f").expect("always there");
    assert!([&b"0000"[..], b"1111", b""].contains(&file), "half of a write");
    assert!(content("g").is_none() || file == b"1111", "a later change without the earlier one");
}

#[test]
fn a_snapshot_has_changes_whole_and_keeps_what_it_has() {
    check(ROUNDS, snapshots_among_writers);
}

#[test]
fn a_snapshot_that_does_not_close_the_gate_is_found() {
    demand_found(Planted::SnapshotPassesTheGate, ROUNDS, snapshots_among_writers);
}
