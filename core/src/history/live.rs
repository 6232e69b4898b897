//! Which inodes of a branch somebody holds: nodes that hosts have looked up, and open handles. An inode whose last
//! name goes while it is held moves here from the table, so no snapshot ever contains it; it ends with its last
//! holder.
//!
//! Invariant: an inode is in the table or an orphan here, never both. Moving it happens under this shard's lock.

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use hashbrown::HashMap;

use super::head::Head;
use crate::ledger::{Kind, Ledger};
use crate::sync::{Mutex, MutexGuard, Ordered, Rank, ordered};
use crate::tree::inode::Inode;
use crate::tree::table::{make_own, shard_of};
use crate::types::InodeId;

pub(crate) const SHARDS: usize = 16;

#[derive(Default)]
struct Shard {
    /// How many hold each node.
    holders: HashMap<InodeId, u64>,
    /// Those of them that have no name.
    orphans: HashMap<InodeId, Arc<Inode>>,
}

pub(crate) struct LiveNodes {
    shards: [CachePadded<Mutex<Shard>>; SHARDS],
    ledger: Ledger,
}

/// What a node takes of a shard, which is three quarters full on average.
const NODE_BYTES: usize = (size_of::<(InodeId, u64)>() + 1) * 4 / 3;
/// What an orphan takes besides.
const ORPHAN_BYTES: usize = (size_of::<(InodeId, Arc<Inode>)>() + 1) * 4 / 3;

impl LiveNodes {
    pub(crate) fn new(ledger: Ledger) -> LiveNodes {
        LiveNodes { shards: Default::default(), ledger }
    }

    fn shard(&self, id: InodeId) -> Ordered<MutexGuard<'_, Shard>> {
        ordered(Rank::LiveNodes, || self.shards[shard_of(id, SHARDS)].lock())
    }

    fn put_orphan(&self, shard: &mut Shard, id: InodeId, inode: Arc<Inode>) {
        if shard.orphans.insert(id, inode).is_none() {
            self.ledger.add(Kind::References, ORPHAN_BYTES);
        }
    }

    fn take_orphan(&self, shard: &mut Shard, id: InodeId) -> Option<Arc<Inode>> {
        if shard.orphans.is_empty() {
            return None;
        }
        let orphan = shard.orphans.remove(&id)?;
        self.ledger.sub(Kind::References, ORPHAN_BYTES);
        Some(orphan)
    }

    /// The part that a node is in, locked.
    pub(crate) fn part_of(&self, id: InodeId) -> Part<'_> {
        Part { shard: self.shard(id), nodes: self }
    }

    /// One more holder.
    pub(crate) fn hold(&self, id: InodeId) {
        self.part_of(id).hold(id);
    }

    /// As [`LiveTable::bring_near`](crate::tree::table::LiveTable::bring_near), of who holds them.
    pub(crate) fn bring_near(&self, ids: &[InodeId]) {
        let Some(&first) = ids.first() else { return };
        self.part_of(first).bring_near(ids.iter().copied());
    }

    /// One holder less. What ends with it is handed back, to be dropped by the caller outside of any lock.
    pub(crate) fn release(&self, id: InodeId) -> Option<Arc<Inode>> {
        self.part_of(id).release(id)
    }

    pub(crate) fn orphan(&self, id: InodeId) -> Option<Arc<Inode>> {
        self.shard(id).orphans.get(&id).cloned()
    }

    /// All that have no name.
    pub(crate) fn orphans(&self) -> Vec<Arc<Inode>> {
        let shards = self.shards.iter().map(|shard| ordered(Rank::LiveNodes, || shard.lock()));
        shards.flat_map(|shard| shard.orphans.values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Every node: how many hold it, and what it is if it has no name.
    pub(crate) fn all(&self) -> Vec<(InodeId, u64, Option<Arc<Inode>>)> {
        let shards = self.shards.iter().map(|shard| ordered(Rank::LiveNodes, || shard.lock()));
        let of = |shard: Ordered<MutexGuard<'_, Shard>>| {
            let nodes = shard.holders.iter();
            nodes.map(|(id, holders)| (*id, *holders, shard.orphans.get(id).cloned())).collect::<Vec<_>>()
        };
        shards.flat_map(of).collect()
    }

    /// Puts back an orphan's version of another epoch.
    pub(crate) fn own_orphan(&self, id: InodeId, epoch: u64) -> Option<Arc<Inode>> {
        let mut shard = self.shard(id);
        let orphan = shard.orphans.get_mut(&id)?;
        if !make_own(orphan, epoch) {
            *orphan = Arc::new(orphan.copy_for(epoch));
        }
        Some(orphan.clone())
    }

    /// As [`LiveNodes::own_orphan`], and takes no memory: nothing where somebody else has the version, too.
    pub(crate) fn own_orphan_alone(&self, id: InodeId, epoch: u64) -> Option<Arc<Inode>> {
        let mut shard = self.shard(id);
        let orphan = shard.orphans.get_mut(&id)?;
        make_own(orphan, epoch).then(|| orphan.clone())
    }

    /// Takes an inode without names out of the table: away, or here when somebody holds it.
    pub(crate) fn bury(&self, head: &Head, id: InodeId) -> Option<Arc<Inode>> {
        let mut shard = self.shard(id);
        let inode = head.table.remove(id);
        if !shard.holders.contains_key(&id) {
            return inode;
        }
        if let Some(inode) = inode {
            self.put_orphan(&mut shard, id, inode);
        }
        None
    }

    /// Makes an inode that never had a name, held once.
    pub(crate) fn adopt(&self, inode: Arc<Inode>) {
        let mut shard = self.shard(inode.id);
        self.ledger.add(Kind::References, NODE_BYTES);
        shard.holders.insert(inode.id, 1);
        self.put_orphan(&mut shard, inode.id, inode);
    }

    /// An orphan got a name: back into the table.
    pub(crate) fn unbury(&self, head: &Head, id: InodeId) {
        let mut shard = self.shard(id);
        if let Some(inode) = self.take_orphan(&mut shard, id) {
            head.table.insert(inode);
        }
    }
}

/// Some of the nodes, locked by whoever has a second table to change with them: what both wait for of the memory comes at a time then.
pub(crate) struct Part<'a> {
    shard: Ordered<MutexGuard<'a, Shard>>,
    nodes: &'a LiveNodes,
}

impl Part<'_> {
    /// See [`LiveNodes::bring_near`].
    pub(crate) fn bring_near(&self, ids: impl Iterator<Item = InodeId>) {
        std::hint::black_box(ids.filter(|id| self.shard.holders.contains_key(id)).count());
    }

    /// See [`LiveNodes::hold`].
    pub(crate) fn hold(&mut self, id: InodeId) {
        let holders = self.shard.holders.entry(id).or_insert_with(|| {
            self.nodes.ledger.add(Kind::References, NODE_BYTES);
            0
        });
        *holders += 1;
    }

    /// See [`LiveNodes::release`].
    pub(crate) fn release(&mut self, id: InodeId) -> Option<Arc<Inode>> {
        let holders = self.shard.holders.get_mut(&id)?;
        *holders -= 1;
        if *holders > 0 {
            return None;
        }
        self.nodes.ledger.sub(Kind::References, NODE_BYTES);
        self.shard.holders.remove(&id);
        self.nodes.take_orphan(&mut self.shard, id)
    }
}

impl Drop for LiveNodes {
    fn drop(&mut self) {
        let bytes = |shard: &Shard| shard.holders.len() * NODE_BYTES + shard.orphans.len() * ORPHAN_BYTES;
        let bytes: usize = self.shards.iter_mut().map(|shard| bytes(shard.get_mut())).sum();
        self.ledger.sub(Kind::References, bytes);
    }
}
