#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::{ContentSum, Held};
use crate::reckoning::Reckoning;
use crate::types::RefId;
use crate::{Caller, Config, NewNode, NodeId, PathAt, View, ViewOptions, Volume, WriteAt};

const ROOT: Caller<'static> = Caller::superuser();

fn write(view: &View, path: String, content: &[u8]) {
    view.path_write(&ROOT, PathAt::root(path.as_bytes()), content).unwrap();
}

fn make(view: &View, directory: String) {
    let made = view.make(&ROOT, NodeId::ROOT, directory.as_bytes(), 0o755, NewNode::Directory).unwrap();
    view.forget(made.node, 1);
}

fn node(view: &View, path: &str) -> NodeId {
    view.path_lookup(&ROOT, PathAt::root(path.as_bytes())).unwrap().node
}

fn fill(view: &View, directories: usize) {
    for directory in 0..directories {
        make(view, format!("d{directory}"));
        (0..100).for_each(|file| write(view, format!("d{directory}/f{file}"), b"some content"));
    }
}

fn volume() -> (Arc<Volume>, RefId, Arc<View>) {
    let volume = Volume::open(Config { memory_bytes: Some(1 << 30), ..Config::default() }).unwrap();
    let branch = RefId::Branch(volume.first_branch());
    let view = volume.view(branch, "test", ViewOptions::default()).unwrap();
    (volume, branch, view)
}

fn held(volume: &Volume, id: RefId) -> Held {
    volume.refs.held(id).unwrap().0
}

fn content(volume: &Volume, id: RefId) -> ContentSum {
    let held = held(volume, id);
    held.content(volume.refs.settle(&held, &volume.context))
}

fn walked(volume: &Volume, id: RefId) -> Reckoning {
    held(volume, id).reckoned(&volume.context, None, || true)
}

/// As a volume answers.
fn reckoned(volume: &Volume, id: RefId) -> Reckoning {
    let (held, others, _) = volume.refs.held(id).unwrap();
    held.reckoned(&volume.context, others, || true)
}

fn snapshot(volume: &Volume, branch: RefId) -> RefId {
    let RefId::Branch(branch) = branch else { unreachable!("a branch") };
    RefId::Snapshot(volume.create_snapshot(branch, None).unwrap())
}

/// How many things are asked about to tell what the branch, and what its snapshot, hold alone, in a tree of so many
/// directories of 100 files of which three files changed since.
fn asked(directories: usize) -> [usize; 2] {
    let (volume, branch, view) = volume();
    fill(&view, directories);
    let snapshot = snapshot(&volume, branch);
    (0..3).for_each(|file| write(&view, format!("d3/f{file}"), b"other content"));
    [branch, snapshot].map(|id| {
        let reckoned = reckoned(&volume, id);
        assert_eq!(reckoned.counted.inodes, 3, "{id:?}");
        reckoned.asked
    })
}

#[test]
fn what_is_held_alone_is_counted_without_a_look_at_what_is_shared() {
    let (small, large) = (asked(10), asked(100));
    for (small, large) in small.into_iter().zip(large) {
        // The tables are higher by a level; nodes on the way are full.
        assert!(large <= small + 3 * 64, "{small} things in 1,000 files, {large} in 10,000");
        assert!(large < 1_000, "{large}");
    }
}

/// How many things are asked about to tell what a branch holds alone that holds nearly all there is: beside an early snapshot,
/// and files that are open without a name.
fn asked_of_the_largest(directories: usize) -> usize {
    let (volume, branch, view) = volume();
    fill(&view, 1);
    snapshot(&volume, branch);
    fill_more(&view, directories);
    let (directory, orphan) = (node(&view, "more0"), node(&view, "more0/f7"));
    view.unlink(&ROOT, directory, b"f7").unwrap();
    let (reckoned, walked) = (reckoned(&volume, branch), walked(&volume, branch));
    assert_eq!(reckoned.counted, walked.counted);
    assert!(walked.asked > 100 * directories);
    [directory, orphan].into_iter().for_each(|node| view.forget(node, 1));
    reckoned.asked
}

fn fill_more(view: &View, directories: usize) {
    for directory in 0..directories {
        make(view, format!("more{directory}"));
        (0..100).for_each(|file| write(view, format!("more{directory}/f{file}"), &vec![7; 1 + file * 2_000]));
    }
}

#[test]
fn what_nearly_all_there_is_takes_is_counted_without_a_look_at_it() {
    let (small, large) = (asked_of_the_largest(10), asked_of_the_largest(40));
    assert!(small < 1_000 && large <= small + 64, "{small} things beside 1,000 files, {large} beside 4,000");
}

#[test]
fn a_branch_alone_is_counted_without_a_look_at_anything() {
    let (volume, branch, view) = volume();
    for directories in [1, 20] {
        fill(&view, directories);
        let reckoned = reckoned(&volume, branch);
        assert_eq!((reckoned.asked, reckoned.counted), (0, walked(&volume, branch).counted));
        (0..directories).for_each(|directory| remove(&view, directory));
    }
}

fn remove(view: &View, directory: usize) {
    let name = format!("d{directory}");
    let node = node(view, &name);
    (0..100).for_each(|file| view.unlink(&ROOT, node, format!("f{file}").as_bytes()).unwrap());
    view.rmdir(&ROOT, NodeId::ROOT, name.as_bytes()).unwrap();
    view.forget(node, 1);
}

/// How many leaves are summed up again for the content of a tree of so many directories, when three files have changed.
fn leaves(directories: usize) -> usize {
    let (volume, branch, view) = volume();
    fill(&view, directories);
    let before = content(&volume, branch);
    (0..3).for_each(|file| write(&view, format!("d3/f{file}"), b"longer than before"));
    let after = content(&volume, branch);
    assert_eq!(after.weight, before.weight + 3 * 6);
    assert!(before.leaves > directories && volume.check_invariants(true).is_sound());
    after.leaves
}

#[test]
fn content_is_summed_up_again_only_where_it_changed() {
    let (small, large) = (leaves(10), leaves(100));
    assert!(small <= 2 && large <= 2, "{small} leaves of 1,000 files, {large} of 10,000");
}

#[test]
fn trees_share_what_was_summed_up() {
    let (volume, branch, view) = volume();
    fill(&view, 20);
    let first = snapshot(&volume, branch);
    assert_eq!(content(&volume, first).weight, 20 * 100 * 12);
    write(&view, "d3/f5".into(), b"longer than before");
    let second = snapshot(&volume, branch);
    for id in [second, branch] {
        let sum = content(&volume, id);
        assert_eq!(sum.weight, 20 * 100 * 12 + 6);
        assert!(sum.leaves <= 1, "{id:?}: {}", sum.leaves);
    }
}

#[test]
fn what_changes_after_it_was_summed_up_is_summed_up_anew() {
    let (volume, branch, view) = volume();
    fill(&view, 2);
    let content = || content(&volume, branch).weight;
    assert_eq!(content(), 200 * 12);
    // In place, in the version that was made after the sum, and once more after the next.
    for length in [20, 3, 70_000, 5] {
        write(&view, "d1/f1".into(), &vec![1; length]);
        let stored = if length > 65_536 { 2 * 65_536 } else { length as u64 };
        assert_eq!(content(), 199 * 12 + stored, "{length}");
        write(&view, "d1/f1".into(), b"");
        write(&view, "d1/f1".into(), b"x");
        assert_eq!(content(), 199 * 12 + 1);
    }
    remove(&view, 0);
    assert_eq!(content(), 99 * 12 + 1);
    assert!(volume.check_invariants(true).is_sound());
}

/// A file of so many chunks, which are all the same one.
fn write_alike(view: &View, path: &str, chunks: u64) {
    const CHUNK: u64 = 65_536;
    write(view, path.into(), &[7; CHUNK as usize]);
    let node = node(view, path);
    let mut size = 1;
    while size < chunks {
        let length = size.min(chunks - size);
        let copied = view.copy_range(&ROOT, node, None, 0, node, None, size * CHUNK, length * CHUNK).unwrap();
        assert_eq!(copied, length * CHUNK);
        size += length;
    }
    view.forget(node, 1);
}

#[test]
fn what_others_hold_is_looked_at_only_up_to_a_bound() {
    // Chunks of the file that the snapshot has to itself; whether they are too many to look at them all.
    for (chunks, is_too_much) in [(1_000, false), (2 * super::LOOKED_AT as u64, true)] {
        let (volume, branch, view) = volume();
        write_alike(&view, "many", chunks);
        snapshot(&volume, branch);
        view.unlink(&ROOT, NodeId::ROOT, b"many").unwrap();
        fill(&view, 10);
        let (held, others, _) = volume.refs.held(branch).unwrap();
        let others = others.expect("the snapshot has few inodes");
        assert_eq!(held.beside(&volume.context, &others).is_none(), is_too_much, "{chunks}");
        let (reckoned, walked) = (reckoned(&volume, branch), walked(&volume, branch));
        assert_eq!(reckoned.counted, walked.counted);
        assert_eq!(reckoned.asked == walked.asked, is_too_much, "{} of {}", reckoned.asked, walked.asked);
    }
}

#[test]
fn more_inodes_of_others_may_have_more_looked_at() {
    let (volume, branch, view) = volume();
    (0..30).for_each(|file| write_alike(&view, &format!("f{file}"), 3_000));
    let inodes = 31;
    snapshot(&volume, branch);
    let (_, mut others, _) = volume.refs.held_beside_all(branch).unwrap();
    let (held, ..) = volume.refs.held(branch).unwrap();
    assert!(30 * 3_000 > super::LOOKED_AT + super::THINGS * inodes, "it is beyond the bound");
    assert!(held.beside(&volume.context, others.as_ref().unwrap()).is_none());
    others.as_mut().unwrap().clear();
    assert!(held.beside(&volume.context, &others.unwrap()).is_some());
}

#[test]
fn asking_what_a_branch_holds_makes_no_later_change_copy_anything() {
    let (volume, branch, view) = volume();
    fill(&view, 3);
    let node = node(&view, "d1/f1");
    let id = node.inode();
    let overwrite = |with: u8| assert_eq!(view.write(&ROOT, node, None, WriteAt::Offset(0), &[with; 12]), Ok(12));
    let at = || match held(&volume, branch) {
        Held::Live(head) => Arc::as_ptr(&head.table.get(id).unwrap()),
        Held::Frozen(_) => unreachable!("it is shown"),
    };
    let counted = || volume.context.store.ledger().by_kind();
    let before = (at(), counted());
    for round in 0..10 {
        volume.holdings(branch).unwrap();
        overwrite(round);
        // The very version, in its place, and its nodes: a copy would lie elsewhere, or be counted beside.
        assert_eq!((at(), counted()), before);
    }
    // Where somebody else has the version it is copied, once.
    snapshot(&volume, branch);
    overwrite(1);
    assert!(at() != before.0 && counted() > before.1);
    assert!(volume.check_invariants(true).is_sound());
}
