//! Chunks: the unit in which bytes are shared, copied and given up.
//!
//! A [`Chunk`] is a counted reference to a frame, a piece of a mapped region. Invariant: a frame's bytes change only
//! through the one reference that it has. Whoever reads holds a reference too (by borrowing the chunk, or a clone of
//! it as a pin), so nobody sees bytes change under him.
//!
//! Reads and writes answer `Result` so that a chunk may one day be elsewhere than in memory; callers must not rely on
//! their never failing.

mod pool;
mod region;
mod store;
#[cfg(test)]
mod tests;

use std::ops::{Deref, Range};
use std::sync::Arc;

use self::region::Frame;
pub(crate) use self::store::{ChunkStore, StoreConfig};
use crate::error::Result;

/// Size of a chunk.
pub(crate) const CHUNK_BYTES: usize = 65_536;

/// From this many bytes to be written on, a fresh chunk's memory is asked for as a whole.
const POPULATE_BYTES: usize = CHUNK_BYTES / 4;

/// What a chunk holds.
pub(crate) type ChunkBytes = [u8; CHUNK_BYTES];

/// 64 KiB of bytes that may be shared. A clone shares them.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    frame: Arc<Frame>,
}

impl Chunk {
    /// A new chunk. All of it is zero but `unfilled`, which holds anything and must be overwritten before anyone else
    /// sees the chunk.
    pub(crate) fn allocate(store: &ChunkStore, unfilled: Range<usize>) -> Result<Self> {
        let (mut frame, zero) = store.take_frame()?;
        if !zero {
            let bytes = frame.bytes_mut();
            bytes[..unfilled.start].fill(0);
            bytes[unfilled.end..].fill(0);
        } else if unfilled.len() >= POPULATE_BYTES {
            frame.populate();
        }
        Ok(Self { frame: Arc::new(frame) })
    }

    /// A new chunk of zeros.
    pub(crate) fn zeroed(store: &ChunkStore) -> Result<Self> {
        Self::allocate(store, 0..0)
    }

    /// The bytes, to be read.
    pub(crate) fn read(&self) -> Result<ChunkRead<'_>> {
        Ok(ChunkRead { bytes: self.frame.bytes() })
    }

    /// The bytes, to be changed. If anyone else holds the chunk, this one becomes a copy first.
    pub(crate) fn write(&mut self, store: &ChunkStore) -> Result<&mut ChunkBytes> {
        if Arc::get_mut(&mut self.frame).is_none() {
            let mut copy = Self::allocate(store, 0..CHUNK_BYTES)?;
            let bytes = Arc::get_mut(&mut copy.frame).expect("invariant: a new chunk is not shared");
            bytes.bytes_mut().copy_from_slice(self.frame.bytes());
            store.count_copy();
            *self = copy;
        }
        Ok(self.own_bytes())
    }

    /// The bytes, all of which the caller overwrites: what was in them is neither kept nor zeroed.
    pub(crate) fn overwrite(&mut self, store: &ChunkStore) -> Result<&mut ChunkBytes> {
        if Arc::get_mut(&mut self.frame).is_none() {
            *self = Self::allocate(store, 0..CHUNK_BYTES)?;
        }
        Ok(self.own_bytes())
    }

    /// Whether both are the same bytes in memory.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.frame, &other.frame)
    }

    /// Keeps the bytes where and as they are until the pin goes: writers that come later write to a copy.
    pub(crate) fn pin(&self) -> Result<ChunkPin> {
        Ok(ChunkPin { chunk: self.clone() })
    }

    fn own_bytes(&mut self) -> &mut ChunkBytes {
        Arc::get_mut(&mut self.frame).expect("invariant: just made the only reference").bytes_mut()
    }
}

/// A chunk's bytes while they are read.
pub(crate) struct ChunkRead<'a> {
    bytes: &'a ChunkBytes,
}

impl Deref for ChunkRead<'_> {
    type Target = ChunkBytes;

    fn deref(&self) -> &ChunkBytes {
        self.bytes
    }
}

/// A chunk's bytes while they are lent out.
#[derive(Debug, Clone)]
pub(crate) struct ChunkPin {
    chunk: Chunk,
}

impl Deref for ChunkPin {
    type Target = ChunkBytes;

    fn deref(&self) -> &ChunkBytes {
        self.chunk.frame.bytes()
    }
}
