#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use super::*;
use crate::operations::{NewNode, OpenOptions, ViewOptions};
use crate::tree::inode::{Content, Record};
use crate::types::{Caller, NodeId};
use crate::volume::Config;
use crate::volume::view_paths::PathAt;

const ROOT: Caller<'static> = Caller::superuser();

fn at(path: &str) -> PathAt<'_> {
    PathAt::root(path.as_bytes())
}

/// A volume with a little of everything, a snapshot, and a branch that is viewed too.
fn volume() -> (Arc<Volume>, Vec<Arc<View>>) {
    let spill_dir = Some(std::env::temp_dir());
    let volume = Volume::open(Config { memory_bytes: Some(40 << 16), spill_dir, ..Config::default() }).unwrap();
    let main = volume.view(RefId::Branch(volume.first_branch()), "main", ViewOptions::default()).unwrap();
    main.path_make(&ROOT, at("d"), 0o755, NewNode::Directory).unwrap();
    main.path_make(&ROOT, at("d/link"), 0o755, NewNode::Symlink(b"target")).unwrap();
    for n in 0..300 {
        main.path_write(&ROOT, at(&format!("d/{n}")), b"small").unwrap();
    }
    main.path_write(&ROOT, at("large"), &[7; 70 << 16]).unwrap();
    main.path_link(&ROOT, at("large"), at("d/large")).unwrap();
    let snapshot = volume.create_snapshot(volume.first_branch(), Some("snapshot")).unwrap();
    let branch = volume.create_branch("branch", RefId::Snapshot(snapshot)).unwrap();
    let side = volume.view(RefId::Branch(branch), "side", ViewOptions::default()).unwrap();
    for view in [&main, &side] {
        view.path_write(&ROOT, at("d/1"), b"changed").unwrap();
        view.path_unlink(&ROOT, at("d/2")).unwrap();
    }
    (volume, vec![main, side])
}

fn problems(volume: &Volume) -> Vec<String> {
    volume.check_invariants(true).problems
}

/// Lets `damage` loose on an inode's record, and expects to be told in these words.
#[track_caller]
fn damaged(path: &str, words: &str, damage: impl FnOnce(&mut Record)) {
    let (volume, views) = volume();
    assert_eq!(problems(&volume), Vec::<String>::new());
    let node = views[0].path_lookup(&ROOT, at(path).no_follow()).unwrap().node;
    let attachment = views[0].attachments().remove(0);
    damage(&mut attachment.inode(node.inode()).unwrap().write());
    let told = problems(&volume);
    assert!(told.iter().any(|problem| problem.contains(words)), "{told:?}");
}

#[test]
fn a_sound_volume_is_told_to_be_sound_in_use_or_not() {
    let (volume, views) = volume();
    let held =
        views[0].path_open(&ROOT, at("d/3"), OpenOptions { read: true, ..OpenOptions::default() }, None).unwrap();
    views[0].path_unlink(&ROOT, at("d/3")).unwrap();
    views[1].lookup(&ROOT, NodeId::ROOT, b"d").unwrap();
    for still in [true, false, true] {
        let report = volume.check_invariants(still);
        assert_eq!(report.problems, Vec::<String>::new());
        assert!(report.is_sound() && report.trees == 3 && report.chunks == 70 && report.inodes > 300, "{report:?}");
    }
    views[0].release(held).unwrap();
    assert_eq!(problems(&volume), Vec::<String>::new());
}

#[test]
fn a_version_of_an_inode_that_nobody_shows_is_told() {
    let (volume, views) = volume();
    let node = views[0].path_lookup(&ROOT, at("d/3")).unwrap().node;
    let stray = views[0].attachments().remove(0).inode(node.inode()).unwrap().gone();
    let told = problems(&volume);
    assert!(told[0].starts_with("inodes take "), "{told:?}");
    // No tree holds it, and it is there: so it shows in what each holds alone.
    assert!(told[1..].iter().all(|problem| problem.contains("alone, and all but the others hold")), "{told:?}");
    drop(stray);
    assert_eq!(problems(&volume), Vec::<String>::new());
}

#[test]
fn a_name_that_the_inode_does_not_know_is_told() {
    damaged("d/1", "which says None", |record| record.names = crate::tree::inode::Names::None);
}

#[test]
fn a_link_that_is_not_counted_is_told() {
    damaged("large", "counts 1 links, and has 2 names", |record| record.links = 1);
}

#[test]
fn an_entry_that_leads_nowhere_is_told() {
    damaged("d", "means", |record| {
        let key = record.directory().unwrap().iter_after(0).next().unwrap().key;
        record.directory_mut().unwrap().replace(key, InodeId(12345), crate::types::FileKind::File);
    });
}

#[test]
fn an_entry_that_got_lost_is_told() {
    damaged("d", "means", |record| {
        let key = record.directory().unwrap().iter_after(0).next().unwrap().key;
        record.directory_mut().unwrap().remove(key);
    });
}

#[test]
fn content_of_another_kind_is_told() {
    damaged("d/link", "content of something else", |record| record.content = Content::None);
}

#[test]
fn chunk_references_that_were_not_given_back_are_told() {
    let (volume, views) = volume();
    let node = views[0].path_lookup(&ROOT, at("large")).unwrap().node;
    let inode = views[0].attachments().remove(0).inode(node.inode()).unwrap();
    let mut lost = inode.read().stream().unwrap().clone();
    lost.write(&volume.context.store, 0, b"a copy, with the neighbours of what was written").unwrap();
    std::mem::forget(lost);
    let told = problems(&volume).join("; ");
    assert!(told.contains("a chunk counts 2 handles, and 1 were found"), "{told}");
    assert!(told.contains("72 chunks are counted, 71 found"), "{told}");
}

#[test]
fn content_that_is_in_no_tree_is_told_by_what_trees_hold_alone() {
    let (volume, views) = volume();
    let node = views[0].path_lookup(&ROOT, at("d/9")).unwrap().node;
    let inode = views[0].attachments().remove(0).inode(node.inode()).unwrap();
    let mut lost = inode.read().stream().unwrap().clone();
    lost.write(&volume.context.store, 0, b"other bytes").unwrap();
    std::mem::forget(lost);
    let told = problems(&volume).join("; ");
    assert!(told.contains("alone, and all but the others hold"), "{told}");
}

#[test]
fn content_that_changed_unseen_after_it_was_summed_up_is_told() {
    let (volume, views) = volume();
    volume.holdings(RefId::Branch(volume.first_branch())).unwrap();
    assert_eq!(problems(&volume), Vec::<String>::new());
    let node = views[0].path_lookup(&ROOT, at("d/7")).unwrap().node;
    let inode = views[0].attachments().remove(0).inode(node.inode()).unwrap();
    inode.write().content = Content::File(crate::data::Stream::empty());
    assert!(problems(&volume).iter().any(|problem| problem.contains("a node remembers")));
}

#[test]
fn a_node_that_a_view_holds_and_the_branch_does_not_is_told() {
    let (volume, views) = volume();
    let node = views[0].path_lookup(&ROOT, at("d/5")).unwrap().node;
    let attachment = views[0].attachments().remove(0);
    attachment.tree.head().unwrap().release(node.inode());
    assert!(problems(&volume)[0].contains("the branch does not know"));
}

#[test]
fn what_is_deleted_is_not_gone_as_long_as_somebody_looks_at_it() {
    let (volume, views) = volume();
    drop(views);
    for id in [volume.find("snapshot").unwrap(), volume.find("branch").unwrap()] {
        let (held, ..) = volume.refs.held(id).unwrap();
        assert!(volume.reaper.is_idle());
        volume.delete_ref(id).unwrap();
        volume.reaper.settle();
        assert!(!volume.reaper.is_idle(), "{id:?} is held");
        drop(held);
        assert!(volume.reaper.is_idle(), "{id:?} went with its last holder");
    }
    assert!(volume.check_invariants(true).is_sound());
}
