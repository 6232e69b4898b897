//! Readers, writers, pins, snapshots and the evictor at once, under tiny limits.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::device::Disk;
use super::{CHUNK, CHUNK_BYTES, assert_empties, store_on};
use crate::data::chunk::ChunkStore;
use crate::data::stream::Stream;
use crate::sync::{Mutex, RwLock};

const CHUNKS: u64 = 24;
const STREAMS: usize = 3;
const ROUNDS: u64 = 400;

/// A stream each of whose chunks is filled with one byte.
fn filled(store: &std::sync::Arc<ChunkStore>) -> Stream {
    let mut stream = Stream::empty();
    for chunk in 0..CHUNKS {
        stream.write(store, chunk * CHUNK, &[chunk as u8; CHUNK_BYTES]).unwrap();
    }
    stream
}

fn next(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

fn assert_uniform(bytes: &[u8]) {
    assert!(bytes.iter().all(|&byte| byte == bytes[0]), "a chunk is of two writes");
}

fn read(streams: &[RwLock<Stream>], state: &mut u64) {
    let stream = streams[next(state, STREAMS as u64) as usize].read();
    let mut into = vec![0; CHUNK_BYTES];
    stream.read(next(state, CHUNKS) * CHUNK, &mut into).unwrap();
    assert_uniform(&into);
}

fn write(store: &std::sync::Arc<ChunkStore>, streams: &[RwLock<Stream>], state: &mut u64) {
    let mut stream = streams[next(state, STREAMS as u64) as usize].write();
    let (at, byte) = (next(state, CHUNKS) * CHUNK, next(state, 256) as u8);
    if next(state, 2) == 0 {
        assert_eq!(stream.write(store, at, &[byte; CHUNK_BYTES]), Ok(CHUNK_BYTES));
    } else {
        // In two steps, the first of which leaves what the second completes.
        assert_eq!(stream.write(store, at, &[byte; 30_000]), Ok(30_000));
        assert_eq!(stream.write(store, at + 30_000, &[byte; CHUNK_BYTES - 30_000]), Ok(CHUNK_BYTES - 30_000));
    }
}

fn pin(streams: &[RwLock<Stream>], state: &mut u64) {
    let stream = streams[next(state, STREAMS as u64) as usize].read().clone();
    let pin = stream.pin(next(state, CHUNKS) * CHUNK, CHUNK_BYTES).unwrap();
    drop(stream);
    pin.ranges().for_each(assert_uniform);
    std::thread::yield_now();
    pin.ranges().for_each(assert_uniform);
}

fn snapshot(streams: &[RwLock<Stream>], kept: &Mutex<Vec<Stream>>, state: &mut u64) {
    let stream = streams[next(state, STREAMS as u64) as usize].read().clone();
    let mut kept = kept.lock();
    if kept.len() == 4 {
        let at = next(state, 4) as usize;
        kept[at] = stream;
    } else {
        kept.push(stream);
    }
}

#[test]
fn readers_writers_pins_and_the_evictor_do_not_meet_each_others_bytes() {
    for frames in [8, 12, 40] {
        let store = store_on(&Disk::default(), frames);
        let streams: Vec<_> = (0..STREAMS).map(|_| RwLock::new(filled(&store))).collect();
        let kept = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for seed in 0..6_u64 {
                let (store, streams, kept) = (&store, &streams, &kept);
                scope.spawn(move || {
                    let mut state = seed + 1;
                    for _ in 0..ROUNDS {
                        match (seed % 3, next(&mut state, 8)) {
                            (0, 0) => snapshot(streams, kept, &mut state),
                            (0, _) => read(streams, &mut state),
                            (1, _) => write(store, streams, &mut state),
                            (_, 0) => drop(store.give_back(2 * CHUNK)),
                            _ => pin(streams, &mut state),
                        }
                    }
                });
            }
        });
        for stream in kept.lock().iter() {
            let mut all = vec![0; (CHUNKS * CHUNK) as usize];
            stream.read(0, &mut all).unwrap();
            all.chunks(CHUNK_BYTES).for_each(assert_uniform);
        }
        drop((streams, kept));
        assert_empties(&store);
    }
}

#[test]
fn the_limit_holds_while_many_write_and_read() {
    let frames = 64;
    let store = store_on(&Disk::default(), frames);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (watched, done) = (&store, &done);
        let watcher = scope.spawn(move || {
            let mut most = 0;
            while !done.load(Relaxed) {
                most = most.max(watched.usage().resident_bytes);
            }
            most
        });
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let stream = filled(&store);
                    for chunk in 0..CHUNKS {
                        let mut into = vec![0; CHUNK_BYTES];
                        stream.read(chunk * CHUNK, &mut into).unwrap();
                        assert!(into == [chunk as u8; CHUNK_BYTES]);
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Relaxed);
        let most = watcher.join().unwrap();
        assert!(most <= frames * CHUNK, "{most}");
    });
    assert_empties(&store);
}
