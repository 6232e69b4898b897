//! Since when two branches have gone ways of their own, and what each of them has changed since.
//!
//! Every version of an inode carries the epoch of the branch that wrote it, and epochs are given out in order: a version of an epoch after
//! a moment was written after it, whatever the clock says. So the moment at which a branch parts from its parent is the epoch that comes
//! next then, taken before the parent's tree is.

use hashbrown::HashMap;

use crate::context::Context;
use crate::tree::inode::Inode;
use crate::types::{RefId, Time};

/// How far back a common ancestor is looked for. Beyond that everything counts as changed since.
const LOOK_BACK: usize = 4096;

/// A moment in the life of a volume. The default one is before all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    epoch: u64,
    /// By the clock that stamps inodes.
    tick: Time,
}

impl Default for Moment {
    fn default() -> Moment {
        Moment { epoch: 0, tick: Time(i64::MIN) }
    }
}

impl Moment {
    /// Versions that are there already are from before it, those that come from after it. The caller holds the registry and then takes the
    /// tree, so that no head has got an epoch in between.
    pub(super) fn now(context: &Context) -> Moment {
        Moment { tick: context.clock.now(), epoch: context.new_epoch() }
    }

    /// Whether a tree has changed an inode after it, by the version that it shows. That it was read sets its time of access, which is no
    /// change.
    pub(super) fn is_before_change(&self, version: &Inode) -> bool {
        !version.is_untouched() && version.epoch > self.epoch && version.read_shared().changed >= self.tick
    }

    /// Whether an inode was there at it, for all that is certain: what was made within its tick may have been or not.
    pub(super) fn is_after_birth(&self, version: &Inode) -> bool {
        version.is_of_base() || version.epoch < self.epoch || version.read_shared().born < self.tick
    }
}

/// What a branch or snapshot grew from, and when it parted from that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lineage {
    pub(super) parent: Option<RefId>,
    pub(super) parted: Moment,
}

impl Lineage {
    pub(super) fn none() -> Lineage {
        Lineage { parent: None, parted: Moment::default() }
    }
}

/// When two of them parted: when the first of those that lead from what both grew from to either of them did.
pub(super) fn parted(one: RefId, other: RefId, lineage: impl Fn(RefId) -> Option<Lineage>) -> Moment {
    let mut lines = [Line::from(one), Line::from(other)];
    for step in 0..2 * LOOK_BACK {
        let (mine, theirs) = (step % 2, 1 - step % 2);
        let Some(at) = lines[mine].next else { continue };
        if let Some(&there) = lines[theirs].passed.get(&at) {
            return lines[mine].earliest.into_iter().chain(there).min().unwrap_or_default();
        }
        lines[mine].climb(at, &lineage);
    }
    Moment::default()
}

/// A way up from one of the two.
struct Line {
    next: Option<RefId>,
    /// The earliest parting below `next`; none at the beginning.
    earliest: Option<Moment>,
    /// The same for each that was passed.
    passed: HashMap<RefId, Option<Moment>>,
}

impl Line {
    fn from(id: RefId) -> Line {
        Line { next: Some(id), earliest: None, passed: HashMap::new() }
    }

    fn climb(&mut self, at: RefId, lineage: impl Fn(RefId) -> Option<Lineage>) {
        self.passed.insert(at, self.earliest);
        let found = lineage(at);
        self.earliest = self.earliest.into_iter().chain(found.map(|found| found.parted)).min();
        self.next = found.and_then(|found| found.parent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{BranchId, SnapshotId};

    fn moment(epoch: u64) -> Moment {
        Moment { epoch, tick: Time(epoch as i64) }
    }

    const MAIN: RefId = RefId::Branch(BranchId(1));
    const SNAPSHOT: RefId = RefId::Snapshot(SnapshotId(2));
    const CHILD: RefId = RefId::Branch(BranchId(3));
    const SIBLING: RefId = RefId::Branch(BranchId(4));

    /// A snapshot of main at 5, a child of it from 8 on, and a branch of main itself from 9 on.
    fn lineage(id: RefId) -> Option<Lineage> {
        let (parent, parted) = match id {
            SNAPSHOT => (None, Moment::default()),
            MAIN => (Some(SNAPSHOT), moment(5)),
            CHILD => (Some(SNAPSHOT), moment(8)),
            SIBLING => (Some(MAIN), moment(9)),
            _ => return None,
        };
        Some(Lineage { parent, parted })
    }

    #[test]
    fn two_parted_when_the_first_of_them_left_what_both_grew_from() {
        let parted = |one, other| parted(one, other, lineage);
        assert_eq!((parted(SIBLING, MAIN), parted(MAIN, SIBLING)), (moment(9), moment(9)));
        assert_eq!((parted(CHILD, MAIN), parted(MAIN, CHILD)), (moment(5), moment(5)));
        assert_eq!((parted(CHILD, SIBLING), parted(CHILD, SNAPSHOT)), (moment(5), moment(8)));
        assert_eq!(parted(CHILD, RefId::Branch(BranchId(9))), Moment::default(), "nothing in common");
    }

    #[test]
    fn who_is_compared_with_himself_has_changed_nothing_since() {
        assert_eq!(parted(MAIN, MAIN, lineage), Moment::default());
    }

    #[test]
    fn what_is_too_far_back_is_not_looked_for() {
        let long = |id: RefId| match id {
            RefId::Snapshot(SnapshotId(number)) if number > 0 => {
                Some(Lineage { parent: Some(RefId::Snapshot(SnapshotId(number - 1))), parted: moment(number) })
            }
            _ => None,
        };
        let at = |number| RefId::Snapshot(SnapshotId(number));
        assert_eq!(parted(at(LOOK_BACK as u64 - 1), at(0), long), moment(1));
        assert_eq!(parted(at(LOOK_BACK as u64), at(0), long), Moment::default());
    }
}
