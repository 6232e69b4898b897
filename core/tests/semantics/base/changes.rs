//! Changes over a base: names, attributes, whole directories.

use std::fs;

use bough::{Error, FileKind, NewNode, RefId, RenameMode};

use super::Place;
use crate::support::*;

fn inodes(place: &Place) -> u64 {
    place.volume.ref_info(place.main()).unwrap().inodes
}

#[test]
fn a_removed_name_stays_removed_whatever_becomes_of_the_base() {
    let place = Place::new();
    place.remove_file("file");
    assert!(!place.exists("file"));
    assert_eq!(place.names("/"), ["dir", "empty", "large", "link", "out"]);
    place.assert_untouched();
    fs::remove_file(place.host("file")).unwrap();
    fs::write(place.host("file"), "another").unwrap();
    assert!(!place.exists("file"));
    place.write_file("file", "ours");
    assert_eq!(place.read_text("file"), "ours");
    place.remove_file("file");
    assert!(!place.exists("file"));
}

#[test]
fn a_name_of_our_own_that_went_does_not_hide_what_the_base_gets() {
    let place = Place::new();
    place.write_file("new", "ours");
    place.remove_file("new");
    fs::write(place.host("new"), "theirs").unwrap();
    assert_eq!(place.read_text("new"), "theirs");
}

#[test]
fn a_directory_made_where_one_was_removed_is_empty() {
    let place = Place::new();
    place.remove_file("dir/sub/deep");
    place.remove_dir("dir/sub");
    place.make_at("dir/sub", NewNode::Directory);
    assert_eq!(place.names("dir/sub"), Vec::<String>::new());
    assert_eq!(place.stat("dir").links, 3);
    place.assert_untouched();
}

#[test]
fn a_directory_that_shows_entries_of_the_base_is_not_empty() {
    let place = Place::new();
    assert_eq!(place.path_rmdir(&ROOT, at("dir/sub")), Err(Error::NotEmpty));
    place.remove_file("dir/sub/deep");
    place.remove_dir("dir/sub");
    assert_eq!(place.names("dir"), ["inner", "twin"]);
    assert_eq!(place.stat("dir").links, 2);
    place.assert_untouched();
}

#[test]
fn a_renamed_directory_keeps_its_children_and_copies_none_of_them() {
    let place = Place::new();
    place.move_to("dir", "moved");
    assert_eq!(place.names("/"), ["empty", "file", "large", "link", "moved", "out"]);
    assert_eq!(place.names("moved"), ["inner", "sub", "twin"]);
    assert_eq!(place.read_text("moved/sub/deep"), "deep");
    assert_eq!(place.path_attr(&ROOT, at("dir")), Err(Error::NotFound));
    assert_eq!(inodes(&place), 2, "the root and the directory");
    place.write_file("moved/sub/deep", "ours");
    assert_eq!(place.read_text("moved/sub/deep"), "ours");
    place.move_to("moved/sub", "sub");
    assert_eq!(place.read_text("sub/deep"), "ours");
    place.assert_untouched();
}

#[test]
fn renames_over_exchanges_and_links_work_as_anywhere() {
    let place = Place::new();
    place.move_to("file", "dir/inner");
    assert_eq!((place.read_text("dir/inner"), place.read_text("dir/twin")), ("content".into(), "inner".into()));
    assert_eq!(place.stat("dir/twin").links, 1);
    place.move_as("dir", "empty", RenameMode::Exchange).unwrap();
    assert_eq!(place.names("dir"), Vec::<String>::new());
    assert_eq!(place.names("empty"), ["inner", "sub", "twin"]);
    place.hard_link("large", "dir/larger");
    assert_eq!((place.stat("large").inode, place.stat("large").links), (place.stat("dir/larger").inode, 2));
    assert_eq!(place.move_as("empty", "empty/sub/x", RenameMode::Replace), Err(Error::IntoItself));
    place.move_to("dir", "gone");
    assert_eq!(place.names("gone"), ["larger"]);
    place.assert_untouched();
    assert_eq!(place.volume.stats().chunks, 0, "not a byte was copied");
}

#[test]
fn a_change_of_attributes_copies_no_content() {
    let place = Place::new();
    place.chmod("large", 0o600);
    place.chown("dir/sub/deep", 7, 8);
    assert_eq!((place.stat("large").mode, place.stat("dir/sub/deep").uid), (0o600, 7));
    assert_eq!(place.stat("large").allocated, CHUNK * 10);
    assert_eq!(place.volume.stats().chunks, 0);
    assert_eq!(inodes(&place), 5, "the root, `large`, `dir`, `sub` and `deep`");
    place.assert_untouched();
}

#[test]
fn branches_and_snapshots_share_the_base_and_nothing_else() {
    let place = Place::new();
    let frozen = place.frozen("before");
    place.write_file("file", "one");
    place.remove_file("dir/sub/deep");
    let other = place.branch("other", place.base());
    let other = place.view_of(RefId::Branch(other));
    assert_eq!((other.read_text("file"), other.read_text("dir/sub/deep")), ("content".into(), "deep".into()));
    other.write_file("file", "two");
    let states = [&*place.view, &*other, &*frozen].map(|view| view.read_text("file"));
    assert_eq!(states, ["one", "two", "content"]);
    assert!(!place.exists("dir/sub/deep") && other.exists("dir/sub/deep") && frozen.exists("dir/sub/deep"));
    place.assert_untouched();
}

#[test]
fn a_tree_of_the_base_can_be_removed_and_made_anew() {
    let place = Place::new();
    for path in ["dir/inner", "dir/twin", "dir/sub/deep"] {
        place.remove_file(path);
    }
    place.remove_dir("dir/sub");
    place.remove_dir("dir");
    assert_eq!(place.names("/"), ["empty", "file", "large", "link", "out"]);
    place.write_file("dir", "a file now");
    assert_eq!(place.stat("dir").kind, FileKind::File);
    place.assert_untouched();
}

#[test]
fn an_unlinked_file_of_the_base_lives_while_it_is_open() {
    let place = Place::new();
    let handle = place.open("large", BOTH);
    place.remove_file("large");
    assert_eq!(place.get(handle, CHUNK, 2), b"bb");
    place.put(handle, CHUNK, "X");
    assert_eq!(place.get(handle, CHUNK, 2), b"Xb");
    place.release(handle).unwrap();
    assert!(!place.exists("large"));
    place.assert_untouched();
}

#[test]
fn the_first_change_of_a_file_disturbs_nobody_who_uses_it() {
    const FILES: usize = 300;
    let place = Place::with(|root| (0..FILES).for_each(|n| fs::write(root.join(format!("f{n}")), "content").unwrap()));
    for n in 0..FILES {
        let name = format!("f{n}");
        let node = place.node(&name);
        let at_once = std::sync::Barrier::new(3);
        let set = bough::SetAttr { mode: Some(0o600), ..bough::SetAttr::default() };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                at_once.wait();
                place.move_to(&name, &format!("moved{n}"));
                place.remove_file(&format!("moved{n}"));
            });
            scope.spawn(|| {
                at_once.wait();
                place.set_attr(&ROOT, node, None, &set).unwrap_or_else(|error| panic!("change {name}: {error}"));
            });
            at_once.wait();
            for _ in 0..20 {
                place.attr(node).unwrap_or_else(|error| panic!("look at {name}: {error}"));
            }
        });
        assert_eq!(place.attr(node).unwrap().mode, 0o600, "{name}");
        place.forget(node, 1);
    }
    place.assert_untouched();
}
