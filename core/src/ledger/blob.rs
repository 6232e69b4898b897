//! Blobs: shared bytes in one allocation, counted for as long as anybody has them.

use std::ops::Deref;

use triomphe::{Arc, HeaderSlice};

use super::{Charge, Kind, Ledger, heap_bytes};
use crate::reckoning::Reckoning;

/// What the count of holders and the charge take before the bytes.
const HEAD_BYTES: usize = size_of::<usize>() + size_of::<Charge>();

/// The longest blob that [`Blob::zeroed`] makes.
pub(crate) const ZEROS_BYTES: usize = 256 << 10;
static ZEROS: [u8; ZEROS_BYTES] = [0; ZEROS_BYTES];

/// Bytes that may be shared. A clone shares them.
#[derive(Debug, Clone)]
pub(crate) struct Blob(Arc<HeaderSlice<Charge, [u8]>>);

impl Blob {
    pub(crate) fn new(ledger: Ledger, kind: Kind, bytes: &[u8]) -> Blob {
        let charge = Charge::new(ledger, kind, heap_bytes(HEAD_BYTES + bytes.len()));
        Blob(Arc::from_header_and_slice(charge, bytes))
    }

    /// So many zeros.
    pub(crate) fn zeroed(ledger: Ledger, kind: Kind, len: usize) -> Blob {
        Blob::new(ledger, kind, &ZEROS[..len])
    }

    /// The bytes, to be changed, if nobody else has them.
    pub(crate) fn get_mut(&mut self) -> Option<&mut [u8]> {
        Arc::get_mut(&mut self.0).map(|inner| &mut inner.slice)
    }

    /// Counts it, if it would go with this holder.
    pub(crate) fn count_sole(&self, reckoning: &mut Reckoning) {
        reckoning.lets_metadata_go(self.0.as_ptr().cast::<u8>(), Arc::strong_count(&self.0), self.0.header.bytes());
    }

    /// What it takes of the heap.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        heap_bytes(HEAD_BYTES + self.len())
    }
}

impl Deref for Blob {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.0.slice
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Blob) -> bool {
        **self == **other
    }
}

impl Eq for Blob {}
