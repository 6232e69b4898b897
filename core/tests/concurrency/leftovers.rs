//! When all is removed, closed and forgotten, nothing is left.

use std::time::{Duration, Instant};

use bough::{NewNode, NodeId, OpenOptions, RenameMode, WriteAt};

use crate::arena::{Arena, Dice, ROOT, check_tree, path, play, play_beside_snapshots, raced, tried};

const NAMES: &[&str] = &["a", "b", "c", "d/a", "d/b", "d/c"];

/// Makes, looks up, opens, writes, links, renames and removes few files, and gives everything back.
fn churn(arena: &Arena, seed: u64, round: u64) {
    let view = &arena.view;
    let mut dice = Dice::new(seed << 32 | round);
    let (one, other) = (path(dice.pick(NAMES)), path(dice.pick(NAMES)));
    let found = raced(view.path_lookup(&ROOT, one));
    let options = OpenOptions { read: true, write: true, truncate: dice.below(4) == 0, ..OpenOptions::default() };
    let handle = raced(view.path_open(&ROOT, one, options, Some(0o644)));
    match dice.below(4) {
        0 => tried(view.path_unlink(&ROOT, one)),
        1 => tried(view.path_rename(&ROOT, other, one, RenameMode::Replace)),
        2 => tried(view.path_link(&ROOT, one, other)),
        _ => {}
    }
    if let Some(handle) = handle {
        let offset = dice.below(100_000);
        view.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(offset), &[7; 5_000]).unwrap();
        let mut back = [0; 1];
        view.read(&ROOT, NodeId::ROOT, Some(handle), offset, &mut back).unwrap();
        view.release(handle).unwrap();
    }
    if let Some(found) = found {
        view.attr(found.node).expect("a node lives while it is referenced, with a name or without");
        view.forget(found.node, 1);
    }
}

#[test]
fn what_is_removed_closed_and_forgotten_leaves_nothing() {
    let arena = Arena::new();
    arena.view.path_make(&ROOT, path("d"), 0o755, NewNode::Directory).unwrap();
    play_beside_snapshots("what_is_removed_closed_and_forgotten_leaves_nothing", &arena, churn);
    for name in NAMES {
        raced(arena.view.path_unlink(&ROOT, path(name)));
    }
    assert_eq!(arena.view.reference_count(), 0);
    assert_eq!(check_tree(&arena.view), 2);
    nothing_is_stored(&arena);
}

/// What deleted snapshots held goes in the background.
fn nothing_is_stored(arena: &Arena) {
    let begin = Instant::now();
    loop {
        let stats = arena.volume.stats();
        if (stats.chunks, stats.small_bytes) == (0, 0) {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(120), "still stored: {stats:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_node_looked_up_stays_while_its_names_come_and_go() {
    let arena = Arena::new();
    let view = &arena.view;
    let hold = |_| {
        let Some(found) = raced(view.lookup(&ROOT, NodeId::ROOT, b"f")) else { return };
        for _ in 0..5 {
            let attr = view.attr(found.node).expect("referenced");
            assert_eq!(attr.inode, found.attr.inode);
            if let Some(entry) = raced(view.link(&ROOT, found.node, NodeId::ROOT, b"g")) {
                view.forget(entry.node, 1);
            }
        }
        view.forget(found.node, 1);
    };
    let change = |round: u64| {
        tried(view.path_write(&ROOT, path("f"), &[round as u8; 20_000]));
        tried(view.path_rename(&ROOT, path("f"), path("g"), RenameMode::Replace));
        tried(view.path_unlink(&ROOT, path("g")));
    };
    play(
        "a_node_looked_up_stays_while_its_names_come_and_go",
        vec![Box::new(hold), Box::new(hold), Box::new(change), Box::new(change), Box::new(|_| _ = arena.snapshot())],
    );
    assert_eq!(view.reference_count(), 0);
    for name in ["f", "g"] {
        raced(view.path_unlink(&ROOT, path(name)));
    }
    assert_eq!(check_tree(view), 1);
    for found in arena.volume.list_refs(None, usize::MAX).into_iter().filter(|found| found.id != arena.main()) {
        arena.volume.delete_ref(found.id).unwrap();
    }
    nothing_is_stored(&arena);
}
