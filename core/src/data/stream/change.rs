//! What changes a stream: write, truncate, allocate, punch, zero.
//!
//! Each first does what can fail (copies what is shared, adds zero chunks, brings to memory what is changed in part),
//! none of which can be read, and then what cannot fail.

use std::ops::Range;
use std::sync::Arc;

use triomphe::Arc as Shared;

use super::small::Small;
use super::{Body, CHUNK, SMALL_BYTES, Stream, over, pieces};
use crate::data::chunk::{CHUNK_BYTES, Chunk, ChunkStore};
use crate::error::{Error, Result};
use crate::limits::FILE_BYTES;
use crate::radix::{Radix, Removed};

/// Up to so many chunks that are reserved are taken in memory, where they may well be written to at once.
const IN_MEMORY: usize = 16;
/// So many gaps are filled at a time.
const GAPS_AT_ONCE: usize = 1024;

/// What is no part of a stream any more, if it is much: to be dropped where nobody waits for it.
pub(crate) type CutOff = Removed<Chunk>;

impl Stream {
    /// Writes `bytes` at `offset`, and returns how many were written: fewer if space ran out after some, or if the
    /// largest file ends there.
    pub(crate) fn write(&mut self, store: &Arc<ChunkStore>, offset: u64, bytes: &[u8]) -> Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        if offset >= FILE_BYTES {
            return Err(Error::FileTooLarge);
        }
        let room = FILE_BYTES - offset;
        let bytes = &bytes[..usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()))];
        let done = if let Body::Over(over) = &mut self.body {
            Shared::make_mut(over).write(store, offset, bytes)?
        } else if self.write_small(store, offset, bytes)? {
            bytes.len()
        } else {
            self.write_chunks(store, offset, bytes)?
        };
        self.size = self.size.max(offset + done as u64);
        Ok(done)
    }

    /// Makes the stream `size` bytes long. What is cut off is gone: growing again shows zeros.
    pub(crate) fn truncate(&mut self, store: &Arc<ChunkStore>, size: u64) -> Result<()> {
        self.cut_off(store, size).map(drop)
    }

    /// As [`Stream::truncate`], and hands out what was cut off.
    pub(crate) fn cut_off(&mut self, store: &Arc<ChunkStore>, size: u64) -> Result<CutOff> {
        if size > FILE_BYTES {
            return Err(Error::FileTooLarge);
        }
        let mut cut = CutOff::default();
        if size == 0 {
            self.body = Body::Hole;
        } else if size <= self.size {
            cut = self.cut(store, size)?;
        }
        self.size = size;
        Ok(cut)
    }

    /// Sets storage aside for `len` bytes from `offset` on, so that writing there cannot run out of space while
    /// nothing is shared. The bytes keep their values. Grows the stream to the end of the range unless `keep_size`.
    pub(crate) fn allocate(&mut self, store: &Arc<ChunkStore>, offset: u64, len: u64, keep_size: bool) -> Result<()> {
        let end = end_of(offset, len)?;
        let small = end <= SMALL_BYTES as u64 && self.grow_small(store, end as usize, true)?;
        if let Body::Over(_) = &self.body {
            over::change(&mut self.body, |over| over.allocate(store, offset, len))?;
        } else if !small {
            self.add_chunks(store, offset, len)?;
        }
        if !keep_size {
            self.size = self.size.max(end);
        }
        Ok(())
    }

    /// As [`Stream::punch_out`], and drops what was there.
    #[cfg(test)]
    pub(crate) fn punch(&mut self, store: &Arc<ChunkStore>, offset: u64, len: u64) -> Result<()> {
        self.punch_out(store, offset, len).map(drop)
    }

    /// Makes a hole of `len` bytes from `offset` on: frees whole chunks, zeroes parts. The size stays. Hands out what was there.
    pub(crate) fn punch_out(&mut self, store: &Arc<ChunkStore>, offset: u64, len: u64) -> Result<CutOff> {
        let mut cut = CutOff::default();
        if len == 0 {
            return Ok(cut);
        }
        let mut end = offset.saturating_add(len);
        if end >= self.size {
            // What follows the end is zero already, so that the last chunk can go whole.
            end = end.checked_next_multiple_of(CHUNK).unwrap_or(u64::MAX);
        }
        match &mut self.body {
            Body::Hole => {}
            Body::Small(small) if offset == 0 && end >= small.len() as u64 => {
                self.body = Body::Hole;
            }
            Body::Small(small) => zero_small(small, store, offset, end)?,
            Body::Chunks(chunks) => {
                cut = punch_chunks(chunks, store, offset, end)?;
                self.settle();
            }
            Body::Over(_) => cut = over::change(&mut self.body, |over| over.punch(store, offset, end))?,
        }
        Ok(cut)
    }

    /// Makes `len` bytes from `offset` on zero, with storage set aside for them, and hands out what was there and went. Grows the stream to
    /// the end of the range unless `keep_size`.
    pub(crate) fn zero_out(
        &mut self,
        store: &Arc<ChunkStore>,
        offset: u64,
        len: u64,
        keep_size: bool,
    ) -> Result<CutOff> {
        let end = end_of(offset, len)?;
        let mut cut = CutOff::default();
        if let Body::Over(_) = &self.body {
            cut = over::change(&mut self.body, |over| {
                let cut = over.punch(store, offset, end)?;
                over.allocate(store, offset, len).map(|()| cut)
            })?;
        } else {
            self.allocate(store, offset, len, true)?;
        }
        match &mut self.body {
            Body::Hole | Body::Over(_) => {}
            Body::Small(small) => zero_small(small, store, offset, end)?,
            Body::Chunks(chunks) => zero_chunks(chunks, store, offset, end, &mut cut)?,
        }
        if !keep_size {
            self.size = self.size.max(end);
        }
        Ok(cut)
    }

    /// As [`Stream::zero_out`], and drops what goes.
    #[cfg(test)]
    pub(crate) fn zero(&mut self, store: &Arc<ChunkStore>, offset: u64, len: u64, keep_size: bool) -> Result<()> {
        self.zero_out(store, offset, len, keep_size).map(drop)
    }

    /// Writes to the small buffer, or says that the bytes belong into chunks: because they lie too far out, or because
    /// memory is full, and chunks can be had elsewhere.
    fn write_small(&mut self, store: &Arc<ChunkStore>, offset: u64, bytes: &[u8]) -> Result<bool> {
        let end = offset + bytes.len() as u64;
        if end > SMALL_BYTES as u64 {
            return Ok(false);
        }
        if let Body::Small(small) = &mut self.body
            && let Some(own) = small.sole()
            && own.has_room_for(end as usize)
        {
            own.write(offset as usize, bytes)?;
            return Ok(true);
        }
        if !self.grow_small(store, end as usize, false)? {
            return Ok(false);
        }
        match &mut self.body {
            Body::Small(small) => match small.sole() {
                Some(own) => own.write(offset as usize, bytes).map(|()| true),
                None => Ok(false),
            },
            Body::Hole | Body::Chunks(_) | Body::Over(_) => Ok(false),
        }
    }

    /// Makes the body a small buffer of at least `len` bytes, which nobody else holds. `false` if that cannot be.
    fn grow_small(&mut self, store: &Arc<ChunkStore>, len: usize, exact: bool) -> Result<bool> {
        let mut held = Vec::new();
        match &mut self.body {
            Body::Chunks(_) | Body::Over(_) => return Ok(false),
            Body::Hole => {}
            Body::Small(small) => {
                if let Some(own) = small.sole()
                    && own.has_room_for(len)
                {
                    return own.lengthen(len).map(|()| true);
                }
                small.with_bytes(|bytes| held.extend_from_slice(bytes))?;
            }
        }
        // In steps, so that appending in little pieces does not copy everything each time; but not at the price of
        // running out of space.
        let needed = len.max(held.len());
        let made = Small::new(store, &held, small_capacity(held.len(), needed, exact));
        match made.or_else(|_| Small::new(store, &held, needed)) {
            Ok(mut small) => {
                small.shorten(needed);
                self.body = Body::Small(small);
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }

    fn write_chunks(&mut self, store: &Arc<ChunkStore>, offset: u64, bytes: &[u8]) -> Result<usize> {
        let chunks = self.chunks(store)?;
        let mut rest = bytes;
        for (index, within) in pieces(offset, bytes.len() as u64) {
            let (piece, after) = rest.split_at(within.len());
            match write_piece(chunks, store, index, within, piece) {
                Ok(()) => rest = after,
                Err(error) if rest.len() == bytes.len() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// The chunks, after moving whatever there is into chunks. What is stored in them lies over the base, if there is one.
    pub(super) fn chunks(&mut self, store: &Arc<ChunkStore>) -> Result<&mut Radix<Chunk>> {
        let mut moved = Radix::new();
        match &self.body {
            Body::Chunks(_) | Body::Over(_) => {}
            Body::Hole => self.body = Body::Chunks(moved),
            Body::Small(small) => {
                let mut chunk = Chunk::allocate(store, 0..small.len())?;
                let mut into = chunk.write(store)?;
                small.with_bytes(|bytes| into[..bytes.len()].copy_from_slice(bytes))?;
                drop(into);
                moved.insert(0, chunk);
                self.body = Body::Chunks(moved);
            }
        }
        match &mut self.body {
            Body::Chunks(chunks) => Ok(chunks),
            Body::Over(over) => Ok(&mut Shared::make_mut(over).chunks),
            Body::Hole | Body::Small(_) => unreachable!("just moved into chunks"),
        }
    }

    /// Cuts off what lies past `size`, which is neither 0 nor more than there is.
    fn cut(&mut self, store: &Arc<ChunkStore>, size: u64) -> Result<CutOff> {
        let mut cut = CutOff::default();
        match &mut self.body {
            Body::Hole => {}
            Body::Small(small) if (small.len() as u64) <= size => {}
            Body::Small(small) => cut_small(small, store, size as usize)?,
            Body::Chunks(chunks) => {
                let (last, kept) = (size / CHUNK, (size % CHUNK) as usize);
                if kept > 0 && size < self.size {
                    zero_within(chunks, store, last, kept..CHUNK_BYTES)?;
                }
                cut = chunks.take_from(size.div_ceil(CHUNK));
                self.settle();
            }
            Body::Over(over) if size == self.size => {
                // What is set aside past the end; all else stays as it is.
                if over.has_past(size) {
                    cut = Shared::make_mut(over).chunks.take_from(size.div_ceil(CHUNK));
                }
            }
            Body::Over(over) => cut = Shared::make_mut(over).cut(store, size)?,
        }
        Ok(cut)
    }

    /// Adds zero chunks where there are none, all or nothing.
    fn add_chunks(&mut self, store: &Arc<ChunkStore>, offset: u64, len: u64) -> Result<()> {
        let chunks = self.chunks(store)?;
        let (first, end) = (offset / CHUNK, (offset + len).div_ceil(CHUNK));
        if !store.may_hold((end - first).saturating_sub(chunks.len())) {
            return Err(Error::NoSpace);
        }
        // Into a clone: if space runs out half way, it goes, and its chunks with it.
        let mut added = chunks.clone();
        fill_gaps(&mut added, store, first..end)?;
        *chunks = added;
        Ok(())
    }

    /// A stream without chunks is a hole again, which may become small.
    fn settle(&mut self) {
        if matches!(&self.body, Body::Chunks(chunks) if chunks.is_empty()) {
            self.body = Body::Hole;
        }
    }
}

/// Adds zero chunks where there are none. The caller gives up on all of it if it fails.
pub(super) fn fill_gaps(chunks: &mut Radix<Chunk>, store: &ChunkStore, within: Range<u64>) -> Result<()> {
    let mut next = within.start;
    while next < within.end {
        let gaps = std::iter::successors(Some(chunks.gap_from(next)), |gap| Some(chunks.gap_from(gap + 1)));
        let gaps: Vec<u64> = gaps.take_while(|&gap| gap < within.end).take(GAPS_AT_ONCE).collect();
        next = gaps.last().map_or(within.end, |last| last + 1);
        let zeros = zeros(store, gaps.len())?;
        for (gap, chunk) in gaps.into_iter().zip(zeros) {
            chunks.insert(gap, chunk);
        }
    }
    Ok(())
}

/// So many chunks of zeros: a few in memory, many as space set aside in the spill file, if there is any.
fn zeros(store: &ChunkStore, count: usize) -> Result<Vec<Chunk>> {
    let mut made = Vec::with_capacity(count);
    let mut goes_on = count > IN_MEMORY;
    while goes_on {
        let before = made.len();
        made.extend(Chunk::reserve(store, (count - before) as u64));
        goes_on = made.len() > before && made.len() < count;
    }
    while made.len() < count {
        made.push(Chunk::zeroed(store)?);
    }
    Ok(made)
}

/// Where `len` bytes from `offset` on end, if a file can be that large.
pub(super) fn end_of(offset: u64, len: u64) -> Result<u64> {
    let end = offset.checked_add(len).filter(|&end| end <= FILE_BYTES);
    end.ok_or(Error::FileTooLarge)
}

/// How large a buffer to make for `needed` bytes where one of `old` bytes was.
fn small_capacity(old: usize, needed: usize, exact: bool) -> usize {
    let step = if old == 0 || exact || needed <= old { 0 } else { old + old / 2 };
    needed.max(old).max(step).min(SMALL_BYTES)
}

pub(super) fn write_piece(
    chunks: &mut Radix<Chunk>,
    store: &ChunkStore,
    index: u64,
    within: Range<usize>,
    piece: &[u8],
) -> Result<()> {
    match chunks.get_mut(index) {
        Some(chunk) if within.len() == CHUNK_BYTES => chunk.overwrite(store, piece)?,
        Some(chunk) => chunk.write(store)?[within].copy_from_slice(piece),
        None => {
            // Its place in the map takes memory, too.
            store.admit()?;
            let mut chunk = Chunk::allocate(store, within.clone())?;
            chunk.write(store)?[within].copy_from_slice(piece);
            chunks.insert(index, chunk);
        }
    }
    Ok(())
}

/// Zeroes a part of a chunk, if there is one.
fn zero_within(chunks: &mut Radix<Chunk>, store: &ChunkStore, index: u64, within: Range<usize>) -> Result<()> {
    if within.is_empty() {
        return Ok(());
    }
    if let Some(chunk) = chunks.get_mut(index) {
        chunk.write(store)?[within].fill(0);
    }
    Ok(())
}

/// A range of bytes as whole chunks, and parts of those before and after them.
struct Split {
    head: (u64, Range<usize>),
    whole: Range<u64>,
    tail: (u64, Range<usize>),
}

impl Split {
    /// `None` if the range lies within one chunk, and is not all of it.
    fn of(offset: u64, end: u64) -> Option<Split> {
        let (first, last) = (offset.div_ceil(CHUNK), end / CHUNK);
        let head = match (offset % CHUNK) as usize {
            0 => (first, 0..0),
            start => (first - 1, start..CHUNK_BYTES),
        };
        (first <= last).then_some(Split { head, whole: first..last, tail: (last, 0..(end % CHUNK) as usize) })
    }
}

fn punch_chunks(chunks: &mut Radix<Chunk>, store: &ChunkStore, offset: u64, end: u64) -> Result<CutOff> {
    let Some(split) = Split::of(offset, end) else {
        return zero_within(chunks, store, end / CHUNK, part_of(offset, end)).map(|()| CutOff::default());
    };
    zero_edges(chunks, store, split.head, split.tail)?;
    Ok(chunks.take_range(split.whole.start, split.whole.end))
}

/// Zeroes chunks and keeps them.
fn zero_chunks(chunks: &mut Radix<Chunk>, store: &ChunkStore, offset: u64, end: u64, cut: &mut CutOff) -> Result<()> {
    let Some(split) = Split::of(offset, end) else {
        return zero_within(chunks, store, end / CHUNK, part_of(offset, end));
    };
    // Asked of one that may be changed: what a shared node of the map holds is shared, too.
    let mut is_shared = |index: &u64| chunks.get_mut(*index).is_some_and(|chunk| chunk.is_shared());
    let shared: Vec<u64> = split.whole.clone().filter(|index| is_shared(index)).collect();
    let others = zeros(store, shared.len())?;
    zero_edges(chunks, store, split.head, split.tail)?;
    for (index, other) in shared.into_iter().zip(others) {
        // Shared with what may go itself meanwhile.
        chunks.insert(index, other).into_iter().for_each(|shared| cut.push(shared));
    }
    for index in split.whole {
        if let Some(chunk) = chunks.get_mut(index) {
            chunk.clear();
        }
    }
    Ok(())
}

/// Where a range within one chunk lies in it.
fn part_of(offset: u64, end: u64) -> Range<usize> {
    let start = (offset % CHUNK) as usize;
    start..start + (end - offset) as usize
}

/// Zeroes parts of two chunks, of each that is there, both or neither.
fn zero_edges(
    chunks: &mut Radix<Chunk>,
    store: &ChunkStore,
    head: (u64, Range<usize>),
    tail: (u64, Range<usize>),
) -> Result<()> {
    if head.1.is_empty() || tail.1.is_empty() {
        zero_within(chunks, store, head.0, head.1)?;
        return zero_within(chunks, store, tail.0, tail.1);
    }
    // Taken out, as both must be in memory, and stay there, before one of them changes.
    let mut edges = [head.0, tail.0].map(|index| chunks.remove(index));
    let done = zero_both(&mut edges, store, [head.1, tail.1]);
    for (index, edge) in [head.0, tail.0].into_iter().zip(edges) {
        edge.and_then(|chunk| chunks.insert(index, chunk));
    }
    done
}

fn zero_both(edges: &mut [Option<Chunk>; 2], store: &ChunkStore, within: [Range<usize>; 2]) -> Result<()> {
    // Copies first: while nothing is held yet, memory for one can be had at the expense of the other.
    edges.iter_mut().flatten().try_for_each(|chunk| chunk.unshare(store))?;
    let [head, tail] = edges.each_mut().map(|edge| edge.as_mut().map(|chunk| chunk.write(store)).transpose());
    for (bytes, within) in [head?, tail?].into_iter().zip(within) {
        if let Some(mut bytes) = bytes {
            bytes[within].fill(0);
        }
    }
    Ok(())
}

fn copied(small: &Small, store: &ChunkStore, len: usize) -> Result<Small> {
    let mut held = Vec::new();
    small.with_bytes(|bytes| held.extend_from_slice(&bytes[..len]))?;
    Small::new(store, &held, len)
}

/// Cuts a buffer that is longer. Into a smaller slot, if that saves something and there is one.
fn cut_small(small: &mut Small, store: &ChunkStore, len: usize) -> Result<()> {
    match small.sole() {
        Some(own) if len * 2 > own.len() => own.shorten(len),
        Some(own) => match copied(own, store, len) {
            Ok(cut) => *own = cut,
            Err(_) => own.shorten(len),
        },
        None => *small = copied(small, store, len)?,
    }
    Ok(())
}

fn zero_small(small: &mut Small, store: &Arc<ChunkStore>, offset: u64, end: u64) -> Result<()> {
    let len = small.len() as u64;
    let zeroed = offset.min(len) as usize..end.min(len) as usize;
    if zeroed.is_empty() {
        return Ok(());
    }
    if small.sole().is_none() {
        *small = copied(small, store, small.len())?;
    }
    small.write(zeroed.start, &[0; SMALL_BYTES][..zeroed.len()])
}
