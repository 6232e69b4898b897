//! A base that changes underneath.

use std::fs;
use std::os::unix::fs::MetadataExt;

use bough::Error;

use super::Place;
use crate::support::*;

#[test]
fn what_the_base_gets_and_loses_shows_where_nothing_was_changed() {
    let place = Place::new();
    assert_eq!(place.names("dir"), ["inner", "sub", "twin"]);
    fs::write(place.host("dir/new"), "new").unwrap();
    fs::remove_file(place.host("dir/sub/deep")).unwrap();
    assert_eq!(place.names("dir"), ["inner", "new", "sub", "twin"]);
    assert_eq!(place.read_text("dir/new"), "new");
    assert!(!place.exists("dir/sub/deep"));
}

#[test]
fn what_was_changed_here_stays_when_the_base_loses_it() {
    let place = Place::new();
    place.write_file("dir/sub/deep", "ours");
    fs::remove_dir_all(place.host("dir")).unwrap();
    assert_eq!(place.read_text("dir/sub/deep"), "ours");
    assert_eq!(place.names("dir"), ["sub"]);
    assert_eq!(place.names("dir/sub"), ["deep"]);
}

#[test]
fn a_file_that_the_base_replaces_is_another_file() {
    let place = Place::new();
    let handle = place.open("file", READ);
    let old = place.stat("file").inode;
    fs::write(place.host("other"), "replaced").unwrap();
    fs::rename(place.host("other"), place.host("file")).unwrap();
    assert_eq!(place.read_text("file"), "replaced");
    assert_ne!(place.stat("file").inode, old);
    // What was open is gone: its content is not passed off as the new one's.
    let mut buffer = [0; 8];
    assert_eq!(place.read(&ROOT, bough::NodeId::ROOT, Some(handle), 0, &mut buffer), Err(Error::Stale));
    place.release(handle).unwrap();
}

#[test]
fn a_file_changed_here_keeps_its_name_when_the_base_moves_it() {
    let place = Place::new();
    place.chmod("file", 0o600);
    fs::rename(place.host("file"), place.host("elsewhere")).unwrap();
    assert_eq!(place.stat("file").mode, 0o600);
    assert_eq!(place.read_text("elsewhere"), "content");
    assert_ne!(place.stat("file").inode, place.stat("elsewhere").inode);
    assert_eq!(place.path_read(&ROOT, at("file")), Err(Error::BaseChanged));
}

#[test]
fn a_directory_that_the_base_moves_takes_its_children_along() {
    let place = Place::new();
    assert_eq!(place.read_text("dir/sub/deep"), "deep");
    let number = place.stat("dir/sub/deep").inode;
    fs::rename(place.host("dir"), place.host("moved")).unwrap();
    assert!(!place.exists("dir"));
    assert_eq!(place.read_text("moved/sub/deep"), "deep");
    assert_eq!(place.stat("moved/sub/deep").inode, number);
}

#[test]
fn a_frozen_base_shows_what_was_looked_at_as_it_was_then() {
    let place = Place::frozen();
    assert_eq!(place.names("dir"), ["inner", "sub", "twin"]);
    assert_eq!(place.read_text("file"), "content");
    let (size, changed) = (place.stat("file").size, place.stat("file").changed);
    fs::write(place.host("file"), "something longer").unwrap();
    fs::write(place.host("dir/new"), "new").unwrap();
    fs::remove_file(place.host("dir/twin")).unwrap();
    assert_eq!(place.names("dir"), ["inner", "sub", "twin"]);
    assert_eq!((place.read_text("file"), place.stat("file").size), ("content".into(), size));
    assert_eq!(place.stat("file").changed, changed);
    let other = place.view_of(bough::RefId::Branch(place.branch("other", place.base())));
    assert_eq!(other.read_text("file"), "content", "for all branches alike");
    place.write_file("dir/sub/deep", "ours");
    assert_eq!(place.read_text("dir/sub/deep"), "ours");
}

#[test]
fn what_of_a_frozen_base_changed_before_it_was_read_is_not_passed_off_as_what_it_was() {
    let place = Place::frozen();
    let handle = place.open("large", READ);
    assert_eq!(place.get(handle, 0, 4), b"aaaa");
    fs::write(place.host("large"), "short").unwrap();
    assert_eq!(place.get(handle, 100, 4), b"aaaa");
    let mut buffer = [0; 8];
    let read = place.read(&ROOT, bough::NodeId::ROOT, Some(handle), CHUNK, &mut buffer);
    assert_eq!(read, Err(Error::BaseChanged));
    place.release(handle).unwrap();
}

#[test]
fn what_of_a_frozen_base_there_is_no_space_to_keep_can_be_read_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let host = directory.path().join("large");
    fs::write(&host, vec![b'a'; 4 * CHUNK as usize]).unwrap();
    let base = bough::BaseConfig::HostDirectory { path: directory.path().into(), cross_mounts: false, freeze: true };
    let place = Fs::of(bough::Config {
        memory_bytes: Some(8 * CHUNK),
        base: Some(base),
        root_mode: 0o777,
        ..Default::default()
    });
    for number in 0.. {
        if place.path_write(&ROOT, at(&format!("fill{number}")), &[7; CHUNK as usize]).is_err() {
            break;
        }
    }
    let handle = place.open("large", READ);
    assert!(place.get(handle, 0, 4 * CHUNK as usize).iter().all(|&byte| byte == b'a'));
    // It is not known any more what it was.
    fs::write(&host, "short").unwrap();
    let read = place.read(&ROOT, bough::NodeId::ROOT, Some(handle), 3 * CHUNK, &mut [0; 8]);
    assert_eq!(read, Err(Error::BaseChanged));
    place.release(handle).unwrap();
}

#[test]
fn what_a_frozen_base_was_and_what_it_is_can_be_told_apart() {
    let place = Place::frozen();
    place.write_file("file", "ours");
    let inode = place.stat("file").inode;
    assert!(!place.volume.origin(place.main(), inode).unwrap().has_moved());
    fs::write(place.host("file"), "theirs, and longer").unwrap();
    let origin = place.volume.origin(place.main(), inode).unwrap();
    assert_eq!((origin.state, origin.has_moved()), (bough::BaseState::CopiedUp, true));
}

#[test]
fn where_a_thing_is_from_is_known_as_long_as_the_branch_lives() {
    let place = Place::new();
    let (file, deep) = (place.stat("file"), place.stat("dir/sub/deep"));
    assert_eq!((file.base, place.stat("/").base), (bough::BaseState::Shows, bough::BaseState::Shows));
    place.write_file("file", "ours");
    place.remove_file("dir/sub/deep");
    place.write_file("new", "");
    assert_eq!((place.stat("file").base, place.stat("new").base), (bough::BaseState::CopiedUp, bough::BaseState::None));
    let origin = |inode| place.volume.origin(place.main(), inode).unwrap();
    assert_eq!((origin(deep.inode).state, origin(deep.inode).has_moved()), (bough::BaseState::Removed, false));
    fs::write(place.host("dir/sub/deep"), "changed meanwhile").unwrap();
    assert!(origin(deep.inode).has_moved(), "what was removed may have changed since");
    assert_eq!(place.volume.origin(place.main(), bough::InodeId(7)), Err(Error::NotFound));
}

#[test]
fn a_name_that_the_base_gives_a_changed_file_goes_without_the_file() {
    let place = Place::new();
    place.write_file("file", "ours");
    fs::hard_link(place.host("file"), place.host("dir/second")).unwrap();
    assert_eq!(place.read_text("dir/second"), "ours", "it is another name of the same file");
    place.remove_file("dir/second");
    assert!(!place.exists("dir/second"));
    assert_eq!((place.read_text("file"), place.stat("file").links), ("ours".into(), 1));
    let kept = place.snapshot("kept");
    assert_eq!(place.view_of(bough::RefId::Snapshot(kept)).read_text("file"), "ours");
    assert_eq!(place.volume.check_invariants(true).problems, Vec::<String>::new());
    place.remove_file("file");
    assert!(!place.exists("file"));
}

#[test]
fn what_the_host_moves_or_makes_shows_though_the_branch_removed_what_had_its_number() {
    let place = Place::new();
    place.remove_file("file");
    fs::rename(place.host("file"), place.host("empty/moved")).unwrap();
    assert_eq!(place.names("empty"), ["moved"], "before anything has looked for the name");
    assert_eq!(place.path_rmdir(&ROOT, at("empty")), Err(Error::NotEmpty));
    assert_eq!(place.read_text("empty/moved"), "content");
    assert!(!place.exists("file"));

    place.remove_file("dir/sub/deep");
    give_number_away(&place, "dir/sub/deep", "dir/sub/new");
    assert_eq!(place.names("dir/sub"), ["new"]);
    assert_eq!(place.path_rmdir(&ROOT, at("dir/sub")), Err(Error::NotEmpty));
    assert_eq!(place.read_text("dir/sub/new"), "new");
}

/// Has the host remove a file, and make another, which gets the number if the file system gives numbers away at once.
fn give_number_away(place: &Place, old: &str, new: &str) {
    let number = fs::metadata(place.host(old)).unwrap().ino();
    fs::remove_file(place.host(old)).unwrap();
    for _ in 0..100 {
        fs::write(place.host(new), "new").unwrap();
        if fs::metadata(place.host(new)).unwrap().ino() == number {
            return;
        }
        fs::remove_file(place.host(new)).unwrap();
    }
    fs::write(place.host(new), "new").unwrap();
}

#[test]
fn what_a_frozen_base_remembers_is_not_shown_under_the_name_of_something_else() {
    let place = Place::frozen();
    assert_eq!(place.read_text("file"), "content");
    let old = place.stat("file");
    // Listed, and with it the number, but not looked at.
    fs::rename(place.host("file"), place.host("empty/moved")).unwrap();
    assert_eq!(place.names("empty"), ["moved"]);
    let moved = place.stat("empty/moved");
    assert_ne!(moved.inode, old.inode);
    assert_eq!((place.read_text("file"), place.stat("file").inode), ("content".into(), old.inode));
    place.write_file("empty/moved", "ours");
    assert_eq!((place.read_text("file"), place.stat("file").links), ("content".into(), 1));

    assert_eq!(place.read_text("dir/inner"), "inner");
    fs::remove_file(place.host("dir/twin")).unwrap();
    give_number_away(&place, "dir/inner", "dir/sub/new");
    assert_eq!(place.names("dir/sub"), ["deep", "new"]);
    assert_eq!((place.read_text("dir/sub/new"), place.stat("dir/sub/new").size), ("new".into(), 3));
    assert_eq!(place.read_text("dir/inner"), "inner");
}

#[test]
fn the_path_of_a_file_is_found_by_the_names_that_it_still_has() {
    let place = Place::new();
    let node = place.node("dir/inner");
    assert_eq!(place.stat("dir/twin").inode, place.stat("dir/inner").inode);
    place.chmod("dir/inner", 0o600);
    for (from, to) in [("dir/twin", "dir/third"), ("dir/third", "dir/fourth")] {
        fs::rename(place.host(from), place.host(to)).unwrap();
        assert_eq!(place.stat(to).mode, 0o600);
    }
    assert_eq!(place.path_of(node), Ok(b"/dir/inner".to_vec()));
    place.remove_file("dir/inner");
    // What it was called when it was copied up leads nowhere any more.
    assert_eq!(place.path_of(node), Err(Error::NotFound));
    place.forget(node, 1);
}
