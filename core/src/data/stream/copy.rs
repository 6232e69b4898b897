//! Copying from stream to stream, which shares chunks where they line up. What the base has is taken over, not shared: a copy has its
//! bytes for itself, whatever becomes of the base.

use std::sync::Arc;

use super::change::CutOff;
use super::{Body, CHUNK, Stream};
use crate::data::chunk::{CHUNK_BYTES, ChunkStore};
use crate::error::{Error, Result};
use crate::limits::FILE_BYTES;

/// Most bytes that one copy takes over where the source lies over a base, whose disk may be slow: others wait for the copy.
const MOST_TAKEN: u64 = 16 * CHUNK;
/// Most bytes that one copy takes over where nothing is shared: others wait for it, and a snapshot with them.
const MOST_COPIED: u64 = 256 * CHUNK;
/// Most chunks that one copy shares, for the same reason: 4 GiB.
const MOST_STEPS: u32 = 1 << 16;

/// What a stream had where it is copied over: to be dropped where nobody waits for it.
#[derive(Debug, Default)]
pub(crate) struct Gone(Stream, CutOff);

/// One step of a copy: `len` bytes from `from` in the source to `to` here.
#[derive(Clone, Copy)]
struct Step {
    from: u64,
    to: u64,
    len: u64,
}

impl Stream {
    /// Whether a copy makes this all that the source is, and nothing else.
    fn becomes(&self, source: &Stream, source_offset: u64, offset: u64, len: u64) -> bool {
        let whole = source_offset == 0 && offset == 0 && len >= source.size;
        whole && self.size <= source.size && !source.is_over_base()
    }

    /// Copies `len` bytes (or as many as there are) of `source` from `source_offset` on to `offset`, and returns how
    /// many; what they take the place of is put into `gone`. Fewer if space ran out after some, or after [`MOST_TAKEN`] that were taken over from a base, or
    /// [`MOST_COPIED`], or [`MOST_STEPS`]. Whole chunks that line up are shared, holes stay holes. To copy within one stream, pass a clone of
    /// it: bytes that are copied over are copied as they were.
    pub(crate) fn copy_over(
        &mut self,
        store: &Arc<ChunkStore>,
        source: &Stream,
        source_offset: u64,
        offset: u64,
        len: u64,
        gone: &mut Gone,
    ) -> Result<u64> {
        if self.becomes(source, source_offset, offset, len) {
            gone.0 = std::mem::replace(self, source.clone());
            return Ok(source.size);
        }
        let len = len.min(source.size.saturating_sub(source_offset));
        if offset.checked_add(len).is_none_or(|end| end > FILE_BYTES) {
            return Err(Error::FileTooLarge);
        }
        let most_taken = if source.is_over_base() { MOST_TAKEN } else { MOST_COPIED };
        let (mut done, mut taken, mut steps) = (0, 0, 0);
        while done < len && taken < most_taken && steps < MOST_STEPS {
            steps += 1;
            let (from, to, len) = (source_offset + done, offset + done, len - done);
            match self.copy_step(store, source, Step { from, to, len }, &mut gone.1) {
                Ok((0, _)) => break,
                Ok((copied, is_taken)) => {
                    done += copied;
                    taken += if is_taken { copied } else { 0 };
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            self.size = self.size.max(offset + done);
        }
        Ok(done)
    }

    /// As [`Stream::copy_over`], and drops what goes.
    #[cfg(test)]
    pub(crate) fn copy_from(
        &mut self,
        store: &Arc<ChunkStore>,
        source: &Stream,
        source_offset: u64,
        offset: u64,
        len: u64,
    ) -> Result<u64> {
        self.copy_over(store, source, source_offset, offset, len, &mut Gone::default())
    }

    /// Copies the first part of `step`: a hole, a chunk, or a piece of one. Answers how much, and whether its bytes were taken over.
    fn copy_step(
        &mut self,
        store: &Arc<ChunkStore>,
        source: &Stream,
        step: Step,
        cut: &mut CutOff,
    ) -> Result<(u64, bool)> {
        let data = source.seek_data(step.from).unwrap_or(source.size);
        let hole = (data - step.from).min(step.len);
        if hole > 0 {
            cut.append(self.punch_out(store, step.to, hole)?);
            return Ok((hole, false));
        }
        if let Some(shared) = self.share_chunk(store, source, step, cut)? {
            return Ok((shared, false));
        }
        let len = step.len.min(CHUNK - step.from % CHUNK);
        Ok((self.copy_bytes(store, source, step.from, step.to, len as usize)? as u64, true))
    }

    /// Copies `len` bytes, or fewer, of what is in one chunk of `source`.
    fn copy_bytes(
        &mut self,
        store: &Arc<ChunkStore>,
        source: &Stream,
        from: u64,
        to: u64,
        len: usize,
    ) -> Result<usize> {
        let pin = source.pin(from, len)?;
        let bytes = pin.ranges().next().unwrap_or_default();
        match self.write(store, to, bytes) {
            Err(Error::NoSpace) => {
                // What is pinned stays in memory, and its frame may be the one that is missing.
                let copied = bytes.to_vec();
                drop(pin);
                self.write(store, to, &copied)
            }
            written => written,
        }
    }

    /// Shares the chunk that `step` begins with, if all of it is copied, or all up to the end of both streams.
    fn share_chunk(
        &mut self,
        store: &Arc<ChunkStore>,
        source: &Stream,
        step: Step,
        cut: &mut CutOff,
    ) -> Result<Option<u64>> {
        let chunks = match &source.body {
            Body::Chunks(chunks) => chunks,
            Body::Over(over) => &over.chunks,
            Body::Hole | Body::Small(_) => return Ok(None),
        };
        let aligned = step.from.is_multiple_of(CHUNK) && step.to.is_multiple_of(CHUNK);
        let to_the_end = step.from + step.len == source.size && step.to + step.len >= self.size;
        if !aligned || (step.len < CHUNK_BYTES as u64 && !to_the_end) {
            return Ok(None);
        }
        let Some(chunk) = chunks.get(step.from / CHUNK) else {
            return Ok(None);
        };
        // The chunk takes no memory of its own, its place in the map does.
        store.admit()?;
        let before = self.chunks(store)?.insert(step.to / CHUNK, chunk.clone());
        before.into_iter().for_each(|chunk| cut.push(chunk));
        Ok(Some(step.len.min(CHUNK)))
    }
}
