//! Regions: the memory that frames are pieces of, mapped in one go, from the system or from the spill file.
//!
//! The only module of the data layer with `unsafe`. Its safety rests on nothing outside: a region knows which of its
//! frames are held, holds none twice, and discards none that is held; a frame keeps its region mapped. Which frame
//! to take is for the pools.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use memmap2::{MmapOptions, MmapRaw};

use super::store::ChunkStore;
use super::{CHUNK_BYTES, ChunkBytes};
use crate::error::{Error, Result};
use crate::sync::Mutex;

/// Frames of a region, but for those at the end of a full disk.
pub(super) const REGION_FRAMES: usize = 512;

/// Whether memory given back to the system is zero when it is touched next.
const DISCARDED_IS_ZERO: bool = cfg!(target_os = "linux");

#[derive(Debug)]
pub(super) struct Region {
    map: MmapRaw,
    frames: usize,
    /// Bit set: a [`Frame`] of that index exists.
    held: [AtomicU64; REGION_FRAMES / 64],
    /// The part of the spill file that the region maps; given back when the region goes.
    spilled: Option<SpillRange>,
}

impl Region {
    /// A region of memory. `huge` asks the system for huge pages.
    pub(super) fn in_memory(huge: bool) -> Result<Self> {
        let map = MmapOptions::new()
            .len(REGION_FRAMES * CHUNK_BYTES)
            .no_reserve_swap()
            .map_anon()
            .map_err(|_| Error::NoSpace)?;
        #[cfg(target_os = "linux")]
        if huge {
            // A hint: kernels without huge pages refuse it, and nothing is lost.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = huge;
        Ok(Self { map: map.into(), frames: REGION_FRAMES, held: Default::default(), spilled: None })
    }

    /// A region of the spill file: as large as the disk has room for.
    pub(super) fn in_file(file: &Arc<SpillFile>) -> Result<Self> {
        let spilled = file.claim()?;
        let bytes = (spilled.range.end - spilled.range.start) as usize;
        let map = MmapOptions::new()
            .offset(spilled.range.start)
            .len(bytes)
            .map_raw(&file.file)
            .map_err(|error| Error::Io(error.to_string()))?;
        Ok(Self { map, frames: bytes / CHUNK_BYTES, held: Default::default(), spilled: Some(spilled) })
    }

    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    pub(super) fn is_spilled(&self) -> bool {
        self.spilled.is_some()
    }

    /// Whether frames that were discarded, or never used, are zero.
    pub(super) fn discarded_is_zero(&self) -> bool {
        DISCARDED_IS_ZERO && !self.is_spilled()
    }

    /// Gives the memory of these frames, which nobody holds, back to the system. Frames of a spill file stay
    /// allocated on its disk: a disk that has become full since must not take them away.
    pub(super) fn discard(&self, frames: Range<usize>) {
        assert!(frames.end <= self.frames, "frames within the region");
        for index in frames.clone() {
            let word = self.held[index / 64].load(Ordering::Acquire);
            assert!(word & bit(index) == 0, "a held frame is not discarded");
        }
        if self.is_spilled() {
            return;
        }
        #[cfg(target_os = "linux")]
        {
            let (start, len) = (frames.start * CHUNK_BYTES, frames.len() * CHUNK_BYTES);
            // SAFETY: the range lies within the map, and no reference to its bytes exists, as no frame of it is held.
            let done = unsafe { self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, len) };
            done.expect("invariant: mapped memory can be discarded");
        }
    }

    /// Makes the frame held. This is what keeps frames apart, so it is checked always.
    fn hold(&self, index: usize) {
        assert!(index < self.frames, "a frame of the region");
        let before = self.held[index / 64].fetch_or(bit(index), Ordering::AcqRel);
        assert!(before & bit(index) == 0, "no frame is held twice");
    }

    fn let_go(&self, index: usize) {
        self.held[index / 64].fetch_and(!bit(index), Ordering::AcqRel);
    }

    fn start_of(&self, index: usize) -> *mut u8 {
        self.map.as_mut_ptr().wrapping_add(index * CHUNK_BYTES)
    }
}

fn bit(index: usize) -> u64 {
    1 << (index % 64)
}

/// Where a frame lies: the pool, the region's number in it, and the frame's in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) pool: u16,
    pub(super) region: u32,
    pub(super) index: u32,
}

/// A frame that its holder alone may use. Goes back to its pool when dropped.
#[derive(Debug)]
pub(super) struct Frame {
    region: Arc<Region>,
    store: Weak<ChunkStore>,
    place: Place,
}

impl Frame {
    /// Holds the frame of `region` at `place`, which nobody holds.
    pub(super) fn hold(region: &Arc<Region>, store: Weak<ChunkStore>, place: Place) -> Self {
        region.hold(place.index as usize);
        Self { region: Arc::clone(region), store, place }
    }

    pub(super) fn region(&self) -> &Region {
        &self.region
    }

    /// Asks the system for the frame's memory in one go, which costs a fraction of a page fault for each page.
    pub(super) fn populate(&self) {
        #[cfg(target_os = "linux")]
        if !self.region.is_spilled() {
            let start = self.place.index as usize * CHUNK_BYTES;
            let advice = memmap2::Advice::PopulateWrite;
            // A hint: kernels before 5.14 refuse it, and the pages come one by one as they are touched.
            let _ = self.region.map.advise_range(advice, start, CHUNK_BYTES);
        }
    }

    pub(super) fn bytes(&self) -> &ChunkBytes {
        let start = self.region.start_of(self.place.index as usize);
        // SAFETY: `hold` checked that `start` is the first of CHUNK_BYTES bytes of the map, which stays while `region`
        // does. Mapped memory is initialised, and bytes have no alignment. Only this frame gives out references to
        // these bytes, as no frame is held twice, and `&self` excludes `bytes_mut`.
        unsafe { &*start.cast::<ChunkBytes>() }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut ChunkBytes {
        let start = self.region.start_of(self.place.index as usize);
        // SAFETY: as in `bytes`; `&mut self` excludes every other reference.
        unsafe { &mut *start.cast::<ChunkBytes>() }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.region.let_go(self.place.index as usize);
        // Without a store nobody allocates any more, and the region goes with its last frame.
        if let Some(store) = self.store.upgrade() {
            store.put_frame(self.place, self.region.is_spilled());
        }
    }
}

/// The file without a name that spilled regions are mapped from.
#[derive(Debug)]
pub(super) struct SpillFile {
    file: File,
    space: Mutex<SpillSpace>,
}

#[derive(Debug, Default)]
struct SpillSpace {
    end: u64,
    /// Ranges of full regions that were given back.
    free: Vec<Range<u64>>,
}

/// A range of the spill file that is allocated on its disk.
#[derive(Debug)]
struct SpillRange {
    file: Arc<SpillFile>,
    range: Range<u64>,
}

impl SpillFile {
    pub(super) fn create_in(folder: &Path) -> Result<Arc<Self>> {
        let file = tempfile::tempfile_in(folder).map_err(|error| Error::Io(error.to_string()))?;
        Ok(Arc::new(Self { file, space: Mutex::default() }))
    }

    /// Room left on its disk, in bytes; 0 where that cannot be asked.
    pub(super) fn room_bytes(&self) -> u64 {
        #[cfg(unix)]
        let room = rustix::fs::fstatvfs(&self.file).map_or(0, |stats| stats.f_bavail * stats.f_frsize);
        #[cfg(not(unix))]
        let room = 0;
        room
    }

    /// A range that the disk has really set aside, so that touching it cannot fail for want of space.
    fn claim(self: &Arc<Self>) -> Result<SpillRange> {
        let mut space = self.space.lock();
        let (mut frames, start) = match space.free.last() {
            Some(range) => (REGION_FRAMES, range.start),
            None => (REGION_FRAMES, space.end),
        };
        while let Err(error) = self.set_aside(start, (frames * CHUNK_BYTES) as u64) {
            if !is_full(&error) {
                return Err(Error::Io(error.to_string()));
            }
            self.give_back(start..start + (frames * CHUNK_BYTES) as u64);
            frames /= 2;
            if frames == 0 {
                return Err(Error::NoSpace);
            }
        }
        let range = start..start + (frames * CHUNK_BYTES) as u64;
        if start == space.end {
            space.end = range.end;
        } else {
            space.free.pop();
        }
        Ok(SpillRange { file: Arc::clone(self), range })
    }

    #[cfg(target_os = "linux")]
    fn set_aside(&self, start: u64, len: u64) -> io::Result<()> {
        use std::os::fd::AsRawFd;
        loop {
            // SAFETY: a plain system call on a descriptor that `self` keeps open; it touches no memory of ours.
            let code = unsafe { libc::posix_fallocate(self.file.as_raw_fd(), start as i64, len as i64) };
            match code {
                0 => return Ok(()),
                libc::EINTR => {}
                code => return Err(io::Error::from_raw_os_error(code)),
            }
        }
    }

    /// Where the system has no such call, written zeros are space set aside.
    #[cfg(not(target_os = "linux"))]
    fn set_aside(&self, start: u64, len: u64) -> io::Result<()> {
        use std::io::{Seek, SeekFrom, Write};
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start))?;
        (0..len / CHUNK_BYTES as u64).try_for_each(|_| file.write_all(&[0; CHUNK_BYTES]))
    }

    /// Frees the disk space of a range that nobody maps.
    fn give_back(&self, range: Range<u64>) {
        #[cfg(target_os = "linux")]
        {
            use std::os::fd::AsRawFd;
            let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            let (start, len) = (range.start as i64, (range.end - range.start) as i64);
            // SAFETY: a plain system call on a descriptor that `self` keeps open; it touches no memory of ours. A
            // file system that cannot punch keeps the space until the file is closed, which harms nobody.
            unsafe { libc::fallocate(self.file.as_raw_fd(), mode, start, len) };
        }
        #[cfg(not(target_os = "linux"))]
        let _ = range;
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl Drop for SpillRange {
    fn drop(&mut self) {
        let range = self.range.clone();
        let mut space = self.file.space.lock();
        self.file.give_back(range.clone());
        let whole = range.end - range.start == (REGION_FRAMES * CHUNK_BYTES) as u64;
        if range.end == space.end {
            space.end = range.start;
        } else if whole {
            space.free.push(range);
        }
    }
}
