//! What branches and snapshots hold: all that a tree leads to, and what of it only this one holds, which is what deleting
//! it would free.
//!
//! Neither is kept up by writers. What is exclusive is counted by a [`Reckoning`], which costs what would be freed. The content
//! of a snapshot never changes, so it is summed up once, from what differs from its parent; that of a branch from what
//! differs from the snapshot that it grew from.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::head::Head;
use crate::ledger::Counted as _;
use crate::reckoning::{Counted, Reckoning};
use crate::tree::inode::Inode;
use crate::tree::table::{Difference, FrozenTable, Position, SHARDS};

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

impl Held {
    /// What it holds. `parents`: the tables of what it grew from, the nearest first; `entry_bytes`: what its name and the like take.
    pub(crate) fn holdings(&self, parents: &[Arc<FrozenTable>], entry_bytes: usize) -> Holdings {
        let (inodes, content_bytes) = match self {
            Held::Frozen(table) => (table.len(), content_of(table, parents)),
            Held::Live(head) => (head.table.len(), content_of_head(head, parents)),
        };
        Holdings { inodes, content_bytes, exclusive: self.exclusive(entry_bytes as u64) }
    }

    fn exclusive(&self, entry_bytes: u64) -> Exclusive {
        let mut reckoning = self.reckoned();
        reckoning.counted.metadata_bytes += entry_bytes;
        let Counted { inodes, content_bytes, memory_bytes, spilled_bytes, metadata_bytes } = reckoning.counted;
        let memory_bytes = memory_bytes + metadata_bytes;
        Exclusive { inodes, content_bytes, memory_bytes, metadata_bytes, spilled_bytes }
    }

    /// Counts what would go with it.
    fn reckoned(&self) -> Reckoning {
        let mut reckoning = Reckoning::default();
        let mut batch = Vec::new();
        for shard in 0..SHARDS {
            let mut next = Some(0);
            while let Some(start) = next {
                next = match self {
                    Held::Frozen(table) => table.sole_inodes(shard, &mut reckoning, start, &mut batch),
                    Held::Live(head) => head.table.sole_inodes(shard, &mut reckoning, start, &mut batch),
                };
                batch.drain(..).for_each(|inode| count(&inode, &mut reckoning));
            }
        }
        reckoning
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

/// The content of a table, summed up once. Those of the parents that lack it are summed up on the way, the oldest first.
fn content_of(table: &FrozenTable, parents: &[Arc<FrozenTable>]) -> u64 {
    if let Some(known) = table.content_bytes.get() {
        return *known;
    }
    let nearest = parents.iter().position(|parent| parent.content_bytes.get().is_some());
    let pending = &parents[..nearest.unwrap_or(parents.len())];
    let mut base = nearest.map(|at| parents[at].clone());
    for parent in pending.iter().rev() {
        sum_up(parent, base.as_deref());
        base = Some(parent.clone());
    }
    sum_up(table, base.as_deref())
}

/// The content of `table` from what differs from `base`, whose own is known.
fn sum_up(table: &FrozenTable, base: Option<&FrozenTable>) -> u64 {
    *table.content_bytes.get_or_init(|| {
        let nothing = FrozenTable::empty(table.ledger());
        let (base, known) = known_base(base, &nothing);
        known.wrapping_add(difference(|from| base.next_difference(table, from)))
    })
}

fn content_of_head(head: &Head, parents: &[Arc<FrozenTable>]) -> u64 {
    if let Some((parent, above)) = parents.split_first() {
        content_of(parent, above);
    }
    let nothing = FrozenTable::empty(head.ledger());
    let (base, known) = known_base(parents.first().map(|parent| &**parent), &nothing);
    known.wrapping_add(difference(|from| head.table.next_difference(base, from)))
}

fn known_base<'a>(base: Option<&'a FrozenTable>, nothing: &'a FrozenTable) -> (&'a FrozenTable, u64) {
    match base {
        Some(base) => (base, base.content_bytes.get().copied().unwrap_or(0)),
        None => (nothing, 0),
    }
}

/// By how much content grows over all differences; shrinking wraps around.
fn difference(next: impl Fn(Position) -> Option<(Difference, Position)>) -> u64 {
    let bytes = |inode: &Option<Arc<Inode>>| inode.as_ref().map_or(0, |inode| inode.read().stored());
    let mut sum: u64 = 0;
    let mut from = Position::default();
    while let Some((found, position)) = next(from) {
        sum = sum.wrapping_add(bytes(&found.after)).wrapping_sub(bytes(&found.before));
        from = position;
    }
    sum
}
