//! Addresses: what regions and the heap share where the address space of the process is limited (RLIMIT_AS).
//!
//! Regions are mapped by calls that may fail; the heap is not: a process whose allocation fails ends. So regions stop
//! before the addresses end, and metadata stops growing: a part is left free for what nobody asks about, such as buffers and
//! the stacks of threads. Where nothing is limited nothing is looked at.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::region;
use crate::machine;

/// Metadata grows by so many bytes between two looks.
const LOOK_BYTES: u64 = 512 << 10;
/// An arena sets so many bytes aside; all of them together at most one part in [`ARENA_SHARE`].
const ARENA_BYTES: u64 = 64 << 20;
const ARENA_SHARE: u64 = 16;

#[derive(Debug)]
pub(super) struct Addresses {
    /// What is left free. `None` where there is no limit.
    spare: Option<usize>,
    /// How much metadata there will be at the next look.
    next_look: AtomicU64,
    mapped: AtomicU64,
}

impl Addresses {
    pub(super) fn new() -> Addresses {
        let limit = machine::address_space_bytes();
        if let Some(bytes) = limit {
            let arenas = (bytes / ARENA_SHARE / ARENA_BYTES).clamp(1, 64);
            region::limit_arenas(arenas as i32);
        }
        let spare = limit.map(|bytes| machine::spare_addresses(bytes) as usize);
        Addresses { spare, next_look: AtomicU64::new(0), mapped: AtomicU64::new(0) }
    }

    /// Whether there is a limit.
    pub(super) fn are_limited(&self) -> bool {
        self.spare.is_some()
    }

    /// Whether a region of so many bytes may be mapped, with `most` bytes in all.
    pub(super) fn may_map(&self, bytes: u64, most: u64) -> bool {
        self.spare.is_none() || self.mapped.load(Relaxed) + bytes <= most
    }

    /// Counts a region that was mapped.
    pub(super) fn count(&self, bytes: u64) {
        self.mapped.fetch_add(bytes, Relaxed);
    }

    /// Takes back what was counted, as the region goes.
    pub(super) fn uncount(&self, bytes: u64) {
        self.mapped.fetch_sub(bytes, Relaxed);
    }

    /// Whether what is to be left free is free.
    pub(super) fn are_left(&self) -> bool {
        self.spare.is_none_or(region::has_addresses)
    }

    /// Whether so much metadata has come that it should be seen to that there is room for more.
    pub(super) fn is_time_to_look(&self, metadata: u64) -> bool {
        if self.spare.is_none() || metadata < self.next_look.load(Relaxed) {
            return false;
        }
        self.next_look.store(metadata + LOOK_BYTES, Relaxed);
        true
    }
}
