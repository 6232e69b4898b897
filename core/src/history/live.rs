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
use crate::tree::table::shard_of;
use crate::types::InodeId;

const SHARDS: usize = 16;

#[derive(Default)]
struct LiveNode {
    holders: u64,
    orphan: Option<Arc<Inode>>,
}

type Shard = HashMap<InodeId, LiveNode>;

pub(crate) struct LiveNodes {
    shards: [CachePadded<Mutex<Shard>>; SHARDS],
    ledger: Ledger,
}

/// What a node takes of a shard, which is three quarters full on average.
const NODE_BYTES: usize = (size_of::<(InodeId, LiveNode)>() + 1) * 4 / 3;

impl LiveNodes {
    pub(crate) fn new(ledger: Ledger) -> LiveNodes {
        LiveNodes { shards: Default::default(), ledger }
    }

    fn shard(&self, id: InodeId) -> Ordered<MutexGuard<'_, Shard>> {
        ordered(Rank::LiveNodes, || self.shards[shard_of(id, SHARDS)].lock())
    }

    fn new_node(&self) -> LiveNode {
        self.ledger.add(Kind::References, NODE_BYTES);
        LiveNode::default()
    }

    /// One more holder.
    pub(crate) fn hold(&self, id: InodeId) {
        self.shard(id).entry(id).or_insert_with(|| self.new_node()).holders += 1;
    }

    /// One holder less. What ends with it is handed back, to be dropped by the caller outside of any lock.
    pub(crate) fn release(&self, id: InodeId) -> Option<Arc<Inode>> {
        let mut shard = self.shard(id);
        let node = shard.get_mut(&id)?;
        node.holders -= 1;
        if node.holders > 0 {
            return None;
        }
        self.ledger.sub(Kind::References, NODE_BYTES);
        shard.remove(&id).and_then(|node| node.orphan)
    }

    pub(crate) fn orphan(&self, id: InodeId) -> Option<Arc<Inode>> {
        self.shard(id).get(&id).and_then(|node| node.orphan.clone())
    }

    /// Every node: how many hold it, and what it is if it has no name.
    pub(crate) fn all(&self) -> Vec<(InodeId, u64, Option<Arc<Inode>>)> {
        let shards = self.shards.iter().map(|shard| ordered(Rank::LiveNodes, || shard.lock()));
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
        self.ledger.add(Kind::References, NODE_BYTES);
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

impl Drop for LiveNodes {
    fn drop(&mut self) {
        let nodes: usize = self.shards.iter_mut().map(|shard| shard.get_mut().len()).sum();
        self.ledger.sub(Kind::References, nodes * NODE_BYTES);
    }
}
