//! A base that changes underneath.

use std::fs;

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
