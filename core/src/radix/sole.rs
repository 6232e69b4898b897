//! What of a tree nobody else holds: a walk that leaves out every subtree that would stay if this tree went.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::node::{BITS, Inner, Leaf, Node, bits, reach};
use super::{Radix, Value};
use crate::ledger::Counted;
use crate::reckoning::Reckoning;

impl<V: Value> Radix<V> {
    /// Visits the values at or after `start`, a multiple of 64, whose leaves would go with this tree. Stops after `leaves` of
    /// them, and answers where to go on.
    pub(crate) fn sole_from(
        &self,
        reckoning: &mut Reckoning,
        start: u64,
        leaves: usize,
        visit: impl FnMut(&mut Reckoning, &V),
    ) -> Option<u64> {
        let root = self.root.as_ref()?;
        let mut walk = Walk { reckoning, start, leaves, visit };
        match walk.node(root, root.shift(), 0) {
            ControlFlow::Break(next) => Some(next),
            ControlFlow::Continue(()) => None,
        }
    }
}

struct Walk<'a, Visit> {
    reckoning: &'a mut Reckoning,
    start: u64,
    leaves: usize,
    visit: Visit,
}

impl<Visit> Walk<'_, Visit> {
    fn node<V: Value>(&mut self, node: &Node<V>, shift: u32, base: u64) -> ControlFlow<u64>
    where
        Visit: FnMut(&mut Reckoning, &V),
    {
        if base.saturating_add(reach(shift)) < self.start || !self.goes(node, base) {
            return ControlFlow::Continue(());
        }
        match node {
            Node::Leaf(leaf) => self.leaf(leaf, base),
            Node::Inner(inner) => bits(inner.occupied).try_for_each(|index| match &inner.children[index] {
                Some(child) => self.node(child, shift - BITS, base | (index as u64) << shift),
                None => ControlFlow::Continue(()),
            }),
        }
    }

    /// Whether a node goes. Those that begin before the start were asked about in an earlier step.
    fn goes<V: Value>(&mut self, node: &Node<V>, base: u64) -> bool {
        let (place, holders, bytes) = match node {
            Node::Leaf(leaf) => (Arc::as_ptr(leaf).cast::<u8>(), Arc::strong_count(leaf), Leaf::<V>::BYTES),
            Node::Inner(inner) => (Arc::as_ptr(inner).cast::<u8>(), Arc::strong_count(inner), Inner::<V>::BYTES),
        };
        if base < self.start {
            return self.reckoning.has_let_go(place, holders);
        }
        self.reckoning.lets_metadata_go(place, holders, bytes)
    }

    fn leaf<V: Value>(&mut self, leaf: &Leaf<V>, base: u64) -> ControlFlow<u64>
    where
        Visit: FnMut(&mut Reckoning, &V),
    {
        for value in leaf.values.iter().flatten() {
            (self.visit)(self.reckoning, value);
        }
        self.leaves -= 1;
        match base.checked_add(1 << BITS) {
            Some(next) if self.leaves == 0 => ControlFlow::Break(next),
            _ => ControlFlow::Continue(()),
        }
    }
}
