//! The head of a branch: the one tree of it that changes, while somebody views it.
//!
//! `epoch` changes only while the gate is closed. A version of an inode with this epoch belongs to this head alone.

use std::sync::Arc;

use super::events::EventHub;
use super::gate::{Gate, Passage};
use super::live::LiveNodes;
use super::new_ids::NewIds;
use super::open_streams::OpenStreams;
use super::reservations::Reservations;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ledger::{Counted, Kind, Ledger, Tally, arc_bytes};
use crate::operations::lock_table::LockTable;
use crate::operations::open_table::OpenTable;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, MutexGuard, Ordered, Planted, Rank, ordered, planted};
use crate::tree::inode::Inode;
use crate::tree::table::{FrozenTable, LiveTable};
use crate::types::InodeId;

pub(crate) struct Head {
    pub(crate) table: LiveTable,
    pub(crate) live: LiveNodes,
    pub(crate) locks: LockTable,
    pub(crate) open_streams: OpenStreams,
    pub(crate) opens: OpenTable,
    pub(crate) reservations: Reservations,
    pub(crate) events: EventHub,
    gate: Gate,
    epoch: AtomicU64,
    moves: Mutex<()>,
    ids: NewIds,
    tally: Tally<Head>,
}

impl Counted for Head {
    const KIND: Kind = Kind::History;
    const BYTES: usize = arc_bytes::<Head>();
}

impl Head {
    pub(crate) fn grow(table: &FrozenTable, epoch: u64) -> Head {
        Head {
            table: LiveTable::thaw(table),
            live: LiveNodes::new(table.ledger()),
            locks: LockTable::new(table.ledger()),
            open_streams: OpenStreams::default(),
            opens: OpenTable::default(),
            reservations: Reservations::default(),
            events: EventHub::default(),
            gate: Gate::default(),
            epoch: AtomicU64::new(epoch),
            moves: Mutex::new(()),
            ids: NewIds::default(),
            tally: Tally::new(table.ledger()),
        }
    }

    /// Who counts it.
    pub(crate) fn ledger(&self) -> Ledger {
        self.tally.ledger()
    }

    pub(crate) fn get(&self, id: InodeId) -> Option<Arc<Inode>> {
        self.in_table(id).or_else(|| self.live.orphan(id)).or_else(|| self.in_table(id))
    }

    fn in_table(&self, id: InodeId) -> Option<Arc<Inode>> {
        self.table.get(id).filter(|inode| !inode.is_gone())
    }

    pub(crate) fn enter(&self) -> Passage<'_> {
        self.gate.enter()
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// The version that may be changed now, if there is one already.
    pub(crate) fn owned(&self, id: InodeId) -> Option<Arc<Inode>> {
        self.table.owned(id, self.epoch())
    }

    /// The version that may be changed now, if that takes no memory: nobody else has it.
    pub(crate) fn own_alone(&self, id: InodeId) -> Option<Arc<Inode>> {
        let epoch = self.epoch();
        self.table
            .own_alone(id, epoch)
            .or_else(|| self.live.own_orphan_alone(id, epoch))
            .or_else(|| self.table.own_alone(id, epoch))
    }

    /// The version that may be changed now. The caller has passed the gate.
    pub(crate) fn own(&self, id: InodeId) -> Result<Arc<Inode>> {
        let epoch = self.epoch();
        self.table
            .own(id, epoch)
            .or_else(|| self.live.own_orphan(id, epoch))
            .or_else(|| self.table.own(id, epoch))
            .ok_or(Error::Stale)
    }

    /// Held while a directory moves to another directory: with it the ancestry of every directory stands still.
    pub(crate) fn hold_ancestry(&self) -> Ordered<MutexGuard<'_, ()>> {
        ordered(Rank::Ancestry, || self.moves.lock())
    }

    pub(crate) fn new_id(&self, context: &Context) -> Result<InodeId> {
        self.ids.take(context)
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    /// A new epoch for what comes after. The caller has closed the gate.
    pub(crate) fn renew_epoch(&self, context: &Context) {
        self.epoch.store(context.new_epoch(), Ordering::Relaxed);
    }

    /// Has all that the tree holds now change no more: who changes an inode afterwards makes a version of his own of it. Answers the
    /// epoch of those. Constant time.
    pub(crate) fn settle(&self, context: &Context) -> u64 {
        let _closed = self.gate.close();
        self.renew_epoch(context);
        self.epoch()
    }

    /// The tree as it is at one moment, and a new epoch for what comes after it. Constant time.
    pub(crate) fn freeze(&self, context: &Context) -> FrozenTable {
        let _closed = (!planted(Planted::SnapshotPassesTheGate)).then(|| self.gate.close());
        self.renew_epoch(context);
        self.table.freeze()
    }

    /// Forgets the references of a view that ended; see [`LiveNodes::release`].
    pub(crate) fn release(&self, id: InodeId) {
        drop(self.live.release(id));
    }
}
