//! The limit on memory holds, and what it costs is counted.

use std::sync::Arc;

use super::device::Disk;
use super::{CHUNK, CHUNK_BYTES, assert_empties, bytes, content, eager, eventually, store_on};
use crate::data::chunk::{ChunkStore, SpillConfig, StoreConfig};
use crate::data::stream::Stream;
use crate::error::Error;

fn written(store: &Arc<ChunkStore>, chunks: usize, seed: u64) -> (Stream, Vec<u8>) {
    let (mut stream, model) = (Stream::empty(), bytes(chunks * CHUNK_BYTES, seed));
    assert_eq!(stream.write(store, 0, &model), Ok(model.len()));
    (stream, model)
}

fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

#[test]
fn ten_times_the_limit_is_written_to_a_file_and_read_back_at_random() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 64 * CHUNK;
    let store = ChunkStore::new(StoreConfig {
        memory_bytes: limit,
        spill_dir: Some(folder.path().to_owned()),
        spill: SpillConfig::default(),
    })
    .unwrap();
    let mut state = 1;
    let (mut stream, mut model) = written(&store, 640, 1);
    let snapshot = (stream.clone(), model.clone());
    for round in 0..300 {
        let at = random(&mut state, model.len() as u64 - 5000);
        let patch = bytes(4096, round);
        assert_eq!(stream.write(&store, at, &patch), Ok(4096));
        model[at as usize..at as usize + 4096].copy_from_slice(&patch);
        let at = random(&mut state, model.len() as u64 - 70_000) as usize;
        let mut into = vec![0; random(&mut state, 70_000) as usize];
        assert_eq!(stream.read(at as u64, &mut into), Ok(into.len()));
        assert!(into == model[at..at + into.len()]);
        assert!(store.usage().resident_bytes <= limit, "{:?}", store.usage());
    }
    assert!(content(&stream) == model && content(&snapshot.0) == snapshot.1);
    let usage = store.usage();
    assert!(usage.evictions > 576 && usage.faults > 100 && usage.ahead_hits > 300, "{usage:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    drop((stream, snapshot));
    assert_empties(&store);
}

#[test]
fn who_reads_past_the_limit_takes_the_frames_that_were_evicted_for_it() {
    let disk = Disk::default();
    let store = store_on(&disk, 256);
    let (stream, model) = written(&store, 2_048, 5);
    let asked = store.frames_asked();
    // Other threads than the one that wrote: what is evicted at first is none of theirs.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for at in (0..model.len()).step_by(4 * CHUNK_BYTES) {
                let mut into = vec![0; 4 * CHUNK_BYTES];
                assert_eq!(stream.read(at as u64, &mut into), Ok(into.len()));
                assert!(into == model[at..][..into.len()]);
            }
        });
    });
    let asked = store.frames_asked() - asked;
    assert!(asked < 512, "{asked} frames were asked of the system for 2,048 chunks");
    drop(stream);
    assert_empties(&store);
}

#[test]
fn what_is_reserved_is_neither_written_nor_read_until_somebody_writes_to_it() {
    let disk = Disk::default();
    let store = store_on(&disk, 32);
    let mut stream = Stream::empty();
    assert_eq!(stream.allocate(&store, 0, 1_000 * CHUNK, false), Ok(()));
    let mut snapshot = stream.clone();
    let usage = store.usage();
    assert_eq!((usage.frames, usage.spilled_frames, usage.written_bytes), (1_000, 1_000, 0));
    assert!(content(&stream).iter().all(|&byte| byte == 0));
    assert_eq!((store.usage().read_bytes, store.usage().written_bytes), (0, 0), "zeros are neither written nor read");
    let model = bytes(1_000 * CHUNK_BYTES, 3);
    assert_eq!(stream.write(&store, 0, &model), Ok(model.len()));
    assert!(content(&stream) == model && content(&snapshot).iter().all(|&byte| byte == 0));
    assert_eq!(snapshot.write(&store, 7 * CHUNK + 5, b"x"), Ok(1));
    // What is zeroed as a whole needs no device either: its slots are set aside.
    let before = store.usage();
    assert_eq!(stream.zero(&store, 0, 900 * CHUNK, true), Ok(()));
    assert_eq!(store.usage().read_bytes, before.read_bytes);
    let all = content(&stream);
    assert!(
        all[..900 * CHUNK_BYTES].iter().all(|&byte| byte == 0)
            && all[900 * CHUNK_BYTES..] == model[900 * CHUNK_BYTES..]
    );
    drop((stream, snapshot));
    assert_empties(&store);
}

#[test]
fn what_is_reserved_can_be_written_when_the_disk_is_full() {
    let disk = Disk::default();
    let store = store_on(&disk, 32);
    disk.set_capacity(Some(120));
    let mut reserved = Stream::empty();
    assert_eq!(reserved.allocate(&store, 0, 100 * CHUNK, false), Ok(()));
    let (mut other, more) = (Stream::empty(), bytes(CHUNK_BYTES, 1));
    let mut at = 0;
    while other.write(&store, at, &more) == Ok(CHUNK_BYTES) {
        at += CHUNK;
    }
    let model = bytes(100 * CHUNK_BYTES, 2);
    assert_eq!(reserved.write(&store, 0, &model), Ok(model.len()));
    assert!(content(&reserved) == model);
}

#[test]
fn what_is_reserved_where_something_was_freed_can_be_written_when_the_disk_is_full() {
    let disk = Disk::default();
    let store = store_on(&disk, 32);
    drop(written(&store, 150, 1));
    assert_empties(&store);
    store.give_back(1);
    let begun = std::time::Instant::now();
    while disk.chunks() > 0 {
        assert!(begun.elapsed().as_secs() < 120, "{} left", disk.chunks());
        std::thread::yield_now();
    }
    let mut reserved = Stream::empty();
    assert_eq!(reserved.allocate(&store, 0, 100 * CHUNK, false), Ok(()));
    // Others take the rest.
    disk.set_capacity(Some(disk.chunks()));
    let model = bytes(100 * CHUNK_BYTES, 2);
    assert_eq!(reserved.write(&store, 0, &model), Ok(model.len()));
    assert!(content(&reserved) == model);
}

#[test]
fn what_many_streams_share_is_spilled_once() {
    let disk = Disk::default();
    let store = store_on(&disk, 8);
    let (stream, model) = written(&store, 8, 1);
    let shares: Vec<Stream> = (0..50).map(|_| stream.clone()).collect();
    let _other = written(&store, 40, 2);
    assert!(store.usage().written_bytes <= 48 * CHUNK);
    shares.iter().for_each(|share| assert!(content(share) == model));
}

#[test]
fn what_was_read_back_and_not_changed_is_dropped_without_writing() {
    let store = store_on(&Disk::default(), 8);
    let (stream, model) = written(&store, 40, 1);
    assert!(content(&stream) == model && content(&stream) == model);
    assert!(store.usage().written_bytes <= 40 * CHUNK, "{:?}", store.usage());
    assert!(store.usage().evictions >= 100);
}

#[test]
fn reserved_memory_makes_chunks_go_and_is_given_back() {
    let store = store_on(&Disk::default(), 16);
    let (stream, model) = written(&store, 12, 1);
    assert_eq!(store.reserve(17 * CHUNK), Err(Error::NoSpace));
    assert_eq!(store.reserve(10 * CHUNK + 1), Ok(()));
    assert_eq!(store.usage().reserved_bytes, 10 * CHUNK + 1);
    assert!(store.usage().resident_bytes <= 16 * CHUNK && store.usage().spilled_frames >= 7);
    // Nothing that could be evicted is left to make room for that much.
    assert_eq!(store.reserve(6 * CHUNK), Err(Error::NoSpace));
    assert!(content(&stream) == model);
    store.release(10 * CHUNK + 1);
    drop(stream);
    assert_empties(&store);
}

#[test]
fn memory_is_given_back_early_when_asked_for() {
    let store = store_on(&Disk::default(), 512);
    let (stream, model) = written(&store, 100, 1);
    assert_eq!(store.usage().spilled_frames, 0);
    assert!(store.give_back(60 * CHUNK) >= 59 * CHUNK);
    let usage = store.usage();
    assert!(usage.spilled_frames >= 60 && usage.resident_bytes <= 41 * CHUNK, "{usage:?}");
    assert!(content(&stream) == model);
    // What was read ahead may be held for a moment by who read it.
    eventually("all goes", || {
        store.give_back(u64::MAX);
        store.usage().spilled_frames == 100
    });
    assert!(content(&stream) == model);
}

#[test]
fn pins_keep_chunks_in_memory_and_only_they_go_beyond_the_limit() {
    let store = store_on(&Disk::default(), 4);
    let (mut stream, model) = written(&store, 12, 1);
    let pin = stream.pin(0, usize::MAX).unwrap();
    let usage = store.usage();
    assert!(usage.memory_bytes >= 12 * CHUNK && usage.resident_bytes <= 13 * CHUNK, "{usage:?}");
    assert_eq!(stream.write(&store, 5, b"x"), Err(Error::NoSpace));
    assert!(pin.ranges().collect::<Vec<_>>().concat() == model);
    drop(pin);
    assert_eq!(stream.write(&store, 5, b"x"), Ok(1));
    let begun = std::time::Instant::now();
    while store.usage().resident_bytes > 4 * CHUNK {
        assert!(begun.elapsed().as_secs() < 120, "{:?}", store.usage());
        std::thread::yield_now();
    }
}

#[test]
fn a_limit_on_spilling_is_a_limit_on_what_is_stored() {
    let disk = Disk::default();
    let config = SpillConfig { limit_bytes: 10 * CHUNK, ..eager() };
    let store = ChunkStore::with_device(8 * CHUNK, Box::new(disk.clone()), config);
    assert_eq!(store.spill_room_bytes(), 10 * CHUNK);
    assert!(!store.may_hold(19));
    let mut stream = Stream::empty();
    let done = stream.write(&store, 0, &bytes(30 * CHUNK_BYTES, 1)).unwrap() as u64;
    // One frame is for reading back, and one makes way for what the spilled ones still take.
    assert_eq!(done, (10 + 8 - 2) * CHUNK);
    assert!(disk.chunks() <= 10 && store.spill_room_bytes() == 0);
    assert_eq!(content(&stream), bytes(done as usize, 1));
}

#[test]
fn a_part_of_the_disk_is_left_to_others() {
    let disk = Disk::default();
    disk.set_capacity(Some(30));
    let config = SpillConfig { disk_reserve_bytes: 12 * CHUNK, ..eager() };
    let store = ChunkStore::with_device(8 * CHUNK, Box::new(disk.clone()), config);
    let mut stream = Stream::empty();
    let done = stream.write(&store, 0, &bytes(40 * CHUNK_BYTES, 1)).unwrap();
    assert!(done < 27 * CHUNK_BYTES && disk.chunks() == 18, "{done} {}", disk.chunks());
    assert_eq!(content(&stream), bytes(done, 1));
}

#[test]
fn what_is_read_in_order_was_read_ahead() {
    let store = store_on(&Disk::default(), 256);
    let (stream, model) = written(&store, 1024, 1);
    let before = store.usage();
    for (at, piece) in model.chunks(20_000).enumerate() {
        let mut into = vec![0; piece.len()];
        stream.read(at as u64 * 20_000, &mut into).unwrap();
        assert!(into == piece);
    }
    let usage = store.usage();
    let (faults, hits) = (usage.faults - before.faults, usage.ahead_hits - before.ahead_hits);
    assert!(faults < 200 && hits > 500, "{faults} {hits}");
}

#[test]
fn a_store_that_goes_takes_its_threads_with_it_and_leaves_its_chunks() {
    let disk = Disk::default();
    let store = store_on(&disk, 8);
    let (stream, model) = written(&store, 100, 1);
    assert!(content(&stream) == model);
    drop(store);
    assert!(content(&stream) == model);
    assert!(disk.chunks() > 0);
    // The threads would hold it.
    drop(stream);
    assert!(disk.is_the_last());
}

#[test]
fn changing_what_is_spilled_over_and_over_takes_no_more_of_the_disk() {
    let disk = Disk::default();
    let store = store_on(&disk, 8);
    let (mut stream, mut model) = written(&store, 40, 1);
    for round in 0..400 {
        let at = (round * 7 % 40) * CHUNK_BYTES + 11;
        model[at..at + 100].copy_from_slice(&bytes(100, round as u64));
        stream.write(&store, at as u64, &model[at..at + 100]).unwrap();
    }
    assert!(content(&stream) == model);
    let begun = std::time::Instant::now();
    while disk.chunks() > 40 {
        assert!(begun.elapsed().as_secs() < 120, "{} left", disk.chunks());
        store.give_back(u64::MAX);
    }
}

#[test]
fn however_small_the_limit_a_store_that_spills_works() {
    for limit in [1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK, 4 * CHUNK, 17 * CHUNK] {
        let store = ChunkStore::with_device(limit, Box::new(Disk::default()), eager());
        assert_eq!(store.admit(), Ok(()), "{limit}");
        if limit >= 3 * CHUNK {
            let (stream, all) = written(&store, 20, limit);
            assert_eq!(content(&stream), all, "{limit}");
        }
    }
}

#[test]
fn pressure_makes_nothing_fail_that_the_limit_has_room_for() {
    let disk = Disk::default();
    disk.set_capacity(Some(0));
    let store = store_on(&disk, 64);
    let (first, all) = written(&store, 20, 3);
    assert!(store.squeeze());
    assert_eq!(store.admit(), Ok(()));
    let (second, more) = written(&store, 30, 4);
    assert_eq!((content(&first), content(&second)), (all, more));
}
