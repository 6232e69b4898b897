//! Streams over stores that spill: what is stored stays, whatever the device does.

#![allow(clippy::unwrap_used)]

pub(crate) mod device;
mod faults;
mod heap;
mod limits;
mod marks;
mod model;
mod small;
mod threads;

use std::sync::Arc;

use self::device::Disk;
pub(crate) use super::chunk::CHUNK_BYTES;
use super::chunk::{ChunkStore, SpillConfig};
use super::stream::Stream;

pub(crate) const CHUNK: u64 = CHUNK_BYTES as u64;

/// Everything freed is punched at once, and nothing of the disk is left to others.
pub(crate) fn eager() -> SpillConfig {
    SpillConfig { limit_bytes: u64::MAX, disk_reserve_bytes: 0, spare_bytes: 0 }
}

/// Up to `most` of so many, spread evenly; with `BOUGH_FAULTS=all` each.
pub(crate) fn spread(of: u64, most: u64) -> impl Iterator<Item = u64> {
    let most = if std::env::var_os("BOUGH_FAULTS").is_some_and(|what| what == "all") { u64::MAX } else { most };
    (0..of).step_by(of.div_ceil(most).max(1) as usize)
}

pub(crate) fn store_on(disk: &Disk, frames: u64) -> Arc<ChunkStore> {
    ChunkStore::with_device(frames * CHUNK, Box::new(disk.clone()), eager())
}

/// Bytes that differ from place to place and from seed to seed.
pub(crate) fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut made = Vec::with_capacity(len + 8);
    while made.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        made.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    made.truncate(len);
    made
}

pub(crate) fn content(stream: &Stream) -> Vec<u8> {
    let mut all = vec![0xAA; stream.size() as usize];
    assert_eq!(stream.read(0, &mut all), Ok(all.len()));
    all
}

/// Waits until it is so: the store's threads may have something still that has just gone.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed().as_secs() < 120, "{what}");
        std::thread::yield_now();
    }
}

fn assert_empties(store: &ChunkStore) {
    eventually("nothing is left", || (store.usage().frames, store.usage().memory_bytes) == (0, 0));
}
