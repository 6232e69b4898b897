//! The store: all the chunk memory of one volume, its limit, and what it spills to.
//!
//! The face of the depot towards streams and volumes, and the owner of its threads, which end with it. The limit
//! counts frames in memory, metadata, other memory that callers reserve, and what spilled chunks still take.
//!
//! What a full limit means for an operation is for the callers: here it is [`Error::NoSpace`], and nothing has changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use super::cell::CELL_BYTES;
use super::depot::{CHUNK, Depot};
use super::device::{SpillDevice, SpillFile};
use super::spill::{Spill, SpillConfig};
use crate::error::{Error, Result};
use crate::ledger::{KINDS, Ledger};
use crate::reckoning::Counted;

/// What a spilled chunk takes of memory, with its place in the map of its stream.
const SPILLED_BYTES: u64 = CELL_BYTES + 16;

/// How a store is made.
#[derive(Debug, Clone)]
pub(crate) struct StoreConfig {
    /// The most memory that chunks and small buffers take.
    pub(crate) memory_bytes: u64,
    /// Where chunks go when memory is full.
    pub(crate) spill_dir: Option<PathBuf>,
    /// What may be taken there.
    pub(crate) spill: SpillConfig,
}

/// What a store holds now, and what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoreUsage {
    /// Chunks of streams, wherever they are.
    pub(crate) frames: u64,
    /// Chunks that small buffers lie in, wherever they are.
    pub(crate) slabs: u64,
    /// Those of both that are only in the spill device.
    pub(crate) spilled_frames: u64,
    /// Bytes in small buffers.
    pub(crate) small_bytes: u64,
    /// Bytes that callers have reserved.
    pub(crate) reserved_bytes: u64,
    /// Metadata, by kind.
    pub(crate) metadata_bytes: [u64; KINDS],
    /// Bytes that are in use and count against the limit.
    pub(crate) memory_bytes: u64,
    /// Those, and frames that are kept for the next to come.
    pub(crate) resident_bytes: u64,
    /// The limit.
    pub(crate) memory_limit_bytes: u64,
    /// Regions mapped.
    pub(crate) regions: u64,
    /// Chunks ever allocated.
    pub(crate) allocations: u64,
    /// Chunks ever copied because somebody else held them too.
    pub(crate) copies: u64,
    /// How often somebody waited for memory.
    pub(crate) stalls: u64,
    /// Chunks moved out of memory.
    pub(crate) evictions: u64,
    /// Chunks whose bytes somebody asked for, in memory or not.
    pub(crate) reads: u64,
    /// Reads back that somebody waited for.
    pub(crate) faults: u64,
    /// Chunks that were there when they were asked for, as they had been read ahead.
    pub(crate) ahead_hits: u64,
    /// Bytes read from the device.
    pub(crate) read_bytes: u64,
    /// Bytes written to it.
    pub(crate) written_bytes: u64,
}

/// The chunk memory of one volume.
#[derive(Debug)]
pub(crate) struct ChunkStore {
    depot: Arc<Depot>,
    reserved_bytes: CachePadded<AtomicU64>,
}

impl ChunkStore {
    /// An empty store. Fails only if the spill file cannot be made.
    pub(crate) fn new(config: StoreConfig) -> Result<Arc<Self>> {
        let spill = match &config.spill_dir {
            Some(folder) => {
                let file = SpillFile::create_in(folder).map_err(|error| Error::Io(error.to_string()))?;
                Some(Spill::new(Box::new(file), config.spill))
            }
            None => None,
        };
        Ok(Self::over(Depot::new(config.memory_bytes, spill)))
    }

    /// An empty store that spills to this device, and takes no more of it than that.
    #[cfg_attr(not(test), expect(dead_code, reason = "for limits on spilling, which no volume sets yet"))]
    pub(crate) fn with_device(memory_bytes: u64, device: Box<dyn SpillDevice>, config: SpillConfig) -> Arc<Self> {
        Self::over(Depot::new(memory_bytes, Some(Spill::new(device, config))))
    }

    fn over(depot: Arc<Depot>) -> Arc<Self> {
        Arc::new(Self { depot, reserved_bytes: CachePadded::default() })
    }

    /// What the store holds. Other threads may change it meanwhile.
    pub(crate) fn usage(&self) -> StoreUsage {
        let (depot, counters) = (&self.depot, &self.depot.counters);
        let reserved_bytes = self.reserved_bytes.load(Relaxed);
        let spilled_frames = depot.away();
        let chunk_bytes = depot.used_by_chunks();
        let slabs = depot.shelves.slabs();
        let freed = counters.freed.get();
        let cells = counters.allocations.get() - freed;
        let metadata_bytes = depot.ledger().by_kind();
        let metadata = metadata_bytes.iter().sum::<u64>();
        StoreUsage {
            frames: cells.saturating_sub(slabs),
            spilled_frames,
            slabs,
            small_bytes: depot.shelves.bytes(),
            reserved_bytes,
            metadata_bytes,
            memory_bytes: chunk_bytes + metadata,
            resident_bytes: depot.charged_by_chunks() + metadata + depot.kept_bytes(),
            memory_limit_bytes: depot.marks.limit,
            regions: depot.pools.iter().map(|pool| pool.lock().regions() as u64).sum(),
            allocations: counters.allocations.get(),
            copies: counters.copies.get(),
            stalls: counters.stalls.get(),
            evictions: counters.evictions.get(),
            reads: counters.reads.get(),
            faults: counters.faults.get(),
            ahead_hits: counters.ahead_hits.get(),
            read_bytes: counters.read_bytes.get(),
            written_bytes: counters.written_bytes.get(),
        }
    }

    /// What all content takes, whoever's it is. Metadata is not counted.
    pub(crate) fn content(&self) -> Counted {
        let StoreUsage { frames, slabs, spilled_frames, small_bytes, .. } = self.usage();
        let resident = (frames + slabs).saturating_sub(spilled_frames);
        Counted {
            content_bytes: frames * CHUNK + small_bytes,
            memory_bytes: resident * CHUNK + spilled_frames * CELL_BYTES,
            spilled_bytes: spilled_frames * CHUNK,
            ..Counted::default()
        }
    }

    /// How many bytes a writer can still store.
    pub(crate) fn free_bytes(&self) -> u64 {
        let in_memory = self.depot.marks.hard.saturating_sub(self.depot.used());
        let (taken, room) = self.taken_and_room_bytes();
        in_memory.saturating_add(self.in_both_bytes(taken)).saturating_add(room)
    }

    /// How many bytes can be stored in all: in memory, in slots that are taken, and in those that can still be.
    pub(crate) fn capacity_bytes(&self) -> u64 {
        let (taken, room) = self.taken_and_room_bytes();
        self.depot.marks.limit.saturating_add(taken).saturating_add(room)
    }

    /// Of so many bytes in slots those whose frames can go any time: what was read back, or is about to go.
    fn in_both_bytes(&self, taken: u64) -> u64 {
        taken.saturating_sub(self.depot.away() * CHUNK)
    }

    /// Bytes in slots that are taken, and room left where spilling goes: on the disk, by the limit, and by what spilled chunks
    /// still take of memory.
    fn taken_and_room_bytes(&self) -> (u64, u64) {
        let Some(spill) = &self.depot.spill else { return (0, 0) };
        let cells = self.depot.marks.metadata.saturating_sub(self.depot.fixed()) / SPILLED_BYTES;
        let (taken, room) = spill.taken_and_room_bytes();
        (taken, room.min(cells.saturating_mul(CHUNK)))
    }

    /// Whether so many more chunks are worth trying. Says yes where only trying can tell.
    pub(crate) fn may_hold(&self, chunks: u64) -> bool {
        let free = self.depot.marks.limit.saturating_sub(self.depot.used());
        let more = || {
            let (taken, room) = self.taken_and_room_bytes();
            self.in_both_bytes(taken).saturating_add(room)
        };
        chunks <= free / CHUNK || chunks <= free.saturating_add(more()) / CHUNK
    }

    /// Whether metadata may grow. May wait for chunks to be spilled for it. [`Error::NoSpace`] if it takes all that it may.
    #[inline]
    pub(crate) fn admit(&self) -> Result<()> {
        self.depot.admit()
    }

    /// As [`ChunkStore::admit`], for who cannot wait: chunks that can be spilled for it are no hindrance.
    pub(crate) fn admits(&self) -> bool {
        self.depot.admits()
    }

    /// Whether one branch or snapshot more may be. Does not wait. [`Error::NoSpace`] if they take all that they may.
    pub(crate) fn admit_ref(&self) -> Result<()> {
        self.depot.admit_ref()
    }

    /// Counts somebody who waits for room that is being made elsewhere.
    pub(crate) fn count_stall(&self) {
        self.depot.counters.stalls.add(1);
    }

    /// The limit, in bytes.
    pub(crate) fn limit_bytes(&self) -> u64 {
        self.depot.marks.limit
    }

    /// Counts memory that the caller is about to take for something else against the limit. May wait for chunks to be
    /// spilled. [`Error::NoSpace`] if that does not help.
    #[cfg_attr(not(test), expect(dead_code, reason = "for metadata, which is not counted yet"))]
    pub(crate) fn reserve(&self, bytes: u64) -> Result<()> {
        self.depot.reserve(bytes)?;
        self.reserved_bytes.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// Takes back what [`ChunkStore::reserve`] counted.
    #[cfg_attr(not(test), expect(dead_code, reason = "for metadata, which is not counted yet"))]
    pub(crate) fn release(&self, bytes: u64) {
        self.reserved_bytes.fetch_sub(bytes, Relaxed);
        self.depot.release(bytes);
    }

    /// Answers that the system is short of memory: gives some back, and uses less from now on. Says whether less than the
    /// limit is to be used.
    pub(crate) fn squeeze(&self) -> bool {
        self.depot.squeeze()
    }

    /// Answers that the system is not short of memory just now. Says whether less than the limit is still to be used.
    pub(crate) fn relax(&self) -> bool {
        self.depot.relax()
    }

    /// Gives memory back to the system though the limit does not ask for it: frames that nobody uses, and then chunks
    /// that are spilled for it. Takes as long as that takes. Returns how many bytes it was.
    #[cfg_attr(not(test), expect(dead_code, reason = "for memory pressure, which nobody watches yet"))]
    pub(crate) fn give_back(&self, bytes: u64) -> u64 {
        let before = self.depot.charged();
        let given = self.depot.cool_all();
        if given < bytes {
            self.depot.sweep(self.depot.taken().saturating_sub(bytes - given));
            self.depot.cool_all();
        }
        before.saturating_sub(self.depot.charged())
    }

    /// Moves short streams together, so that what was deleted leaves no memory half used. Calls `pause` now and then.
    pub(crate) fn tidy(&self, pause: impl Fn()) {
        self.depot.shelves.tidy(pause);
    }

    /// Counts the metadata of the volume.
    pub(crate) fn ledger(&self) -> Ledger {
        self.depot.ledger()
    }

    pub(super) fn depot(&self) -> &Arc<Depot> {
        &self.depot
    }
}

/// For tests: what there is room for, and a system that is short of memory.
#[cfg(test)]
impl ChunkStore {
    /// Room left where spilling goes, in bytes.
    pub(crate) fn spill_room_bytes(&self) -> u64 {
        self.taken_and_room_bytes().1
    }

    /// How often the heap was trimmed.
    pub(crate) fn heap_trims(&self) -> u64 {
        self.depot.heap_trims()
    }

    /// Has the `nth` frame from now on fail, counted from 0.
    pub(crate) fn fail_frame(&self, nth: u64) {
        self.depot.fail_frame(nth);
    }

    /// How many frames the system was asked for.
    pub(crate) fn frames_asked(&self) -> u64 {
        self.depot.frames_asked()
    }
}

impl Drop for ChunkStore {
    fn drop(&mut self) {
        if let Some(cooling) = self.depot.read_ahead.stop() {
            self.depot.put_span(&cooling, false);
        }
        self.depot.evictor.stop();
    }
}
