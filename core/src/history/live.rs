//! Which inodes of a branch somebody holds: nodes that hosts have looked up, and open handles. An inode whose last
//! name goes while it is held moves here from the table, so no snapshot ever contains it; it ends with its last
//! holder.
//!
//! Invariant: an inode is in the table or an orphan here, never both. Moving it happens under this shard's lock.

use std::sync::Arc;

use hashbrown::HashMap;

use super::head::Head;
use crate::sync::{Mutex, MutexGuard, Ordered, Rank, ordered};
use crate::tree::inode::Inode;
use crate::types::InodeId;

const SHARDS: usize = 16;

#[derive(Default)]
struct LiveNode {
    holders: u64,
    orphan: Option<Arc<Inode>>,
}

type Shard = HashMap<InodeId, LiveNode>;

#[derive(Default)]
pub(crate) struct LiveNodes {
    shards: [Mutex<Shard>; SHARDS],
}

impl LiveNodes {
    fn shard(&self, id: InodeId) -> Ordered<MutexGuard<'_, Shard>> {
        ordered(Rank::LiveNodes, || self.shards[(id.0 % SHARDS as u64) as usize].lock())
    }

    /// One more holder.
    pub(crate) fn hold(&self, id: InodeId) {
        self.shard(id).entry(id).or_default().holders += 1;
    }

    /// One holder less. What ends with it is handed back, to be dropped by the caller outside of any lock.
    pub(crate) fn release(&self, id: InodeId) -> Option<Arc<Inode>> {
        let mut shard = self.shard(id);
        let node = shard.get_mut(&id)?;
        node.holders -= 1;
        if node.holders > 0 {
            return None;
        }
        shard.remove(&id).and_then(|node| node.orphan)
    }

    pub(crate) fn orphan(&self, id: InodeId) -> Option<Arc<Inode>> {
        self.shard(id).get(&id).and_then(|node| node.orphan.clone())
    }

    /// Every node: how many hold it, and what it is if it has no name.
    pub(crate) fn all(&self) -> Vec<(InodeId, u64, Option<Arc<Inode>>)> {
        let shards = (0..SHARDS as u64).map(|at| self.shard(InodeId(at)));
        let of = |shard: Ordered<MutexGuard<'_, Shard>>| {
            shard.iter().map(|(id, node)| (*id, node.holders, node.orphan.clone())).collect::<Vec<_>>()
        };
        shards.flat_map(of).collect()
    }

    /// Puts back an orphan's version of another epoch.
    pub(crate) fn own_orphan(&self, id: InodeId, epoch: u64) -> Option<Arc<Inode>> {
        let mut shard = self.shard(id);
        let orphan = shard.get_mut(&id)?.orphan.as_mut()?;
        if orphan.epoch != epoch {
            *orphan = Arc::new(orphan.copy_for(epoch));
        }
        Some(orphan.clone())
    }

    /// Takes an inode without names out of the table: away, or here when somebody holds it.
    pub(crate) fn bury(&self, head: &Head, id: InodeId) -> Option<Arc<Inode>> {
        let mut shard = self.shard(id);
        let inode = head.table.remove(id);
        match shard.get_mut(&id) {
            Some(node) => {
                node.orphan = inode;
                None
            }
            None => inode,
        }
    }

    /// Makes an inode that never had a name, held once.
    pub(crate) fn adopt(&self, inode: Arc<Inode>) {
        let node = LiveNode { holders: 1, orphan: Some(inode.clone()) };
        self.shard(inode.id).insert(inode.id, node);
    }

    /// An orphan got a name: back into the table.
    pub(crate) fn unbury(&self, head: &Head, id: InodeId) {
        let mut shard = self.shard(id);
        if let Some(inode) = shard.get_mut(&id).and_then(|node| node.orphan.take()) {
            head.table.insert(inode);
        }
    }
}
