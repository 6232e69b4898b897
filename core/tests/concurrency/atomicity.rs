//! Renames and writes are seen whole or not at all.

use bough::{NewNode, NodeId, OpenOptions, RenameMode, WriteAt};

use crate::arena::{Arena, ROOT, path, play};

#[test]
fn a_name_that_always_exists_is_always_found() {
    let arena = Arena::new();
    let view = &arena.view;
    view.path_make(&ROOT, path("d"), 0o755, NewNode::Directory).unwrap();
    view.path_write(&ROOT, path("d/steady"), b"0").unwrap();
    let replace = |seed: u64| {
        move |round: u64| {
            let fresh = format!("new-{seed}");
            view.path_write(&ROOT, path(&fresh), round.to_string().as_bytes()).unwrap();
            view.path_rename(&ROOT, path(&fresh), path("d/steady"), RenameMode::Replace).unwrap();
        }
    };
    let find = |_| {
        let found = view.path_lookup(&ROOT, path("d/steady")).expect("it is always there");
        view.forget(found.node, 1);
        assert!(!view.path_read(&ROOT, path("d/steady")).expect("and can be read").is_empty());
    };
    let look_back = |_| {
        let id = arena.snapshot();
        let then = arena.view_of(id);
        assert!(!then.path_read(&ROOT, path("d/steady")).expect("in every snapshot").is_empty());
        drop(then);
        arena.volume.delete_ref(id).unwrap();
    };
    let actors: Vec<Box<dyn Fn(u64) + Send + Sync + '_>> =
        vec![Box::new(replace(1)), Box::new(replace(2)), Box::new(find), Box::new(look_back)];
    play("a_name_that_always_exists_is_always_found", actors);
    assert_eq!(view.reference_count(), 0);
}

#[test]
fn two_names_that_change_places_are_both_there_in_every_snapshot() {
    let arena = Arena::new();
    let view = &arena.view;
    for dir in ["a", "b"] {
        view.path_make(&ROOT, path(dir), 0o755, NewNode::Directory).unwrap();
    }
    view.path_write(&ROOT, path("a/x"), b"one").unwrap();
    view.path_write(&ROOT, path("b/y"), b"other").unwrap();
    let exchange = |_| view.path_rename(&ROOT, path("a/x"), path("b/y"), RenameMode::Exchange).unwrap();
    let look_back = |_| {
        let id = arena.snapshot();
        let then = arena.view_of(id);
        let mut both = ["a/x", "b/y"].map(|name| then.path_read(&ROOT, path(name)).unwrap());
        both.sort();
        assert_eq!(both, [b"one".to_vec(), b"other".to_vec()]);
        drop(then);
        arena.volume.delete_ref(id).unwrap();
    };
    play(
        "two_names_that_change_places_are_both_there_in_every_snapshot",
        vec![Box::new(exchange), Box::new(exchange), Box::new(look_back)],
    );
}

/// Longer than a chunk and not aligned to one, so that a write touches three.
const BLOCK_BYTES: usize = 150_000;
const BLOCK_OFFSET: u64 = 30_000;

fn check_block(data: &[u8]) {
    assert_eq!(data.len(), BLOCK_BYTES);
    assert!(data.iter().all(|byte| *byte == data[0]), "two writes are mixed: {} and others", data[0]);
}

#[test]
fn a_write_is_seen_whole_by_readers_and_by_snapshots() {
    let arena = Arena::new();
    let view = &arena.view;
    view.path_write(&ROOT, path("f"), &vec![0; BLOCK_OFFSET as usize + BLOCK_BYTES]).unwrap();
    let options = OpenOptions { read: true, write: true, ..OpenOptions::default() };
    let handle = view.path_open(&ROOT, path("f"), options, None).unwrap();
    let write = |fill: u64| {
        move |round: u64| {
            let block = vec![(fill * 100 + round % 100) as u8; BLOCK_BYTES];
            let at = WriteAt::Offset(BLOCK_OFFSET);
            assert_eq!(view.write(&ROOT, NodeId::ROOT, Some(handle), at, &block), Ok(BLOCK_BYTES));
        }
    };
    let read = |_| {
        let mut block = vec![1; BLOCK_BYTES];
        assert_eq!(view.read(&ROOT, NodeId::ROOT, Some(handle), BLOCK_OFFSET, &mut block), Ok(BLOCK_BYTES));
        check_block(&block);
        let pin = view.read_pin(&ROOT, NodeId::ROOT, Some(handle), BLOCK_OFFSET, BLOCK_BYTES).unwrap();
        check_block(&pin.ranges().collect::<Vec<_>>().concat());
    };
    let look_back = |_| {
        let id = arena.snapshot();
        let then = arena.view_of(id);
        for _ in 0..2 {
            check_block(&then.path_read(&ROOT, path("f")).unwrap()[BLOCK_OFFSET as usize..]);
        }
        drop(then);
        arena.volume.delete_ref(id).unwrap();
    };
    let actors: Vec<Box<dyn Fn(u64) + Send + Sync + '_>> =
        vec![Box::new(write(0)), Box::new(write(1)), Box::new(read), Box::new(look_back)];
    play("a_write_is_seen_whole_by_readers_and_by_snapshots", actors);
    view.release(handle).unwrap();
}

#[test]
fn appends_of_many_threads_are_all_there_and_none_is_torn() {
    let arena = Arena::new();
    let view = &arena.view;
    view.path_write(&ROOT, path("log"), b"").unwrap();
    let lines = std::sync::atomic::AtomicU64::new(0);
    let append = |_| {
        let options = OpenOptions { write: true, append: true, ..OpenOptions::default() };
        let handle = view.path_open(&ROOT, path("log"), options, None).unwrap();
        for _ in 0..10 {
            view.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(0), b"a line of its own\n").unwrap();
            lines.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        view.release(handle).unwrap();
    };
    play(
        "appends_of_many_threads_are_all_there_and_none_is_torn",
        vec![Box::new(append), Box::new(append), Box::new(append), Box::new(|_| _ = arena.snapshot())],
    );
    let whole = view.path_read(&ROOT, path("log")).unwrap();
    let torn = whole.chunks(18).filter(|line| *line != b"a line of its own\n").count();
    assert_eq!((whole.len() as u64, torn), (18 * lines.into_inner(), 0));
}
