//! What must hold of a [`Radix`]: its module says it.

use std::sync::Arc;

use super::node::{BITS, Inner, Leaf, Node, bits};
use super::{Radix, Value};
use crate::check::{CheckReport, Visited};

struct Check<'a, Visit> {
    what: &'a str,
    visited: &'a mut Visited,
    report: &'a mut CheckReport,
    visit: Visit,
}

impl<V: Value> Radix<V> {
    /// Looks at every node that was not looked at before, and shows `visit` the values of new leaves.
    pub(crate) fn check<Visit: FnMut(u64, &V)>(
        &self,
        what: &str,
        visited: &mut Visited,
        report: &mut CheckReport,
        visit: Visit,
    ) {
        let Some(root) = &self.root else { return };
        let low = matches!(root, Node::Inner(inner) if inner.occupied == 1);
        report.ensure(!low, || format!("{what}: the root leads to child 0 only"));
        Check { what, visited, report, visit }.node(root, root.shift(), 0);
    }
}

impl<Visit> Check<'_, Visit> {
    fn node<V: Value>(&mut self, node: &Node<V>, shift: u32, base: u64)
    where
        Visit: FnMut(u64, &V),
    {
        let what = self.what;
        self.report.ensure(node.shift() == shift, || format!("{what}: a node of level {} at {shift}", node.shift()));
        match node {
            Node::Leaf(leaf) if self.visited.is_new(Arc::as_ptr(leaf)) => self.leaf(leaf, base),
            Node::Inner(inner) if self.visited.is_new(Arc::as_ptr(inner)) => self.inner(inner, base),
            _ => {}
        }
    }

    fn occupied<T>(&mut self, occupied: u64, slots: &[Option<T>]) {
        let found = slots.iter().enumerate().fold(0, |found, (at, slot)| found | u64::from(slot.is_some()) << at);
        let what = self.what;
        self.report.ensure(found == occupied, || format!("{what}: a node holds {found:x} and says {occupied:x}"));
        self.report.ensure(found != 0, || format!("{what}: an empty node"));
    }

    /// What a node remembers of the weight below it, and what that is.
    fn weight(&mut self, remembered: Option<u64>, below: impl FnOnce() -> u64) {
        let what = self.what;
        if let Some(remembered) = remembered {
            let found = below();
            self.report
                .ensure(remembered == found, || format!("{what}: a node remembers {remembered} bytes and has {found}"));
        }
    }

    fn leaf<V: Value>(&mut self, leaf: &Leaf<V>, base: u64)
    where
        Visit: FnMut(u64, &V),
    {
        self.occupied(leaf.occupied, &leaf.values);
        self.weight(leaf.weight.get(), || leaf.values.iter().flatten().map(V::weight).sum());
        for index in bits(leaf.occupied) {
            if let Some(value) = &leaf.values[index] {
                (self.visit)(base + index as u64, value);
            }
        }
    }

    fn inner<V: Value>(&mut self, inner: &Inner<V>, base: u64)
    where
        Visit: FnMut(u64, &V),
    {
        self.occupied(inner.occupied, &inner.children);
        let (what, len) = (self.what, inner.len());
        let below: u64 = inner.children.iter().flatten().map(Node::len).sum();
        self.report.ensure(below == len, || format!("{what}: a node says {len} entries and has {below}"));
        self.weight(inner.weight.get(), || {
            inner.children.iter().flatten().filter_map(|child| child.weight().get()).sum()
        });
        for index in bits(inner.occupied) {
            if let Some(child) = &inner.children[index] {
                self.node(child, inner.shift - BITS, base | (index as u64) << inner.shift);
            }
        }
    }
}
