//! Frames: how cells come by memory, and how it goes back to the system.
//!
//! Nothing slow is done under the lock of a pool: regions are mapped and unmapped, and frames discarded, without it, in
//! steps of 2 MiB at most. While frames cool they are nobody's and still charged: whoever finds no other waits for them.
//! Frames that are renewed (see [`Region::renew`]) cool too, but are warm again afterwards.

use std::sync::{Arc, Weak};

use super::marks::{Marks, Need, RELAX_STEP};
use super::{CHUNK, Depot, STRIPES};
use crate::data::chunk::CHUNK_BYTES;
use crate::data::chunk::cell::Cell;
use crate::data::chunk::pool::{Cooling, Pool};
use crate::data::chunk::region::{Frame, Place, Region};
use crate::error::{Error, Result};
use crate::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::sync::{thread, thread_ordinal};

/// How often a thread that may have a frame looks through all pools for it.
const STEAL_ROUNDS: usize = 4;
/// How often a frame is asked for again after the system has refused one, and others were evicted instead.
const FRAME_TRIES: u32 = 3;

impl Depot {
    /// A free frame for `owner`, and whether it is zero. May wait for the evictor. Where the system maps no more, some others are
    /// evicted for it, as if the limit were reached.
    pub(crate) fn frame_for(&self, owner: &Arc<Cell>, need: Need) -> Result<(Frame, bool)> {
        let mut tries = FRAME_TRIES;
        loop {
            self.claim(CHUNK, need)?;
            match self.take_frame(owner) {
                Ok(frame) => return Ok(frame),
                Err(error) => {
                    self.unclaim(CHUNK);
                    tries -= 1;
                    if tries == 0 || need == Need::Ahead || self.spill.is_none() {
                        return Err(error);
                    }
                    let step = (self.marks.limit / RELAX_STEP).max(CHUNK);
                    if self.sweep(self.taken().saturating_sub(step)).freed == 0 {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Called when a frame goes.
    pub(crate) fn put_frame(&self, place: Place) {
        let reserve = self.warm_reserve();
        let mut warm = 0;
        self.cool(place.pool.into(), |pool| {
            let cooling = pool.put(place, reserve);
            warm = pool.warm();
            cooling
        });
        self.unclaim(CHUNK);
        if warm > self.reserve {
            self.call_to_cool();
        }
    }

    /// Begins to look which warm frames nobody takes.
    pub(crate) fn watch_warm(&self) {
        self.pools.iter().for_each(|pool| pool.lock().watch());
    }

    /// Gives some of those that nobody has taken since [`Depot::watch_warm`] back to the system, but for the reserve of each
    /// pool. Says whether there were any.
    pub(crate) fn cool_unused(&self) -> bool {
        (0..STRIPES).any(|number| self.cool(number, |pool| pool.cool_unused(self.reserve)) > 0)
    }

    /// Whether a pool keeps more warm than its reserve.
    pub(crate) fn keeps_more(&self) -> bool {
        self.pools.iter().any(|pool| pool.lock().warm() > self.reserve)
    }

    /// Gives the warm frames of all pools back to the system. Returns how many bytes that were.
    pub(crate) fn cool_all(&self) -> u64 {
        let cool = |number| std::iter::repeat_with(move || self.cool(number, |pool| pool.cool(usize::MAX)));
        (0..STRIPES).flat_map(|number| cool(number).take_while(|&bytes| bytes > 0)).sum()
    }

    /// Gives the frames of a pool back to the system that `begin` has taken out of it. Returns how many bytes that were.
    fn cool(&self, number: usize, begin: impl FnOnce(&mut Pool) -> Cooling) -> u64 {
        let mut pool = self.pools[number].lock();
        let cooling = begin(&mut pool);
        let frames = cooling.frames();
        if frames == 0 {
            return 0;
        }
        self.begin_cooling(frames);
        drop(pool);
        cooling.discard();
        let _regions = self.pools[number].lock().set_cold(&cooling);
        self.charged.fetch_sub(frames * CHUNK, SeqCst);
        self.cooling.fetch_sub(frames, SeqCst);
        frames * CHUNK
    }

    /// With the pool's lock, so that who finds nothing there sees that something comes.
    fn begin_cooling(&self, frames: u64) {
        self.coolings.fetch_add(1, SeqCst);
        self.cooling.fetch_add(frames, SeqCst);
    }

    /// Whether it is worth while that what is freed lies together in memory.
    pub(crate) fn renews(&self) -> bool {
        self.renews && self.marks_now().limit == self.marks.limit
    }

    /// Takes the frames of a span, to be renewed, if nobody has any of them. They stay charged.
    pub(crate) fn take_span(&self, span: Place) -> Option<Cooling> {
        let mut pool = self.pools[usize::from(span.pool)].lock();
        let cooling = pool.take_span(span);
        let frames = cooling.frames();
        if frames == 0 {
            return None;
        }
        self.begin_cooling(frames);
        Some(cooling)
    }

    /// They are warm again; whether they were `renewed`.
    pub(crate) fn put_span(&self, cooling: &Cooling, renewed: bool) {
        let Some(pool) = cooling.pool() else { return };
        let mut pool = self.pools[pool].lock();
        pool.put_span(cooling, renewed);
        let warm = pool.warm();
        drop(pool);
        self.cooling.fetch_sub(cooling.frames(), SeqCst);
        // The evictor's thread did not see them if it looked meanwhile.
        if warm > self.reserve {
            self.call_to_cool();
        }
    }

    /// How many frames the evictor frees at once, while it is at work: what it frees is what is taken next.
    fn freed_at_once(&self) -> Option<usize> {
        let Marks { low, soft, .. } = self.marks_now();
        let freed = soft - low;
        let works = freed > 0 && self.taken() > low - freed.min(low);
        works.then_some((freed / CHUNK) as usize)
    }

    fn warm_reserve(&self) -> usize {
        // Several times that: a batch that was written is freed as a whole.
        self.freed_at_once().map_or(self.reserve, |freed| self.reserve.max(4 * freed))
    }

    /// Counts memory that is not frames as charged; warm frames make way for it.
    pub(super) fn charge(&self, bytes: u64) {
        let crowded = || self.charged() + bytes > self.marks_now().limit;
        for number in 0..STRIPES {
            while crowded() && self.cool(number, |pool| pool.cool(1)) > 0 {}
        }
        self.charged.fetch_add(bytes, Relaxed);
    }

    fn charge_frame(&self) -> bool {
        let limit = self.marks_now().limit.saturating_sub(self.heap_bytes());
        let fits = |charged: u64| charged.checked_add(CHUNK).filter(|&sum| sum <= limit);
        self.charged.fetch_update(Relaxed, Relaxed, fits).is_ok()
    }

    /// As [`Depot::charge_frame`], for whom it has refused, unless there is a warm frame: what is charged and neither used nor
    /// warm is just being given back or renewed, or taken by others.
    fn charge_frame_late(&self, own: usize, owner: &Arc<Cell>) -> Option<Frame> {
        loop {
            // First: what has cooled by now is found.
            let cools = self.cooling.load(SeqCst) > 0;
            if let Some(frame) = self.take_warm_elsewhere(own, owner) {
                return Some(frame);
            }
            if self.charge_frame() {
                return None;
            }
            if !cools {
                self.charged.fetch_add(CHUNK, Relaxed);
                return None;
            }
            self.withdraw_span();
            thread::yield_now();
        }
    }

    /// What is charged and not used is warm somewhere, unless others are just taking it, or giving it back.
    fn take_warm_elsewhere(&self, own: usize, owner: &Arc<Cell>) -> Option<Frame> {
        self.take_warm_of(STEAL_ROUNDS * STRIPES, own, owner)
    }

    fn take_warm_of(&self, others: usize, own: usize, owner: &Arc<Cell>) -> Option<Frame> {
        let mut others = (1..others).map(|step| &self.pools[(own + step) % STRIPES]);
        others.find_map(|pool| pool.lock().take_warm(owner))
    }

    fn take_frame(&self, owner: &Arc<Cell>) -> Result<(Frame, bool)> {
        let own = stripe();
        let warm = self.pools[own].lock().take_warm(owner);
        // What the evictor frees lies in the pools that it comes by. To find and clear the pages of a cold frame takes longer than to look there.
        let warm = warm.or_else(|| self.freed_at_once().and_then(|_| self.take_warm_of(STRIPES, own, owner)));
        if let Some(frame) = warm {
            return Ok((frame, false));
        }
        if !self.charge_frame()
            && let Some(frame) = self.charge_frame_late(own, owner)
        {
            return Ok((frame, false));
        }
        self.take_charged(own, owner).ok_or_else(|| {
            self.charged.fetch_sub(CHUNK, Relaxed);
            Error::NoSpace
        })
    }

    /// A cold frame, for which is charged.
    fn take_charged(&self, own: usize, owner: &Arc<Cell>) -> Option<(Frame, bool)> {
        if self.fails_frame() {
            return None;
        }
        let zero = |frame| (frame, Region::discarded_is_zero());
        let cold = self.pools[own].lock().take_cold(owner);
        cold.or_else(|| self.take_mapped(own, owner, false))
            .or_else(|| self.take_cold_elsewhere(own, owner))
            .or_else(|| self.take_mapped(own, owner, true))
            .map(zero)
            .or_else(|| self.take_last(own, owner))
    }

    /// A frame of a new region. Others of the pool go on while it is mapped.
    fn take_mapped(&self, own: usize, owner: &Arc<Cell>, beyond: bool) -> Option<Frame> {
        let _mapping = self.mapping.lock();
        // Somebody else may have seen to it.
        let cold = self.pools[own].lock().take_cold(owner);
        cold.or_else(|| {
            let region = self.map_region(beyond).ok()?;
            let mut pool = self.pools[own].lock();
            pool.add(region);
            pool.take_cold(owner)
        })
    }

    /// What other threads' pools have left.
    fn take_cold_elsewhere(&self, own: usize, owner: &Arc<Cell>) -> Option<Frame> {
        let mut all = (1..=STRIPES).map(|step| &self.pools[(own + step) % STRIPES]);
        all.find_map(|pool| pool.lock().take_cold(owner))
    }

    /// Where nothing more can be mapped: what is warm, or what others are just giving back.
    fn take_last(&self, own: usize, owner: &Arc<Cell>) -> Option<(Frame, bool)> {
        loop {
            // First: what has cooled by now is found, and what cools later is noticed.
            let (begun, cools) = (self.coolings.load(SeqCst), self.cooling.load(SeqCst) > 0);
            if let Some(frame) = self.take_warm_elsewhere(own, owner) {
                // It is charged for already.
                self.charged.fetch_sub(CHUNK, Relaxed);
                return Some((frame, false));
            }
            let cold = self.take_cold_elsewhere(own, owner);
            if cold.is_some() || !cools && self.coolings.load(SeqCst) == begun {
                return cold.map(|frame| (frame, Region::discarded_is_zero()));
            }
            self.withdraw_span();
            thread::yield_now();
        }
    }

    /// A new region. Where addresses are few, not beyond the limit unless `beyond` says so.
    fn map_region(&self, beyond: bool) -> Result<Region> {
        let bytes = (self.region_frames * CHUNK_BYTES) as u64;
        let most = self.marks.limit.checked_next_multiple_of(bytes).unwrap_or(u64::MAX);
        if self.maps_nothing() || !(beyond || self.addresses.may_map(bytes, most)) {
            return Err(Error::NoSpace);
        }
        let region = Region::map(self.region_frames, !self.addresses.are_limited(), Weak::clone(&self.me))?;
        self.addresses.count(region.bytes());
        if !self.addresses.are_left() {
            return Err(Error::NoSpace);
        }
        Ok(region)
    }
}

/// For tests: the system has no memory for the n-th frame that is asked of it.
#[cfg(test)]
impl Depot {
    /// Has the `nth` frame from now on fail, counted from 0.
    pub(crate) fn fail_frame(&self, nth: u64) {
        self.failing_frame.store(self.frames_asked.load(Relaxed) + nth, Relaxed);
    }

    /// How many frames the system was asked for.
    pub(crate) fn frames_asked(&self) -> u64 {
        self.frames_asked.load(Relaxed)
    }

    fn fails_frame(&self) -> bool {
        self.frames_asked.fetch_add(1, Relaxed) == self.failing_frame.load(Relaxed)
    }

    /// Has the system map nothing more.
    pub(crate) fn map_nothing(&self) {
        self.maps_nothing.store(true, Relaxed);
    }

    fn maps_nothing(&self) -> bool {
        self.maps_nothing.load(Relaxed)
    }
}

#[cfg(not(test))]
impl Depot {
    #[inline]
    fn fails_frame(&self) -> bool {
        false
    }

    fn maps_nothing(&self) -> bool {
        false
    }
}

/// The pool that this thread allocates from.
fn stripe() -> usize {
    thread_ordinal() % STRIPES
}
