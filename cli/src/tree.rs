//! The lineage as a tree of lines. A line of history runs straight down: a snapshot, then what came later in the branch that it
//! was taken of, at the same depth. What was grown from it hangs off it with `├──` and `└──`.
//!
//! No recursion and a limit to the indentation: lineages may be as long and as deep as a volume holds.

use std::collections::HashMap;

use crate::refs::{Kind, Ref};

/// Past this depth lines are indented no further.
const DEPTH: usize = 32;

/// A line: what stands before the name, and which branch or snapshot it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) lead: String,
    pub(crate) index: usize,
}

struct Lineage<'a> {
    refs: &'a [Ref],
    /// By index of the parent, in order of age.
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
    /// The oldest branch at or below each.
    oldest_branch: Vec<u64>,
}

/// Something still to be drawn, and what stands before the lines below it.
struct Pending {
    index: usize,
    lead: String,
    below: String,
    depth: usize,
}

/// The lines, from the roots down.
pub(crate) fn draw(refs: &[Ref]) -> Vec<Line> {
    let lineage = Lineage::of(refs);
    let mut lines = Vec::with_capacity(refs.len());
    let root = |&index: &usize| Pending { index, lead: String::new(), below: String::new(), depth: 0 };
    let mut pending: Vec<Pending> = lineage.roots.iter().rev().map(root).collect();
    while let Some(next) = pending.pop() {
        lineage.push_children(&next, &mut pending);
        lines.push(Line { lead: next.lead, index: next.index });
    }
    lines
}

impl<'a> Lineage<'a> {
    fn of(refs: &'a [Ref]) -> Lineage<'a> {
        let places: HashMap<(u64, Kind), usize> =
            refs.iter().enumerate().map(|(at, found)| (found.key(), at)).collect();
        let mut lineage =
            Lineage { refs, children: vec![Vec::new(); refs.len()], roots: Vec::new(), oldest_branch: Vec::new() };
        for (index, found) in refs.iter().enumerate() {
            match found.parent.and_then(|parent| places.get(&parent)) {
                Some(&parent) => lineage.children[parent].push(index),
                None => lineage.roots.push(index),
            }
        }
        lineage.find_oldest_branches();
        lineage
    }

    fn find_oldest_branches(&mut self) {
        let own = |found: &Ref| if found.kind == Kind::Branch { found.id } else { u64::MAX };
        self.oldest_branch = self.refs.iter().map(own).collect();
        let mut downwards = self.roots.clone();
        let mut at = 0;
        while let Some(&index) = downwards.get(at) {
            downwards.extend(&self.children[index]);
            at += 1;
        }
        for &index in downwards.iter().rev() {
            let below = self.children[index].iter().map(|&child| self.oldest_branch[child]).min();
            self.oldest_branch[index] = self.oldest_branch[index].min(below.unwrap_or(u64::MAX));
        }
    }

    /// Where the line of history goes on: towards the one branch that is older than this snapshot, for of that it was taken.
    fn goes_on(&self, index: usize) -> Option<usize> {
        let found = &self.refs[index];
        let older = |child: &usize| self.oldest_branch[*child] < found.id;
        self.children[index].iter().copied().find(older).filter(|_| found.kind == Kind::Snapshot)
    }

    /// What hangs off one comes before what follows it; so it is pushed last.
    fn push_children(&self, parent: &Pending, pending: &mut Vec<Pending>) {
        let straight = self.goes_on(parent.index);
        if let Some(index) = straight {
            pending.push(Pending {
                index,
                lead: parent.below.clone(),
                below: parent.below.clone(),
                depth: parent.depth,
            });
        }
        let hanging = self.children[parent.index].iter().copied().filter(|&child| Some(child) != straight);
        let mut is_last = straight.is_none();
        for index in hanging.rev() {
            pending.push(hung(parent, index, is_last));
            is_last = false;
        }
    }
}

fn hung(parent: &Pending, index: usize, is_last: bool) -> Pending {
    let (turn, on) = if is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
    let on = if parent.depth < DEPTH { on } else { "" };
    Pending {
        index,
        lead: format!("{}{turn}", parent.below),
        below: format!("{}{on}", parent.below),
        depth: parent.depth + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refs::tests::found;

    fn drawn(refs: &[Ref]) -> Vec<String> {
        draw(refs).iter().map(|line| format!("{}{}", line.lead, refs[line.index].name)).collect()
    }

    fn branch(id: u64) -> Option<(u64, Kind)> {
        Some((id, Kind::Branch))
    }

    fn snapshot(id: u64) -> Option<(u64, Kind)> {
        Some((id, Kind::Snapshot))
    }

    #[test]
    fn history_runs_straight_down_and_branches_hang_off_it() {
        let refs = [
            found(1, Kind::Branch, "main", snapshot(5)),
            found(2, Kind::Snapshot, "main@1", None),
            found(3, Kind::Branch, "try", snapshot(4)),
            found(4, Kind::Snapshot, "try@1", snapshot(2)),
            found(5, Kind::Snapshot, "main@2", snapshot(2)),
            found(6, Kind::Branch, "other", snapshot(4)),
            found(7, Kind::Branch, "late", snapshot(5)),
        ];
        let expected = ["main@1", "├── try@1", "│   ├── other", "│   try", "main@2", "├── late", "main"];
        assert_eq!(drawn(&refs), expected);
    }

    #[test]
    fn branches_of_a_branch_end_in_a_corner() {
        let refs = [
            found(1, Kind::Branch, "main", None),
            found(2, Kind::Branch, "a", branch(1)),
            found(3, Kind::Branch, "b", branch(1)),
            found(4, Kind::Branch, "c", branch(3)),
        ];
        assert_eq!(drawn(&refs), ["main", "├── a", "└── b", "    └── c"]);
    }

    #[test]
    fn a_snapshot_whose_branch_is_gone_ends_there() {
        let refs = [found(2, Kind::Snapshot, "old", None), found(3, Kind::Branch, "kept", snapshot(2))];
        assert_eq!(drawn(&refs), ["old", "└── kept"]);
    }

    #[test]
    fn lineages_of_any_depth_and_length_are_drawn() {
        const COUNT: u64 = 100_000;
        let deep: Vec<Ref> =
            (1..=COUNT).map(|id| found(id, Kind::Branch, "b", (id > 1).then_some((id - 1, Kind::Branch)))).collect();
        let lines = draw(&deep);
        assert_eq!(lines.len() as u64, COUNT);
        assert!(lines.iter().all(|line| line.lead.chars().count() <= 4 * (DEPTH + 1)));
        let mut long = vec![found(1, Kind::Branch, "main", snapshot(COUNT))];
        let parent = |id| if id > 2 { snapshot(id - 1) } else { None };
        long.extend((2..=COUNT).map(|id| found(id, Kind::Snapshot, "s", parent(id))));
        assert!(draw(&long).iter().all(|line| line.lead.is_empty()));
    }

    #[test]
    fn what_lost_its_parent_while_it_was_listed_is_a_root() {
        assert_eq!(drawn(&[found(5, Kind::Branch, "a", snapshot(4))]), ["a"]);
    }
}
