//! Bytes: where they are kept, and how a stream finds them.
//!
//! [`chunk`] owns memory and its limit, [`stream`] makes sequences of bytes of it. Both are values without locks of
//! their own; whoever holds a stream guards it. What a stream belongs to is for the layers above.

pub(crate) mod chunk;
pub(crate) mod pressure;
pub(crate) mod stream;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use self::chunk::{CHUNK_BYTES, ChunkStore, SpillConfig, StoreConfig};
pub use self::stream::Pin;
pub(crate) use self::stream::{CutOff, Gone, Holdings, Stream};
