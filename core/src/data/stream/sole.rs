//! What of a stream nobody else holds.

use super::over::Over;
use super::{Body, Stream};
use crate::reckoning::Reckoning;

/// Leaves of chunks that are visited in one step: a quarter of a thousand chunks, and some ten microseconds.
const LEAVES: usize = 4;

impl Stream {
    /// Counts what would go with this stream, from chunk `start` on. A long stream takes several steps, so that whoever holds it
    /// can let go between them: answers where to go on.
    pub(crate) fn count_sole(&self, reckoning: &mut Reckoning, start: u64) -> Option<u64> {
        match &self.body {
            Body::Hole => None,
            Body::Small(small) => {
                small.count_sole(reckoning);
                None
            }
            Body::Chunks(chunks) => {
                chunks.sole_from(reckoning, start, LEAVES, |reckoning, chunk| chunk.count_sole(reckoning))
            }
            Body::Over(over) if start == 0 && !Over::count_sole(over, reckoning) => None,
            Body::Over(over) => {
                over.chunks.sole_from(reckoning, start, LEAVES, |reckoning, chunk| chunk.count_sole(reckoning))
            }
        }
    }
}
