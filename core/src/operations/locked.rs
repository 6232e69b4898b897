//! Several inodes locked for change at once, always in ascending order of id: so that nobody waits in a circle.

use std::sync::Arc;

use crate::error::Result;
use crate::operations::attachment::Change;
use crate::sync::{Planted, planted};
use crate::tree::inode::{Inode, Record, Writing};
use crate::types::InodeId;

/// The most that one operation needs: two directories and two entries (rename).
const MOST: usize = 4;

/// The versions that may be changed, in ascending order, each once.
pub(crate) struct Owned {
    inodes: [Option<Arc<Inode>>; MOST],
}

impl Owned {
    pub(crate) fn of(change: &Change<'_>, ids: &[InodeId]) -> Result<Owned> {
        debug_assert!(ids.len() <= MOST, "invariant: at most {MOST} inodes in one operation");
        let mut sorted = [InodeId(u64::MAX); MOST];
        sorted[..ids.len()].copy_from_slice(ids);
        if !planted(Planted::LocksAsAsked) {
            sorted.sort_unstable();
        }
        let mut inodes = [const { None }; MOST];
        for (i, &id) in sorted[..ids.len()].iter().enumerate() {
            if i == 0 || sorted[i - 1] != id {
                inodes[i] = Some(change.own(id)?);
            }
        }
        Ok(Owned { inodes })
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { guards: std::array::from_fn(|i| self.inodes[i].as_ref().map(|inode| (inode.id, inode.write()))) }
    }
}

pub(crate) struct Locked<'a> {
    guards: [Option<(InodeId, Writing<'a>)>; MOST],
}

impl Locked<'_> {
    /// As [`Locked::get`], only to look at: several at one time.
    pub(crate) fn look(&self, id: InodeId) -> &Record {
        let found = self.guards.iter().flatten().find(|(held, _)| *held == id);
        found.map(|(_, guard)| &**guard).expect("invariant: asked only for what was locked")
    }

    pub(crate) fn get(&mut self, id: InodeId) -> &mut Record {
        self.guards
            .iter_mut()
            .flatten()
            .find(|(held, _)| *held == id)
            .map(|(_, guard)| &mut **guard)
            .expect("invariant: asked only for what was locked")
    }
}
