//! Short streams: many of them are spilled and come back as long ones are.

use std::io::ErrorKind;
use std::sync::Arc;

use super::device::{Call, Disk};
use super::{CHUNK, assert_empties, bytes, content, store_on};
use crate::data::chunk::ChunkStore;
use crate::data::stream::Stream;
use crate::error::Error;

fn short(store: &Arc<ChunkStore>, len: usize, seed: u64) -> Stream {
    let mut stream = Stream::empty();
    assert_eq!(stream.write(store, 0, &bytes(len, seed)), Ok(len));
    stream
}

fn random(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

#[test]
fn short_streams_past_the_limit_are_spilled_and_come_back_to_the_byte() {
    const STREAMS: u64 = 20_000;
    let limit = 64 * CHUNK;
    let store = store_on(&Disk::default(), 64);
    let len = |number: u64| 500 + (number * 37 % 1000) as usize;
    let mut streams: Vec<Stream> = (0..STREAMS).map(|number| short(&store, len(number), number)).collect();
    let usage = store.usage();
    assert!(usage.small_bytes > 4 * limit && usage.spilled_frames > 192 && usage.frames == 0, "{usage:?}");
    assert!(usage.resident_bytes <= limit + CHUNK / 4, "{usage:?}");
    // Changes after a snapshot go to copies, and the snapshot's are spilled as others are.
    let snapshot = streams.clone();
    let mut state = 1;
    for round in 0..5_000 {
        let number = random(&mut state, STREAMS);
        assert_eq!(
            streams[number as usize].write(&store, 7, &round.to_string().into_bytes()),
            Ok(round.to_string().len())
        );
        let number = random(&mut state, STREAMS);
        assert!(content(&snapshot[number as usize]) == bytes(len(number), number));
        // Metadata is known to the store in steps.
        assert!(store.usage().resident_bytes <= limit + CHUNK / 4, "{:?}", store.usage());
    }
    for (number, stream) in snapshot.iter().enumerate() {
        assert!(content(stream) == bytes(len(number as u64), number as u64), "{number}");
    }
    drop((streams, snapshot));
    assert_empties(&store);
}

#[test]
fn a_device_that_fails_fails_a_short_stream_and_takes_nothing_from_it() {
    let disk = Disk::default();
    let store = store_on(&disk, 8);
    let mut streams: Vec<Stream> = (0..200).map(|number| short(&store, 10_000, number)).collect();
    disk.fail(Call::Read, 0, ErrorKind::Other);
    let failed: Vec<Error> = streams.iter().filter_map(|stream| stream.read(0, &mut [0; 100]).err()).collect();
    assert!(matches!(failed[..], [Error::Io(_)]), "{failed:?}");
    disk.fail(Call::Read, 0, ErrorKind::Other);
    let mut model: Vec<Vec<u8>> = (0..200).map(|number| bytes(10_000, number)).collect();
    let mut failures = 0;
    for (stream, model) in streams.iter_mut().zip(&mut model) {
        match stream.write(&store, 5_000, b"changed") {
            Ok(_) => model[5_000..5_007].copy_from_slice(b"changed"),
            Err(_) => failures += 1,
        }
    }
    assert_eq!(failures, 1);
    assert!(streams.iter().zip(&model).all(|(stream, model)| content(stream) == *model));
}

#[test]
fn short_streams_that_come_and_go_take_no_more_in_the_end() {
    const STREAMS: usize = 4_000;
    let store = store_on(&Disk::default(), 4_096);
    let mut state = 1;
    let mut streams: Vec<Stream> = Vec::new();
    for round in 0..40_000 {
        let most = 1 << random(&mut state, 13);
        let len = 1 + random(&mut state, most) as usize;
        let stream = short(&store, len, round);
        if streams.len() < STREAMS {
            streams.push(stream);
        } else {
            let at = random(&mut state, STREAMS as u64) as usize;
            streams[at] = stream;
        }
    }
    let usage = store.usage();
    let sizes = 60 * CHUNK;
    assert!(usage.slabs * CHUNK <= usage.small_bytes * 6 / 5 + sizes, "{usage:?}");
    drop(streams);
    assert_empties(&store);
}

#[test]
fn what_was_in_a_slot_before_is_never_seen() {
    let store = store_on(&Disk::default(), 8);
    drop(short(&store, 4_000, 1));
    let mut stream = short(&store, 10, 2);
    drop(short(&store, 4_000, 3));
    stream.write(&store, 3_900, b"x").unwrap();
    let mut expected = bytes(10, 2);
    expected.resize(3_900, 0);
    expected.push(b'x');
    assert!(content(&stream) == expected);
    stream.truncate(&store, 5).unwrap();
    stream.truncate(&store, 4_000).unwrap();
    expected.truncate(5);
    expected.resize(4_000, 0);
    assert!(content(&stream) == expected);
    stream.allocate(&store, 0, 3_000, true).unwrap();
    assert!(content(&stream) == expected);
}

#[test]
fn what_is_left_of_many_slabs_moves_together_and_stays_what_it_was() {
    let store = store_on(&Disk::default(), 4_096);
    for (len, every) in [(4_096, 16), (100, 50), (1_000, 9), (15, 400)] {
        let mut streams: Vec<Option<Stream>> = (0..40_000).map(|number| Some(short(&store, len, number))).collect();
        let full = store.usage().slabs;
        let left = |number: usize| number.is_multiple_of(every);
        let mut state = 5;
        for _ in 0..100_000 {
            let number = random(&mut state, 40_000) as usize;
            if !left(number) {
                streams[number] = None;
            }
        }
        (0..40_000).filter(|&number| !left(number)).for_each(|number| streams[number] = None);
        let usage = store.usage();
        // A sixth of all slots is free, and slabs are looked at now and then.
        let least = (full / every as u64).max(1);
        assert!(usage.slabs <= least * 3 / 2 + 2, "{len}: of {full} slabs {} are left, of {least}", usage.slabs);
        for number in (0..40_000).step_by(every) {
            let stream = streams[number].as_mut().unwrap();
            assert!(content(stream) == bytes(len, number as u64), "{number}");
            assert_eq!(stream.write(&store, 3, b"new"), Ok(3));
            assert_eq!(&content(stream)[..6], [&bytes(3, number as u64)[..], b"new"].concat());
        }
        drop(streams);
        assert_empties(&store);
        assert_eq!(store.usage().small_bytes, 0);
    }
}

#[test]
fn bytes_that_are_shared_move_for_all_who_share_them() {
    let store = store_on(&Disk::default(), 4_096);
    let streams: Vec<Stream> = (0..2_000).map(|number| short(&store, 4_096, number)).collect();
    let kept: Vec<Stream> = streams.iter().step_by(8).cloned().collect();
    let snapshot = kept.clone();
    let full = store.usage().slabs;
    drop(streams);
    assert!(store.usage().slabs < full / 5, "{:?}", store.usage());
    for (number, (one, other)) in (0..).step_by(8).zip(kept.iter().zip(&snapshot)) {
        assert!(one.same(other) && content(one) == bytes(4_096, number));
    }
    drop((kept, snapshot));
    assert_empties(&store);
}

/// Streams of which one in `every` is left, so that each slab has a few.
fn thinned(store: &Arc<ChunkStore>, len: usize, count: u64, every: usize) -> Vec<(u64, Stream)> {
    let streams: Vec<_> = (0..count).map(|number| (number, short(store, len, number))).collect();
    streams.into_iter().filter(|(number, _)| !number.is_multiple_of(every as u64)).collect()
}

#[test]
fn when_all_is_tidy_next_to_nothing_is_free() {
    let store = store_on(&Disk::default(), 4_096);
    for (len, every, count) in [(4_096, 7, 8_000), (1_000, 8, 20_000), (100, 9, 20_000), (16_384, 5, 8_000)] {
        let streams = thinned(&store, len, count, every);
        let room = |store: &ChunkStore| (store.usage().slabs * CHUNK) as f64 / (streams.len() * len) as f64;
        let before = room(&store);
        let pauses = std::cell::Cell::new(0_u64);
        store.tidy(|| pauses.set(pauses.get() + 1));
        let slot = if len == 1_000 {
            1024.0 / 1000.0
        } else if len == 100 {
            1.12
        } else {
            1.0
        };
        assert!(room(&store) < before && room(&store) < slot * 1.03, "{len}: {} of {before}", room(&store));
        assert!(pauses.get() > 0);
        streams.iter().for_each(|(number, stream)| assert!(content(stream) == bytes(len, *number), "{number}"));
        // Where nothing is to do nothing is done.
        pauses.set(0);
        store.tidy(|| pauses.set(pauses.get() + 1));
        assert_eq!(pauses.get(), 0);
        drop(streams);
        assert_empties(&store);
    }
}

#[test]
fn slabs_are_tidied_while_others_use_them() {
    let store = store_on(&Disk::default(), 4_096);
    let mut streams = thinned(&store, 3_000, 4_000, 5);
    std::thread::scope(|scope| {
        let tidying = scope.spawn(|| (0..50).for_each(|_| store.tidy(std::thread::yield_now)));
        let mut state = 1;
        while !tidying.is_finished() {
            let at = random(&mut state, streams.len() as u64) as usize;
            assert!(content(&streams[at].1) == bytes(3_000, streams[at].0));
            if streams.len() > 1_000 {
                streams.swap_remove(at);
            }
        }
    });
    assert!(streams.iter().all(|(number, stream)| content(stream) == bytes(3_000, *number)));
    // Slots are found and taken as before.
    let more: Vec<_> = (0..3_000).map(|number| short(&store, 3_000, number)).collect();
    assert!((0..).zip(&more).all(|(number, stream)| content(stream) == bytes(3_000, number)));
    drop((streams, more));
    assert_empties(&store);
}

#[test]
fn slots_move_while_others_read_write_and_free() {
    let store = store_on(&Disk::default(), 1_024);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let store = &store;
            scope.spawn(move || {
                let mut state = thread;
                let mut streams: Vec<(Stream, u64)> = Vec::new();
                for round in 0..30_000_u64 {
                    match random(&mut state, 5) {
                        0..2 if streams.len() < 400 => streams.push((short(store, 3_000, round), round)),
                        2 if !streams.is_empty() => {
                            let at = random(&mut state, streams.len() as u64) as usize;
                            assert!(content(&streams[at].0) == bytes(3_000, streams[at].1));
                        }
                        3 if !streams.is_empty() => {
                            let at = random(&mut state, streams.len() as u64) as usize;
                            assert_eq!(streams[at].0.write(store, 0, &bytes(3_000, round)), Ok(3_000));
                            streams[at].1 = round;
                        }
                        _ if !streams.is_empty() => {
                            let keep = if round % 1_000 == 0 { 10 } else { streams.len() - 1 };
                            streams.truncate(keep.min(streams.len()));
                        }
                        _ => {}
                    }
                }
                assert!(streams.iter().all(|(stream, seed)| content(stream) == bytes(3_000, *seed)));
            });
        }
    });
    assert_empties(&store);
}
