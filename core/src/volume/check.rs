//! The check of a whole volume: that what must hold of its parts does.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;

use super::Volume;
use super::view::View;
use crate::check::{CheckReport, Visited};
use crate::data::Holdings;
use crate::history::Tree;
use crate::history::check::{Seen, SeenHead, check_trees};
use crate::history::refs::RefInfo;
use crate::ledger::{Counted, Kind, Ledger};
use crate::reckoning::Reckoning;
use crate::tree::check::Walk;
use crate::tree::inode::Inode;
use crate::types::{InodeId, RefId};

/// Branches and snapshots of which it is compared what they hold alone: each time others, as each costs a walk through all.
const COMPARED: usize = 2;

/// So often it is counted anew what a tree holds alone, while others change it: then it is not compared.
const ROUNDS: usize = 16;

/// What a tree holds alone: inodes, bytes of content, bytes of metadata.
type Alone = (u64, u64, u64);

impl Volume {
    /// Looks at everything that the volume holds, and tells what is not as it must be: names both ways, links, epochs,
    /// the order of directories, lineage, and that chunks, frames and slots have the references that are counted.
    ///
    /// `still`: nobody uses the volume meanwhile, no pin and no diff is left, and counts must be exact; changes wait
    /// until the check is done. Otherwise others may go on with their work: the trees are looked at as they are at one
    /// moment, and a count may be too high then, but not too low.
    #[must_use]
    pub fn check_invariants(&self, still: bool) -> CheckReport {
        self.reaper.settle();
        let views = self.live_views();
        if still {
            views.iter().for_each(|view| view.drop_all_unused());
        }
        let mut report = CheckReport::default();
        self.refs
            .observe(&self.context, still, &mut report, |seen, report| self.check_seen(&seen, &views, still, report));
        if still && self.reaper.is_idle() {
            self.compared().iter().for_each(|info| self.check_exclusive(info, &mut report));
        }
        report
    }

    fn compared(&self) -> Vec<RefInfo> {
        let all = self.refs.list(None, usize::MAX);
        let first = self.context.new_epoch() as usize % all.len().max(1);
        let count = all.len().min(COMPARED);
        all.iter().cycle().skip(first).take(count).cloned().collect()
    }

    /// What a tree holds alone is the same by a walk through it and by a walk through all others. Where it lies is not compared, as
    /// the evictor may be at work.
    fn check_exclusive(&self, info: &RefInfo, report: &mut CheckReport) {
        // The gates are open again: who waited at one changes something meanwhile. What is wrong stays so.
        let mut last = None;
        for _ in 0..ROUNDS {
            let counted = self.counted_both_ways(info.id);
            let Some((walked, beside)) = counted.filter(|(walked, beside)| walked != beside) else { return };
            if last.replace((walked, beside)) == Some((walked, beside)) {
                report.ensure(false, || {
                    format!("`{}` holds {walked:?} alone, and all but the others hold {beside:?}", info.name)
                });
                return;
            }
        }
    }

    /// By a walk through it, and by a walk through all others. [`None`] if it is gone, or others are being freed.
    fn counted_both_ways(&self, id: RefId) -> Option<(Alone, Alone)> {
        let counted = |of: Reckoning| (of.counted.inodes, of.counted.content_bytes, of.counted.metadata_bytes);
        let trees = self.refs.ever_made();
        let (held, others, _) = self.refs.held_beside_all(id).ok()?;
        let walked = counted(held.reckoned(&self.context, None, || true));
        let beside = counted(held.reckoned(&self.context, others, || true));
        (self.reaper.is_idle() && self.refs.ever_made() == trees).then_some((walked, beside))
    }

    fn check_seen(&self, seen: &[Seen], views: &[Arc<View>], still: bool, report: &mut CheckReport) {
        let mut walk = Walk {
            rules: &self.context.names,
            still,
            ledger: self.context.store.ledger(),
            over_base: self.context.base.is_some(),
            next_epoch: self.context.next_epoch(),
            epochs: BTreeSet::new(),
            visited: Visited::default(),
            versions: 0,
            holdings: Holdings::default(),
            report: std::mem::take(report),
        };
        check_trees(seen, &mut walk);
        let Walk { mut holdings, versions, report: walked, .. } = walk;
        *report = walked;
        if let Some(base) = &self.context.base {
            base.check(still, &mut holdings, report);
        }
        let versions = versions + self.context.base.as_ref().map_or(0, |base| base.inodes());
        holdings.check(&self.context.store, still, report);
        if still {
            check_views(seen, views, report);
            check_versions(versions, self.context.store.ledger(), report);
        }
    }
}

/// What is held of each tree is what the views hold, each of its attachments once for a node and once for a handle.
fn check_views(seen: &[Seen], views: &[Arc<View>], report: &mut CheckReport) {
    let mut showing: HashMap<RefId, u64> = HashMap::new();
    let mut held: HashMap<RefId, HashMap<InodeId, u64>> = HashMap::new();
    for view in views {
        let attachments = view.attachments();
        let of_attachments = attachments.iter().flat_map(|at| at.referenced().into_iter().map(|id| (at.shows, id)));
        let of_handles = view.handles.all().into_iter().map(|handle| (handle.at.shows, handle.id));
        for (shows, id) in of_attachments.chain(of_handles) {
            *held.entry(shows).or_default().entry(id).or_default() += 1;
        }
        for at in &attachments {
            *showing.entry(at.shows).or_default() += 1;
            check_shown(seen, at.shows, &at.tree, report);
        }
    }
    for Seen { id, name, views, head, .. } in seen {
        let known = showing.get(id).copied().unwrap_or(0);
        report.ensure(*views == known, || format!("`{name}` counts {views} views, and {known} show it"));
        if let Some(head) = head {
            head.check_holders(name, held.get(id).unwrap_or(&HashMap::new()), report);
        }
    }
}

/// What is counted is what was found: whatever else there is of an inode nobody shows, and nobody frees.
fn check_versions(found: u64, ledger: Ledger, report: &mut CheckReport) {
    let (found, counted) = (found * Inode::BYTES as u64, ledger.by_kind()[Kind::Inodes as usize]);
    report.ensure(found == counted, || {
        format!("inodes take {counted} bytes as they are counted, and {found} were found")
    });
}

/// A view of a branch shows the branch's one head.
fn check_shown(seen: &[Seen], shows: RefId, tree: &Tree, report: &mut CheckReport) {
    let found = seen.iter().find(|one| one.id == shows);
    let fits = match (found.map(|one| one.head.as_ref()), tree) {
        (Some(Some(SeenHead { head, .. })), Tree::Head(shown)) => Arc::ptr_eq(head, shown),
        (Some(None), Tree::Frozen(_)) => true,
        _ => false,
    };
    report.ensure(fits, || format!("a view shows {shows:?} as nobody else knows it"));
}
