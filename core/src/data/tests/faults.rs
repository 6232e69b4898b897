//! The n-th call of the device fails, for every n; the disk fills; the disk dies and comes back.

use std::io::ErrorKind;

use super::device::{CALLS, Call, Disk};
use super::model::{Op, Pairs, STREAMS};
use super::{CHUNK, CHUNK_BYTES, assert_empties, bytes, content, eager, spread, store_on};
use crate::data::chunk::{ChunkStore, SpillDevice};
use crate::data::stream::Stream;
use crate::error::Error;

const FRAMES: u64 = 6;

/// Always the same: writes whole and in part, snapshots, holes, and reads of what was written long ago.
fn script() -> Vec<Op> {
    let mut ops = Vec::new();
    for round in 0..6_u64 {
        let to = round as usize % STREAMS;
        ops.push(Op::Write { to, at: 0, len: 4 * CHUNK_BYTES });
        ops.push(Op::Clone { to: (to + 1) % STREAMS, from: to });
        ops.push(Op::Write { to, at: CHUNK + 100, len: 2 * CHUNK_BYTES });
        ops.push(Op::Read { of: (to + 1) % STREAMS, at: 0, len: 5 * CHUNK_BYTES });
        ops.push(Op::Punch { to, at: 50, len: 2 * CHUNK + 7 });
        ops.push(Op::Zero { to, at: 3 * CHUNK - 9, len: 2 * CHUNK + 30 });
        ops.push(Op::Read { of: (to + 2) % STREAMS, at: 7, len: 3 * CHUNK_BYTES });
        ops.push(Op::Copy { to: (to + 3) % STREAMS, from: to, at: 2 * CHUNK });
        ops.push(Op::Truncate { to: (to + 3) % STREAMS, size: 3 * CHUNK + 5 });
    }
    ops
}

/// Runs the script with one call failing; says how many operations failed.
fn run(call: Call, nth: u64, kind: ErrorKind) -> (usize, Disk) {
    let disk = Disk::default();
    let mut pairs = Pairs::new(store_on(&disk, FRAMES));
    disk.fail(call, nth, kind);
    let mut failed = 0;
    for op in script() {
        if let Err(error) = pairs.apply(&op) {
            assert!(matches!(error, Error::Io(_) | Error::NoSpace), "{error:?}");
            failed += 1;
            // What failed once works the next time.
            assert_eq!(pairs.apply(&op), Ok(()), "{op:?} after {call:?} {nth}");
        }
        assert!(pairs.store.usage().resident_bytes <= FRAMES * CHUNK);
    }
    // How often the device is asked differs from run to run, so the call may not have come yet.
    disk.fail_no_more();
    pairs.check();
    let store = pairs.store.clone();
    drop(pairs);
    assert_empties(&store);
    (failed, disk)
}

#[test]
fn whichever_call_of_the_device_fails_nothing_that_is_stored_is_lost() {
    let (_, disk) = run(Call::Punch, u64::MAX / 2, ErrorKind::Other);
    for call in CALLS {
        let calls = disk.calls(call);
        assert!(calls > 0, "{call:?} is never called");
        let failures: usize = spread(calls, 150).map(|nth| run(call, nth, ErrorKind::Other).0).sum();
        // Reads are what an operation cannot do without; for the rest there is another way, or another victim.
        assert!(call != Call::Read || failures > 0);
    }
}

#[test]
fn a_write_that_finds_the_disk_full_is_tried_elsewhere_or_reported() {
    let (_, disk) = run(Call::Write, u64::MAX / 2, ErrorKind::StorageFull);
    for nth in spread(disk.calls(Call::Write), 40) {
        run(Call::Write, nth, ErrorKind::StorageFull);
    }
}

/// Writes chunks until there is no space. Returns the stream.
fn fill(pairs: &Pairs) -> (Stream, Vec<u8>) {
    let (mut stream, mut model) = (Stream::empty(), Vec::new());
    loop {
        let more = bytes(CHUNK_BYTES, model.len() as u64);
        match stream.write(&pairs.store, model.len() as u64, &more) {
            Ok(done) => model.extend_from_slice(&more[..done]),
            Err(error) => {
                assert_eq!(error, Error::NoSpace);
                return (stream, model);
            }
        }
    }
}

#[test]
fn a_full_disk_is_no_space_until_there_is_space_again() {
    let disk = Disk::default();
    disk.set_capacity(Some(40));
    let mut pairs = Pairs::new(store_on(&disk, 16));
    let full = fill(&pairs);
    assert!(full.1.len() as u64 >= (40 + 16 - 3) * CHUNK, "{}", full.1.len() as u64 / CHUNK);
    pairs.pairs[0] = full.clone();
    pairs.pairs[1] = full;
    // All of it can be read though nothing more can be spilled, and what nobody else holds can be changed.
    pairs.check();
    pairs.pairs[1] = (Stream::empty(), Vec::new());
    for at in (0..50).rev() {
        assert_eq!(
            pairs.apply(&Op::Write { to: 0, at: at * CHUNK + 9, len: 100 }),
            Ok(()),
            "{at} {:?}",
            pairs.store.usage()
        );
    }
    pairs.check();
    disk.set_capacity(Some(50));
    assert_eq!(pairs.apply(&Op::Write { to: 2, at: 0, len: 8 * CHUNK_BYTES }), Ok(()));
    pairs.check();
    // Space that is freed serves as well as space that is added.
    pairs.apply(&Op::Punch { to: 0, at: 0, len: 20 * CHUNK }).unwrap();
    assert_eq!(pairs.apply(&Op::Write { to: 3, at: 0, len: 18 * CHUNK_BYTES }), Ok(()));
    pairs.check();
}

#[test]
fn a_disk_that_dies_takes_nothing_with_it_that_can_still_be_read() {
    let disk = Disk::default();
    let mut pairs = Pairs::new(store_on(&disk, 8));
    for to in 0..3 {
        pairs.apply(&Op::Write { to, at: 0, len: 8 * CHUNK_BYTES }).unwrap();
    }
    disk.set_dead(true);
    let mut failed = Vec::new();
    for at in 0..20 {
        failed.extend(pairs.apply(&Op::Write { to: 3, at: at * CHUNK, len: CHUNK_BYTES }).err());
    }
    assert!(failed.iter().all(|error| matches!(error, Error::Io(_))), "{failed:?}");
    assert!(failed.len() > 10);
    pairs.check();
    disk.set_dead(false);
    for at in 0..20 {
        assert_eq!(pairs.apply(&Op::Write { to: 3, at: at * CHUNK, len: CHUNK_BYTES }), Ok(()));
    }
    pairs.check();
}

#[test]
fn nothing_freed_stays_on_the_disk() {
    let disk = Disk::default();
    let mut pairs = Pairs::new(store_on(&disk, 4));
    pairs.apply(&Op::Write { to: 0, at: 0, len: 64 * CHUNK_BYTES }).unwrap();
    assert!(disk.chunks() >= 60);
    assert!(content(&pairs.pairs[0].0) == pairs.pairs[0].1);
    pairs.apply(&Op::Truncate { to: 0, size: 0 }).unwrap();
    let begun = std::time::Instant::now();
    while disk.chunks() > 0 {
        assert!(begun.elapsed().as_secs() < 120, "{} left", disk.chunks());
        std::thread::yield_now();
    }
}

/// A disk whose first write is a fault of our own.
#[derive(Debug)]
struct PanicsOnce(Disk, std::sync::atomic::AtomicBool);

impl SpillDevice for PanicsOnce {
    fn read_at(&self, offset: u64, into: &mut [&mut [u8]]) -> std::io::Result<()> {
        self.0.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, from: &[&[u8]]) -> std::io::Result<()> {
        let again = self.1.swap(true, std::sync::atomic::Ordering::Relaxed);
        assert!(again, "a panic on purpose");
        self.0.write_at(offset, from)
    }

    fn punch(&self, range: std::ops::Range<u64>) -> std::io::Result<()> {
        self.0.punch(range)
    }

    fn allocate(&self, range: std::ops::Range<u64>) -> std::io::Result<()> {
        self.0.allocate(range)
    }

    fn room(&self) -> std::io::Result<u64> {
        self.0.room()
    }
}

#[test]
fn nobody_waits_for_ever_for_an_evictor_that_has_panicked() {
    let device = Box::new(PanicsOnce(Disk::default(), false.into()));
    let mut pairs = Pairs::new(ChunkStore::with_device(6 * CHUNK, device, eager()));
    for at in 0..20 {
        assert_eq!(pairs.apply(&Op::Write { to: 0, at: at * CHUNK, len: CHUNK_BYTES }), Ok(()));
    }
    pairs.check();
}
