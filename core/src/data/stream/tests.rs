#![allow(clippy::unwrap_used)]

use crate::data::SpillConfig;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Body, CHUNK, CutOff, Gone, SMALL_BYTES, Stream};
use crate::data::chunk::{CHUNK_BYTES, ChunkStore, StoreConfig, StoreUsage};
use crate::error::{Error, Result};
use crate::limits::FILE_BYTES;

fn store_of(memory_bytes: u64) -> Arc<ChunkStore> {
    ChunkStore::new(StoreConfig { memory_bytes, spill_dir: None, spill: SpillConfig::default() }).unwrap()
}

fn store() -> Arc<ChunkStore> {
    store_of(1 << 30)
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251 + seed) as u8 | 1).collect()
}

fn written(store: &Arc<ChunkStore>, bytes: &[u8]) -> Stream {
    let mut stream = Stream::empty();
    assert_eq!(stream.write(store, 0, bytes), Ok(bytes.len()));
    stream
}

fn content(stream: &Stream) -> Vec<u8> {
    let mut all = vec![0xAA; stream.size() as usize + 3];
    let read = stream.read(0, &mut all).unwrap();
    assert_eq!(read as u64, stream.size());
    all.truncate(read);
    all
}

/// The store's threads may be looking at what has just gone.
fn assert_empties(store: &ChunkStore) {
    let begun = std::time::Instant::now();
    while (store.usage().frames, store.usage().memory_bytes) != (0, 0) {
        assert!(begun.elapsed().as_secs() < 120, "{:?}", store.usage());
        std::thread::yield_now();
    }
}

fn chunks_of(stream: &Stream) -> u64 {
    match &stream.body {
        Body::Chunks(chunks) => chunks.len(),
        Body::Over(over) => over.chunks.len(),
        Body::Hole | Body::Small(_) => 0,
    }
}

fn nodes_not_in(stream: &Stream, other: &Stream) -> u64 {
    match (&stream.body, &other.body) {
        (Body::Chunks(a), Body::Chunks(b)) => a.nodes_not_in(b),
        _ => panic!("both have chunks"),
    }
}

#[test]
fn a_stream_is_no_larger_than_three_words() {
    assert_eq!(size_of::<Stream>(), 24);
}

#[test]
fn an_empty_stream_has_nothing() {
    let stream = Stream::empty();
    assert_eq!(stream.read(0, &mut [1; 4]), Ok(0));
    assert_eq!((stream.size(), stream.allocated()), (0, 0));
    assert_eq!((stream.seek_data(0), stream.seek_hole(0)), (None, None));
    assert!(stream.pin(0, 100).unwrap().is_empty());
}

#[test]
fn a_small_stream_takes_what_it_holds_and_one_byte_more_takes_a_chunk() {
    let store = store();
    let mut stream = written(&store, &bytes(SMALL_BYTES, 1));
    assert_eq!(stream.allocated(), SMALL_BYTES as u64);
    assert_eq!(store.usage().small_bytes, SMALL_BYTES as u64);
    stream.write(&store, SMALL_BYTES as u64, &[9]).unwrap();
    assert_eq!(stream.allocated(), CHUNK);
    assert_eq!((store.usage().small_bytes, store.usage().frames), (0, 1));
    let mut expected = bytes(SMALL_BYTES, 1);
    expected.push(9);
    assert_eq!(content(&stream), expected);
    drop(stream);
    assert_eq!((store.usage().memory_bytes, store.usage().frames), (0, 0));
}

#[test]
fn the_largest_file_ends_at_its_limit() {
    let store = store();
    let mut stream = Stream::empty();
    assert_eq!(stream.write(&store, FILE_BYTES - 2, &[1, 2, 3]), Ok(2));
    assert_eq!(stream.size(), FILE_BYTES);
    assert_eq!(stream.write(&store, FILE_BYTES, &[1]), Err(Error::FileTooLarge));
    assert_eq!(stream.truncate(&store, FILE_BYTES), Ok(()));
    assert_eq!(stream.truncate(&store, FILE_BYTES + 1), Err(Error::FileTooLarge));
    assert_eq!(stream.allocate(&store, FILE_BYTES, 1, false), Err(Error::FileTooLarge));
    assert_eq!(stream.zero(&store, u64::MAX, 2, true), Err(Error::FileTooLarge));
    let other = stream.clone();
    assert_eq!(stream.copy_from(&store, &other, 0, 1, FILE_BYTES), Err(Error::FileTooLarge));
    assert_eq!(chunks_of(&stream), 1);
    let mut last = [0; 4];
    assert_eq!(stream.read(FILE_BYTES - 3, &mut last), Ok(3));
    assert_eq!(last, [0, 1, 2, 0]);
}

#[test]
fn a_write_far_out_costs_a_few_nodes() {
    let store = store();
    let mut stream = Stream::empty();
    stream.write(&store, 1 << 62, b"far").unwrap();
    let Body::Chunks(chunks) = &stream.body else { panic!("chunks") };
    assert!(chunks.node_count() <= 11);
    assert_eq!(stream.allocated(), CHUNK);
    assert_eq!(stream.seek_data(5), Some(1 << 62));
    assert_eq!(stream.seek_hole(1 << 62), Some((1 << 62) + 3));
    stream.punch(&store, 0, u64::MAX).unwrap();
    assert_eq!((stream.size(), stream.allocated()), ((1 << 62) + 3, 0));
}

#[test]
fn a_4_kib_write_into_a_shared_gibibyte_copies_one_chunk_and_a_few_nodes() {
    let store = store_of(2 << 30);
    let mut stream = Stream::empty();
    stream.allocate(&store, 0, 1 << 30, false).unwrap();
    let before = store.usage();
    assert_eq!(before.frames, (1 << 30) / CHUNK);
    let snapshot = stream.clone();
    stream.write(&store, 123 * 4096, &[7; 4096]).unwrap();
    let after = store.usage();
    assert_eq!(after.allocations - before.allocations, 1);
    assert_eq!(after.copies - before.copies, 1);
    assert_eq!(after.frames - before.frames, 1);
    assert_eq!(nodes_not_in(&stream, &snapshot), 3);
    stream.write(&store, 124 * 4096, &[8; 4096]).unwrap();
    assert_eq!(StoreUsage { reads: after.reads, ..store.usage() }, after);
    assert_eq!(nodes_not_in(&stream, &snapshot), 3);
}

#[test]
fn a_whole_chunk_is_overwritten_without_copying_it() {
    let store = store();
    let mut stream = written(&store, &bytes(2 * CHUNK_BYTES, 0));
    let snapshot = stream.clone();
    stream.write(&store, CHUNK, &bytes(CHUNK_BYTES, 5)).unwrap();
    assert_eq!(store.usage().copies, 0);
    assert_eq!(content(&snapshot), bytes(2 * CHUNK_BYTES, 0));
    assert_eq!(content(&stream)[CHUNK_BYTES..], bytes(CHUNK_BYTES, 5));
}

#[test]
fn freed_chunks_do_not_show_what_was_in_them() {
    let store = store();
    drop(written(&store, &bytes(8 * CHUNK_BYTES, 0)));
    let mut stream = Stream::empty();
    stream.write(&store, 3 * CHUNK + 100, b"x").unwrap();
    stream.allocate(&store, 0, 2 * CHUNK, true).unwrap();
    stream.truncate(&store, 5 * CHUNK).unwrap();
    let all = content(&stream);
    assert_eq!(all.iter().filter(|&&byte| byte != 0).count(), 1);
}

#[test]
fn what_was_truncated_reads_as_zeros_after_growing() {
    let store = store();
    for len in [100, SMALL_BYTES, CHUNK_BYTES + 500] {
        for cut in [0, 1, 99, len - 1] {
            let mut stream = written(&store, &bytes(len, 3));
            let snapshot = stream.clone();
            stream.truncate(&store, cut as u64).unwrap();
            stream.truncate(&store, len as u64 + 10).unwrap();
            let mut expected = bytes(len, 3)[..cut].to_vec();
            expected.resize(len + 10, 0);
            assert_eq!(content(&stream), expected);
            assert_eq!(content(&snapshot), bytes(len, 3));
        }
    }
}

#[test]
fn pinned_bytes_stay_as_they_were() {
    let store = store();
    for len in [500, CHUNK_BYTES * 2 + 5] {
        let mut stream = written(&store, &bytes(len, 1));
        stream.truncate(&store, len as u64 + CHUNK * 2).unwrap();
        let before = content(&stream);
        let pin = stream.pin(3, usize::MAX).unwrap();
        stream.write(&store, 0, &bytes(len, 2)).unwrap();
        stream.punch(&store, 10, 100).unwrap();
        stream.truncate(&store, 0).unwrap();
        assert_eq!(pin.ranges().collect::<Vec<_>>().concat(), before[3..]);
        assert_eq!(pin.len(), before.len() - 3);
        drop(pin);
        assert_eq!(store.usage().memory_bytes, 0);
    }
}

#[test]
fn data_and_holes_are_found() {
    let store = store();
    let mut stream = Stream::empty();
    stream.truncate(&store, 10 * CHUNK).unwrap();
    assert_eq!((stream.seek_data(0), stream.seek_hole(7)), (None, Some(7)));
    stream.write(&store, 2 * CHUNK + 5, &bytes(CHUNK_BYTES, 0)).unwrap();
    assert_eq!(stream.seek_data(0), Some(2 * CHUNK));
    assert_eq!(stream.seek_data(2 * CHUNK + 9), Some(2 * CHUNK + 9));
    assert_eq!(stream.seek_hole(2 * CHUNK), Some(4 * CHUNK));
    assert_eq!(stream.seek_data(4 * CHUNK), None);
    assert_eq!(stream.seek_hole(10 * CHUNK - 1), Some(10 * CHUNK - 1));
    assert_eq!(stream.seek_hole(10 * CHUNK), None);
    let small = written(&store, b"abc");
    assert_eq!((small.seek_data(2), small.seek_hole(2)), (Some(2), Some(3)));
    assert_eq!((small.seek_data(3), small.seek_hole(3)), (None, None));
}

#[test]
fn allocating_with_the_size_kept_reserves_what_a_later_write_needs() {
    let store = store_of(4 * CHUNK);
    let mut stream = Stream::empty();
    stream.allocate(&store, 0, 4 * CHUNK, true).unwrap();
    assert_eq!((stream.size(), stream.allocated()), (0, 4 * CHUNK));
    assert_eq!(stream.seek_data(0), None);
    assert_eq!(Stream::empty().write(&store, 0, b"x"), Err(Error::NoSpace));
    let all = bytes(4 * CHUNK_BYTES, 1);
    assert_eq!(stream.write(&store, 0, &all), Ok(all.len()));
    assert_eq!(content(&stream), all);
}

#[test]
fn a_failed_allocate_changes_nothing() {
    let store = store_of(4 * CHUNK);
    let mut stream = written(&store, &bytes(2 * CHUNK_BYTES, 1));
    assert_eq!(stream.allocate(&store, 0, 5 * CHUNK, false), Err(Error::NoSpace));
    assert_eq!(stream.allocate(&store, 1 << 60, 1 << 50, false), Err(Error::NoSpace));
    assert_eq!((stream.size(), store.usage().frames), (2 * CHUNK, 2));
    assert_eq!(content(&stream), bytes(2 * CHUNK_BYTES, 1));
}

#[test]
fn out_of_space_loses_nothing_that_was_stored() {
    let store = store_of(3 * CHUNK);
    let mut stream = written(&store, &bytes(2 * CHUNK_BYTES, 1));
    let before = content(&stream);
    assert_eq!(stream.write(&store, 2 * CHUNK - 10, &[5; 2 * CHUNK_BYTES]), Ok(CHUNK_BYTES + 10));
    assert_eq!(stream.size(), 3 * CHUNK);
    let now = content(&stream);
    assert_eq!(now[..2 * CHUNK_BYTES - 10], before[..2 * CHUNK_BYTES - 10]);
    assert!(now[2 * CHUNK_BYTES - 10..].iter().all(|&byte| byte == 5));
    let snapshot = stream.clone();
    assert_eq!(stream.write(&store, 0, b"x"), Err(Error::NoSpace));
    assert_eq!(stream.write(&store, 3 * CHUNK, b"x"), Err(Error::NoSpace));
    assert_eq!(stream.punch(&store, 5, 5), Err(Error::NoSpace));
    assert_eq!(stream.punch(&store, 5, 2 * CHUNK), Err(Error::NoSpace));
    assert_eq!(stream.zero(&store, 5, 5, false), Err(Error::NoSpace));
    assert_eq!(stream.truncate(&store, 5), Err(Error::NoSpace));
    assert_eq!(content(&stream), now);
    assert_eq!(content(&snapshot), now);
    // Whole chunks need no space to go, and then there is some.
    drop(snapshot);
    stream.truncate(&store, CHUNK).unwrap();
    assert_eq!(stream.write(&store, CHUNK, &[1; CHUNK_BYTES]), Ok(CHUNK_BYTES));
}

#[test]
fn copying_shares_what_lines_up() {
    let store = store();
    let source = written(&store, &bytes(4 * CHUNK_BYTES + 100, 1));
    let mut copy = written(&store, b"short");
    let allocations = store.usage().allocations;
    assert_eq!(copy.copy_from(&store, &source, 0, 0, u64::MAX), Ok(source.size()));
    assert!(copy.same(&source));
    let mut shifted = Stream::empty();
    let len = source.size();
    assert_eq!(shifted.copy_from(&store, &source, CHUNK, 8 * CHUNK, len), Ok(len - CHUNK));
    assert_eq!(store.usage().allocations, allocations);
    assert_eq!(content(&shifted)[8 * CHUNK_BYTES..], content(&source)[CHUNK_BYTES..]);
    let mut odd = Stream::empty();
    assert_eq!(odd.copy_from(&store, &source, 1, 0, len), Ok(len - 1));
    assert_eq!(content(&odd), content(&source)[1..]);
    assert!(!odd.equal(&source).unwrap());
}

#[test]
fn what_is_cut_off_or_punched_out_goes_when_it_is_let_go() {
    type Cut = fn(&mut Stream, &Arc<ChunkStore>) -> Result<CutOff>;
    let cuts: [Cut; 2] =
        [|stream, store| stream.cut_off(store, 5), |stream, store| stream.punch_out(store, 5, 300 * CHUNK)];
    for cut in cuts {
        let store = store();
        let mut stream = written(&store, &vec![1; 300 * CHUNK_BYTES]);
        let gone = cut(&mut stream, &store).unwrap();
        // A leaf's worth at either end goes at once.
        assert_eq!(chunks_of(&stream), 1);
        assert!((300 - 63 - 64..=300 - 63).contains(&store.usage().frames), "{:?}", store.usage());
        drop(gone);
        assert_eq!(store.usage().frames, 1);
        assert_eq!(content(&stream)[..5], [1; 5]);
    }
}

#[test]
fn what_is_copied_over_or_zeroed_goes_when_it_is_let_go() {
    let store = store();
    let frames = || store.usage().frames;
    let source = written(&store, &vec![2; 100 * CHUNK_BYTES]);
    let mut stream = written(&store, &vec![1; 200 * CHUNK_BYTES]);
    let mut gone = Gone::default();
    // Chunks that line up, then a hole, then all there is.
    stream.copy_over(&store, &source, 0, CHUNK, 100 * CHUNK, &mut gone).unwrap();
    assert_eq!((chunks_of(&stream), frames()), (200, 300));
    drop(std::mem::take(&mut gone));
    assert_eq!(frames(), 200);
    let hole = {
        let mut hole = Stream::empty();
        hole.truncate(&store, 1 << 30).map(|()| hole).unwrap()
    };
    stream.copy_over(&store, &hole, 0, 0, 128 * CHUNK, &mut gone).unwrap();
    assert_eq!((chunks_of(&stream), frames()), (72, 200), "whole nodes of the map are handed out");
    stream.copy_over(&store, &source, 0, 0, u64::MAX, &mut gone).unwrap();
    assert_eq!(frames(), 200, "the end of the copy is the source's");
    drop(gone);
    assert_eq!(frames(), 172);
    // Zeroed where it is shared, which the other holder gives up meanwhile.
    let mut zeroed = source.clone();
    drop((source, stream));
    let other = zeroed.clone();
    let gone = zeroed.zero_out(&store, 0, 100 * CHUNK, true).unwrap();
    drop(other);
    assert_eq!(frames(), 200);
    drop(gone);
    assert_eq!(frames(), 100);
}

#[test]
fn what_does_not_line_up_is_copied_a_part_at_a_time() {
    let store = store();
    let source = written(&store, &bytes(300 * CHUNK_BYTES, 2));
    let (mut copy, mut calls, mut done) = (Stream::empty(), 0, 0);
    while done < source.size() - 1 {
        let copied = copy.copy_from(&store, &source, 1 + done, done, u64::MAX).unwrap();
        assert!((1..=257 * CHUNK).contains(&copied), "{copied}");
        (calls, done) = (calls + 1, done + copied);
    }
    assert_eq!(calls, 2);
    assert!(content(&copy) == content(&source)[1..]);
}

#[test]
fn copying_a_hole_costs_nothing_and_makes_a_hole() {
    let store = store();
    let mut source = written(&store, b"x");
    source.truncate(&store, 1 << 50).unwrap();
    let mut copy = written(&store, &bytes(3 * CHUNK_BYTES, 0));
    assert_eq!(copy.copy_from(&store, &source, 1, 1, u64::MAX), Ok((1 << 50) - 1));
    assert_eq!((copy.size(), copy.allocated()), (1 << 50, CHUNK));
    assert_eq!(copy.seek_hole(0), Some(CHUNK));
}

#[test]
fn equal_looks_at_bytes_and_not_at_how_they_are_kept() {
    let store = store();
    let small = written(&store, &bytes(100, 1));
    let mut chunked = written(&store, &bytes(100, 1));
    chunked.write(&store, CHUNK, b"x").unwrap();
    chunked.truncate(&store, 100).unwrap();
    assert_eq!((small.allocated(), chunked.allocated()), (100, CHUNK));
    assert!(small.equal(&chunked).unwrap() && chunked.equal(&small).unwrap());
    assert!(!small.same(&chunked));
    chunked.write(&store, 99, &[0]).unwrap();
    assert!(!small.equal(&chunked).unwrap());
    let (mut hole, mut zeros) = (Stream::empty(), Stream::empty());
    hole.truncate(&store, 3 * CHUNK).unwrap();
    zeros.zero(&store, 0, 3 * CHUNK, false).unwrap();
    assert!(hole.equal(&zeros).unwrap() && zeros.equal(&hole).unwrap());
}

#[test]
fn a_full_memory_spills_to_a_file_without_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = ChunkStore::new(StoreConfig {
        memory_bytes: 1 << 20,
        spill_dir: Some(folder.path().to_owned()),
        spill: SpillConfig::default(),
    })
    .unwrap();
    let all = bytes(16 << 20, 9);
    let mut stream = written(&store, &all);
    let small = written(&store, b"small ones wait for room");
    assert!(store.usage().resident_bytes <= 1 << 20);
    assert!(store.usage().spilled_frames >= 240);
    assert!(content(&stream) == all);
    assert_eq!(content(&small), b"small ones wait for room");
    stream.punch(&store, 1 << 20, 8 << 20).unwrap();
    stream.write(&store, 3 << 20, b"x").unwrap();
    let mut expected = all;
    expected[1 << 20..9 << 20].fill(0);
    expected[3 << 20] = b'x';
    assert!(content(&stream) == expected);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    drop((stream, small));
    assert_empties(&store);
}

#[derive(Debug, Clone)]
enum Op {
    Write(u64, usize),
    Truncate(u64),
    Allocate(u64, u64, bool),
    Punch(u64, u64),
    Zero(u64, u64, bool),
    Copy(usize, u64, u64, u64),
    Clone(usize),
}

/// Offsets that meet at the edges of buffers and chunks.
fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 0u64..200,
        2 => (SMALL_BYTES as u64 - 50)..(SMALL_BYTES as u64 + 50),
        3 => (1u64..4, 0u64..60).prop_map(|(chunk, near)| chunk * CHUNK + near - 30),
        2 => (0u64..4).prop_map(|chunk| chunk * CHUNK),
        2 => 0u64..4 * CHUNK,
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (offset(), offset()).prop_map(|(at, len)| Op::Write(at, len as usize)),
        3 => offset().prop_map(Op::Truncate),
        1 => (offset(), offset(), any::<bool>()).prop_map(|(at, len, keep)| Op::Allocate(at, len, keep)),
        3 => (offset(), offset()).prop_map(|(at, len)| Op::Punch(at, len)),
        2 => (offset(), offset(), any::<bool>()).prop_map(|(at, len, keep)| Op::Zero(at, len, keep)),
        3 => (0usize..4, offset(), offset(), offset())
            .prop_map(|(from, at, to, len)| Op::Copy(from, at, to, len)),
        2 => (0usize..4).prop_map(Op::Clone),
    ]
}

type Pair = (Stream, Vec<u8>);

fn grow(model: &mut Vec<u8>, end: u64) {
    if model.len() < end as usize {
        model.resize(end as usize, 0);
    }
}

fn fill_zero(model: &mut [u8], at: u64, len: u64) {
    let size = model.len();
    model[size.min(at as usize)..size.min((at + len) as usize)].fill(0);
}

fn apply(store: &Arc<ChunkStore>, op: &Op, seed: usize, pairs: &mut [Pair], which: usize) {
    let others = pairs.to_vec();
    let (stream, model) = &mut pairs[which];
    match *op {
        Op::Write(at, len) => {
            let written = bytes(len, seed);
            assert_eq!(stream.write(store, at, &written), Ok(len));
            if len > 0 {
                grow(model, at + len as u64);
                model[at as usize..at as usize + len].copy_from_slice(&written);
            }
        }
        Op::Truncate(size) => {
            stream.truncate(store, size).unwrap();
            model.resize(size as usize, 0);
        }
        Op::Allocate(at, len, keep) => {
            stream.allocate(store, at, len, keep).unwrap();
            if !keep {
                grow(model, at + len);
            }
        }
        Op::Punch(at, len) => {
            stream.punch(store, at, len).unwrap();
            fill_zero(model, at, len);
        }
        Op::Zero(at, len, keep) => {
            stream.zero(store, at, len, keep).unwrap();
            if !keep {
                grow(model, at + len);
            }
            fill_zero(model, at, len);
        }
        Op::Copy(from, at, to, len) => {
            let (source, bytes) = &others[from % others.len()];
            let end = bytes.len().min((at + len) as usize);
            let copied = bytes[end.min(at as usize)..end].to_vec();
            assert_eq!(stream.copy_from(store, source, at, to, len), Ok(copied.len() as u64));
            if !copied.is_empty() {
                grow(model, to + copied.len() as u64);
                model[to as usize..to as usize + copied.len()].copy_from_slice(&copied);
            }
        }
        Op::Clone(from) => pairs[which] = others[from % others.len()].clone(),
    }
}

fn check_against(a: &Pair, b: &Pair) {
    assert_eq!(a.0.equal(&b.0), Ok(a.1 == b.1));
}

fn check(pair: &Pair, probe: u64) {
    let (stream, model) = pair;
    assert!(content(stream) == *model);
    let pin = stream.pin(probe, 100_000).unwrap();
    let end = model.len().min(probe as usize + 100_000);
    assert!(pin.ranges().collect::<Vec<_>>().concat() == model[end.min(probe as usize)..end]);
    let size = model.len();
    let data = stream.seek_data(probe).unwrap_or(stream.size()) as usize;
    assert!(model[size.min(probe as usize)..data.max(size.min(probe as usize))].iter().all(|&byte| byte == 0));
    assert_eq!(stream.seek_hole(probe).is_none(), probe >= stream.size());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn it_behaves_as_a_vector_of_bytes_and_clones_stay_as_they_were(
        ops in prop::collection::vec((op(), 0usize..4, offset()), 1..40)
    ) {
        let store = store();
        let mut pairs = vec![(Stream::empty(), Vec::new()); 4];
        for (seed, (op, which, probe)) in ops.iter().enumerate() {
            apply(&store, op, seed, &mut pairs, *which);
            check(&pairs[*which], *probe);
        }
        for pair in &pairs {
            check(pair, 0);
            check_against(pair, &pairs[0]);
            check_against(&pairs[0], pair);
        }
        drop(pairs);
        prop_assert_eq!(store.usage().memory_bytes, 0);
    }
}
