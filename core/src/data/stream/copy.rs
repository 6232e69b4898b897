//! Copying from stream to stream, which shares chunks where they line up.

use std::sync::Arc;

use super::{Body, CHUNK, Stream};
use crate::data::chunk::{CHUNK_BYTES, ChunkStore};
use crate::error::{Error, Result};
use crate::limits::FILE_BYTES;

/// The largest whole file of the base of which a copy takes the bytes over, so that nothing that becomes of the base takes
/// them away: a copy of a larger one shares them with the base.
const MOST_COPIED: u64 = 4 * CHUNK;

/// One step of a copy: `len` bytes from `from` in the source to `to` here.
#[derive(Clone, Copy)]
struct Step {
    from: u64,
    to: u64,
    len: u64,
}

impl Stream {
    /// Copies `len` bytes (or as many as there are) of `source` from `source_offset` on to `offset`, and returns how
    /// many: fewer if space ran out after some. Whole chunks that line up are shared, holes stay holes. To copy within
    /// one stream, pass a clone of it: bytes that are copied over are copied as they were.
    pub(crate) fn copy_from(
        &mut self,
        store: &Arc<ChunkStore>,
        source: &Stream,
        source_offset: u64,
        offset: u64,
        len: u64,
    ) -> Result<u64> {
        let len = len.min(source.size.saturating_sub(source_offset));
        if offset.checked_add(len).is_none_or(|end| end > FILE_BYTES) {
            return Err(Error::FileTooLarge);
        }
        if offset == 0 && len == source.size && self.size <= len && !(source.is_over_base() && len <= MOST_COPIED) {
            *self = source.clone();
            return Ok(len);
        }
        let mut done = 0;
        while done < len {
            let (from, to, len) = (source_offset + done, offset + done, len - done);
            match self.copy_step(store, source, Step { from, to, len }) {
                Ok(0) => break,
                Ok(copied) => done += copied,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
            self.size = self.size.max(offset + done);
        }
        Ok(done)
    }

    /// Copies the first part of `step`: a hole, a chunk, or a piece of one.
    fn copy_step(&mut self, store: &Arc<ChunkStore>, source: &Stream, step: Step) -> Result<u64> {
        let data = source.seek_data(step.from).unwrap_or(source.size);
        let hole = (data - step.from).min(step.len);
        if hole > 0 {
            self.punch(store, step.to, hole)?;
            return Ok(hole);
        }
        if let Some(shared) = self.share_chunk(store, source, step)? {
            return Ok(shared);
        }
        let len = step.len.min(CHUNK - step.from % CHUNK);
        let pin = source.pin(step.from, len as usize)?;
        let bytes = pin.ranges().next().unwrap_or_default();
        Ok(self.write(store, step.to, bytes)? as u64)
    }

    /// Shares the chunk that `step` begins with, if all of it is copied, or all up to the end of both streams.
    fn share_chunk(&mut self, store: &Arc<ChunkStore>, source: &Stream, step: Step) -> Result<Option<u64>> {
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
        self.chunks(store)?.insert(step.to / CHUNK, chunk.clone());
        Ok(Some(step.len.min(CHUNK)))
    }
}
