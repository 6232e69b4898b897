//! What two trees do not share: a walk over both at once that leaves out every subtree that is one and the same.

use std::ops::ControlFlow;

use super::node::{BITS, Leaf, Node, between, bits, reach, slot};
use super::{Radix, Value};

impl<V: Value> Radix<V> {
    /// Visits every key at or after `start` whose value differs by `same` (or that only one has), ascending, with its value here
    /// and in `other`, until `visit` breaks. To resume, start one past the last key visited. Costs what is not shared, not
    /// what there is.
    pub(crate) fn diff_from<B>(
        &self,
        other: &Self,
        start: u64,
        same: impl Fn(&V, &V) -> bool,
        visit: impl FnMut(u64, Option<&V>, Option<&V>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let (a, b) = (self.root.as_ref(), other.root.as_ref());
        let level = shift_of(a).max(shift_of(b));
        if start > reach(level) {
            return ControlFlow::Continue(());
        }
        Walk { start, same, visit }.nodes(a, b, level, 0)
    }
}

fn shift_of<V: Value>(node: Option<&Node<V>>) -> u32 {
    node.map_or(0, Node::shift)
}

/// The child `index` of `node` seen as a node of shift `level`: a lower tree is the first child of that.
fn child<V: Value>(node: Option<&Node<V>>, level: u32, index: usize) -> Option<&Node<V>> {
    match node? {
        Node::Inner(inner) if inner.shift == level => inner.children[index].as_ref(),
        lower => (index == 0).then_some(lower),
    }
}

/// Which children [`child`] finds.
fn children<V: Value>(node: Option<&Node<V>>, level: u32) -> u64 {
    match node {
        None => 0,
        Some(Node::Inner(inner)) if inner.shift == level => inner.occupied,
        Some(_) => 1,
    }
}

fn same_node<V: Value>(a: Option<&Node<V>>, b: Option<&Node<V>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.same(b),
        _ => false,
    }
}

fn leaf<V: Value>(node: Option<&Node<V>>) -> Option<&Leaf<V>> {
    match node? {
        Node::Leaf(leaf) => Some(leaf),
        Node::Inner(_) => None,
    }
}

struct Walk<Same, Visit> {
    start: u64,
    same: Same,
    visit: Visit,
}

impl<Same, Visit> Walk<Same, Visit> {
    /// The slots of the node at `base` that can hold keys from `start` on.
    fn wanted(&self, level: u32, base: u64) -> u64 {
        between(slot(level, self.start.max(base)), slot(level, u64::MAX))
    }

    fn nodes<V: Value, B>(&mut self, a: Option<&Node<V>>, b: Option<&Node<V>>, level: u32, base: u64) -> ControlFlow<B>
    where
        Same: Fn(&V, &V) -> bool,
        Visit: FnMut(u64, Option<&V>, Option<&V>) -> ControlFlow<B>,
    {
        if same_node(a, b) || self.start > base.saturating_add(reach(level)) {
            return ControlFlow::Continue(());
        }
        if level == 0 {
            return self.leaves(leaf(a), leaf(b), base);
        }
        let occupied = children(a, level) | children(b, level);
        for index in bits(occupied & self.wanted(level, base)) {
            let (a, b) = (child(a, level, index), child(b, level, index));
            self.nodes(a, b, level - BITS, base | (index as u64) << level)?;
        }
        ControlFlow::Continue(())
    }

    fn leaves<V: Value, B>(&mut self, a: Option<&Leaf<V>>, b: Option<&Leaf<V>>, base: u64) -> ControlFlow<B>
    where
        Same: Fn(&V, &V) -> bool,
        Visit: FnMut(u64, Option<&V>, Option<&V>) -> ControlFlow<B>,
    {
        let occupied = a.map_or(0, |leaf| leaf.occupied) | b.map_or(0, |leaf| leaf.occupied);
        for index in bits(occupied & self.wanted(0, base)) {
            let mine = a.and_then(|leaf| leaf.values[index].as_ref());
            let theirs = b.and_then(|leaf| leaf.values[index].as_ref());
            let unchanged = matches!((mine, theirs), (Some(a), Some(b)) if (self.same)(a, b));
            if !unchanged {
                (self.visit)(base + index as u64, mine, theirs)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// How many nodes of `a` are not nodes of `b` at the same place.
#[cfg(test)]
pub(super) fn count_unshared<V: Value>(a: Option<&Node<V>>, b: Option<&Node<V>>, level: u32) -> u64 {
    let Some(node) = a else { return 0 };
    if same_node(a, b) {
        return 0;
    }
    let own = u64::from(node.shift() == level);
    if level == 0 {
        return own;
    }
    let below = bits(children(a, level))
        .map(|index| count_unshared(child(a, level, index), child(b, level, index), level - BITS));
    own + below.sum::<u64>()
}
