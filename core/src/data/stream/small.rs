//! Small buffers: the bytes of a short stream in a slot of a slab.

use crate::data::chunk::{ChunkStore, Slot};
use crate::error::Result;
use crate::reckoning::Reckoning;

/// At most [`SMALL_BYTES`](super::SMALL_BYTES) bytes. A clone shares them; only who does not share them changes them.
#[derive(Debug, Clone)]
pub(super) struct Small {
    slot: Slot,
}

impl Small {
    /// A buffer of `len` bytes: those of `first`, and zeros.
    pub(super) fn new(store: &ChunkStore, first: &[u8], len: usize) -> Result<Self> {
        let mut slot = Slot::take(store, len)?;
        let kept = first.len().min(len);
        slot.write(|bytes| {
            bytes[..kept].copy_from_slice(&first[..kept]);
            bytes[kept..len].fill(0);
        })?;
        Ok(Self { slot })
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.slot.len()
    }

    /// This, if nobody else shares the bytes: to be changed.
    pub(super) fn sole(&mut self) -> Option<&mut Self> {
        self.slot.is_sole().then_some(self)
    }

    /// Whether both share their bytes.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.slot.same(&other.slot)
    }

    /// Counts it, if it would go with this holder.
    pub(super) fn count_sole(&self, reckoning: &mut Reckoning) {
        if self.slot.count_sole(reckoning) {
            reckoning.counted.content_bytes += self.len() as u64;
        }
    }

    pub(super) fn slot(&self) -> &Slot {
        &self.slot
    }

    /// Shows the bytes.
    pub(super) fn with_bytes<T>(&self, with: impl FnOnce(&[u8]) -> T) -> Result<T> {
        self.slot.read(with)
    }

    /// The bytes from `offset` on, and zeros past the buffer's end.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let offset = (offset.min(self.len() as u64)) as usize;
        let stored = into.len().min(self.len() - offset);
        let (head, tail) = into.split_at_mut(stored);
        if stored > 0 {
            self.with_bytes(|bytes| head.copy_from_slice(&bytes[offset..offset + stored]))?;
        }
        tail.fill(0);
        Ok(())
    }

    /// Writes within the buffer, or as far as its slot has room: what lies between is zero.
    pub(super) fn write(&mut self, offset: usize, from: &[u8]) -> Result<()> {
        let (len, end) = (self.len(), offset + from.len());
        self.slot.write(|bytes| {
            bytes[len.min(offset)..offset].fill(0);
            bytes[offset..end].copy_from_slice(from);
        })?;
        self.slot.set_len(len.max(end));
        Ok(())
    }

    /// Whether so many bytes would fit.
    pub(super) fn has_room_for(&self, len: usize) -> bool {
        len <= self.slot.room()
    }

    /// Makes the buffer at least `len` bytes long, for which it has room, with zeros.
    pub(super) fn lengthen(&mut self, len: usize) -> Result<()> {
        let old = self.len();
        if old < len {
            self.slot.write(|bytes| bytes[old..len].fill(0))?;
            self.slot.set_len(len);
        }
        Ok(())
    }

    /// Cuts the buffer to `len` bytes. Needs no space.
    pub(super) fn shorten(&mut self, len: usize) {
        self.slot.set_len(len.min(self.len()));
    }
}
