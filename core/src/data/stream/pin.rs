//! Pins: bytes of a stream lent out where they lie.

use std::ops::Range;
use std::sync::Arc;

use super::buffers::Buffer;
use super::over::Over;
use super::{Body, CHUNK, Stream, ahead, pieces};
use crate::data::chunk::{CHUNK_BYTES, ChunkBytes, ChunkPin};
use crate::error::Result;
use crate::limits::{BASE_PIN_BYTES, PIN_BYTES};

/// What holes lend.
static ZEROS: ChunkBytes = [0; CHUNK_BYTES];

/// Bytes that stay where and as they are while this lives: who writes to the stream writes to copies.
#[derive(Debug, Clone, Default)]
pub struct Pin {
    parts: Vec<Part>,
    len: usize,
}

#[derive(Debug, Clone)]
struct Part {
    from: Lent,
    within: Range<usize>,
}

#[derive(Debug, Clone)]
enum Lent {
    Zeros,
    Copied(Arc<[u8]>),
    Chunk(ChunkPin),
    /// Read from the base for this pin.
    Read(Arc<Buffer>),
}

impl Pin {
    /// The bytes, in order, in as many pieces as they lie in.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.parts.iter().map(Part::bytes)
    }

    /// How many bytes there are in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, from: Lent, within: Range<usize>) {
        if !within.is_empty() {
            self.len += within.len();
            self.parts.push(Part { from, within });
        }
    }
}

impl Over {
    /// Chunks are lent, the rest is read into a buffer of the pin's own, as long runs as there are; but no more than [`BASE_PIN_BYTES`] of it.
    fn pin(&self, offset: u64, len: usize, pin: &mut Pin) -> Result<()> {
        let (mut at, end, mut most) = (offset, offset + len as u64, BASE_PIN_BYTES);
        while at < end && most > 0 {
            let mut length = self.run(at, (end - at) as usize);
            let start = (at % CHUNK) as usize;
            match self.chunks.get(at / CHUNK) {
                Some(chunk) => pin.push(Lent::Chunk(chunk.pin()?), start..start + length),
                None if self.is_base(at / CHUNK) => {
                    length = length.min(most);
                    most -= length;
                    let read = Buffer::filled(self.ledger(), length, |bytes| self.read(at, bytes))?;
                    pin.push(Lent::Read(Arc::new(read)), 0..length);
                }
                None => pin.push(Lent::Zeros, start..start + length),
            }
            at += length as u64;
        }
        Ok(())
    }
}

impl Part {
    fn bytes(&self) -> &[u8] {
        let within = self.within.clone();
        match &self.from {
            Lent::Zeros => &ZEROS[within],
            Lent::Copied(bytes) => &bytes[within],
            Lent::Chunk(chunk) => &chunk[within],
            Lent::Read(bytes) => &bytes[within],
        }
    }
}

impl Stream {
    /// Lends `len` bytes from `offset` on, or as many as there are, but no more than [`PIN_BYTES`], or [`BASE_PIN_BYTES`] of a base: each chunk takes a
    /// record, be it a hole, and files can be holes of any size.
    pub(crate) fn pin(&self, offset: u64, len: usize) -> Result<Pin> {
        let len = self.clip(offset, len).min(PIN_BYTES);
        let mut pin = Pin::default();
        if let Body::Over(over) = &self.body {
            over.pin(offset, len, &mut pin)?;
            return Ok(pin);
        }
        let end = (offset + len as u64).div_ceil(CHUNK);
        for (index, within) in pieces(offset, len as u64) {
            match &self.body {
                Body::Small(small) if index == 0 => {
                    // Little, and what it lies in is not to be kept from others who have bytes there.
                    let stored = small.len().clamp(within.start, within.end);
                    if stored > within.start {
                        let copied = small.with_bytes(|bytes| Arc::from(&bytes[within.start..stored]))?;
                        pin.push(Lent::Copied(copied), 0..stored - within.start);
                    }
                    pin.push(Lent::Zeros, stored..within.end);
                }
                Body::Chunks(chunks) => match chunks.get(index) {
                    Some(chunk) => {
                        if !chunk.is_warm() {
                            ahead::look(chunks, chunk, index, end);
                        }
                        pin.push(Lent::Chunk(chunk.pin()?), within);
                    }
                    None => pin.push(Lent::Zeros, within),
                },
                Body::Hole | Body::Small(_) | Body::Over(_) => pin.push(Lent::Zeros, within),
            }
        }
        debug_assert!(pin.parts.len() as u64 <= len as u64 / CHUNK + 3);
        Ok(pin)
    }
}
