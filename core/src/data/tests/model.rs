//! Streams beside vectors of bytes, under a limit of a few chunks.

use std::sync::Arc;

use proptest::prelude::*;

use super::device::Disk;
use super::{CHUNK, CHUNK_BYTES, assert_empties, bytes, content, store_on};
use crate::data::chunk::ChunkStore;
use crate::data::stream::Stream;
use crate::error::Result;

/// What is done to the streams of a [`Pairs`].
#[derive(Debug, Clone)]
pub(super) enum Op {
    Write { to: usize, at: u64, len: usize },
    Punch { to: usize, at: u64, len: u64 },
    Zero { to: usize, at: u64, len: u64 },
    Truncate { to: usize, size: u64 },
    Clone { to: usize, from: usize },
    Copy { to: usize, from: usize, at: u64 },
    Read { of: usize, at: u64, len: usize },
}

pub(super) const STREAMS: usize = 5;

/// Streams, and what they must hold.
pub(super) struct Pairs {
    pub(super) store: Arc<ChunkStore>,
    pub(super) pairs: Vec<(Stream, Vec<u8>)>,
    seed: u64,
}

impl Pairs {
    pub(super) fn new(store: Arc<ChunkStore>) -> Self {
        Self { store, pairs: vec![(Stream::empty(), Vec::new()); STREAMS], seed: 0 }
    }

    /// Does it to both. After an error the stream holds what it held, but for a part of a write.
    pub(super) fn apply(&mut self, op: &Op) -> Result<()> {
        self.seed += 1;
        let store = Arc::clone(&self.store);
        match *op {
            Op::Write { to, at, len } => {
                let written = bytes(len, self.seed);
                let (stream, model) = &mut self.pairs[to];
                let done = stream.write(&store, at, &written)?;
                overwrite(model, at, &written[..done]);
            }
            Op::Punch { to, at, len } => {
                let (stream, model) = &mut self.pairs[to];
                stream.punch(&store, at, len)?;
                clear(model, at, len);
            }
            Op::Zero { to, at, len } => {
                let (stream, model) = &mut self.pairs[to];
                stream.zero(&store, at, len, false)?;
                overwrite(model, at, &vec![0; len as usize]);
            }
            Op::Truncate { to, size } => {
                let (stream, model) = &mut self.pairs[to];
                stream.truncate(&store, size)?;
                model.resize(size as usize, 0);
            }
            Op::Clone { to, from } => self.pairs[to] = self.pairs[from].clone(),
            Op::Copy { to, from, at } => {
                let (source, copied) = self.pairs[from].clone();
                let (stream, model) = &mut self.pairs[to];
                let done = stream.copy_from(&store, &source, 0, at, u64::MAX)?;
                overwrite(model, at, &copied[..done as usize]);
            }
            Op::Read { of, at, len } => {
                let (stream, model) = &self.pairs[of];
                let mut into = vec![0xAA; len];
                let done = stream.read(at, &mut into)?;
                let at = model.len().min(at as usize);
                assert!(into[..done] == model[at..model.len().min(at + len)]);
            }
        }
        Ok(())
    }

    pub(super) fn check(&self) {
        for (which, (stream, model)) in self.pairs.iter().enumerate() {
            assert_eq!(stream.size(), model.len() as u64);
            assert!(content(stream) == *model, "stream {which} differs");
        }
    }
}

fn overwrite(model: &mut Vec<u8>, at: u64, with: &[u8]) {
    if !with.is_empty() {
        let (at, end) = (at as usize, at as usize + with.len());
        model.resize(model.len().max(end), 0);
        model[at..end].copy_from_slice(with);
    }
}

fn clear(model: &mut [u8], at: u64, len: u64) {
    let size = model.len();
    model[size.min(at as usize)..size.min((at + len) as usize)].fill(0);
}

const MOST: u64 = 8 * CHUNK;

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => 0..MOST,
        2 => (0..MOST / CHUNK).prop_map(|chunk| chunk * CHUNK),
        1 => (1..MOST / CHUNK, 0..40_u64).prop_map(|(chunk, near)| chunk * CHUNK + near - 20),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let which = || 0..STREAMS;
    prop_oneof![
        8 => (which(), offset(), offset()).prop_map(|(to, at, len)| Op::Write { to, at, len: len as usize / 2 }),
        2 => (which(), offset(), offset()).prop_map(|(to, at, len)| Op::Punch { to, at, len }),
        2 => (which(), offset(), offset()).prop_map(|(to, at, len)| Op::Zero { to, at, len: len / 2 + 1 }),
        1 => (which(), offset()).prop_map(|(to, size)| Op::Truncate { to, size }),
        3 => (which(), which()).prop_map(|(to, from)| Op::Clone { to, from }),
        1 => (which(), which(), offset()).prop_map(|(to, from, at)| Op::Copy { to, from, at: at / CHUNK * CHUNK }),
        6 => (which(), offset(), 0..3 * CHUNK_BYTES).prop_map(|(of, at, len)| Op::Read { of, at, len }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn streams_hold_what_was_written_under_a_limit_of_a_few_chunks(
        ops in prop::collection::vec(op(), 1..60), frames in 3..9_u64
    ) {
        let disk = Disk::default();
        let mut pairs = Pairs::new(store_on(&disk, frames));
        for op in &ops {
            prop_assert_eq!(pairs.apply(op), Ok(()));
            let usage = pairs.store.usage();
            prop_assert!(usage.resident_bytes <= frames * CHUNK, "{:?}", usage);
        }
        pairs.check();
        let store = Arc::clone(&pairs.store);
        drop(pairs);
        assert_empties(&store);
    }
}

#[test]
fn short_streams_are_copied_where_the_limit_has_two_frames_for_what_is_written() {
    let mut pairs = Pairs::new(store_on(&Disk::default(), 3));
    let ops = [
        Op::Write { to: 3, at: 0, len: 16_385 },
        Op::Write { to: 0, at: 5 * CHUNK, len: 16_206 },
        Op::Copy { to: 0, from: 3, at: 4 * CHUNK },
        Op::Write { to: 2, at: 11_877, len: 32_768 },
        Op::Copy { to: 0, from: 2, at: 2 * CHUNK },
    ];
    ops.iter().for_each(|op| assert_eq!(pairs.apply(op), Ok(()), "{op:?}"));
    pairs.check();
}
