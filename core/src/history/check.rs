//! All trees of a volume at one moment, for a check of the invariants, and what must hold of the heads among them.

use std::sync::Arc;

use hashbrown::HashMap;

use super::head::Head;
use crate::check::CheckReport;
use crate::tree::check::Walk;
use crate::tree::inode::Inode;
use crate::tree::table::FrozenTable;
use crate::types::{InodeId, RefId};

/// A branch or snapshot as it was at that moment.
pub(crate) struct Seen {
    pub(crate) id: RefId,
    pub(crate) name: Arc<str>,
    pub(crate) table: Arc<FrozenTable>,
    pub(crate) views: u64,
    pub(crate) head: Option<SeenHead>,
}

/// What a head holds besides its table.
pub(crate) struct SeenHead {
    pub(crate) head: Arc<Head>,
    epoch: u64,
    live: Vec<(InodeId, u64, Option<Arc<Inode>>)>,
}

impl SeenHead {
    /// The caller has closed the gate.
    pub(super) fn of(head: &Arc<Head>) -> SeenHead {
        SeenHead { head: Arc::clone(head), epoch: head.epoch(), live: head.live.all() }
    }

    /// What nobody names is held, and is not in the table.
    fn check_orphans(&self, seen: &Seen, walk: &mut Walk<'_>) {
        for (id, holders, orphan) in &self.live {
            let name = &seen.name;
            walk.report.ensure(*holders > 0, || format!("`{name}`: {id:?} is kept, and nobody holds it"));
            let Some(inode) = orphan else { continue };
            walk.orphan(&format!("`{name}`"), inode, self.epoch);
            let twice = seen.table.get(*id).is_some_and(|inode| !inode.is_gone());
            walk.report.ensure(!twice, || format!("`{name}`: {id:?} is in the table and without a name"));
        }
    }

    /// `expected`: who holds what, as views know it.
    pub(crate) fn check_holders(&self, name: &str, expected: &HashMap<InodeId, u64>, report: &mut CheckReport) {
        for (id, holders, _) in &self.live {
            let known = expected.get(id).copied().unwrap_or(0);
            report
                .ensure(*holders == known, || format!("`{name}`: {id:?} counts {holders} holders, views have {known}"));
        }
        for id in expected.keys().filter(|id| !self.live.iter().any(|(other, ..)| other == *id)) {
            report.tell(format!("`{name}`: a view holds {id:?}, and the branch does not know"));
        }
    }
}

/// Looks at every tree: those that nobody changes first, each against the one before, and the heads against the last
/// of those.
pub(crate) fn check_trees(seen: &[Seen], walk: &mut Walk<'_>) {
    walk.epochs = seen.iter().filter_map(|one| Some(one.head.as_ref()?.epoch)).collect();
    let nothing = Arc::new(FrozenTable::empty(walk.ledger));
    let mut base = &nothing;
    for one in seen.iter().filter(|one| one.head.is_none()) {
        walk.tree(&format!("`{}`", one.name), &one.table, base, None);
        base = &one.table;
    }
    for one in seen {
        let Some(head) = &one.head else { continue };
        walk.tree(&format!("`{}`", one.name), &one.table, base, Some(head.epoch));
        head.check_orphans(one, walk);
    }
}
