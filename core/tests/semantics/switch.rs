//! Switching a view: what was found before goes on, what is found after is new.

use bough::{Error, ListOptions, NodeId, PathAt, RefId, RenameMode};

use crate::support::*;

/// `main` and `other` differ in the content of `file`; the view shows `main`.
fn two() -> (Fs, RefId) {
    let fs = Fs::new();
    fs.write_file("file", "main");
    fs.mkdir_p("dir");
    let other = RefId::Branch(fs.branch("other", fs.main()));
    fs.view_of(other).write_file("file", "other");
    (fs, other)
}

fn views(fs: &Fs, id: RefId) -> u64 {
    fs.volume.ref_info(id).unwrap().views
}

#[test]
fn after_a_switch_names_are_those_of_the_new_tree() {
    let (fs, other) = two();
    fs.switch(other).unwrap();
    assert_eq!((fs.read_text("file"), fs.info().shows), ("other".into(), other));
    let snapshot = RefId::Snapshot(fs.snapshot("s"));
    fs.switch(snapshot).unwrap();
    assert_eq!(fs.read_text("file"), "main");
    assert!(fs.info().read_only);
    fs.switch(fs.main()).unwrap();
    assert!(!fs.info().read_only);
    fs.switch(fs.main()).unwrap();
    assert_eq!(fs.read_text("file"), "main");
}

#[test]
fn handles_from_before_go_on_with_their_tree() {
    let (fs, other) = two();
    let handle = fs.open("file", BOTH);
    fs.switch(other).unwrap();
    assert_eq!(fs.get(handle, 0, 9), b"main");
    fs.put(handle, 0, "MAIN");
    assert_eq!(fs.read_text("file"), "other");
    assert_eq!(fs.view_of(fs.main()).read_text("file"), "MAIN");
    fs.release(handle).unwrap();
}

#[test]
fn nodes_from_before_go_on_with_their_tree_until_they_are_forgotten() {
    let (fs, other) = two();
    let (file, dir) = (fs.node("file"), fs.node("dir"));
    fs.switch(other).unwrap();
    let new = fs.node("file");
    assert_ne!(new, file);
    assert_eq!(new.inode(), file.inode(), "the same file in another tree");
    let mut buffer = [0; 9];
    assert_eq!(fs.read(&ROOT, file, None, 0, &mut buffer), Ok(4));
    assert_eq!(&buffer[..4], b"main");
    let made = fs.make(&ROOT, dir, b"there", 0o644, bough::NewNode::File).unwrap().node;
    assert!(fs.view_of(fs.main()).exists("dir/there"));
    assert!(!fs.exists("dir/there"));
    for node in [file, dir, made] {
        fs.forget(node, 1);
    }
    assert_eq!(fs.attr(file), Err(Error::Stale));
    assert_eq!(fs.attr(new).unwrap().size, 5);
}

#[test]
fn the_root_is_always_that_of_what_is_shown_now() {
    let (fs, other) = two();
    fs.switch(other).unwrap();
    fs.write_file("only in other", "");
    assert!(fs.lookup(&ROOT, NodeId::ROOT, b"only in other").is_ok());
    fs.switch(fs.main()).unwrap();
    assert_eq!(fs.lookup(&ROOT, NodeId::ROOT, b"only in other").err(), Some(Error::NotFound));
}

#[test]
fn renames_and_links_between_before_and_after_are_refused() {
    let (fs, other) = two();
    let (file, dir) = (fs.node("file"), fs.node("dir"));
    fs.switch(other).unwrap();
    let crosses = Err(Error::CrossesVolumes);
    let rename = |from, to| fs.rename(&ROOT, from, b"file", to, b"x", RenameMode::Replace);
    assert_eq!(rename(NodeId::ROOT, dir), crosses);
    assert_eq!(rename(dir, NodeId::ROOT), crosses);
    assert_eq!(fs.link(&ROOT, file, NodeId::ROOT, b"x").map(drop), crosses);
    assert_eq!(fs.link(&ROOT, file, dir, b"x").map(drop), Ok(()), "both from before");
}

#[test]
fn renames_and_links_by_paths_from_before_and_after_are_refused() {
    let (fs, other) = two();
    let dir = fs.node("dir");
    fs.switch(other).unwrap();
    let below = |path| PathAt { start: dir, ..at(path) };
    let crosses = Error::CrossesVolumes;
    assert_eq!(fs.path_link(&ROOT, at("file"), below("x")).err(), Some(crosses.clone()));
    assert_eq!(fs.path_link(&ROOT, below("../file"), at("x")).err(), Some(crosses.clone()));
    let rename = |from, to| fs.path_rename(&ROOT, from, to, RenameMode::Replace);
    assert_eq!(rename(at("file"), below("x")), Err(crosses.clone()));
    assert_eq!(rename(below("/file"), at("x")), Err(crosses));
    assert_eq!(rename(below("/file"), below("x")), Ok(()), "both from before");
    assert_eq!((fs.read_text("file"), fs.view_of(fs.main()).read_text("dir/x")), ("other".into(), "main".into()));
}

#[test]
fn what_an_operation_alone_used_during_a_switch_can_be_deleted_after_it() {
    let (fs, other) = two();
    let mut switched = None;
    let options = ListOptions { dots: true, ..ListOptions::default() };
    fs.list(&ROOT, NodeId::ROOT, None, 0, options, &mut |_| {
        switched = Some(fs.switch(other));
        false
    })
    .unwrap();
    assert_eq!(switched, Some(Ok(())));
    assert_eq!(fs.volume.delete_ref(fs.main()), Ok(()));
}

#[test]
fn content_is_copied_across_a_switch_by_handles() {
    let (fs, other) = two();
    let before = fs.open("file", READ);
    fs.switch(other).unwrap();
    let after = fs.open("file", BOTH);
    let copied = fs.copy_range(&ROOT, NodeId::ROOT, Some(before), 0, NodeId::ROOT, Some(after), 0, 4);
    assert_eq!((copied, fs.read_text("file")), (Ok(4), "mainr".into()));
}

#[test]
fn what_nobody_holds_any_more_shows_the_old_tree_no_longer() {
    let (fs, other) = two();
    let main = fs.main();
    fs.switch(other).unwrap();
    assert_eq!((views(&fs, main), views(&fs, other)), (0, 1));
    let handle = fs.open("file", READ);
    fs.switch(main).unwrap();
    assert_eq!((views(&fs, main), views(&fs, other)), (1, 1), "the handle still reads it");
    assert!(matches!(fs.volume.delete_ref(other), Err(Error::Busy(_))));
    fs.release(handle).unwrap();
    assert_eq!(views(&fs, other), 0);
    assert_eq!(fs.volume.delete_ref(other), Ok(()));
}

#[test]
fn a_failed_switch_changes_nothing() {
    let (fs, _) = two();
    let node = fs.node("file");
    assert_eq!(fs.switch(RefId::Branch(bough::BranchId(99))), Err(Error::NoSuchRef));
    assert_eq!((fs.info().shows, fs.node("file")), (fs.main(), node));
}

#[test]
fn a_view_can_be_switched_many_times_while_it_is_used() {
    let (fs, other) = two();
    let main = fs.main();
    let kept = fs.open("file", READ);
    std::thread::scope(|scope| {
        let switching = scope.spawn(|| {
            for round in 0..2000 {
                fs.switch(if round % 2 == 0 { other } else { main }).unwrap();
            }
        });
        while !switching.is_finished() {
            let text = fs.read_text("file");
            assert!(text == "main" || text == "other", "{text}");
        }
    });
    assert_eq!(fs.get(kept, 0, 9), b"main");
    fs.release(kept).unwrap();
    fs.switch(main).unwrap();
    fs.switch(other).unwrap();
    assert_eq!(views(&fs, main), 0);
}

#[test]
fn more_switches_than_there_are_numbers_for_are_fine_when_nothing_is_held() {
    let (fs, other) = two();
    let main = fs.main();
    let kept = fs.node("file");
    for round in 0..66_000 {
        fs.switch(if round % 2 == 0 { other } else { main }).unwrap();
    }
    assert_eq!(fs.attr(kept).unwrap().size, 4, "a number still in use is not given out again");
}
