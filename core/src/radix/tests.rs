#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use proptest::prelude::*;

use super::node::{Inner, LEVELS, Leaf};
use super::{Radix, Sum, Value};
use crate::ledger::{Counted as _, Kind, Ledger};

type Model = BTreeMap<u64, u32>;

/// For values that nobody counts.
macro_rules! values {
    ($($value:ty),+) => {
        $(impl Value for $value {
            const KIND: Kind = Kind::Tables;

            fn ledger(&self) -> Ledger {
                Ledger::of_tests()
            }
        })+
    };
}

values!(u64, Arc<()>);

impl Value for u32 {
    const KIND: Kind = Kind::Tables;
    const WEIGHS: bool = true;

    fn ledger(&self) -> Ledger {
        Ledger::of_tests()
    }

    fn weight(&self) -> u64 {
        u64::from(*self)
    }
}

fn tree(keys: impl IntoIterator<Item = u64>) -> Radix<u64> {
    let mut tree = Radix::new();
    for key in keys {
        tree.insert(key, key);
    }
    tree
}

#[test]
fn an_empty_tree_has_no_node_and_64_keys_have_one() {
    assert_eq!(Radix::<u64>::new().node_count(), 0);
    assert_eq!(tree(0..64).node_count(), 1);
    assert_eq!(tree(0..65).node_count(), 3);
    assert_eq!(size_of::<Radix<u64>>(), 16);
}

#[test]
fn the_largest_key_costs_one_path() {
    let mut tree = tree([u64::MAX]);
    assert_eq!(tree.node_count(), u64::from(LEVELS));
    assert_eq!(tree.get(u64::MAX), Some(&u64::MAX));
    assert_eq!(tree.next_from(5), Some((u64::MAX, &u64::MAX)));
    assert_eq!(tree.iter_from(u64::MAX).count(), 1);
    assert_eq!(tree.remove(u64::MAX), Some(u64::MAX));
    assert!(tree.is_empty());
}

#[test]
fn a_change_after_a_clone_copies_one_path_and_a_second_change_none() {
    let before = tree(0..1 << 18);
    let mut after = before.clone();
    assert!(after.same(&before));
    *after.get_mut(1000).unwrap() = 1;
    assert_eq!(after.nodes_not_in(&before), 3);
    let once = after.node_count();
    *after.get_mut(1001).unwrap() = 1;
    assert_eq!(after.nodes_not_in(&before), 3);
    assert_eq!(after.node_count(), once);
    assert_eq!(before.get(1000), Some(&1000));
}

#[test]
fn a_miss_copies_nothing() {
    let before = tree((0..1000).map(|key| key * 2));
    let mut after = before.clone();
    assert!(after.get_mut(7).is_none());
    assert!(after.remove(7).is_none());
    after.remove_range(7, 8);
    after.retain_below(5000);
    assert!(after.same(&before));
}

#[test]
fn removal_lowers_the_tree_again() {
    let mut tree = tree([3, 1 << 40]);
    tree.remove(1 << 40);
    assert_eq!((tree.node_count(), tree.len()), (1, 1));
    tree.remove(3);
    assert_eq!(tree.node_count(), 0);
}

#[test]
fn a_diff_visits_only_what_is_not_shared() {
    let before = tree(0..100_000);
    let mut after = before.clone();
    after.insert(70_000, 1);
    after.remove(5);
    after.insert(1 << 50, 2);
    let mut seen = Vec::new();
    let compared = std::cell::Cell::new(0);
    let ended = after.diff_from::<()>(
        &before,
        0,
        |a, b| {
            compared.set(compared.get() + 1);
            a == b
        },
        |key, mine, theirs| {
            seen.push((key, mine.copied(), theirs.copied()));
            ControlFlow::Continue(())
        },
    );
    assert!(ended.is_continue());
    assert_eq!(seen, [(5, None, Some(5)), (70_000, Some(1), Some(70_000)), (1 << 50, Some(2), None),]);
    assert!(compared.get() <= 128, "compared {}", compared.get());
}

#[test]
fn a_diff_resumes_where_it_was_left() {
    let (a, b) = (tree((0..500).map(|key| key * 97)), tree([]));
    let (mut start, mut seen) = (0, Vec::new());
    loop {
        let step = a.diff_from(&b, start, u64::eq, |key, _, _| {
            seen.push(key);
            if seen.len() % 7 == 0 { ControlFlow::Break(key) } else { ControlFlow::Continue(()) }
        });
        match step {
            ControlFlow::Break(key) => start = key + 1,
            ControlFlow::Continue(()) => break,
        }
    }
    assert!(seen.iter().copied().eq((0..500).map(|key| key * 97)));
}

#[test]
fn every_value_is_dropped() {
    let value = Arc::new(());
    let mut tree = Radix::new();
    for key in 0..1000 {
        tree.insert(key * 1001, Arc::clone(&value));
    }
    let other = tree.clone();
    tree.remove_range(3, 500_000);
    tree.retain_below(800_000);
    drop(tree);
    assert_eq!(Arc::strong_count(&value), 1001);
    drop(other);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u64, u32),
    Change(u64, u32),
    Remove(u64),
    RemoveRange(u64, u64),
    RetainBelow(u64),
    Snapshot,
}

/// Keys that meet each other, in all heights.
fn key() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0u64..300,
        2 => 0u64..20_000,
        1 => (0u32..64).prop_map(|bit| 1 << bit),
        1 => (0u64..70).prop_map(|back| u64::MAX - back),
        1 => any::<u64>(),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (key(), any::<u32>()).prop_map(|(key, value)| Op::Insert(key, value)),
        2 => (key(), any::<u32>()).prop_map(|(key, value)| Op::Change(key, value)),
        4 => key().prop_map(Op::Remove),
        1 => (key(), key()).prop_map(|(a, b)| Op::RemoveRange(a, b)),
        1 => key().prop_map(Op::RetainBelow),
        1 => Just(Op::Snapshot),
    ]
}

fn apply(op: &Op, tree: &mut Radix<u32>, model: &mut Model) {
    match *op {
        Op::Insert(key, value) => assert_eq!(tree.insert(key, value), model.insert(key, value)),
        Op::Change(key, value) => {
            assert_eq!(tree.get_mut(key).map(|place| std::mem::replace(place, value)), {
                model.get_mut(&key).map(|place| std::mem::replace(place, value))
            });
        }
        Op::Remove(key) => assert_eq!(tree.remove(key), model.remove(&key)),
        Op::RemoveRange(from, to) => {
            tree.remove_range(from, to);
            model.retain(|&key, _| !(from..to).contains(&key));
        }
        Op::RetainBelow(end) => {
            tree.retain_below(end);
            model.retain(|&key, _| key < end);
        }
        Op::Snapshot => {}
    }
}

fn check(tree: &Radix<u32>, model: &Model) {
    assert_eq!(tree.len(), model.len() as u64);
    assert_eq!(tree.is_empty(), model.is_empty());
    assert!(tree.iter().map(|(key, &value)| (key, value)).eq(model.iter().map(|(&k, &v)| (k, v))));
    let rebuilt: Radix<u32> = {
        let mut fresh = Radix::new();
        model.iter().for_each(|(&key, &value)| assert!(fresh.insert(key, value).is_none()));
        fresh
    };
    assert_eq!(tree.node_count(), rebuilt.node_count(), "the shape depends on the keys alone");
}

fn check_diff(a: (&Radix<u32>, &Model), b: (&Radix<u32>, &Model), start: u64) {
    let mut expected = Model::new();
    let keys = a.1.keys().chain(b.1.keys()).filter(|&&key| key >= start);
    for &key in keys.filter(|key| a.1.get(key) != b.1.get(key)) {
        expected.insert(key, 0);
    }
    let mut seen = Vec::new();
    let _ = a.0.diff_from::<()>(b.0, start, u32::eq, |key, mine, theirs| {
        assert_eq!((mine, theirs), (a.1.get(&key), b.1.get(&key)));
        seen.push(key);
        ControlFlow::Continue(())
    });
    assert!(seen.into_iter().eq(expected.into_keys()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn it_behaves_as_an_ordered_map_and_clones_stay_as_they_were(
        ops in prop::collection::vec((op(), 0usize..4, key()), 1..200)
    ) {
        let mut trees = vec![(Radix::new(), Model::new())];
        for (op, which, probe) in &ops {
            let which = which % trees.len();
            if matches!(op, Op::Snapshot) && trees.len() < 4 {
                trees.push(trees[which].clone());
            }
            let (tree, model) = &mut trees[which];
            apply(op, tree, model);
            prop_assert_eq!(tree.get(*probe), model.get(probe));
            let next = model.range(probe..).next();
            prop_assert_eq!(tree.next_from(*probe), next.map(|(&key, value)| (key, value)));
            let gap = (*probe..=u64::MAX).find(|key| !model.contains_key(key)).unwrap_or(u64::MAX);
            prop_assert_eq!(tree.gap_from(*probe), gap);
            prop_assert!(tree.iter_from(*probe).map(|(key, _)| key)
                .eq(model.range(probe..).map(|(&key, _)| key)));
        }
        for (tree, model) in &trees {
            check(tree, model);
            let (first, first_model) = &trees[0];
            check_diff((tree, model), (first, first_model), ops[0].2);
            check_diff((first, first_model), (tree, model), 0);
        }
    }
}

/// What a tree weighs, summed up so many leaves at a time. `loose`: of what value it is said that it may change.
fn weighed(tree: &Radix<u32>, leaves: usize, loose: Option<u32>) -> (u64, usize) {
    let mut sum = Sum::default();
    let mut next = Some(0);
    while let Some(start) = next {
        next = tree.sum_from(&mut sum, start, leaves, |value| Some(*value) != loose);
    }
    (sum.weight + sum.loose.iter().map(|&value| u64::from(value)).sum::<u64>(), sum.leaves)
}

#[test]
fn what_nodes_remember_fits_into_what_the_allocator_rounds_to() {
    assert_eq!((Leaf::<Arc<()>>::BYTES, Inner::<Arc<()>>::BYTES), (560, 1088));
}

#[test]
fn a_second_sum_looks_at_what_has_changed_since_the_first() {
    let mut tree = Radix::new();
    (0..10_000_u64).for_each(|key| _ = tree.insert(key, 1_u32));
    assert_eq!(weighed(&tree, 3, None), (10_000, 157));
    assert_eq!(weighed(&tree, 3, None), (10_000, 0));
    let before = tree.clone();
    *tree.get_mut(5000).unwrap() = 7;
    tree.remove(9_000);
    assert_eq!(weighed(&before, 3, None), (10_000, 0));
    assert_eq!(weighed(&tree, 3, None), (10_005, 2));
    // What may change is looked at each time.
    *tree.get_mut(70).unwrap() = 2;
    for _ in 0..2 {
        assert_eq!(weighed(&tree, 3, Some(2)), (10_006, 1));
    }
    assert_eq!(weighed(&tree, 3, None), (10_006, 1));
}

proptest! {
    #[test]
    fn a_sum_is_that_of_the_values_whatever_was_summed_up_before(
        steps in prop::collection::vec((0..5_u8, 0..5_000_u64, 0..100_u32), 1..200),
    ) {
        let mut tree = Radix::new();
        let mut kept: Vec<(Radix<u32>, u64)> = Vec::new();
        let total = |tree: &Radix<u32>| tree.iter().map(|(_, &value)| u64::from(value)).sum::<u64>();
        for (what, key, value) in steps {
            match what {
                0 | 1 => _ = tree.insert(key, value),
                2 => _ = tree.remove(key),
                3 => tree.remove_range(key, key + u64::from(value)),
                _ if kept.len() < 4 => kept.push((tree.clone(), total(&tree))),
                _ => tree = kept.swap_remove(0).0,
            }
            if let Some(found) = tree.get_mut(key / 2) {
                *found += 1;
            }
            prop_assert_eq!(weighed(&tree, 1 + value as usize % 3, Some(value)).0, total(&tree));
        }
        for (tree, before) in kept {
            prop_assert_eq!(weighed(&tree, 2, None).0, before);
        }
    }
}
