#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::ledger::Ledger;
use crate::tree::name::NamePolicy;

const PARENT: InodeId = InodeId(1);

fn posix() -> NameRules {
    NameRules::new(NamePolicy::Posix, (11, 22))
}

fn ignoring_case() -> NameRules {
    NameRules::new(NamePolicy::PosixCaseInsensitive, (11, 22))
}

/// Rules with which all names have one of three hashes.
fn colliding() -> NameRules {
    NameRules::colliding(NamePolicy::Posix, 2)
}

fn name(n: u64) -> Vec<u8> {
    format!("name{n:08}").into_bytes()
}

fn filled(rules: &NameRules, count: u64) -> Directory {
    let mut directory = Directory::new(Ledger::of_tests());
    for n in 0..count {
        directory.insert(rules, &name(n), InodeId(n + 2), FileKind::File).unwrap();
    }
    directory
}

/// Panics unless the nodes are as they must be.
fn verify(directory: &Directory) {
    let mut report = crate::check::CheckReport::default();
    directory.check_shape("the directory", &mut report);
    assert_eq!(report.problems, Vec::<String>::new());
}

type Owned = (u64, InodeId, FileKind, Vec<u8>);

fn owned(entry: Entry<'_>) -> Owned {
    (entry.key, entry.inode, entry.kind, entry.name.to_vec())
}

fn listing(directory: &Directory) -> Vec<Owned> {
    directory.iter_after(0).map(owned).collect()
}

#[test]
fn a_directory_takes_40_bytes_of_its_record_and_no_heap_while_empty() {
    assert_eq!(size_of::<Directory>(), 40);
    assert_eq!(Directory::new(Ledger::of_tests()).heap_bytes(), 0);
    assert_eq!(Directory::new(Ledger::of_tests()).node_count(), 0);
}

#[test]
fn an_empty_directory_has_nothing() {
    let mut directory = Directory::new(Ledger::of_tests());
    assert!(directory.is_empty());
    assert_eq!(directory.get(&posix(), b"a"), None);
    for key in [0, 1, 128, KEY_END - 1, KEY_END, u64::MAX] {
        assert_eq!(directory.by_key(key), None);
        assert_eq!(directory.iter_after(key).next(), None);
        assert_eq!(directory.remove(key), None);
        assert_eq!(directory.replace(key, PARENT, FileKind::File), None);
        assert!(!directory.rename_in_place(key, b"a"));
    }
}

#[test]
fn a_listing_after_any_cookie_however_wild_ends() {
    let directory = filled(&posix(), 1000);
    let last = directory.iter_after(0).last().unwrap().key;
    assert!(last < KEY_END);
    for key in [last, KEY_END - 1, KEY_END, u64::MAX] {
        assert_eq!(directory.iter_after(key).next(), None);
        assert_eq!(directory.by_key(key).is_some(), key == last);
    }
    assert_eq!(directory.iter_after(last - 1).next().unwrap().key, last);
}

#[test]
fn entries_are_found_replaced_and_removed() {
    let rules = posix();
    let mut directory = Directory::new(Ledger::of_tests());
    let a = directory.insert(&rules, b"a", InodeId(2), FileKind::File).unwrap();
    let b = directory.insert(&rules, b"b", InodeId(3), FileKind::Directory).unwrap();
    assert_eq!((directory.len(), directory.subdirectories()), (2, 1));
    let found = directory.get(&rules, b"a").unwrap();
    assert_eq!(owned(found), (a, InodeId(2), FileKind::File, b"a".to_vec()));

    let old = directory.replace(a, InodeId(9), FileKind::Directory);
    assert_eq!(old, Some((InodeId(2), FileKind::File)));
    assert_eq!(directory.subdirectories(), 2);
    assert_eq!(directory.by_key(a).unwrap().name, b"a");

    assert_eq!(directory.remove(b), Some((InodeId(3), FileKind::Directory)));
    assert_eq!(directory.remove(b), None);
    assert_eq!((directory.len(), directory.subdirectories()), (1, 1));
}

#[test]
fn names_of_one_hash_are_told_apart_and_keep_their_keys() {
    let rules = colliding();
    let mut directory = filled(&rules, 60);
    let before = listing(&directory);
    for key in before.iter().map(|entry| entry.0).step_by(2) {
        directory.remove(key).unwrap();
    }
    for (key, inode, kind, name) in before.into_iter().skip(1).step_by(2) {
        let found = directory.get(&rules, &name).unwrap();
        assert_eq!((found.key, found.inode, found.kind), (key, inode, kind));
    }
}

#[test]
fn the_smallest_free_discriminator_is_taken() {
    let rules = NameRules::colliding(NamePolicy::Posix, 0);
    let mut directory = filled(&rules, 10);
    assert_eq!(directory.iter_after(0).map(|e| e.key).collect::<Vec<_>>(), Vec::from_iter(128..138));
    directory.remove(131).unwrap();
    assert_eq!(directory.insert(&rules, b"x", PARENT, FileKind::File), Ok(131));
    assert_eq!(directory.insert(&rules, b"y", PARENT, FileKind::File), Ok(138));
}

#[test]
fn as_many_as_128_names_have_one_hash_and_no_more() {
    let rules = NameRules::colliding(NamePolicy::Posix, 0);
    let mut directory = filled(&rules, NAMES_OF_ONE_HASH);
    let before = listing(&directory);
    let refused = directory.insert(&rules, b"more", PARENT, FileKind::Directory);
    assert_eq!(refused, Err(Error::Limit("names of one hash")));
    assert_eq!((directory.subdirectories(), listing(&directory)), (0, before));
    directory.remove(200).unwrap();
    assert_eq!(directory.insert(&rules, b"more", PARENT, FileKind::File), Ok(200));
}

#[test]
fn equal_hashes_across_leaves_are_all_found() {
    let rules = colliding();
    let mut directory = Directory::new(Ledger::of_tests());
    let stored: Vec<_> =
        (0..1000).map(name).filter(|name| directory.insert(&rules, name, PARENT, FileKind::File).is_ok()).collect();
    assert_eq!(stored.len() as u64, 3 * NAMES_OF_ONE_HASH);
    verify(&directory);
    assert!(directory.node_count() > 3);
    assert!(stored.iter().all(|name| directory.get(&rules, name).unwrap().name == name));
    assert_eq!(directory.get(&rules, b"missing"), None);
}

#[test]
fn case_is_ignored_where_the_rules_say_so_and_the_spelling_kept() {
    let rules = ignoring_case();
    let mut directory = Directory::new(Ledger::of_tests());
    for (n, name) in ["Straße", "İstanbul", "ΟΔΟΣ", "Makefile"].iter().enumerate() {
        directory.insert(&rules, name.as_bytes(), InodeId(n as u64 + 2), FileKind::File).unwrap();
    }
    directory.insert(&rules, b"RAW\xff\xc3", InodeId(9), FileKind::File).unwrap();
    let found = |name: &[u8]| directory.get(&rules, name).map(|entry| entry.name.to_vec());
    assert_eq!(found("STRAẞE".as_bytes()).unwrap(), "Straße".as_bytes());
    assert_eq!(found("STRASSE".as_bytes()), None);
    assert_eq!(found("İSTANBUL".as_bytes()).unwrap(), "İstanbul".as_bytes());
    assert_eq!(found("istanbul".as_bytes()), None);
    assert_eq!(found("οδος".as_bytes()).unwrap(), "ΟΔΟΣ".as_bytes());
    assert_eq!(found("οδοσ".as_bytes()).unwrap(), "ΟΔΟΣ".as_bytes());
    assert_eq!(found(b"MAKEFILE").unwrap(), b"Makefile");
    assert_eq!(found(b"raw\xff\xc3").unwrap(), b"RAW\xff\xc3");
    assert_eq!(found(b"raw\xff\xe3"), None);
}

#[test]
fn a_change_of_case_keeps_the_key_and_the_clone_its_spelling() {
    let rules = ignoring_case();
    let mut directory = filled(&rules, 300);
    let key = directory.insert(&rules, b"Kelvin", InodeId(5), FileKind::File).unwrap();
    let clone = directory.clone();
    for spelling in ["\u{212a}elvin", "kELVIN", "\u{212a}ELVIN"] {
        assert!(directory.rename_in_place(key, spelling.as_bytes()));
        verify(&directory);
        let found = directory.get(&rules, b"kelvin").unwrap();
        assert_eq!((found.key, found.name), (key, spelling.as_bytes()));
    }
    assert_eq!(clone.get(&rules, b"kelvin").unwrap().name, b"Kelvin");
}

#[test]
fn a_clone_is_the_same_until_either_changes() {
    let directory = filled(&posix(), 1000);
    let mut clone = directory.clone();
    let key = clone.iter_after(0).next().unwrap().key;
    clone.remove(key);
    assert_eq!((clone.len(), directory.len()), (999, 1000));
}

#[test]
fn an_unshared_directory_changes_in_place() {
    let mut directory = filled(&posix(), 1000);
    let key = directory.iter_after(1 << 62).next().unwrap().key;
    let before = std::ptr::from_ref(directory.root.seek(key).leaf);
    directory.replace(key, InodeId(5), FileKind::Fifo);
    assert_eq!(std::ptr::from_ref(directory.root.seek(key).leaf), before);
}

#[test]
fn an_emptied_directory_returns_to_nothing() {
    let mut directory = filled(&posix(), 20_000);
    let keys: Vec<_> = directory.iter_after(0).map(|entry| entry.key).collect();
    for (n, key) in keys.iter().enumerate() {
        directory.remove(*key).unwrap();
        if n % 1000 == 0 {
            verify(&directory);
        }
    }
    assert_eq!((directory.len(), directory.node_count(), directory.heap_bytes()), (0, 0, 0));
}

/// Lists in steps of a few entries, and between them lets others come and go.
fn listed_while_changing(rules: &NameRules, count: u64, room: u64) {
    let mut directory = filled(rules, count);
    let stay: Vec<_> = (0..count).step_by(3).map(name).collect();
    let (mut cookie, mut seen, mut step) = (0, Vec::new(), 0);
    while let Some(entry) = directory.iter_after(cookie).next().map(owned) {
        assert!(entry.0 > cookie);
        cookie = entry.0;
        seen.push(entry.3);
        for n in [step * 7, step * 7 + 1].map(|n| n % room).into_iter().filter(|n| n % 3 != 0) {
            match directory.get(rules, &name(n)).map(|entry| entry.key) {
                Some(key) => drop(directory.remove(key)),
                None => drop(directory.insert(rules, &name(n), InodeId(n), FileKind::File)),
            }
        }
        step += 1;
    }
    verify(&directory);
    let listed = |name: &Vec<u8>| seen.iter().filter(|other| *other == name).count();
    assert!(stay.iter().all(|name| listed(name) == 1));
}

#[test]
fn a_listing_neither_skips_nor_repeats_what_was_there_throughout() {
    listed_while_changing(&posix(), 2000, 4000);
    listed_while_changing(&colliding(), 150, 250);
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u16, FileKind),
    Remove(u16),
    RemoveSpan(u16, u16),
    InsertSpan(u16, u16),
    Replace(u16, u64),
    Clone,
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0..3000_u16;
    prop_oneof![
        4 => (n.clone(), prop_oneof![Just(FileKind::File), Just(FileKind::Directory)])
            .prop_map(|(n, kind)| Op::Insert(n, kind)),
        4 => n.clone().prop_map(Op::Remove),
        1 => (n.clone(), 1..600_u16).prop_map(|(n, count)| Op::RemoveSpan(n, count)),
        2 => (n.clone(), 1..900_u16).prop_map(|(n, count)| Op::InsertSpan(n, count)),
        2 => (n, 2..1_000_000_u64).prop_map(|(n, inode)| Op::Replace(n, inode)),
        1 => Just(Op::Clone),
    ]
}

type Model = BTreeMap<Vec<u8>, (u64, InodeId, FileKind)>;

/// A directory, and what it should be.
#[derive(Clone)]
struct Pair(Directory, Model);

/// Names of many lengths.
fn varied(n: u16) -> Vec<u8> {
    let mut name = name(u64::from(n));
    name.resize(12 + usize::from(n) % 60, b'x');
    name
}

impl Pair {
    fn insert(&mut self, rules: &NameRules, n: u16, kind: FileKind) {
        let (name, inode) = (varied(n), InodeId(u64::from(n) + 2));
        if self.1.contains_key(&name) {
            return;
        }
        match self.0.insert(rules, &name, inode, kind) {
            Ok(key) => drop(self.1.insert(name, (key, inode, kind))),
            Err(error) => {
                assert_eq!(error, Error::Limit("names of one hash"));
                let hash = rules.hash(&name);
                assert_eq!(self.1.values().filter(|value| value.0 >> 7 == hash).count(), 128);
            }
        }
    }

    fn remove(&mut self, key: u64) {
        let removed = self.0.remove(key).unwrap();
        let found = self.1.extract_if(.., |_, value| value.0 == key).next().unwrap().1;
        assert_eq!(removed, (found.1, found.2));
    }

    fn apply(&mut self, rules: &NameRules, op: &Op) {
        match *op {
            Op::Insert(n, kind) => self.insert(rules, n, kind),
            Op::InsertSpan(n, count) => {
                (n..n + count).for_each(|n| self.insert(rules, n, FileKind::File));
            }
            Op::Remove(n) => {
                let found = self.0.get(rules, &varied(n)).map(|entry| entry.key);
                assert_eq!(found, self.1.get(&varied(n)).map(|value| value.0));
                found.into_iter().for_each(|key| self.remove(key));
            }
            // Neighbours in the tree, so that nodes run empty.
            Op::RemoveSpan(n, count) => {
                let start = u64::from(n) * (KEY_END / 3000);
                let keys = self.0.iter_after(start).take(count.into()).map(|e| e.key);
                keys.collect::<Vec<_>>().into_iter().for_each(|key| self.remove(key));
            }
            Op::Replace(n, inode) => {
                if let Some(value) = self.1.get_mut(&varied(n)) {
                    let old = self.0.replace(value.0, InodeId(inode), FileKind::Directory);
                    assert_eq!(old, Some((value.1, value.2)));
                    (value.1, value.2) = (InodeId(inode), FileKind::Directory);
                }
            }
            Op::Clone => {}
        }
    }

    fn verify(&self) {
        verify(&self.0);
        let mut expected: Vec<_> =
            self.1.iter().map(|(name, value)| (value.0, value.1, value.2, name.clone())).collect();
        expected.sort_by_key(|entry| entry.0);
        assert_eq!(listing(&self.0), expected);
        assert_eq!(self.0.len(), expected.len() as u64);
        let directories = expected.iter().filter(|entry| entry.2 == FileKind::Directory).count();
        assert_eq!(self.0.subdirectories(), directories as u64);
    }
}

fn agrees_with_the_model(rules: &NameRules, ops: &[Op]) {
    let mut pair = Pair(Directory::new(Ledger::of_tests()), Model::new());
    let mut kept = vec![pair.clone()];
    for op in ops {
        pair.apply(rules, op);
        if matches!(op, Op::Clone) {
            kept.push(pair.clone());
        }
    }
    kept.push(pair);
    for pair in &kept {
        pair.verify();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_sequence_of_changes_agrees_with_the_model(ops in proptest::collection::vec(op(), 1..80)) {
        agrees_with_the_model(&posix(), &ops);
    }

    #[test]
    fn any_sequence_of_changes_agrees_with_the_model_when_hashes_collide(
        ops in proptest::collection::vec(op(), 1..60),
    ) {
        agrees_with_the_model(&NameRules::colliding(NamePolicy::Posix, 4), &ops);
    }
}

/// Mean nanoseconds of a lookup among `count` entries, in random order.
fn lookup_ns(rules: &NameRules, directory: &Directory, count: u64) -> u128 {
    let rounds = 1_000_000;
    let names: Vec<_> = (0..rounds).map(|n| name(n * 7_368_787 % count)).collect();
    let start = Instant::now();
    let found = names.iter().filter(|name| directory.get(rules, name).is_some()).count();
    assert_eq!(found as u64, rounds);
    start.elapsed().as_nanos() / u128::from(rounds)
}

/// Median time of a clone and the first change after it, which copies what the two then do not share.
fn first_change_after_a_clone(rules: &NameRules, directory: &mut Directory, names: &[Vec<u8>]) -> Duration {
    let mut times: Vec<_> = (0..1001)
        .map(|n| {
            let key = directory.get(rules, &names[n * 997]).unwrap().key;
            let start = Instant::now();
            let clone = directory.clone();
            directory.replace(key, InodeId(3), FileKind::Fifo).unwrap();
            let time = start.elapsed();
            drop(clone);
            time
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
#[cfg_attr(debug_assertions, ignore = "a million entries want a release build")]
fn a_directory_of_a_million_entries_is_built_listed_searched_and_emptied_in_seconds() {
    let (rules, count) = (posix(), 1_000_000);
    let names: Vec<_> = (0..count).map(name).collect();
    let mut directory = Directory::new(Ledger::of_tests());
    let step = |what: &str, start: Instant| println!("{what}: {:?}", start.elapsed());
    let start = Instant::now();
    for (name, n) in names.iter().zip(2..) {
        directory.insert(&rules, name, InodeId(n), FileKind::File).unwrap();
    }
    step("build", start);
    let per_entry = directory.heap_bytes() / count;
    println!("{per_entry} bytes per entry, {} nodes", directory.node_count());
    assert!(per_entry <= 40);
    println!("lookup: {} ns", lookup_ns(&rules, &directory, count));
    for count in [1, 10, 1_000, 100_000] {
        let small = filled(&rules, count);
        let (ns, bytes) = (lookup_ns(&rules, &small, count), small.heap_bytes());
        println!("lookup among {count}: {ns} ns; {} bytes per entry", bytes / count);
    }
    let listed = Instant::now();
    assert_eq!(directory.iter_after(0).count() as u64, count);
    step("list", listed);

    let changed = first_change_after_a_clone(&rules, &mut directory, &names);
    println!("first change after a clone: {changed:?}");
    assert!(changed.as_micros() < 1000);

    let emptied = Instant::now();
    for name in &names {
        let key = directory.get(&rules, name).unwrap().key;
        directory.remove(key).unwrap();
    }
    step("look up and remove all", emptied);
    assert_eq!((directory.len(), directory.node_count()), (0, 0));
    assert!(start.elapsed().as_secs() < 30);
}
