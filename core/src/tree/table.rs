//! The inode table: inode id to the version of the inode that this tree holds. Sixteen persistent radix trees, so
//! that changes to different inodes seldom meet; ids of one block (64) share a leaf and so a shard.

use std::ops::ControlFlow;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::inode::Inode;
use crate::check::{CheckReport, Visited};
use crate::ledger::{Kind, Ledger};
use crate::pending::GivenUp;
use crate::radix::{Radix, Sum, Value};
use crate::reckoning::Reckoning;
use crate::shed::Shed;
use crate::sync::{
    Biased, BiasedReadGuard, BiasedWriteGuard, Concerns, Glance, Ordered, Planted, Rank, ordered, planted,
};
use crate::types::InodeId;

/// Shards of a table. A snapshot clones as many roots.
pub(crate) const SHARDS: usize = 16;
/// Ids that a branch takes at a time: as many as a leaf is wide.
pub(crate) const ID_BLOCK: u64 = 64;

type Shard = Radix<Arc<Inode>>;

impl Value for Arc<Inode> {
    const KIND: Kind = Kind::Tables;
    const WEIGHS: bool = true;

    fn ledger(&self) -> Ledger {
        Inode::ledger(self)
    }

    /// Bytes of its content. Asked only of versions that nobody changes any more.
    fn weight(&self) -> u64 {
        self.read_shared().stored()
    }
}

/// Of so many shards the one that an inode belongs to. Ids of one block, which one thread makes, are in one shard, so
/// that threads which make different inodes do not meet.
pub(crate) fn shard_of(id: InodeId, shards: usize) -> usize {
    (id.0 / ID_BLOCK % shards as u64) as usize
}

fn place(id: InodeId) -> (usize, u64) {
    let block = id.0 / ID_BLOCK;
    (shard_of(id, SHARDS), block / SHARDS as u64 * ID_BLOCK + id.0 % ID_BLOCK)
}

fn id_at(shard: usize, key: u64) -> InodeId {
    let block = key / ID_BLOCK * SHARDS as u64 + shard as u64;
    InodeId(block * ID_BLOCK + key % ID_BLOCK)
}

/// An immutable table: what a snapshot is.
#[derive(Debug, Clone)]
pub(crate) struct FrozenTable {
    shards: [Shard; SHARDS],
    ledger: Ledger,
    pub(crate) given_up: GivenUp,
}

impl FrozenTable {
    pub(crate) fn with_root(root: Inode) -> FrozenTable {
        let mut shards: [Shard; SHARDS] = std::array::from_fn(|_| Radix::new());
        let ledger = root.ledger();
        let (shard, key) = place(root.id);
        shards[shard].insert(key, Arc::new(root));
        FrozenTable::of(shards, ledger)
    }

    fn of(shards: [Shard; SHARDS], ledger: Ledger) -> FrozenTable {
        FrozenTable { shards, ledger, given_up: GivenUp::default() }
    }

    /// A table without inodes: over a base, a tree that shows nothing else.
    pub(crate) fn empty(ledger: Ledger) -> FrozenTable {
        FrozenTable::of(std::array::from_fn(|_| Radix::new()), ledger)
    }

    /// The version of an inode that it holds, or what says that it does not show one of the base.
    pub(crate) fn get(&self, id: InodeId) -> Option<Arc<Inode>> {
        let (shard, key) = place(id);
        self.shards[shard].get(key).cloned()
    }

    /// As [`LiveTable::look`].
    pub(crate) fn look<R>(&self, id: InodeId, look: impl FnOnce(&Inode) -> Option<R>) -> Option<R> {
        let (shard, key) = place(id);
        look(self.shards[shard].get(key)?)
    }

    /// Looks at the nodes that were not looked at before.
    pub(crate) fn check(&self, what: &str, visited: &mut Visited, report: &mut CheckReport) {
        for shard in &self.shards {
            shard.check(what, visited, report, |_, _| {});
        }
    }

    /// Who counts it.
    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// Number of inodes.
    pub(crate) fn len(&self) -> u64 {
        self.shards.iter().map(Radix::len).sum()
    }

    /// The next inode that the two tables hold in different versions, at or after `from` in the order of
    /// (shard, key); with the position to go on from. Shared parts are passed over unseen.
    pub(crate) fn next_difference(&self, other: &FrozenTable, from: Position) -> Option<(Difference, Position)> {
        let mut key = from.key;
        for shard in from.shard..SHARDS {
            let found = next_in_shard(&self.shards[shard], &other.shards[shard], shard, key);
            if found.is_some() {
                return found;
            }
            key = 0;
        }
        None
    }
}

impl Shed for FrozenTable {
    fn shed(&mut self) -> bool {
        self.shards.iter_mut().any(Radix::shed)
    }
}

/// Leaves of inodes that are visited in one step: a few hundred inodes, and some ten microseconds.
const LEAVES: usize = 4;

/// The inodes of a shard that would go with it, from the key `start` on; a few hundred of them, and where to go on.
fn sole_inodes(shard: &Shard, reckoning: &mut Reckoning, start: u64, into: &mut Vec<Arc<Inode>>) -> Option<u64> {
    shard.sole_from(reckoning, start, LEAVES, |reckoning, inode| {
        // A tree has no version twice.
        if reckoning.lets_single_go(Arc::as_ptr(inode), Arc::strong_count(inode)) {
            into.push(inode.clone());
        }
    })
}

/// Bytes of the content of a table's inodes: a sum in steps.
pub(crate) type ContentSum = Sum<Arc<Inode>>;

impl FrozenTable {
    /// See [`sole_inodes`].
    pub(crate) fn sole_inodes(
        &self,
        shard: usize,
        reckoning: &mut Reckoning,
        start: u64,
        into: &mut Vec<Arc<Inode>>,
    ) -> Option<u64> {
        sole_inodes(&self.shards[shard], reckoning, start, into)
    }

    /// Adds the content of a shard's inodes from the key `start` on: of a few hundred that were not summed up before, and of all
    /// others that come on the way. Answers where to go on. Nobody changes the table's inodes any more.
    pub(crate) fn sum_content(&self, shard: usize, sum: &mut ContentSum, start: u64) -> Option<u64> {
        self.shards[shard].sum_from(sum, start, LEAVES, |_| true)
    }
}

impl LiveTable {
    /// See [`sole_inodes`]. Holds the shard's lock meanwhile.
    pub(crate) fn sole_inodes(
        &self,
        shard: usize,
        reckoning: &mut Reckoning,
        start: u64,
        into: &mut Vec<Arc<Inode>>,
    ) -> Option<u64> {
        sole_inodes(&self.read(shard), reckoning, start, into)
    }

    /// As [`FrozenTable::sum_content`]. Versions of `epoch` or later may change, and are not in the sum. Holds the shard's lock
    /// meanwhile.
    pub(crate) fn sum_content(&self, shard: usize, sum: &mut ContentSum, start: u64, epoch: u64) -> Option<u64> {
        self.read(shard).sum_from(sum, start, LEAVES, |inode| inode.epoch < epoch || inode.is_gone())
    }
}

/// The next key of a shard, at or after `key`, that two tables hold in different versions.
fn next_in_shard(before: &Shard, after: &Shard, shard: usize, key: u64) -> Option<(Difference, Position)> {
    let found =
        before.diff_from(after, key, Arc::ptr_eq, |key, a, b| ControlFlow::Break((key, a.cloned(), b.cloned())));
    let ControlFlow::Break((at, before, after)) = found else { return None };
    Some((Difference { id: id_at(shard, at), before, after }, Position { shard, key: at + 1 }))
}

/// Where a walk over the differences of two tables stands.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Position {
    shard: usize,
    key: u64,
}

/// An inode that two tables hold in different versions.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) id: InodeId,
    pub(crate) before: Option<Arc<Inode>>,
    pub(crate) after: Option<Arc<Inode>>,
}

/// A table that many threads read and change: the head of a branch. Each shard's lock is held for one look-up or one
/// replacement of a slot, never while anything else is waited for. Most look-ups are glances, and take none.
#[derive(Debug)]
pub(crate) struct LiveTable {
    shards: [CachePadded<Biased<Shard, Shards>>; SHARDS],
    ledger: Ledger,
}

/// The locks of a table's shards: glances at the inodes in one may read it.
#[derive(Debug)]
pub(crate) enum Shards {}

impl Concerns for Shards {
    // Of the inodes that are made, each sixteenth is in the shard that their directory is looked for in.
    const CALM: u16 = if cfg!(feature = "shuttle") { 2 } else { 2048 };

    fn concerns(number: u32, id: u64) -> bool {
        shard_of(InodeId(id), SHARDS) == number as usize
    }
}

/// Makes the version one of `epoch`, if nobody else has it; answers whether it is.
///
/// Who looks at a version without counting himself does so within a glance at a slot of its table. So the caller holds, for writing, the lock that guards
/// the slot, and no such glance is under way; or the version is in no table.
pub(crate) fn make_own(version: &mut Arc<Inode>, epoch: u64) -> bool {
    if let Some(alone) = Arc::get_mut(version) {
        alone.epoch = epoch;
    }
    version.epoch == epoch
}

impl LiveTable {
    pub(crate) fn thaw(frozen: &FrozenTable) -> LiveTable {
        let shard = |i: usize| CachePadded::new(Biased::new(i as u32, frozen.shards[i].clone()));
        LiveTable { shards: std::array::from_fn(shard), ledger: frozen.ledger }
    }

    fn read(&self, shard: usize) -> Ordered<BiasedReadGuard<'_, Shard, Shards>> {
        ordered(Rank::Table, || self.shards[shard].read())
    }

    fn write(&self, shard: usize) -> Ordered<BiasedWriteGuard<'_, Shard, Shards>> {
        ordered(Rank::Table, || self.shards[shard].write())
    }

    /// The table as it is. The caller makes sure that nobody changes it meanwhile.
    pub(crate) fn freeze(&self) -> FrozenTable {
        FrozenTable::of(std::array::from_fn(|i| self.read(i).clone()), self.ledger)
    }

    /// Number of inodes.
    pub(crate) fn len(&self) -> u64 {
        (0..SHARDS).map(|shard| self.read(shard).len()).sum()
    }

    pub(crate) fn get(&self, id: InodeId) -> Option<Arc<Inode>> {
        self.find(id, Arc::clone)
    }

    /// What `of` says of an inode; it waits for nothing.
    fn find<R>(&self, id: InodeId, of: impl Fn(&Arc<Inode>) -> R) -> Option<R> {
        let (shard, key) = place(id);
        let _ordered = ordered(Rank::Table, || ());
        self.shards[shard].with(id.0, |shard| shard.get(key).map(&of))
    }

    /// Looks at an inode without counting on it, within a glance at it. `None`: there is none, or somebody changes the table just now.
    pub(crate) fn look<R>(&self, glance: &Glance, id: InodeId, look: impl FnOnce(&Inode) -> Option<R>) -> Option<R> {
        let (shard, key) = place(id);
        look(self.shards[shard].look(glance)?.get(key)?)
    }

    /// Reads something of each inode, so that the processor waits for the memory of all of them at a time. `ids` are of one shard.
    pub(crate) fn bring_near(&self, ids: &[InodeId]) {
        let Some(&first) = ids.first() else { return };
        let shard = self.read(place(first).0);
        let epochs = ids.iter().filter_map(|id| shard.get(place(*id).1)).map(|inode| inode.epoch);
        std::hint::black_box(epochs.fold(0, u64::wrapping_add));
    }

    pub(crate) fn insert(&self, inode: Arc<Inode>) {
        let (shard, key) = place(inode.id);
        self.write(shard).insert(key, inode);
    }

    /// Unless it has the inode already.
    pub(crate) fn insert_new(&self, inode: Arc<Inode>) {
        let (shard, key) = place(inode.id);
        let mut table = self.write(shard);
        if table.get(key).is_none() {
            table.insert(key, inode);
        }
    }

    /// Removes an inode. Of one that the base has too it remembers that it is gone.
    pub(crate) fn remove(&self, id: InodeId) -> Option<Arc<Inode>> {
        // Without the table's lock: nobody may be waited for under it. Whether the base has an inode never changes.
        let gone = self.get(id).filter(|inode| inode.is_of_base()).map(|inode| Arc::new(inode.gone()));
        let (shard, key) = place(id);
        let mut table = self.write(shard);
        match gone {
            Some(gone) => table.insert(key, gone),
            None => table.remove(key),
        }
    }

    /// Holds nothing of an inode any more: over a base, what the base has shows.
    pub(crate) fn forget(&self, id: InodeId) {
        let (shard, key) = place(id);
        drop(self.write(shard).remove(key));
    }

    /// The version of the inode, if it belongs to `epoch`.
    pub(crate) fn owned(&self, id: InodeId, epoch: u64) -> Option<Arc<Inode>> {
        self.find(id, |inode| (inode.epoch == epoch).then(|| inode.clone()))?
    }

    /// The version of the inode that belongs to `epoch`, copied up from a shared one if need be.
    pub(crate) fn own(&self, id: InodeId, epoch: u64) -> Option<Arc<Inode>> {
        let (shard, key) = place(id);
        if let Some(own) = self.owned(id, epoch) {
            return Some(own);
        }
        let mut table = self.write(shard);
        let slot = table.get_mut(key)?;
        if slot.is_gone() {
            return None;
        }
        if planted(Planted::CopiesUpTwice) || !make_own(slot, epoch) {
            *slot = Arc::new(slot.copy_for(epoch));
        }
        Some(slot.clone())
    }

    /// As [`LiveTable::own`], and takes no memory: nothing where somebody else has the version, too.
    pub(crate) fn own_alone(&self, id: InodeId, epoch: u64) -> Option<Arc<Inode>> {
        let (shard, key) = place(id);
        let mut table = self.write(shard);
        let slot = table.alone_mut(key)?;
        (!slot.is_gone() && make_own(slot, epoch)).then(|| slot.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::inode::Versions;

    /// What a thread's word says of an id.
    const SAID: u64 = (1 << 48) - 1;

    #[test]
    fn a_glance_may_read_the_shard_that_its_inode_is_in_and_no_other() {
        for id in (0..4096).map(|n| n * 37 + 1).chain([SAID, u64::MAX]) {
            let own = place(InodeId(id)).0;
            for shard in 0..SHARDS {
                assert_eq!(Shards::concerns(shard as u32, id & SAID), shard == own, "{id}");
            }
        }
    }

    #[test]
    fn a_glance_may_read_the_versions_of_its_inode() {
        for id in (1..4096).chain([SAID, u64::MAX]) {
            assert!(Versions::concerns(Versions::number(InodeId(id)), id & SAID), "{id}");
            assert!(!Versions::concerns(Versions::number(InodeId(id)), (id & SAID) - 1), "{id}");
        }
    }
}
