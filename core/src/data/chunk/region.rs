//! Regions: the memory that frames are pieces of, mapped in one go.
//!
//! The only module of the data layer with `unsafe`. Its safety rests on nothing outside: a region counts the holders
//! of each of its frames, lets bytes change only through the one holder there is, gives no frame out twice, and
//! discards or renews none that is held; a frame keeps its region mapped. Which frame to take is for the pools.

#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::{Arc, Weak};

use memmap2::{MmapMut, MmapOptions, MmapRaw};

use super::depot::Depot;
use super::{CHUNK_BYTES, ChunkBytes};
use crate::error::{Error, Result};
use crate::sync::atomic::{AtomicU32, Ordering};

/// Frames of a region: at most, and at least. Whole words of bits.
pub(super) const REGION_FRAMES: usize = 512;
pub(super) const LEAST_REGION_FRAMES: usize = 64;

/// Frames of a span: 2 MiB, as systems have them in one piece.
pub(super) const SPAN_FRAMES: usize = 32;
const SPAN_BYTES: usize = SPAN_FRAMES * CHUNK_BYTES;

/// Whether there is a way to ask the system for neighbouring pages.
pub(super) const RENEWS: bool = cfg!(target_os = "linux");
/// The least pages that Linux has.
#[cfg(target_os = "linux")]
const PAGE_BYTES: usize = 4096;

/// Whether memory given back to the system is zero when it is touched next.
const DISCARDED_IS_ZERO: bool = cfg!(target_os = "linux");

#[derive(Debug)]
pub(super) struct Region {
    map: MmapRaw,
    /// Where in it the first frame begins.
    front: usize,
    /// How many [`Frame`]s there are of each index.
    holders: Box<[AtomicU32]>,
    /// Who wants to know when a frame is free.
    home: Weak<Depot>,
}

impl Region {
    /// A region of so many frames. If it may be `wide` it takes more addresses where its spans would not lie as the system's
    /// large pages do.
    pub(super) fn map(frames: usize, wide: bool, home: Weak<Depot>) -> Result<Self> {
        let bytes = frames * CHUNK_BYTES;
        let mut map = map_bytes(bytes)?;
        if wide && RENEWS && front_of(&map) != 0 {
            map = map_bytes(bytes + SPAN_BYTES)?;
        }
        let front = if map.len() > bytes { front_of(&map) } else { 0 };
        // No huge pages: the first touch of one costs milliseconds, and of one that holds few frames in use the rest would
        // be there without being counted. See `renew` for what is done instead. Kernels without them refuse, and nothing is lost.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::NoHugePage);
        let holders = (0..frames).map(|_| AtomicU32::new(0)).collect();
        Ok(Self { map: map.into(), front, holders, home })
    }

    /// Whether frames that were discarded, or never used, are zero.
    pub(super) fn discarded_is_zero() -> bool {
        DISCARDED_IS_ZERO
    }

    /// Gives the memory of these frames, which nobody holds, back to the system.
    pub(super) fn discard(&self, frames: Range<usize>) {
        for holders in &self.holders[frames.clone()] {
            assert!(holders.load(Ordering::Acquire) == 0, "a held frame is not discarded");
        }
        #[cfg(target_os = "linux")]
        {
            let (start, len) = (self.offset(frames.start), frames.len() * CHUNK_BYTES);
            // SAFETY: the range lies within the map, as its indices have holders, and no reference to its bytes
            // exists, as no frame of it is held.
            let done = unsafe { self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, len) };
            if done.is_err() {
                // The host has its memory locked (mlockall): it keeps it, and what was in it goes all the same.
                // SAFETY: as above.
                unsafe { self.start_of(frames.start).write_bytes(0, len) };
            }
        }
    }

    /// Whether there is a point in renewing spans: where they lie as the system's large pages do.
    pub(super) fn renews(&self) -> bool {
        RENEWS && self.start_of(0).addr().is_multiple_of(SPAN_BYTES)
    }

    /// Gives the frames of the span that begins with `first`, which nobody holds, other memory: pages that are neighbours in
    /// the machine, if the system has them. A disk transfers those in one piece, and others page by page. What was in the
    /// frames is lost, and what is in them is not zero. Says whether the system had such pages.
    ///
    /// They come as one large page, which is taken apart at once: a large page of which a part is given back stays whole, and there,
    /// until the system is short of memory.
    pub(super) fn renew(&self, first: usize) -> bool {
        self.discard(first..first + SPAN_FRAMES);
        #[cfg(target_os = "linux")]
        {
            use memmap2::Advice::{HugePage, NoHugePage};
            let (start, len) = (self.offset(first), SPAN_BYTES);
            let _ = self.map.advise_range(HugePage, start, len);
            self.touch(first * CHUNK_BYTES);
            let whole = self.is_there(first + SPAN_FRAMES - 1);
            let touch_all =
                || (0..len / PAGE_BYTES).for_each(|page| self.touch(first * CHUNK_BYTES + page * PAGE_BYTES));
            // A page that is zero when the large one is taken apart would go.
            touch_all();
            let is_apart = self.take_apart(first);
            let _ = self.map.advise_range(NoHugePage, start, len);
            if !is_apart {
                // Small ones, as before.
                self.discard(first..first + SPAN_FRAMES);
                touch_all();
            }
            whole && is_apart
        }
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// How many frames it has.
    pub(super) fn frames(&self) -> usize {
        self.holders.len()
    }

    /// How many hold each frame.
    pub(super) fn held(&self) -> impl Iterator<Item = u32> {
        self.holders.iter().map(|holders| holders.load(Ordering::Acquire))
    }

    /// How many bytes it takes of addresses.
    pub(super) fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    fn offset(&self, index: usize) -> usize {
        self.front + index * CHUNK_BYTES
    }

    fn start_of(&self, index: usize) -> *mut u8 {
        self.map.as_mut_ptr().wrapping_add(self.offset(index))
    }
}

/// What is asked of Linux.
#[cfg(target_os = "linux")]
impl Region {
    /// Writes to a byte of a frame that nobody holds.
    fn touch(&self, byte: usize) {
        let frame = byte / CHUNK_BYTES;
        assert!(self.holders[frame].load(Ordering::Acquire) == 0, "a held frame is not touched");
        // SAFETY: the byte lies within the map, as its frame has a count of holders, and no reference to it exists, as
        // nobody holds the frame.
        unsafe { self.start_of(frame).add(byte % CHUNK_BYTES).write_volatile(1) };
    }

    /// Advice for a part of a large page takes it apart: whichever, so one that changes nothing else. Kernels before 5.4 do not know
    /// it. Says whether this one does.
    fn take_apart(&self, first: usize) -> bool {
        // SAFETY: the page lies within the map, and its bytes stay what they are.
        unsafe { libc::madvise(self.start_of(first).cast(), PAGE_BYTES, libc::MADV_COLD) == 0 }
    }

    /// Whether a frame's first page is there without having been touched.
    fn is_there(&self, index: usize) -> bool {
        let mut there = 0;
        // SAFETY: the page lies within the map; it is not looked at, and `there` has a byte for the one page.
        let told = unsafe { libc::mincore(self.start_of(index).cast(), 1, &mut there) };
        told == 0 && there & 1 != 0
    }
}

fn map_bytes(bytes: usize) -> Result<MmapMut> {
    MmapOptions::new().len(bytes).no_reserve_swap().map_anon().map_err(|_| Error::NoSpace)
}

/// How far behind the map's beginning the first span can begin that lies as the system's large pages do.
fn front_of(map: &MmapMut) -> usize {
    map.as_ptr().addr().wrapping_neg() % SPAN_BYTES
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Some(home) = self.home.upgrade() {
            home.addresses.uncount(self.bytes());
        }
    }
}

/// Has the allocator give the system back what it keeps of memory that was freed, where it can.
pub(super) fn trim_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes a number, and locks what it touches itself; memory in use stays as it is.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Whether so many bytes of addresses are left, beside all that is mapped.
pub(super) fn has_addresses(bytes: usize) -> bool {
    MmapOptions::new().len(bytes).no_reserve_swap().map_anon().is_ok()
}

/// Has the allocator make do with so many arenas, each of which sets 64 MiB of addresses aside.
pub(super) fn limit_arenas(arenas: i32) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes numbers, and locks what it touches itself.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, arenas);
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = arenas;
}

/// Where a frame lies: the pool, the region's number in it, and the frame's in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) pool: u16,
    pub(super) region: u32,
    pub(super) index: u16,
}

impl Place {
    /// Where the first frame of its span lies.
    pub(super) fn span(self) -> Place {
        Place { index: self.index / SPAN_FRAMES as u16 * SPAN_FRAMES as u16, ..self }
    }
}

/// A counted reference to a piece of a region. Goes back to its pool with the last one.
#[derive(Debug)]
pub(super) struct Frame {
    region: Arc<Region>,
    place: Place,
}

impl Frame {
    /// The first reference to the frame of `region` at `place`, which nobody holds. This is what keeps frames apart,
    /// so it is checked always.
    pub(super) fn hold(region: &Arc<Region>, place: Place) -> Self {
        let holders = &region.holders[place.index as usize];
        let before = holders.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        assert!(before.is_ok(), "no frame is given out twice");
        Self { region: Arc::clone(region), place }
    }

    /// One more reference. While there is more than one the bytes do not change.
    pub(super) fn share(&self) -> Self {
        let before = self.holders().fetch_add(1, Ordering::Relaxed);
        assert!(before < u32::MAX / 2, "a frame has fewer than 2^31 holders");
        Self { region: Arc::clone(&self.region), place: self.place }
    }

    /// Whether there are more references than this one.
    pub(super) fn is_shared(&self) -> bool {
        self.holders().load(Ordering::Acquire) != 1
    }

    /// Asks the system for the frame's memory in one go, which costs a fraction of a page fault for each page.
    pub(super) fn populate(&self) {
        #[cfg(target_os = "linux")]
        {
            let start = self.region.offset(self.place.index as usize);
            let advice = memmap2::Advice::PopulateWrite;
            // A hint: kernels before 5.14 refuse it, and the pages come one by one as they are touched.
            let _ = self.region.map.advise_range(advice, start, CHUNK_BYTES);
        }
    }

    pub(super) fn bytes(&self) -> &ChunkBytes {
        let start = self.region.start_of(self.place.index as usize);
        // SAFETY: `hold` found the index among the region's, so `start` is the first of CHUNK_BYTES bytes of the map,
        // which stays while `region` does. Mapped memory is initialised, and bytes have no alignment. Only frames of
        // this index give out references to these bytes; `&self` excludes `bytes_mut` of this one, and that of
        // another finds more than one holder.
        unsafe { &*start.cast::<ChunkBytes>() }
    }

    /// The bytes, to be changed. There must be no other reference.
    pub(super) fn bytes_mut(&mut self) -> &mut ChunkBytes {
        assert!(!self.is_shared(), "a shared frame is not changed");
        let start = self.region.start_of(self.place.index as usize);
        // SAFETY: as in `bytes`. This is the only frame of its index: its holders are one, which `hold` lets nobody
        // add to, and only `share` of this one could, which `&mut self` excludes. Whoever held the frame before has
        // stopped: he counted himself out with Release, after his last access, and we read that with Acquire.
        unsafe { &mut *start.cast::<ChunkBytes>() }
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    fn holders(&self) -> &AtomicU32 {
        &self.region.holders[self.place.index as usize]
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        self.share()
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if self.holders().fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        // Without a depot nobody allocates any more, and the region goes with its last frame.
        if let Some(home) = self.region.home.upgrade() {
            home.put_frame(self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn renewed_frames_are_there_and_each_can_be_given_back() {
        let region = Arc::new(Region::map(LEAST_REGION_FRAMES, true, Weak::new()).expect("memory"));
        assert!(region.renews(), "spans lie as large pages do");
        // With large pages or without.
        region.renew(SPAN_FRAMES);
        let span = SPAN_FRAMES..2 * SPAN_FRAMES;
        assert!(span.clone().all(|index| region.is_there(index)) && !region.is_there(0));
        let place = |index| Place { pool: 0, region: 0, index: index as u16 };
        span.clone().for_each(|index| Frame::hold(&region, place(index)).bytes_mut().fill(index as u8));
        region.discard(40..41);
        assert!(span.clone().all(|index| region.is_there(index) == (index != 40)));
        for index in span {
            let byte = if index == 40 { 0 } else { index as u8 };
            assert!(Frame::hold(&region, place(index)).bytes().iter().all(|&found| found == byte), "frame {index}");
        }
    }

    #[test]
    #[should_panic(expected = "a held frame is not discarded")]
    fn a_span_is_not_renewed_while_somebody_has_a_frame_of_it() {
        let region = Arc::new(Region::map(LEAST_REGION_FRAMES, true, Weak::new()).expect("memory"));
        let _frame = Frame::hold(&region, Place { pool: 0, region: 0, index: 31 });
        region.renew(0);
    }

    #[test]
    fn memory_that_cannot_be_given_back_is_zero_when_it_is_used_next() {
        let region = Arc::new(Region::map(LEAST_REGION_FRAMES, true, Weak::new()).expect("memory"));
        // Whoever may not lock memory sees it given back.
        let _ = region.map.lock();
        let place = Place { pool: 0, region: 0, index: 3 };
        let mut frame = Frame::hold(&region, place);
        frame.bytes_mut().fill(7);
        drop(frame);
        region.discard(3..4);
        let zero = Frame::hold(&region, place).bytes().iter().all(|&byte| byte == 0);
        assert!(zero || !Region::discarded_is_zero());
    }
}
