//! What writers wait for, and what they do not: below the hard mark for nothing, past it for the evictor, and where nothing
//! can go for nobody.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::device::{Call, Disk};
use super::{CHUNK, CHUNK_BYTES, bytes, content, eager, eventually, store_on};
use crate::data::chunk::{ChunkStore, SpillDevice};
use crate::data::stream::Stream;
use crate::error::Error;
use crate::ledger::Kind;
use crate::sync::CountsMutex;

/// A device that takes everything, unless it is held, and keeps nothing.
#[derive(Debug, Default)]
struct Nowhere(Arc<CountsMutex<()>>);

impl SpillDevice for Nowhere {
    fn read_at(&self, _: u64, into: &mut [&mut [u8]]) -> io::Result<()> {
        into.iter_mut().for_each(|part| part.fill(0));
        Ok(())
    }

    fn write_at(&self, _: u64, _: &[&[u8]]) -> io::Result<()> {
        drop(self.0.lock());
        Ok(())
    }

    fn punch(&self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn allocate(&self, _: Range<u64>) -> io::Result<()> {
        Ok(())
    }

    fn room(&self) -> io::Result<u64> {
        Ok(1 << 50)
    }
}

fn store_on_nowhere(frames: u64) -> Arc<ChunkStore> {
    ChunkStore::with_device(frames * CHUNK, Box::new(Nowhere::default()), eager())
}

/// How long half of many times the same take at most: what else the machine does may hold up some.
fn usual(times: u64, mut run: impl FnMut(u64)) -> Duration {
    let mut took: Vec<Duration> = (0..times)
        .map(|time| {
            let begun = Instant::now();
            run(time);
            begun.elapsed()
        })
        .collect();
    took.sort_unstable();
    took[took.len() / 2]
}

/// Shorter than any wait for a sweep that is tried again.
const NO_WAIT: Duration = Duration::from_millis(90);

fn write(store: &Arc<ChunkStore>, stream: &mut Stream, chunks: Range<u64>) {
    for chunk in chunks {
        assert_eq!(stream.write(store, chunk * CHUNK, &bytes(CHUNK_BYTES, chunk)), Ok(CHUNK_BYTES), "{chunk}");
    }
}

#[test]
fn writers_below_the_hard_mark_wait_for_nobody_and_those_past_it_do() {
    const FRAMES: u64 = 64;
    let device = Nowhere::default();
    let gate = device.0.clone();
    let store = ChunkStore::with_device(FRAMES * CHUNK, Box::new(device), eager());
    let mut stream = Stream::empty();
    // Nothing goes until somebody waits for it.
    let held = gate.lock();
    // One frame is for reading back, and some memory is for what finds the chunks.
    write(&store, &mut stream, 0..FRAMES - 2);
    assert_eq!(store.usage().stalls, 0, "{:?}", store.usage());
    std::thread::scope(|scope| {
        scope.spawn(|| write(&store, &mut stream, FRAMES - 2..FRAMES * 4));
        eventually("whoever writes more waits", || store.usage().stalls > 0);
        drop(held);
    });
}

#[test]
fn chunks_that_are_used_stay_and_others_go() {
    const FRAMES: u64 = 48;
    let store = store_on(&Disk::default(), FRAMES);
    let (mut used, mut snapshot) = (Stream::empty(), Stream::empty());
    write(&store, &mut used, 0..4);
    write(&store, &mut snapshot, 0..4);
    let branch = snapshot.clone();
    snapshot.truncate(&store, 3 * CHUNK + 9).unwrap();
    let mut rest = Stream::empty();
    for chunk in 0..FRAMES * 20 {
        write(&store, &mut rest, chunk..chunk + 1);
        // Between two rounds of the hand, each of them.
        for held in [&used, &snapshot] {
            assert_eq!(content(held)[..10], bytes(10, 0)[..]);
        }
    }
    let usage = store.usage();
    assert!(usage.evictions > FRAMES * 18, "{usage:?}");
    // In the order in which they came each of the eight would go each time round: twenty times.
    assert!(usage.faults <= 40, "{usage:?}");
    assert!(content(&branch)[3 * CHUNK_BYTES..] == bytes(CHUNK_BYTES, 3));
}

#[test]
fn neighbours_go_in_one_write() {
    let disk = Disk::default();
    let store = store_on(&disk, 1_024);
    let mut stream = Stream::empty();
    write(&store, &mut stream, 0..2_048);
    let (written, calls) = (store.usage().written_bytes / CHUNK, disk.calls(Call::Write));
    assert!(written >= 1_024 && calls * 8 <= written, "{written} chunks in {calls} writes");
}

#[test]
fn where_nothing_can_go_nobody_waits_for_it() {
    const FRAMES: u64 = 64;
    let store = store_on_nowhere(FRAMES);
    let (mut stream, mut other) = (Stream::empty(), Stream::empty());
    let one = bytes(CHUNK_BYTES, 1);
    (0..4_000).for_each(|chunk| assert_eq!(stream.write(&store, chunk * CHUNK, &one), Ok(CHUNK_BYTES)));
    store.give_back(u64::MAX);
    // What finds these, and other metadata, up to half a chunk below where nothing fresh goes beyond.
    let (ledger, taken) = (store.ledger(), (63 * CHUNK - CHUNK / 2 - store.usage().memory_bytes) as usize);
    ledger.add(Kind::References, taken);
    let took = usual(20, |_| {
        assert_eq!(store.admit(), Ok(()), "{:?}", store.usage());
        assert_eq!(other.write(&store, 0, &one), Err(Error::NoSpace), "{:?}", store.usage());
    });
    assert!(took < NO_WAIT, "{took:?}");
    ledger.sub(Kind::References, taken);
    assert_eq!(other.write(&store, 0, &one), Ok(CHUNK_BYTES));
}

#[test]
fn under_pressure_writers_do_not_wait_for_what_is_spilled_to_go() {
    const FRAMES: u64 = 64;
    // What they still take of memory is more than pressure leaves of the limit.
    const SPILLED: u64 = 6_000;
    let store = store_on_nowhere(FRAMES);
    let mut stream = Stream::empty();
    let one = bytes(CHUNK_BYTES, 1);
    (0..SPILLED).for_each(|chunk| assert_eq!(stream.write(&store, chunk * CHUNK, &one), Ok(CHUNK_BYTES)));
    (0..40).for_each(|_| assert!(store.squeeze()));
    let took = usual(20, |chunk| assert_eq!(stream.write(&store, (SPILLED + chunk) * CHUNK, &one), Ok(CHUNK_BYTES)));
    assert!(took < NO_WAIT, "{took:?}");
}

#[test]
fn beside_much_that_is_spilled_a_working_set_that_fits_stays() {
    const FRAMES: u64 = 96;
    let store = store_on_nowhere(FRAMES);
    let (mut set, mut spilled) = (Stream::empty(), Stream::empty());
    let one = bytes(CHUNK_BYTES, 1);
    // What finds these takes a quarter of the limit, and other metadata more than half: past where the evictor begins.
    (0..14_000).for_each(|chunk| assert_eq!(spilled.write(&store, chunk * CHUNK, &one), Ok(CHUNK_BYTES)));
    let ledger = store.ledger();
    let taken = (58 * CHUNK) as usize;
    ledger.add(Kind::References, taken);
    write(&store, &mut set, 0..4);
    let read = |rounds: usize| (0..rounds).for_each(|_| drop(content(&set)));
    read(20);
    let before = store.usage().faults;
    read(50);
    let faults = store.usage().faults - before;
    assert!(faults <= 20, "{faults} of 200: {:?}", store.usage());
    ledger.sub(Kind::References, taken);
}
