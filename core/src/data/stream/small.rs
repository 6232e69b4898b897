//! Small buffers: the bytes of a short stream in one allocation, counted against the store's limit.

use std::sync::Arc;

use crate::data::chunk::ChunkStore;
use crate::error::Result;

/// At most [`SMALL_BYTES`](super::SMALL_BYTES) bytes. Frees its share of the limit when it goes.
#[derive(Debug)]
pub(super) struct Small {
    store: Arc<ChunkStore>,
    bytes: Box<[u8]>,
}

impl Small {
    /// A buffer of `len` bytes: those of `first`, and zeros.
    pub(super) fn new(store: &Arc<ChunkStore>, first: &[u8], len: usize) -> Result<Self> {
        store.reserve_small(len)?;
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(&first[..first.len().min(len)]);
        bytes.resize(len, 0);
        Ok(Self { store: Arc::clone(store), bytes: bytes.into_boxed_slice() })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The bytes from `offset` on, and zeros past the buffer's end.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) {
        let offset = (offset.min(self.bytes.len() as u64)) as usize;
        let stored = into.len().min(self.bytes.len() - offset);
        let (head, tail) = into.split_at_mut(stored);
        head.copy_from_slice(&self.bytes[offset..offset + stored]);
        tail.fill(0);
    }

    /// Cuts the buffer to `len` bytes. Needs no space.
    pub(super) fn shorten(&mut self, len: usize) {
        let freed = self.bytes.len().saturating_sub(len);
        let mut bytes = std::mem::take(&mut self.bytes).into_vec();
        bytes.truncate(len);
        self.bytes = bytes.into_boxed_slice();
        self.store.release_small(freed);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.store.release_small(self.bytes.len());
    }
}
