//! What the heap keeps of metadata that went: content is spilled for it, it has its place when it comes back, and it is given
//! back only where content cannot do without.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use super::device::Disk;
use super::{CHUNK, CHUNK_BYTES, bytes, eager, eventually, store_on};
use crate::data::chunk::{ChunkStore, SpillConfig, StoreConfig};
use crate::data::stream::Stream;
use crate::ledger::Kind;

const FRAMES: u64 = 64;

/// Metadata comes and goes.
fn leave(store: &ChunkStore, chunks: u64) {
    store.ledger().add(Kind::References, (chunks * CHUNK) as usize);
    store.ledger().sub(Kind::References, (chunks * CHUNK) as usize);
}

/// Writes so many chunks; the most that was counted meanwhile.
fn fill(store: &Arc<ChunkStore>, stream: &mut Stream, chunks: u64) -> u64 {
    let one = bytes(CHUNK_BYTES, 1);
    let write = |chunk| {
        assert_eq!(stream.write(store, chunk * CHUNK, &one), Ok(CHUNK_BYTES), "{chunk}: {:?}", store.usage());
        store.usage().memory_bytes
    };
    (0..chunks).map(write).max().unwrap()
}

#[test]
fn metadata_that_went_keeps_its_place_and_has_it_when_it_comes_back() {
    const LEFT: u64 = 8;
    let store = store_on(&Disk::default(), FRAMES);
    leave(&store, LEFT);
    let most = fill(&store, &mut Stream::empty(), 4 * FRAMES);
    // What the ledger does not hear of is less than a page for each kind and stripe.
    assert!(most + LEFT * CHUNK <= FRAMES * CHUNK + CHUNK, "{most}");
    let mut stream = Stream::empty();
    fill(&store, &mut stream, 4 * FRAMES);
    let stalls = store.usage().stalls;
    store.ledger().add(Kind::References, (LEFT * CHUNK) as usize);
    assert_eq!((store.admit(), store.usage().stalls, store.heap_trims()), (Ok(()), stalls, 0));
    store.ledger().sub(Kind::References, (LEFT * CHUNK) as usize);
}

#[test]
fn what_is_kept_is_said_to_be_resident() {
    let store = store_on(&Disk::default(), FRAMES);
    leave(&store, 8);
    let usage = store.usage();
    assert!(usage.resident_bytes >= 7 * CHUNK && usage.memory_bytes < CHUNK, "{usage:?}");
}

#[test]
fn what_is_more_than_a_quarter_of_the_rest_is_given_back() {
    let store = store_on(&Disk::default(), FRAMES);
    leave(&store, 40);
    fill(&store, &mut Stream::empty(), 4 * FRAMES);
    assert_eq!(store.heap_trims(), 1);
    // Frames that lie warm are resident too, for a moment.
    eventually("nothing is kept any more", || {
        let usage = store.usage();
        usage.resident_bytes / CHUNK == usage.memory_bytes / CHUNK
    });
}

#[test]
fn more_than_a_quarter_is_given_back_before_it_and_content_are_past_the_limit() {
    let alone = StoreConfig { memory_bytes: FRAMES * CHUNK, spill_dir: None, spill: eager() };
    for store in [ChunkStore::new(alone).unwrap(), store_on(&Disk::default(), FRAMES)] {
        leave(&store, 40);
        let mut stream = Stream::empty();
        fill(&store, &mut stream, FRAMES - 44);
        assert_eq!(store.heap_trims(), 0, "there is room for both");
        // Far from the marks of the evictor yet, so by nothing else.
        fill(&store, &mut stream, FRAMES - 36);
        let begun = Instant::now();
        while store.heap_trims() == 0 {
            assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", store.usage());
            thread::yield_now();
        }
        assert_eq!((store.heap_trims(), store.usage().evictions), (1, 0));
    }
}

#[test]
fn content_that_can_go_nowhere_else_has_the_place_of_what_is_kept() {
    let alone = || {
        let config = StoreConfig { memory_bytes: FRAMES * CHUNK, spill_dir: None, spill: eager() };
        ChunkStore::new(config).unwrap()
    };
    let full = || {
        let config = SpillConfig { limit_bytes: 0, ..eager() };
        ChunkStore::with_device(FRAMES * CHUNK, Box::new(Disk::default()), config)
    };
    for store in [alone(), full()] {
        leave(&store, 12);
        fill(&store, &mut Stream::empty(), FRAMES - 4);
        assert_eq!(store.heap_trims(), 1, "{:?}", store.usage());
    }
    for store in [alone(), full()] {
        // Nobody is held up for so little.
        leave(&store, 2);
        fill(&store, &mut Stream::empty(), FRAMES - 2);
        assert_eq!(store.heap_trims(), 0, "{:?}", store.usage());
    }
}

#[test]
fn of_many_who_find_what_is_kept_in_their_way_at_once_none_is_refused() {
    const WRITERS: u64 = 8;
    for _ in 0..50 {
        let alone = StoreConfig { memory_bytes: FRAMES * CHUNK, spill_dir: None, spill: eager() };
        let store = ChunkStore::new(alone).unwrap();
        leave(&store, 12);
        // There is room for all of them where what is kept is given up, and for none where not.
        let mut first = Stream::empty();
        fill(&store, &mut first, FRAMES - 12);
        let together = Barrier::new(WRITERS as usize);
        thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| {
                    let mut stream = Stream::empty();
                    together.wait();
                    fill(&store, &mut stream, 1);
                });
            }
        });
    }
}

#[test]
fn what_is_let_go_little_by_little_is_given_back_when_it_is_much() {
    let config = StoreConfig { memory_bytes: FRAMES * CHUNK, spill_dir: None, spill: eager() };
    let store = ChunkStore::new(config).unwrap();
    let ledger = store.ledger();
    ledger.add(Kind::References, 12 * CHUNK_BYTES);
    let mut streams = vec![Stream::empty()];
    fill(&store, &mut streams[0], FRAMES - 14);
    for _ in 0..12 {
        ledger.sub(Kind::References, CHUNK_BYTES);
        streams.push(Stream::empty());
        fill(&store, streams.last_mut().unwrap(), 1);
    }
    // Each time more than a thirty-second of the limit has come together.
    assert!((3..=6).contains(&store.heap_trims()), "{}", store.heap_trims());
}

#[test]
fn a_system_that_is_short_of_memory_gets_back_what_is_kept() {
    let store = store_on(&Disk::default(), FRAMES);
    leave(&store, 8);
    store.squeeze();
    assert_eq!(store.heap_trims(), 1);
    // There is nothing more to be had.
    store.squeeze();
    assert_eq!(store.heap_trims(), 1);
}
