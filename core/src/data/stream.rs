//! Streams: sequences of bytes with holes, that share what they have in common.
//!
//! A stream is a value: a clone shares all of its bytes and costs a reference count, a change copies what is shared
//! of what it touches. A short one is one buffer of the right size, a longer one maps chunk numbers to chunks; what is
//! not there is a hole and reads as zeros.
//!
//! Invariants: stored bytes at and past the size are zero, so that growing shows zeros; the size is at most
//! [`FILE_BYTES`]. An operation that fails has changed nothing that can be read.
//!
//! Locking, times and permissions are left to whoever holds the stream.

mod ahead;
mod buffers;
mod change;
mod check;
mod compare;
mod copy;
mod over;
mod pin;
mod small;
mod sole;
#[cfg(test)]
mod tests;

use std::ops::Range;

use triomphe::Arc;

pub(crate) use self::change::CutOff;
pub(crate) use self::check::Holdings;
pub(crate) use self::copy::Gone;
use self::over::Over;
pub use self::pin::Pin;
use self::small::Small;
use super::chunk::{CHUNK_BYTES, Chunk, SLOT_BYTES};
use crate::base::Sought;
use crate::error::Result;
use crate::radix::Radix;

/// Up to here a stream may be one small buffer.
pub(crate) const SMALL_BYTES: usize = SLOT_BYTES;

const CHUNK: u64 = CHUNK_BYTES as u64;

/// A sequence of bytes. Cloning it is cheap whatever its size.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    size: u64,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Hole,
    /// The first bytes; a hole up to the size follows.
    Small(Small),
    Chunks(Radix<Chunk>),
    /// What is not stored is the base's.
    Over(Arc<Over>),
}

impl Default for Stream {
    fn default() -> Self {
        Self::empty()
    }
}

impl Stream {
    /// No bytes. Allocates nothing.
    pub(crate) const fn empty() -> Self {
        Self { size: 0, body: Body::Hole }
    }

    /// Its length in bytes, holes included.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are stored here for it, shared or not: without those of the base.
    pub(crate) fn stored(&self) -> u64 {
        match &self.body {
            Body::Over(over) => over.chunks.len() * CHUNK,
            _ => self.allocated(),
        }
    }

    /// Where nothing is stored here within a range, in whole chunks.
    pub(crate) fn gaps(&self, within: Range<u64>) -> Vec<Range<u64>> {
        let is_there = |index: u64| match &self.body {
            Body::Hole => false,
            Body::Small(_) => index == 0,
            Body::Chunks(chunks) => chunks.get(index).is_some(),
            Body::Over(over) => over.chunks.get(index).is_some(),
        };
        let mut gaps: Vec<Range<u64>> = Vec::new();
        for index in (within.start / CHUNK..within.end.div_ceil(CHUNK)).filter(|&index| !is_there(index)) {
            match gaps.last_mut().filter(|last| last.end == index * CHUNK) {
                Some(last) => last.end += CHUNK,
                None => gaps.push(index * CHUNK..(index + 1) * CHUNK),
            }
        }
        gaps
    }

    /// Bytes of storage that it refers to, shared or not.
    pub(crate) fn allocated(&self) -> u64 {
        match &self.body {
            Body::Hole => 0,
            Body::Small(small) => small.len() as u64,
            Body::Chunks(chunks) => chunks.len() * CHUNK,
            Body::Over(over) => over.allocated(),
        }
    }

    /// Reads from `offset` on, as many bytes as there are and `into` takes. Returns how many.
    pub(crate) fn read(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let len = self.clip(offset, into.len());
        let into = &mut into[..len];
        match &self.body {
            Body::Hole => into.fill(0),
            Body::Small(small) => small.read(offset, into)?,
            Body::Chunks(chunks) => read_chunks(chunks, offset, into)?,
            Body::Over(over) => over.read(offset, into)?,
        }
        Ok(len)
    }

    /// The first stored byte at or after `offset`. `None` if only a hole or nothing follows.
    pub(crate) fn seek_data(&self, offset: u64) -> Option<u64> {
        let found = match &self.body {
            Body::Hole => return None,
            Body::Small(small) => (offset < small.len() as u64).then_some(offset)?,
            Body::Chunks(chunks) => chunks.next_from(offset / CHUNK)?.0.checked_mul(CHUNK)?.max(offset),
            Body::Over(over) => over.seek(offset, self.size, Sought::Data)?,
        };
        (found < self.size).then_some(found)
    }

    /// The first byte of a hole at or after `offset`; the end counts as one. `None` from the end on.
    pub(crate) fn seek_hole(&self, offset: u64) -> Option<u64> {
        if offset >= self.size {
            return None;
        }
        let found = match &self.body {
            Body::Hole => offset,
            Body::Small(small) => offset.max(small.len() as u64),
            Body::Chunks(chunks) => chunks.gap_from(offset / CHUNK).saturating_mul(CHUNK).max(offset),
            Body::Over(over) => over.seek(offset, self.size, Sought::Hole)?,
        };
        Some(found.min(self.size))
    }

    /// How many of `len` bytes from `offset` on lie before the end.
    fn clip(&self, offset: u64, len: usize) -> usize {
        let left = self.size.saturating_sub(offset);
        usize::try_from(left).map_or(len, |left| left.min(len))
    }
}

fn read_chunks(chunks: &Radix<Chunk>, offset: u64, into: &mut [u8]) -> Result<()> {
    let mut rest = into;
    let end = (offset + rest.len() as u64).div_ceil(CHUNK);
    for (index, within) in pieces(offset, rest.len() as u64) {
        let (piece, after) = rest.split_at_mut(within.len());
        rest = after;
        match chunks.get(index) {
            Some(chunk) => {
                if !chunk.is_warm() {
                    ahead::look(chunks, chunk, index, end);
                }
                piece.copy_from_slice(&chunk.read()?[within]);
            }
            None => piece.fill(0),
        }
    }
    Ok(())
}

/// The chunks that `len` bytes from `offset` on lie in, and the part of each.
fn pieces(offset: u64, len: u64) -> impl Iterator<Item = (u64, Range<usize>)> {
    let end = offset + len;
    let mut next = offset;
    std::iter::from_fn(move || {
        if next >= end {
            return None;
        }
        let index = next / CHUNK;
        let start = next - index * CHUNK;
        let stop = CHUNK.min(end - index * CHUNK);
        next = index * CHUNK + stop;
        Some((index, start as usize..stop as usize))
    })
}
