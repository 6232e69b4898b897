//! Branches and snapshots: heads that change, tables that do not, how one grows from the other, and what differs.

pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod head;
pub(crate) mod holdings;
pub(crate) mod live;
pub(crate) mod new_ids;
pub(crate) mod open_streams;
pub(crate) mod parting;
pub(crate) mod reaper;
pub(crate) mod refs;
pub(crate) mod reservations;
pub(crate) mod revert;

use std::sync::Arc;

use crate::sync::Glance;
use crate::tree::inode::Inode;
use crate::tree::table::FrozenTable;
use crate::types::InodeId;
use head::Head;

/// What a view shows: a branch's head or a snapshot.
#[derive(Clone)]
pub(crate) enum Tree {
    Head(Arc<Head>),
    Frozen(Arc<FrozenTable>),
}

impl Tree {
    /// The inode as it is now: among the living, or without a name and still held.
    pub(crate) fn get(&self, id: InodeId) -> Option<Arc<Inode>> {
        match self {
            Tree::Head(head) => head.get(id),
            Tree::Frozen(table) => table.get(id).filter(|inode| !inode.is_gone()),
        }
    }

    /// Looks at an inode of its table without counting on it, within a glance at it. `None`: there is none, or somebody changes the table just now.
    pub(crate) fn look<R>(&self, glance: &Glance, id: InodeId, look: impl FnOnce(&Inode) -> Option<R>) -> Option<R> {
        let look = |inode: &Inode| if inode.is_gone() { None } else { look(inode) };
        match self {
            Tree::Head(head) => head.table.look(glance, id, look),
            Tree::Frozen(table) => table.look(id, look),
        }
    }

    /// Whether it holds the inode, or that it is gone: the base has no say then.
    pub(crate) fn decides(&self, id: InodeId) -> bool {
        self.slot(id).is_some()
    }

    /// Whether it does not show an inode that the base has.
    pub(crate) fn has_gone(&self, id: InodeId) -> bool {
        self.slot(id).is_some_and(|inode| inode.is_gone())
    }

    /// What it holds of an inode.
    pub(crate) fn slot(&self, id: InodeId) -> Option<Arc<Inode>> {
        match self {
            Tree::Head(head) => head.table.get(id),
            Tree::Frozen(table) => table.get(id),
        }
    }

    pub(crate) fn head(&self) -> Option<&Arc<Head>> {
        match self {
            Tree::Head(head) => Some(head),
            Tree::Frozen(_) => None,
        }
    }
}
