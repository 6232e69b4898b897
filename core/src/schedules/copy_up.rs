//! An inode that a snapshot shares is copied up once, whoever comes first: every change is in the branch, none in the snapshot.

use super::world::{BY, World, at, together};
use super::{check, demand_found};
use crate::operations::XattrMode;
use crate::sync::Planted;
use crate::types::SetAttr;

const ROUNDS: usize = 60;

fn changes_of_a_shared_inode() {
    let world = World::new();
    world.file("f", b"before");
    let then = world.snapshot();
    let mut actors: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
    for name in ["user.a", "user.b"] {
        let world = world.clone();
        actors.push(Box::new(move || {
            world.view.path_set_xattr(&BY, at("f"), name.as_bytes(), b"x", XattrMode::Set).unwrap();
        }));
    }
    let mode = world.clone();
    actors.push(Box::new(move || {
        let set = SetAttr { mode: Some(0o600), ..SetAttr::default() };
        mode.view.path_set_attr(&BY, at("f"), &set).unwrap();
    }));
    together(actors);
    let now = world.view.path_lookup(&BY, at("f")).unwrap();
    let names = world.view.list_xattrs(&BY, now.node).unwrap();
    world.view.forget(now.node, 1);
    assert_eq!((names.len(), now.attr.mode & 0o777), (2, 0o600), "a change is lost");
    let before = then.path_lookup(&BY, at("f")).unwrap();
    assert!(then.list_xattrs(&BY, before.node).unwrap().is_empty(), "the snapshot has changed");
    assert_ne!(before.attr.mode & 0o777, 0o600, "the snapshot has changed");
    then.forget(before.node, 1);
    drop(then);
    world.check();
}

#[test]
fn changes_of_a_shared_inode_meet_in_one_copy() {
    check(ROUNDS, changes_of_a_shared_inode);
}

#[test]
fn an_inode_that_is_copied_up_twice_is_found() {
    demand_found(Planted::CopiesUpTwice, ROUNDS, changes_of_a_shared_inode);
}
