//! The open handles of a view.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::operations::OpenOptions;
use crate::operations::attachment::Attachment;
use crate::operations::streams::Target;
use crate::sync::RwLock;
use crate::types::{HandleId, InodeId, StreamId};

/// An open stream or directory.
pub(crate) struct Handle {
    pub(crate) at: Arc<Attachment>,
    pub(crate) id: InodeId,
    /// Which stream of the inode.
    pub(crate) stream: StreamId,
    pub(crate) options: OpenOptions,
}

impl Handle {
    /// The handle for an inode that the attachment holds already.
    pub(crate) fn of_held(at: Arc<Attachment>, id: InodeId, options: OpenOptions) -> Handle {
        Handle { at, id, stream: StreamId::DEFAULT, options }
    }

    /// The same handle on a named stream, which is counted as open already ([`Attachment::open_stream`]).
    pub(crate) fn on(mut self, stream: StreamId) -> Handle {
        self.stream = stream;
        self
    }

    /// What it reads and writes.
    #[inline]
    pub(crate) fn target(&self) -> Target {
        Target { id: self.id, stream: self.stream }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.stream != StreamId::DEFAULT {
            self.at.close_stream(self.target());
        }
        self.at.unhold(self.id);
    }
}

const SHARDS: usize = 16;

pub(crate) struct Handles {
    shards: [RwLock<HashMap<HandleId, Arc<Handle>>>; SHARDS],
    next: AtomicU64,
    open: AtomicU64,
}

impl Default for Handles {
    fn default() -> Handles {
        Handles { shards: Default::default(), next: AtomicU64::new(1), open: AtomicU64::new(0) }
    }
}

impl Handles {
    fn shard(&self, id: HandleId) -> &RwLock<HashMap<HandleId, Arc<Handle>>> {
        &self.shards[(id.0 % SHARDS as u64) as usize]
    }

    pub(crate) fn insert(&self, handle: Handle) -> Result<HandleId> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= crate::limits::HANDLES as u64 {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Error::Limit("open handles of one view: 16,777,216"));
        }
        let id = HandleId(self.next.fetch_add(1, Ordering::Relaxed));
        self.shard(id).write().insert(id, Arc::new(handle));
        Ok(id)
    }

    /// Every open handle.
    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.shards.iter().flat_map(|shard| shard.read().values().cloned().collect::<Vec<_>>()).collect()
    }

    pub(crate) fn get(&self, id: HandleId) -> Result<Arc<Handle>> {
        self.shard(id).read().get(&id).cloned().ok_or(Error::BadHandle)
    }

    pub(crate) fn remove(&self, id: HandleId) -> Result<Arc<Handle>> {
        let handle = self.shard(id).write().remove(&id).ok_or(Error::BadHandle)?;
        self.open.fetch_sub(1, Ordering::Relaxed);
        Ok(handle)
    }
}
