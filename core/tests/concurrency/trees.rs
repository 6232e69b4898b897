//! Storms of renames: a tree stays a tree.

use bough::{NewNode, RenameMode};

use crate::arena::{Arena, Dice, ROOT, check_tree, path, play, raced, tried};

const PLACES: &[&str] = &["a", "b", "c", "a/b", "a/c", "b/a", "b/c", "c/a", "c/b", "a/b/c", "b/c/a", "c/a/b", "a/c/b"];

/// Moves directories about at random, into each other where that is allowed.
fn storm(arena: &Arena, seed: u64, round: u64) {
    let view = &arena.view;
    let mut dice = Dice::new(seed << 32 | round);
    for _ in 0..20 {
        let (from, to) = (path(dice.pick(PLACES)), path(dice.pick(PLACES)));
        let mode = [RenameMode::Replace, RenameMode::NoReplace, RenameMode::Exchange][dice.below(3) as usize];
        match dice.below(8) {
            0 | 1 => tried(view.path_make(&ROOT, to, 0o755, NewNode::Directory)),
            2 => tried(view.path_rmdir(&ROOT, from)),
            3 => tried(view.path_write(&ROOT, to, b"file")),
            4 => tried(view.path_unlink(&ROOT, from)),
            _ => tried(view.path_rename(&ROOT, from, to, mode)),
        }
    }
}

#[test]
fn directories_moved_into_each_other_by_many_threads_stay_a_tree() {
    let arena = Arena::new();
    let look_back = |_| {
        let id = arena.snapshot();
        let then = arena.view_of(id);
        let inodes = check_tree(&then);
        assert_eq!(arena.volume.ref_info(id).unwrap().inodes, inodes as u64, "all that is held is reachable");
        drop(then);
        arena.volume.delete_ref(id).unwrap();
    };
    let arena = &arena;
    let mut actors: Vec<Box<dyn Fn(u64) + Send + Sync + '_>> = vec![Box::new(look_back)];
    for seed in 1..=4 {
        actors.push(Box::new(move |round| storm(arena, seed, round)));
    }
    play("directories_moved_into_each_other_by_many_threads_stay_a_tree", actors);
    let inodes = check_tree(&arena.view);
    assert_eq!(arena.volume.ref_info(arena.main()).unwrap().inodes, inodes as u64);
}

#[test]
fn of_two_opposite_moves_one_is_refused() {
    let arena = Arena::new();
    let view = &arena.view;
    for dir in ["a", "b"] {
        view.path_make(&ROOT, path(dir), 0o755, NewNode::Directory).unwrap();
    }
    let move_into = |from: &'static str, to: &'static str| {
        move |_| {
            let inside = format!("{to}/{from}");
            if raced(view.path_rename(&ROOT, path(from), path(&inside), RenameMode::Replace)).is_some() {
                view.path_rename(&ROOT, path(&inside), path(from), RenameMode::Replace).expect("it can be moved back");
            }
        }
    };
    let look_back = |_| {
        let id = arena.snapshot();
        assert_eq!(check_tree(&arena.view_of(id)), 3);
        arena.volume.delete_ref(id).unwrap();
    };
    play(
        "of_two_opposite_moves_one_is_refused",
        vec![Box::new(move_into("a", "b")), Box::new(move_into("b", "a")), Box::new(look_back)],
    );
    assert_eq!(check_tree(view), 3);
}
