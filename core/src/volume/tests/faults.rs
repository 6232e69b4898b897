//! Every operation of a volume, with the n-th call of the device failing or the n-th frame of memory not to be had, for
//! every n; with a disk that fills; with one that dies and comes back.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::world::{Op, World};
use crate::data::tests::device::{CALLS, Call, Disk};
use crate::data::tests::{spread, store_on};
use crate::data::{CHUNK_BYTES, ChunkStore, SpillConfig, StoreConfig};
use crate::error::Error;

const CHUNK: usize = CHUNK_BYTES;
/// Memory for so many chunks, of which metadata takes some.
const FRAMES: u64 = 12;

/// Every operation there is, in an order that has snapshots, branches and copies share what is then changed.
fn script() -> Vec<Op> {
    use Op::*;
    let mut ops = vec![Directory("d"), Directory("d/sub"), File("a"), File("b"), File("d/c")];
    ops.extend([Write { to: "a", at: 0, len: 4 * CHUNK }, Write { to: "b", at: 100, len: 3 * CHUNK }]);
    ops.extend([Symlink("d/c", "link"), SetXattr("a", "user.x", 1), WriteStream { of: "b", len: CHUNK + 7 }]);
    ops.extend([Snapshot("one"), Write { to: "a", at: CHUNK + 9, len: CHUNK }, Append { to: "d/c", len: 9000 }]);
    ops.extend([Copy { from: "a", at: 0, to: "d/c", to_at: CHUNK, len: 3 * CHUNK }, Read("d/c"), Lend("a")]);
    ops.extend([Branch("try", "one"), Switch("try"), Read("a"), Resize("a", 2 * CHUNK + 5), Link("b", "d/sub/b")]);
    ops.extend([Write { to: "d/sub/b", at: 2 * CHUNK - 50, len: 100 }, Rename("d", "e"), Mode("e/c", 0o600)]);
    ops.extend([Punch { of: "a", at: 50, len: CHUNK }, Zero { of: "b", at: CHUNK - 9, len: CHUNK + 30 }]);
    ops.extend([Snapshot("two"), Reserve { of: "e/c", at: CHUNK, len: 3 * CHUNK }, WriteStream { of: "b", len: 500 }]);
    ops.extend([Diff("one", "two"), Exchange("a", "b"), Read("a"), Append { to: "b", len: 2 * CHUNK }]);
    ops.extend([Switch("main"), Read("a"), Read("b"), Diff("main", "try"), RenameRef("one", "old")]);
    ops.extend([File("f"), Copy { from: "b", at: 10, to: "f", to_at: 99, len: 2 * CHUNK }, Rename("f", "b")]);
    ops.extend([
        RemoveXattr("a", "user.x"),
        Delete("old"),
        Write { to: "a", at: 0, len: 5 * CHUNK },
        Snapshot("three"),
    ]);
    ops.extend([Resize("a", 3 * CHUNK - 1), Remove("b"), Write { to: "d/c", at: 7, len: CHUNK }, Remove("link")]);
    ops.extend([Delete("try"), Write { to: "a", at: CHUNK / 2, len: 2 * CHUNK }, Read("a"), Read("d/c"), Lend("d/c")]);
    ops
}

/// Runs the script with `arm` having something fail; says how many operations failed.
fn run(disk: &Disk, arm: impl FnOnce(&World), disarm: impl FnOnce(&World)) -> usize {
    run_on(store_on(disk, FRAMES), arm, disarm)
}

fn run_on(store: Arc<ChunkStore>, arm: impl FnOnce(&World), disarm: impl FnOnce(&World)) -> usize {
    let mut world = World::over(store);
    arm(&world);
    let mut failed = 0;
    for (seed, op) in (0..).zip(script()) {
        if let Err(error) = world.apply(&op, seed) {
            assert!(matches!(error, Error::Io(_) | Error::NoSpace), "{op:?}: {error:?}");
            failed += 1;
            world.check();
            // What failed once works the next time.
            assert_eq!(world.apply(&op, seed), Ok(()), "{op:?}");
        }
    }
    disarm(&world);
    world.check();
    assert_sound_and_empty(&world);
    failed
}

fn assert_sound_and_empty(world: &World) {
    let report = world.volume.check_invariants(false);
    assert!(report.is_sound(), "{:?}", report.problems);
    world.empty();
    let begun = Instant::now();
    while (world.store.usage().frames, world.store.usage().small_bytes) != (0, 0) {
        assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", world.store.usage());
        std::thread::yield_now();
    }
}

fn run_with(call: Call, nth: u64, kind: ErrorKind) -> (usize, Disk) {
    let disk = Disk::default();
    let failed = run(&disk, |_| disk.fail(call, nth, kind), |_| disk.fail(call, u64::MAX / 2, kind));
    (failed, disk)
}

/// Of so many of one kind.
fn each(calls: u64) -> impl Iterator<Item = u64> {
    spread(calls, 40)
}

#[test]
fn whichever_call_of_the_device_fails_an_operation_is_done_whole_or_not_at_all_and_nothing_stored_is_lost() {
    let (failed, disk) = run_with(Call::Read, u64::MAX / 2, ErrorKind::Other);
    assert_eq!(failed, 0);
    for call in CALLS {
        let calls = disk.calls(call);
        assert!(calls > 0, "{call:?} is never called");
        let failures: usize = each(calls).map(|nth| run_with(call, nth, ErrorKind::Other).0).sum();
        // Reads are what an operation cannot do without; for the rest there is another way, or another victim.
        assert!(call != Call::Read || failures > 0);
    }
}

#[test]
fn a_device_that_says_it_is_full_once_is_believed_once() {
    let (_, disk) = run_with(Call::Write, u64::MAX / 2, ErrorKind::StorageFull);
    for call in [Call::Write, Call::Allocate] {
        each(disk.calls(call)).for_each(|nth| drop(run_with(call, nth, ErrorKind::StorageFull)));
    }
}

#[test]
fn whichever_frame_of_memory_is_not_to_be_had_an_operation_is_done_whole_or_not_at_all() {
    let spilling = || store_on(&Disk::default(), FRAMES);
    let in_memory = || {
        let spill = SpillConfig::default();
        ChunkStore::new(StoreConfig { memory_bytes: 1 << 30, spill_dir: None, spill }).unwrap()
    };
    let failures = |store: &dyn Fn() -> Arc<ChunkStore>| {
        let frames = std::cell::Cell::new(0);
        run_on(store(), |_| {}, |world| frames.set(world.store.frames_asked()));
        assert!(frames.get() > 30);
        let disarm = |world: &World| world.store.fail_frame(u64::MAX / 2);
        let run = |nth| run_on(store(), |world| world.store.fail_frame(nth), disarm);
        each(frames.get()).map(run).sum::<usize>()
    };
    // Where something else can go to the device and leave its frame, that is what happens.
    assert!(failures(&in_memory) > 0 && failures(&spilling) > 0);
}

#[test]
fn a_disk_that_fills_is_no_space_for_the_operation_that_meets_it_and_work_goes_on_when_there_is_space() {
    for capacity in [0, 1, 3, 8, 13, 21] {
        let disk = Disk::default();
        disk.set_capacity(Some(capacity));
        let mut world = World::over(store_on(&disk, FRAMES));
        let mut failed = 0;
        for (seed, op) in (0..).zip(script()) {
            if let Err(error) = world.apply(&op, seed) {
                assert_eq!(error, Error::NoSpace, "{op:?}");
                failed += 1;
                world.check();
                // Somebody makes room.
                disk.set_capacity(None);
                assert_eq!(world.apply(&op, seed), Ok(()), "{op:?}");
                disk.set_capacity(Some(disk.chunks()));
            }
        }
        world.check();
        assert!(failed > 0 || capacity > 13, "a disk of {capacity} chunks never fills");
        assert_sound_and_empty(&world);
    }
}

#[test]
fn a_disk_that_dies_takes_nothing_with_it_that_can_still_be_read() {
    for dies_at in (5..script().len()).step_by(7) {
        let disk = Disk::default();
        let mut world = World::over(store_on(&disk, FRAMES));
        for (seed, op) in (0..).zip(script()) {
            // Reads go on working: it is writing that ends.
            disk.set_dead((dies_at..dies_at + 4).contains(&(seed as usize)));
            while let Err(error) = world.apply(&op, seed) {
                assert!(matches!(error, Error::Io(_) | Error::NoSpace), "{op:?}: {error:?}");
                world.check();
                disk.set_dead(false);
            }
        }
        world.check();
        assert_sound_and_empty(&world);
    }
}
