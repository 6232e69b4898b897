//! What must hold of a [`Directory`]: the order of its keys, its sums, and that each name lies where its hash says.

use super::branch::{Branch, FANOUT, KEY_END, MINIMUM, Node};
use super::search::Range;
use super::{DISCRIMINATOR_BITS, Directory, Entry};
use crate::check::CheckReport;
use crate::tree::name::NameRules;
use crate::types::FileKind;

impl Directory {
    /// Looks at every entry. `what` names the directory.
    pub(crate) fn check(&self, rules: &NameRules, what: &str, report: &mut CheckReport) {
        self.check_shape(what, report);
        let entries: Vec<Entry<'_>> = self.iter_after(0).collect();
        report.entries += entries.len() as u64;
        let (count, len) = (entries.len() as u64, self.len());
        report.ensure(count == len, || format!("{what}: a listing shows {count} entries of {len}"));
        let directories = entries.iter().filter(|entry| entry.kind == FileKind::Directory).count() as u64;
        let said = self.subdirectories();
        report.ensure(directories == said, || format!("{what}: {directories} directories in it, it says {said}"));
        check_names(&entries, rules, what, report);
    }

    /// Looks at the nodes alone.
    pub(super) fn check_shape(&self, what: &str, report: &mut CheckReport) {
        check_node(&self.root, Range { low: 0, high: KEY_END }, true, what, report);
    }
}

fn check_names(entries: &[Entry<'_>], rules: &NameRules, what: &str, report: &mut CheckReport) {
    for entry in entries {
        let (name, hash) = (entry.name.escape_ascii(), rules.hash(entry.name));
        report.ensure(entry.key >> DISCRIMINATOR_BITS == hash, || format!("{what}: `{name}` lies at {:x}", entry.key));
        report.ensure(rules.check(entry.name).is_ok(), || format!("{what}: `{name}` is no name"));
    }
    let of_one_hash = entries.chunk_by(|a, b| a.key >> DISCRIMINATOR_BITS == b.key >> DISCRIMINATOR_BITS);
    for same in of_one_hash.filter(|same| same.len() > 1) {
        for (at, entry) in same.iter().enumerate() {
            let twice = same[..at].iter().any(|other| rules.same(other.name, entry.name));
            report.ensure(!twice, || format!("{what}: two entries `{}`", entry.name.escape_ascii()));
        }
    }
}

fn check_node(node: &Node, range: Range, root: bool, what: &str, report: &mut CheckReport) {
    match node {
        Node::Leaf(leaf) => {
            if let Some(fault) = leaf.fault(range, root) {
                report.tell(format!("{what}: {fault}"));
            }
        }
        Node::Branch(branch) => check_branch(branch, range, root, what, report),
    }
}

fn check_branch(branch: &Branch, range: Range, root: bool, what: &str, report: &mut CheckReport) {
    let (children, fewest) = (&branch.children, if root { 2 } else { MINIMUM });
    let fits = (fewest..=FANOUT).contains(&children.len());
    report.ensure(fits, || format!("{what}: a branch of {} children", children.len()));
    let fenced = children.first().is_some_and(|first| first.fence == range.low);
    let sorted = children.is_sorted_by(|a, b| a.fence < b.fence);
    report.ensure(fenced && sorted, || format!("{what}: fences out of order"));
    let sum: u64 = children.iter().map(|child| child.node.entries()).sum();
    report.ensure(sum == branch.entries, || format!("{what}: a branch says {} of {sum} entries", branch.entries));
    for (index, child) in children.iter().enumerate() {
        let level = child.node.height() + 1 == branch.height;
        report.ensure(level, || format!("{what}: leaves at different depths"));
        check_node(&child.node, branch.range(index, range), false, what, report);
    }
}
