//! The store: all the chunk memory of one volume, and its limit.
//!
//! Frames come from pools of memory, one per stripe of threads, until the limit is reached, and from then on from one
//! pool of the spill file, if there is one. The limit counts frames in memory and the small buffers of short streams;
//! the warm reserves of the pools come on top, at most 1/64 of it.
//!
//! What a full limit means for an operation is for the callers: here it is [`Error::NoSpace`], and nothing has changed.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;

use super::CHUNK_BYTES;
use super::pool::Pool;
use super::region::{Frame, Place, REGION_FRAMES, Region, SpillFile};
use crate::error::{Error, Result};
use crate::sync::Mutex;

/// Pools of memory: threads beyond this many share them.
const STRIPES: usize = 8;
/// The most free frames that a pool keeps warm.
const WARM_FRAMES: u64 = 64;
/// From this limit on huge pages are worth what they round up.
const HUGE_FROM_BYTES: u64 = 64 * (REGION_FRAMES * CHUNK_BYTES) as u64;

/// How a store is made.
#[derive(Debug, Clone)]
pub(crate) struct StoreConfig {
    /// The most memory that chunks and small buffers take.
    pub(crate) memory_bytes: u64,
    /// Where chunks go when memory is full.
    pub(crate) spill_dir: Option<PathBuf>,
}

/// What a store holds now, and what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreUsage {
    /// Chunks, wherever they are.
    pub(crate) frames: u64,
    /// Those of them in the spill file.
    pub(crate) spilled_frames: u64,
    /// Bytes in small buffers.
    pub(crate) small_bytes: u64,
    /// Bytes that count against the limit, and the limit.
    pub(crate) memory_bytes: u64,
    /// The limit.
    pub(crate) memory_limit_bytes: u64,
    /// Regions mapped.
    pub(crate) regions: u64,
    /// Chunks ever allocated.
    pub(crate) allocations: u64,
    /// Chunks ever copied because somebody else held them too.
    pub(crate) copies: u64,
}

#[derive(Debug, Default)]
struct Counters {
    /// Bytes of frames in memory and of small buffers: never above the limit.
    memory_bytes: CachePadded<AtomicU64>,
    small_bytes: CachePadded<AtomicU64>,
    spilled_frames: AtomicU64,
    allocations: CachePadded<AtomicU64>,
    copies: CachePadded<AtomicU64>,
}

#[derive(Debug)]
struct Spill {
    file: Arc<SpillFile>,
    pool: Mutex<Pool>,
}

/// The chunk memory of one volume.
#[derive(Debug)]
pub(crate) struct ChunkStore {
    memory_limit_bytes: u64,
    pools: Vec<CachePadded<Mutex<Pool>>>,
    spill: Option<Spill>,
    counters: Counters,
}

impl ChunkStore {
    /// An empty store. Fails only if the spill file cannot be made.
    pub(crate) fn new(config: StoreConfig) -> Result<Arc<Self>> {
        let file = match &config.spill_dir {
            Some(folder) => Some(SpillFile::create_in(folder)?),
            None => None,
        };
        let stripe_bytes = config.memory_bytes / STRIPES as u64;
        let reserve = (stripe_bytes / 64 / CHUNK_BYTES as u64).min(WARM_FRAMES) as usize;
        Ok(Arc::new_cyclic(|store: &Weak<Self>| Self {
            memory_limit_bytes: config.memory_bytes,
            pools: (0..STRIPES as u16)
                .map(|number| Pool::new(number, reserve, Weak::clone(store)))
                .map(|pool| CachePadded::new(Mutex::new(pool)))
                .collect(),
            spill: file.map(|file| Spill { file, pool: Mutex::new(Pool::new(STRIPES as u16, 0, Weak::clone(store))) }),
            counters: Counters::default(),
        }))
    }

    /// What the store holds. Other threads may change it meanwhile.
    pub(crate) fn usage(&self) -> StoreUsage {
        let counters = &self.counters;
        let small_bytes = counters.small_bytes.load(Relaxed);
        let memory_bytes = counters.memory_bytes.load(Relaxed);
        let spilled_frames = counters.spilled_frames.load(Relaxed);
        let in_memory = memory_bytes.saturating_sub(small_bytes) / CHUNK_BYTES as u64;
        let spill_regions = self.spill.as_ref().map_or(0, |spill| spill.pool.lock().regions());
        let regions: usize = self.pools.iter().map(|pool| pool.lock().regions()).sum();
        StoreUsage {
            frames: in_memory + spilled_frames,
            spilled_frames,
            small_bytes,
            memory_bytes,
            memory_limit_bytes: self.memory_limit_bytes,
            regions: (regions + spill_regions) as u64,
            allocations: counters.allocations.load(Relaxed),
            copies: counters.copies.load(Relaxed),
        }
    }

    /// Room left where spilling goes, in bytes.
    pub(crate) fn spill_room_bytes(&self) -> u64 {
        self.spill.as_ref().map_or(0, |spill| spill.file.room_bytes())
    }

    /// Whether so many more chunks are worth trying. Says yes where only trying can tell.
    pub(crate) fn may_hold(&self, chunks: u64) -> bool {
        let free = self.memory_limit_bytes - self.counters.memory_bytes.load(Relaxed);
        self.spill.is_some() || chunks <= free / CHUNK_BYTES as u64
    }

    /// Counts bytes of a small buffer against the limit.
    pub(crate) fn reserve_small(&self, bytes: usize) -> Result<()> {
        self.reserve(bytes as u64)?;
        self.counters.small_bytes.fetch_add(bytes as u64, Relaxed);
        Ok(())
    }

    /// Takes back what [`ChunkStore::reserve_small`] counted.
    pub(crate) fn release_small(&self, bytes: usize) {
        self.counters.small_bytes.fetch_sub(bytes as u64, Relaxed);
        self.counters.memory_bytes.fetch_sub(bytes as u64, Relaxed);
    }

    pub(super) fn count_copy(&self) {
        self.counters.copies.fetch_add(1, Relaxed);
    }

    /// A free frame, and whether it is zero.
    pub(super) fn take_frame(&self) -> Result<(Frame, bool)> {
        let taken = match (self.reserve(CHUNK_BYTES as u64), &self.spill) {
            (Ok(()), _) => self.take_from_memory()?,
            (Err(_), Some(spill)) => self.take_from_file(spill)?,
            (Err(full), None) => return Err(full),
        };
        self.counters.allocations.fetch_add(1, Relaxed);
        Ok(taken)
    }

    /// Called when a frame goes.
    pub(super) fn put_frame(&self, place: Place, spilled: bool) {
        // The guard must be gone before the regions are: unmapping is slow.
        let emptied = self.pool(place.pool).lock().put(place);
        drop(emptied);
        if spilled {
            self.counters.spilled_frames.fetch_sub(1, Relaxed);
        } else {
            self.counters.memory_bytes.fetch_sub(CHUNK_BYTES as u64, Relaxed);
        }
    }

    fn pool(&self, number: u16) -> &Mutex<Pool> {
        match (self.pools.get(number as usize), &self.spill) {
            (Some(pool), _) => pool,
            (None, Some(spill)) => &spill.pool,
            (None, None) => unreachable!("a frame's pool is one of its store's"),
        }
    }

    fn take_from_memory(&self) -> Result<(Frame, bool)> {
        let huge = self.memory_limit_bytes >= HUGE_FROM_BYTES;
        let taken = self.pools[stripe()].lock().take(|| Region::in_memory(huge));
        if taken.is_err() {
            self.counters.memory_bytes.fetch_sub(CHUNK_BYTES as u64, Relaxed);
        }
        taken
    }

    fn take_from_file(&self, spill: &Spill) -> Result<(Frame, bool)> {
        let taken = spill.pool.lock().take(|| Region::in_file(&spill.file))?;
        self.counters.spilled_frames.fetch_add(1, Relaxed);
        Ok(taken)
    }

    fn reserve(&self, bytes: u64) -> Result<()> {
        let limit = self.memory_limit_bytes;
        let fits = |held: u64| held.checked_add(bytes).filter(|&sum| sum <= limit);
        match self.counters.memory_bytes.fetch_update(Relaxed, Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::NoSpace),
        }
    }
}

/// The pool that this thread allocates from.
fn stripe() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: usize = THREADS.fetch_add(1, Relaxed) % STRIPES;
    }
    // A thread that is ending has lost its own; any will do.
    STRIPE.try_with(|stripe| *stripe).unwrap_or(0)
}
