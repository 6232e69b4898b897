//! Marks: where the store changes its behaviour, as the limit has it, and as it is while the system is short of memory.

use super::{CHUNK, Depot};
use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Metadata leaves one part in so many of the limit free.
const METADATA_RESERVE: u64 = 32;
/// The most frames that only reading back may take.
const FAULT_FRAMES: u64 = 16;
/// The most frames between the marks: as many as writers may run ahead of the evictor.
const AHEAD_FRAMES: u64 = 1024;
/// Pressure takes one part in so many of the limit at a time, down to one in [`SQUEEZE_MOST`]; its absence gives back one
/// part in [`RELAX_STEP`].
const SQUEEZE_STEP: u64 = 16;
const SQUEEZE_MOST: u64 = 8;
pub(super) const RELAX_STEP: u64 = 64;

/// What memory is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Bytes that exist nowhere else.
    Fresh,
    /// Reading back, to be changed.
    Write,
    /// Reading back, to be read. Always granted: if all memory is in use, above the limit.
    Read,
    /// Reading back what nobody has asked for. Does not wait.
    Ahead,
}

/// Where the store changes its behaviour, in bytes of `used`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    /// The evictor stops.
    pub(crate) low: u64,
    /// The evictor starts.
    pub(crate) soft: u64,
    /// Nothing fresh beyond.
    pub(crate) hard: u64,
    /// No more metadata beyond, of which the rest is for removing: what a snapshot holds too is copied for that.
    pub(crate) metadata: u64,
    /// Nothing beyond.
    pub(crate) limit: u64,
}

impl Marks {
    pub(super) fn new(limit: u64, spills: bool) -> Self {
        let frames = limit / CHUNK;
        if !spills || frames < 2 {
            return Self { low: limit, soft: limit, hard: limit, metadata: limit - limit / METADATA_RESERVE, limit };
        }
        let hard = limit - (frames / 64).clamp(1, FAULT_FRAMES) * CHUNK;
        let ahead = (frames / 8).clamp(1, AHEAD_FRAMES);
        let soft = hard.saturating_sub(ahead * CHUNK);
        let metadata = (hard - hard / METADATA_RESERVE).saturating_sub((frames / 16).clamp(1, FAULT_FRAMES) * CHUNK);
        // Of very few frames half: something must be there to find content by.
        let metadata = metadata.max(hard / 2);
        Self { low: soft.saturating_sub(ahead / 4 * CHUNK), soft, hard, metadata, limit }
    }

    /// The low and the soft mark beside so much that cannot be evicted: of what it leaves chunks have half at least
    /// before any is evicted for nobody's sake.
    pub(crate) fn beside(&self, fixed: u64) -> (u64, u64) {
        let rest = self.hard.saturating_sub(fixed);
        (self.low.max(fixed + rest / 2), self.soft.max(fixed + rest / 4 * 3))
    }

    pub(crate) fn of(&self, need: Need) -> u64 {
        match need {
            Need::Fresh | Need::Ahead => self.hard,
            Need::Write | Need::Read => self.limit,
        }
    }
}

/// What may be used less than the limit for, for some time.
#[derive(Debug)]
pub(super) struct Brakes {
    /// While the system is short of memory.
    pub(super) ceiling: AtomicU64,
    /// Metadata, while addresses are short.
    pub(super) metadata: AtomicU64,
}

impl Brakes {
    pub(super) fn none() -> Self {
        let free = || AtomicU64::new(u64::MAX);
        Self { ceiling: free(), metadata: free() }
    }
}

impl Depot {
    /// The marks as they are now: nearer while the system is short of memory, but not so near that nothing can be done.
    #[inline]
    pub(crate) fn marks_now(&self) -> Marks {
        match self.brakes.ceiling.load(Relaxed) {
            u64::MAX => self.marks,
            ceiling => self.marks_below(ceiling),
        }
    }

    #[cold]
    fn marks_below(&self, ceiling: u64) -> Marks {
        let Marks { limit, metadata, .. } = self.marks;
        let least = self.held() + limit / SQUEEZE_STEP;
        Marks { metadata, ..Marks::new(ceiling.max(least).min(limit), true) }
    }

    /// Gives memory back to the system, and uses less from now on: by one step of what is used. Says whether less than
    /// the limit is to be used.
    pub(crate) fn squeeze(&self) -> bool {
        self.give_heap_up();
        self.cool_all();
        if self.spill.is_none() {
            return false;
        }
        let limit = self.marks.limit;
        let now = self.brakes.ceiling.load(Relaxed).min(self.taken());
        self.brakes.ceiling.store(now.saturating_sub(limit / SQUEEZE_STEP).max(limit / SQUEEZE_MOST), Relaxed);
        self.sweep(self.marks_now().beside(self.held()).0);
        self.cool_all();
        true
    }

    /// Uses a little more again. Says whether less than the limit is still to be used.
    pub(crate) fn relax(&self) -> bool {
        let (limit, now) = (self.marks.limit, self.brakes.ceiling.load(Relaxed));
        let more = now.saturating_add(limit / RELAX_STEP);
        let squeezed = more < limit;
        self.brakes.ceiling.store(if squeezed { more } else { u64::MAX }, Relaxed);
        squeezed
    }
}
