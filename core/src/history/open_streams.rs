//! How many handles are open on each named stream of a branch: so that one that is removed lives until its last handle
//! closes. Only handles on named streams are counted.

use hashbrown::HashMap;

use crate::sync::{Mutex, MutexGuard, Ordered, Rank, ordered};
use crate::types::{InodeId, StreamId};

type Counts = HashMap<(InodeId, StreamId), u64>;

#[derive(Default)]
pub(crate) struct OpenStreams {
    counts: Mutex<Counts>,
}

impl OpenStreams {
    fn counts(&self) -> Ordered<MutexGuard<'_, Counts>> {
        ordered(Rank::LiveNodes, || self.counts.lock())
    }

    /// One more handle. The caller holds the inode's lock, so that nobody removes the stream meanwhile.
    pub(crate) fn open(&self, id: InodeId, stream: StreamId) {
        *self.counts().entry((id, stream)).or_insert(0) += 1;
    }

    /// One handle less; answers whether it was the last.
    pub(crate) fn close(&self, id: InodeId, stream: StreamId) -> bool {
        let mut counts = self.counts();
        let Some(count) = counts.get_mut(&(id, stream)) else { return true };
        *count -= 1;
        let last = *count == 0;
        if last {
            counts.remove(&(id, stream));
        }
        last
    }

    pub(crate) fn is_open(&self, id: InodeId, stream: StreamId) -> bool {
        self.counts().contains_key(&(id, stream))
    }
}
