//! Ids for new inodes: each thread takes them from a block of its own, so that threads which make inodes write neither to
//! one counter nor to one leaf of the table.
//!
//! Blocks come from the volume, whose branches never share one; what is left of a block when its head ends is not used.

use crossbeam_utils::CachePadded;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::sync::{Mutex, thread_ordinal};
use crate::tree::table::ID_BLOCK;
use crate::types::InodeId;

/// Blocks in use at a time; threads beyond share them.
const BLOCKS: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct NewIds {
    blocks: [CachePadded<Mutex<std::ops::Range<u64>>>; BLOCKS],
}

impl NewIds {
    /// An id that no inode of the volume had. [`Error::Limit`] when there is none left.
    pub(crate) fn take(&self, context: &Context) -> Result<InodeId> {
        let mut block = self.blocks[thread_ordinal() % BLOCKS].lock();
        if block.is_empty() {
            let first = context.new_id_block()?.0;
            *block = first..first + ID_BLOCK;
        }
        block.next().map(InodeId).ok_or(Error::Limit("inode ids of one volume"))
    }
}
