//! Readers, writers and pins of chunks that the evictor wants: each sees the bytes of one write, and a pin those it began with.

use std::sync::Arc;

use super::world::together;
use super::{check, demand_found};
use crate::data::ChunkStore;
use crate::data::stream::Stream;
use crate::data::tests::device::Disk;
use crate::data::tests::{CHUNK, CHUNK_BYTES, store_on};
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};
use crate::sync::{Planted, RwLock};

const ROUNDS: usize = 40;
/// Memory for so few that what is written makes others go.
const FRAMES: u64 = 4;
const CHUNKS: u64 = 4;
/// A frame that nobody asks for.
const NEVER: u64 = u64::MAX / 2;

type Shared = Arc<(Arc<ChunkStore>, RwLock<Stream>)>;

fn filled(byte: u8) -> Vec<u8> {
    vec![byte; CHUNK_BYTES]
}

/// The one byte that a chunk is filled with.
fn byte_of(bytes: &[u8]) -> u8 {
    assert!(bytes.iter().all(|byte| *byte == bytes[0]), "a chunk is of two writes");
    bytes[0]
}

fn byte_at(shared: &Shared, chunk: u64) -> u8 {
    let mut into = filled(0);
    shared.1.read().read(chunk * CHUNK, &mut into).unwrap();
    byte_of(&into)
}

/// Writes chunk 0 again and again, each time with more, and reads it back.
fn write(shared: &Shared) {
    for byte in [10, 11] {
        shared.1.write().write(&shared.0, 0, &filled(byte)).unwrap();
        assert_eq!(byte_at(shared, 0), byte, "a write is lost");
    }
}

/// Lends chunk 0, and looks at it twice.
fn pin(shared: &Shared) {
    let pin = shared.1.read().pin(0, CHUNK_BYTES).unwrap();
    let first = pin.ranges().map(byte_of).next();
    crate::sync::thread::yield_now();
    assert_eq!(pin.ranges().map(byte_of).next(), first, "what is lent has changed");
}

/// Reads the others, which brings them back, and has something go.
fn churn(shared: &Shared) {
    for chunk in 1..CHUNKS {
        assert_eq!(byte_at(shared, chunk), chunk as u8, "what was spilled is not what was stored");
    }
    shared.0.give_back(2 * CHUNK);
}

fn chunks_that_the_evictor_wants() {
    let store = store_on(&Disk::default(), FRAMES);
    let mut stream = Stream::empty();
    for chunk in 0..CHUNKS {
        stream.write(&store, chunk * CHUNK, &filled(chunk as u8)).unwrap();
    }
    let shared: Shared = Arc::new((store, RwLock::new(stream)));
    let actors = [write as fn(&Shared), pin, churn];
    together(
        actors
            .map(|actor| {
                let shared = shared.clone();
                Box::new(move || actor(&shared)) as Box<dyn FnOnce() + Send>
            })
            .into(),
    );
    assert_eq!(byte_at(&shared, 0), 11, "the last write is lost");
    (1..CHUNKS).for_each(|chunk| assert_eq!(byte_at(&shared, chunk), chunk as u8));
}

/// One chunk, written while somebody has it go: between its way to the device and the end of its frame.
fn a_chunk_written_while_it_goes() {
    let store = store_on(&Disk::default(), FRAMES);
    let mut stream = Stream::empty();
    stream.write(&store, 0, &filled(1)).unwrap();
    let shared: Shared = Arc::new((store, RwLock::new(stream)));
    let (writes, goes) = (shared.clone(), shared.clone());
    together(vec![
        Box::new(move || write(&writes)),
        Box::new(move || {
            goes.0.give_back(CHUNK);
            goes.0.give_back(CHUNK);
        }),
    ]);
    assert_eq!(byte_at(&shared, 0), 11, "the last write is lost");
}

/// A shared chunk, written over as a whole while everything goes and memory gets short: the write that fails has changed nothing.
fn a_shared_chunk_written_over_while_memory_gets_short() {
    let store = store_on(&Disk::default(), FRAMES);
    let mut stream = Stream::empty();
    stream.write(&store, 0, &filled(1)).unwrap();
    let before = stream.clone();
    let shared: Shared = Arc::new((store, RwLock::new(stream)));
    let (writes, goes) = (shared.clone(), shared.clone());
    let written = Arc::new(AtomicBool::new(false));
    let says = written.clone();
    together(vec![
        Box::new(move || {
            let done = writes.1.write().write(&writes.0, 0, &filled(2)).is_ok();
            says.store(done, Relaxed);
        }),
        Box::new(move || {
            goes.0.give_back(u64::MAX);
            goes.0.fail_frame(0);
        }),
    ]);
    shared.0.fail_frame(NEVER);
    assert_eq!(
        byte_at(&shared, 0),
        if written.load(Relaxed) { 2 } else { 1 },
        "a write that failed has changed something"
    );
    let mut into = filled(0);
    before.read(0, &mut into).unwrap();
    assert_eq!(byte_of(&into), 1, "what was shared has changed");
}

#[test]
fn a_shared_chunk_keeps_its_bytes_where_a_write_over_it_fails() {
    check(2 * ROUNDS, a_shared_chunk_written_over_while_memory_gets_short);
}

#[test]
fn a_chunk_that_gets_its_bytes_late_is_found() {
    demand_found(Planted::FillsLate, 3 * ROUNDS, a_shared_chunk_written_over_while_memory_gets_short);
}

#[test]
fn a_chunk_written_while_it_goes_has_what_was_written() {
    check(2 * ROUNDS, a_chunk_written_while_it_goes);
}

#[test]
fn chunks_keep_their_bytes_whatever_the_evictor_wants() {
    check(ROUNDS, chunks_that_the_evictor_wants);
}

#[test]
fn an_evictor_that_drops_what_was_used_meanwhile_is_found() {
    demand_found(Planted::EvictsWhatIsUsed, 3 * ROUNDS, a_chunk_written_while_it_goes);
}

#[test]
fn a_writer_that_overlooks_a_pin_is_found() {
    demand_found(Planted::WritesWhatIsLent, ROUNDS, chunks_that_the_evictor_wants);
}
