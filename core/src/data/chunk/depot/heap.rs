//! The heap: what metadata takes of it, and what the allocator keeps of metadata that went.
//!
//! What it keeps is memory of the process like any other, so it counts against the marks: chunks are spilled for it, and metadata
//! that comes back has its place for nothing. `malloc_trim` would give it back, but holds up for tens of milliseconds who
//! allocates. So that is done only for what chunks cannot do without: beyond a part of what metadata leaves them, where they
//! have nowhere else to go, and while the system is short of memory.
//!
//! How much is kept is an estimate: the most metadata that there was since the heap was last trimmed, less what there is.

use super::Depot;
use crate::data::chunk::region;
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Of what cannot be evicted the limit leaves a rest: the heap keeps at most one part in so many of that.
const KEPT_SHARE: u64 = 4;
/// What lies below one part in so many of the limit, and this, is not worth the time.
const TRIMMED_SHARE: u64 = 32;
const MOST_UNTRIMMED_BYTES: u64 = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct Heap {
    /// The most metadata since it was last trimmed.
    peak: AtomicU64,
    /// Of what it keeps since then: what chunks have been let have the place of.
    let_go: AtomicU64,
    /// How often it was trimmed.
    #[cfg(test)]
    trims: AtomicU64,
}

impl Heap {
    /// There is so much metadata now.
    pub(super) fn grew(&self, metadata: u64) {
        if metadata > self.peak.load(Relaxed) {
            self.peak.fetch_max(metadata, Relaxed);
        }
    }

    /// What it keeps beside so much metadata.
    #[inline]
    fn kept(&self, metadata: u64) -> u64 {
        self.peak.load(Relaxed).saturating_sub(metadata)
    }

    /// The same, without what has been let go.
    #[inline]
    fn counted(&self, metadata: u64) -> u64 {
        self.kept(metadata).saturating_sub(self.let_go.load(Relaxed))
    }

    fn trim(&self, metadata: u64) {
        self.peak.store(metadata, Relaxed);
        self.let_go.store(0, Relaxed);
        #[cfg(test)]
        self.trims.fetch_add(1, Relaxed);
        region::trim_heap();
    }
}

impl Depot {
    /// Metadata, and what the heap keeps beside it, as far as chunks make way for that.
    #[inline]
    pub(super) fn heap_bytes(&self) -> u64 {
        let metadata = self.ledger.coarse();
        match self.heap.counted(metadata) {
            0 => metadata,
            kept => metadata + kept.min(self.may_keep()),
        }
    }

    /// What the heap keeps, as far as chunks make way for it.
    pub(in crate::data::chunk) fn kept_bytes(&self) -> u64 {
        self.heap.counted(self.ledger.coarse()).min(self.may_keep())
    }

    fn may_keep(&self) -> u64 {
        self.marks.limit.saturating_sub(self.fixed()) / KEPT_SHARE
    }

    /// Gives back what the heap keeps, if it is more than it may and chunks are about to have the place of that.
    pub(in crate::data::chunk) fn trim_heap(&self) {
        let metadata = self.ledger.coarse();
        if self.keeps_too_much(metadata) {
            self.heap.trim(metadata);
        }
    }

    /// As [`Depot::trim_heap`], for who has just claimed memory: what is kept beyond what is counted would be resident past the
    /// limit. The evictor does it, where there is one.
    #[inline]
    pub(super) fn trim_heap_in_time(&self) {
        match (self.keeps_too_much(self.ledger.coarse()), &self.spill) {
            (false, _) => {}
            (true, Some(_)) => self.kick(),
            (true, None) => self.trim_heap(),
        }
    }

    #[inline]
    fn keeps_too_much(&self, metadata: u64) -> bool {
        let kept = self.heap.kept(metadata);
        kept > self.untrimmed()
            && kept > self.may_keep()
            && self.charged_by_chunks() + metadata + kept > self.marks.limit
    }

    /// Lets chunks have the place of what the heap keeps, as there is no other. Only if it is much it is given back.
    #[cold]
    pub(super) fn give_heap_up(&self) {
        let metadata = self.ledger.coarse();
        let (kept, counted) = (self.heap.kept(metadata), self.heap.counted(metadata));
        if counted > 0 && kept > self.untrimmed() {
            self.heap.trim(metadata);
        } else if counted > 0 {
            self.heap.let_go.store(kept, Relaxed);
        }
    }

    /// So little is let go without being given back.
    fn untrimmed(&self) -> u64 {
        (self.marks.limit / TRIMMED_SHARE).min(MOST_UNTRIMMED_BYTES)
    }

    /// How often the heap was trimmed.
    #[cfg(test)]
    pub(in crate::data::chunk) fn heap_trims(&self) -> u64 {
        self.heap.trims.load(Relaxed)
    }
}
