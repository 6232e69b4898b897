//! Renames lock up to four inodes: nobody waits in a circle, and no two moves make one.

use super::world::{BY, World, at, shown, together};
use super::{check, demand_found};
use crate::error::Error;
use crate::operations::RenameMode;
use crate::sync::Planted;

const ROUNDS: usize = 60;

/// Two exchanges whose paths are the other way round, and a rename between the same directories.
fn renames_across() {
    let world = World::new();
    world.directory("a");
    world.directory("b");
    for (path, content) in [("a/x", b"1"), ("b/y", b"2"), ("b/z", b"3")] {
        world.file(path, content);
    }
    let (one, other, third) = (world.clone(), world.clone(), world.clone());
    together(vec![
        Box::new(move || one.exchange("a/x", "b/y").unwrap()),
        Box::new(move || other.exchange("b/y", "a/x").unwrap()),
        Box::new(move || third.rename("b/z", "a/z").unwrap()),
    ]);
    let shown = shown(&world.view);
    let paths: Vec<&str> = shown.iter().map(|(path, _)| &**path).collect();
    assert_eq!(paths, ["a", "a/x", "a/z", "b", "b/y"]);
    assert_eq!((&*shown[1].1, &*shown[4].1), (&b"1"[..], &b"2"[..]), "exchanged twice");
    world.check();
}

/// Each directory moves into the other: one of them comes first, and the other must not follow.
fn moves_into_each_other() {
    let world = World::new();
    for path in ["p", "p/in", "q", "q/in"] {
        world.directory(path);
    }
    let (one, other) = (world.clone(), world.clone());
    together(vec![
        Box::new(move || drop(one.rename("p", "q/in/p"))),
        Box::new(move || drop(other.rename("q", "p/in/q"))),
    ]);
    assert_eq!(shown(&world.view).len(), 4, "a directory is out of reach");
    world.check();
}

/// Two renames of one name to one name, of which one must not replace: whichever comes second finds no source.
fn one_comes_first() {
    let world = World::new();
    world.directory("a");
    world.file("b", b"");
    let (one, other) = (world.clone(), world.clone());
    together(vec![
        Box::new(move || {
            let answer = one.view.path_rename(&BY, at("b"), at("a/b"), RenameMode::NoReplace);
            assert!(matches!(answer, Ok(()) | Err(Error::NotFound)), "refused for what never was: {answer:?}");
        }),
        Box::new(move || drop(other.rename("b", "a/b"))),
    ]);
    assert_eq!(shown(&world.view).len(), 2);
    world.check();
}

/// What is to move goes elsewhere, and then takes in where it was to move: never is it by its old name above its new one.
fn it_goes_and_takes_in() {
    let world = World::new();
    for path in ["a", "a/s", "b"] {
        world.directory(path);
    }
    let (one, other) = (world.clone(), world.clone());
    together(vec![
        Box::new(move || {
            let answer = one.rename("a/s", "b/t");
            assert!(matches!(answer, Ok(()) | Err(Error::NotFound)), "refused for what never was: {answer:?}");
        }),
        Box::new(move || drop(other.rename("a/s", "s").and_then(|()| other.rename("b", "s/b")))),
    ]);
    assert_eq!(shown(&world.view).len(), 3);
    world.check();
}

#[test]
fn a_rename_is_refused_for_what_was_so_at_one_moment() {
    check(2 * ROUNDS, one_comes_first);
}

#[test]
fn a_directory_is_not_moved_into_itself_only_if_it_would_be() {
    check(2 * ROUNDS, it_goes_and_takes_in);
}

#[test]
fn renames_that_are_refused_for_what_was_at_two_moments_are_found() {
    demand_found(Planted::RefusesWhatWas, 2 * ROUNDS, one_comes_first);
    demand_found(Planted::RefusesWhatWas, 2 * ROUNDS, it_goes_and_takes_in);
}

#[test]
fn renames_between_two_directories_end_and_lose_nothing() {
    check(ROUNDS, renames_across);
}

#[test]
fn directories_that_move_into_each_other_make_no_circle() {
    check(ROUNDS, moves_into_each_other);
}

#[test]
fn inodes_locked_as_they_are_asked_for_are_found() {
    demand_found(Planted::LocksAsAsked, ROUNDS, renames_across);
}

#[test]
fn moves_that_do_not_hold_the_ancestry_are_found() {
    demand_found(Planted::MovesWithoutAncestry, ROUNDS, moves_into_each_other);
}
