//! What branches and snapshots hold: all that a tree leads to, and what of it only this one holds, which is what deleting
//! it would free.
//!
//! Neither is kept up by writers. The nodes of a tree remember the content that lies below them until something changes there: so a
//! sum costs what has changed since the last, in this tree or in those that it shares with. What is exclusive is
//! counted by a [`Reckoning`], which costs what would be freed; or, where that is nearly all that there is, by what
//! the volume counts anyway, less what the others hold: then it costs what those are.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::head::Head;
use crate::context::Context;
use crate::ledger::{Counted as _, Kind};
use crate::reckoning::{Counted, Reckoning};
use crate::tree::inode::Inode;
use crate::tree::table::{ContentSum, FrozenTable, SHARDS};

/// What a branch or snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Inodes.
    pub inodes: u64,
    /// Bytes of content of all its files, however many share them. A chunk that two of its files share counts twice.
    pub content_bytes: u64,
    /// What only it holds.
    pub exclusive: Exclusive,
}

/// What only one branch or snapshot holds: what deleting it frees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exclusive {
    /// Inode versions.
    pub inodes: u64,
    /// Bytes of content, wherever they are.
    pub content_bytes: u64,
    /// Bytes of memory, content and metadata.
    pub memory_bytes: u64,
    /// Those of metadata among them: inodes, names, tables.
    pub metadata_bytes: u64,
    /// Bytes of content that are in the spill file only.
    pub spilled_bytes: u64,
}

impl Exclusive {
    /// Bytes of memory and spill file together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.memory_bytes + self.spilled_bytes
    }
}

impl Holdings {
    /// Bytes of content that others hold too.
    #[must_use]
    pub fn shared_bytes(&self) -> u64 {
        self.content_bytes.saturating_sub(self.exclusive.content_bytes)
    }
}

/// A tree whose holdings are asked for.
pub(crate) enum Held {
    Frozen(Arc<FrozenTable>),
    Live(Arc<Head>),
}

/// What others hold is looked at as far as that is so many things, and so many more for each of their inodes: few inodes may hold very
/// many chunks.
const LOOKED_AT: usize = 1 << 16;
const THINGS: usize = 8;

/// All other trees, if they are few.
pub(crate) type Others = Option<Vec<Held>>;

impl Held {
    /// What it holds. `counted`: what would go with it; `epoch`: what may still change is of this one or a later; `entry_bytes`: what its
    /// name and the like take.
    pub(crate) fn holdings(&self, counted: Counted, epoch: u64, entry_bytes: usize) -> Holdings {
        let inodes = self.inodes();
        let metadata_bytes = counted.metadata_bytes + entry_bytes as u64;
        let exclusive = Exclusive {
            // There may just have been two versions of one.
            inodes: counted.inodes.min(inodes),
            content_bytes: counted.content_bytes,
            memory_bytes: counted.memory_bytes + metadata_bytes,
            metadata_bytes,
            spilled_bytes: counted.spilled_bytes,
        };
        Holdings { inodes, content_bytes: self.content(epoch).weight, exclusive }
    }

    fn inodes(&self) -> u64 {
        match self {
            Held::Frozen(table) => table.len(),
            Held::Live(head) => head.table.len(),
        }
    }

    /// Counts what would go with it, one way or the other. `others`: all other trees, if they are few; `all`: whether there is still no
    /// other.
    pub(crate) fn reckoned(&self, context: &Context, others: Others, all: impl FnOnce() -> bool) -> Reckoning {
        let beside = others.and_then(|others| self.beside(context, &others));
        beside.filter(|_| all()).unwrap_or_else(|| {
            let mut reckoning = Reckoning::default();
            self.reckon(&mut reckoning);
            reckoning
        })
    }

    /// All that the volume's trees take, less what the others hold, and what is open without a name. [`None`] if that is too much, or
    /// there is a base: of that things are kept that are in no tree.
    fn beside(&self, context: &Context, others: &[Held]) -> Option<Reckoning> {
        if context.base.is_some() {
            return None;
        }
        let inodes: u64 = others.iter().map(Held::inodes).sum();
        let mut reckoning = Reckoning::of_what_is_held(LOOKED_AT + THINGS * inodes as usize);
        for other in others {
            other.reckon(&mut reckoning);
        }
        for tree in others.iter().chain([self]) {
            tree.reckon_orphans(&mut reckoning);
        }
        reckoning.counted = taken_by_trees(context).without(reckoning.counted);
        reckoning.is_complete().then_some(reckoning)
    }

    fn reckon(&self, reckoning: &mut Reckoning) {
        let mut batch = Vec::new();
        for shard in 0..SHARDS {
            let mut next = Some(0);
            while let Some(start) = next {
                next = match self {
                    Held::Frozen(table) => table.sole_inodes(shard, reckoning, start, &mut batch),
                    Held::Live(head) => head.table.sole_inodes(shard, reckoning, start, &mut batch),
                };
                batch.drain(..).for_each(|inode| count(&inode, reckoning));
            }
        }
    }

    fn reckon_orphans(&self, reckoning: &mut Reckoning) {
        let Held::Live(head) = self else { return };
        for orphan in head.live.orphans() {
            if reckoning.lets_single_go(Arc::as_ptr(&orphan), Arc::strong_count(&orphan)) {
                count(&orphan, reckoning);
            }
        }
    }

    /// Bytes of content of all its files.
    fn content(&self, epoch: u64) -> ContentSum {
        let mut sum = ContentSum::default();
        for shard in 0..SHARDS {
            let mut next = Some(0);
            while let Some(start) = next {
                next = match self {
                    Held::Frozen(table) => table.sum_content(shard, &mut sum, start),
                    Held::Live(head) => head.table.sum_content(shard, &mut sum, start, epoch),
                };
                // Without the lock of the table: who changes them may hold theirs for a while.
                sum.weight += sum.loose.drain(..).map(|inode| inode.read().stored()).sum::<u64>();
            }
        }
        sum
    }
}

/// What metadata of trees is counted as.
const OF_TREES: [Kind; 5] = [Kind::Inodes, Kind::Tables, Kind::Directories, Kind::Streams, Kind::Extras];

/// What all trees together take, and what is open without a name, of a volume that has no base: nothing else is counted so.
fn taken_by_trees(context: &Context) -> Counted {
    let metadata = context.store.ledger().by_kind();
    Counted {
        inodes: metadata[Kind::Inodes as usize] / Inode::BYTES as u64,
        metadata_bytes: OF_TREES.into_iter().map(|kind| metadata[kind as usize]).sum(),
        ..context.store.content()
    }
}

/// Counts an inode that goes. Nobody waits long for its lock meanwhile.
fn count(inode: &Inode, reckoning: &mut Reckoning) {
    reckoning.counted.inodes += 1;
    reckoning.counted.metadata_bytes += Inode::BYTES as u64;
    let mut next = Some((0, 0));
    while let Some(step) = next {
        next = inode.read().count_sole(reckoning, step);
    }
}
