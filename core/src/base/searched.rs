//! Directories of the base that names were looked up in, remembered for a moment: every lookup asks who may search its directory, and
//! the host would be asked for each name twice.
//!
//! Only those that are watched, and only until the base tells of anything but content, whatever it is: so what is remembered is
//! never older than what a host was told that it may keep. What no watch tells of (a mount over one of them) shows within
//! [`BASE_SEARCHED_NS`].
//!
//! Directories alone: what a file holds shines through from the base, which would then be held by what it tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;

use crate::error::Result;
use crate::limits::{BASE_SEARCHED, BASE_SEARCHED_NS};
use crate::sync::Mutex;
use crate::tree::inode::Inode;
use crate::types::{FileKind, InodeId, Time};

const SHARDS: usize = 16;

struct Known {
    inode: Arc<Inode>,
    asked: Time,
    /// How often something had changed before it was asked.
    changes: u64,
}

#[derive(Default)]
pub(super) struct Searched {
    shards: [Mutex<HashMap<InodeId, Known>>; SHARDS],
    /// How often something has changed.
    changes: AtomicU64,
}

impl Searched {
    /// What is remembered of a directory, or what `ask` answers, which may be no directory.
    pub(super) fn get_or(
        &self,
        id: InodeId,
        now: Time,
        ask: impl FnOnce() -> Result<Option<Inode>>,
    ) -> Result<Option<Arc<Inode>>> {
        // Before it is asked: what changes after that is not forgotten.
        let changes = self.changes.load(Ordering::Acquire);
        let shard = &self.shards[(id.0 % SHARDS as u64) as usize];
        if let Some(known) = shard.lock().get(&id)
            && known.changes == changes
            && (0..BASE_SEARCHED_NS).contains(&now.0.saturating_sub(known.asked.0))
        {
            return Ok(Some(known.inode.clone()));
        }
        let Some(inode) = ask()?.map(Arc::new) else { return Ok(None) };
        if inode.is_watched() && inode.read().kind == FileKind::Directory {
            let known = Known { inode: inode.clone(), asked: now, changes };
            let mut shard = shard.lock();
            if shard.len() >= BASE_SEARCHED / SHARDS {
                shard.clear();
            }
            shard.insert(id, known);
        }
        Ok(Some(inode))
    }

    /// Something has changed in the base.
    pub(super) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// How many are remembered.
    pub(super) fn count(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().len() as u64).sum()
    }
}
