//! Rename: replacing, refusing, exchanging, moving directories.

use bough::RenameMode::{Exchange, NoReplace, Replace};
use bough::{Error, EventKind, NewNode, Next, NodeId};

use crate::support::*;

fn files(fs: &Fs, names: &[&str]) {
    for name in names {
        fs.write_file(name, name);
    }
}

#[test]
fn rename_moves_within_and_across_directories() {
    let fs = Fs::new();
    fs.mkdir_p("a");
    fs.mkdir_p("b");
    fs.write_file("a/x", "content");
    let id = fs.stat("a/x").inode;
    fs.move_to("a/x", "a/y");
    fs.move_to("a/y", "b/z");
    assert_eq!(fs.stat("b/z").inode, id);
    assert_eq!(fs.stat("b/z").parent, fs.stat("b").inode);
    assert_eq!((fs.names("a"), fs.names("b")), (vec![], vec!["z".into()]));
    assert_eq!(fs.read_text("b/z"), "content");
}

#[test]
fn rename_replaces_what_has_the_new_name() {
    let fs = Fs::new();
    files(&fs, &["a", "b"]);
    fs.symlink("a", "link");
    fs.move_to("a", "b");
    assert_eq!((fs.names("/"), fs.read_text("b")), (vec!["b".into(), "link".into()], "a".into()));
    fs.move_to("b", "link");
    assert_eq!(fs.read_text("link"), "a");
    assert_eq!(fs.stat("link").kind, bough::FileKind::File, "the link itself was replaced");
}

#[test]
fn rename_over_an_open_file_keeps_its_content() {
    let fs = Fs::new();
    files(&fs, &["new", "old"]);
    let handle = fs.open("old", BOTH);
    fs.move_to("new", "old");
    assert_eq!(fs.get(handle, 0, 10), b"old");
    fs.put(handle, 3, "er");
    assert_eq!(fs.get(handle, 0, 10), b"older");
    assert_eq!(fs.read_text("old"), "new");
    fs.release(handle).unwrap();
}

#[test]
fn rename_of_an_open_file_leaves_it_open() {
    let fs = Fs::new();
    files(&fs, &["a"]);
    let handle = fs.open("a", BOTH);
    fs.move_to("a", "b");
    fs.put(handle, 0, "B");
    assert_eq!(fs.read_text("b"), "B");
}

#[test]
fn rename_of_two_names_of_one_file_does_nothing() {
    let fs = Fs::new();
    files(&fs, &["a"]);
    fs.hard_link("a", "b");
    let before = fs.stat("a");
    fs.move_to("a", "b");
    fs.move_to("a", "a");
    assert_eq!((fs.names("/"), fs.stat("b")), (vec!["a".into(), "b".into()], before));
    assert_eq!(fs.move_as("a", "b", NoReplace), Err(Error::Exists));
    assert_eq!(fs.move_as("a", "a", NoReplace), Err(Error::Exists));
    assert_eq!(fs.move_as("a", "b", Exchange), Ok(()));
}

#[test]
fn no_replace_refuses_a_name_that_is_taken() {
    let fs = Fs::new();
    files(&fs, &["a", "b"]);
    fs.mkdir_p("dir");
    assert_eq!(fs.move_as("a", "b", NoReplace), Err(Error::Exists));
    assert_eq!(fs.move_as("a", "dir", NoReplace), Err(Error::Exists));
    assert_eq!(fs.move_as("a", "c", NoReplace), Ok(()));
    assert_eq!((fs.read_text("b"), fs.read_text("c")), ("b".into(), "a".into()));
}

#[test]
fn exchange_swaps_any_two_entries() {
    let fs = Fs::new();
    fs.mkdir_p("dir/sub");
    files(&fs, &["file", "dir/sub/deep"]);
    let (file, sub) = (fs.stat("file").inode, fs.stat("dir/sub").inode);
    fs.move_as("file", "dir/sub", Exchange).unwrap();
    assert_eq!((fs.stat("dir/sub").inode, fs.stat("file").inode), (file, sub));
    assert_eq!(fs.read_text("file/deep"), "dir/sub/deep");
    assert_eq!((fs.stat("dir").links, fs.stat("/").links), (2, 4));
    assert_eq!(fs.lookup(&ROOT, fs.node("file"), b"..").unwrap().node, NodeId::ROOT);
    assert_eq!(fs.stat("dir/sub").parent, fs.stat("dir").inode);
}

#[test]
fn exchange_needs_both_names() {
    let fs = Fs::new();
    files(&fs, &["a"]);
    assert_eq!(fs.move_as("a", "none", Exchange), Err(Error::NotFound));
    assert_eq!(fs.move_as("none", "a", Exchange), Err(Error::NotFound));
}

#[test]
fn a_directory_cannot_be_moved_into_itself() {
    let fs = Fs::new();
    fs.mkdir_p("a/b/c");
    for to in ["a/x", "a/b/x", "a/b/c/x"] {
        assert_eq!(fs.move_as("a", to, Replace), Err(Error::IntoItself), "{to}");
        assert_eq!(fs.move_as("a", to, NoReplace), Err(Error::IntoItself), "{to}");
    }
    assert_eq!(fs.move_as("a", "a/b", Replace), Err(Error::IntoItself));
    assert_eq!(fs.move_as("a", "a/b", Exchange), Err(Error::IntoItself));
    assert_eq!(fs.move_as("a/b", "a", Exchange), Err(Error::IntoItself));
    assert_eq!(fs.move_as("a", "a", Replace), Ok(()));
    assert_eq!(fs.tree().len(), 3);
}

#[test]
fn an_ancestor_is_not_replaced_by_what_lies_in_it() {
    let fs = Fs::new();
    fs.mkdir_p("a/b/c");
    files(&fs, &["a/b/file"]);
    assert_eq!(fs.move_as("a/b/c", "a", Replace), Err(Error::NotEmpty));
    assert_eq!(fs.move_as("a/b/c", "a/b", Replace), Err(Error::NotEmpty));
    assert_eq!(fs.move_as("a/b/file", "a", Replace), Err(Error::NotEmpty));
}

#[test]
fn a_directory_replaces_an_empty_directory_only() {
    let fs = Fs::new();
    fs.mkdir_p("a/in");
    fs.mkdir_p("empty");
    fs.mkdir_p("full/x");
    files(&fs, &["file"]);
    assert_eq!(fs.move_as("a", "full", Replace), Err(Error::NotEmpty));
    assert_eq!(fs.move_as("a", "file", Replace), Err(Error::NotADirectory));
    assert_eq!(fs.move_as("file", "a", Replace), Err(Error::IsADirectory));
    assert_eq!(fs.move_as("file", "empty", Replace), Err(Error::IsADirectory));
    fs.move_to("a", "empty");
    assert_eq!(
        (fs.names("/"), fs.names("empty")),
        (vec!["empty".into(), "file".into(), "full".into()], vec!["in".into()])
    );
    assert_eq!(fs.stat("/").links, 4);
}

#[test]
fn a_missing_source_or_directory_is_not_found() {
    let fs = Fs::new();
    files(&fs, &["a"]);
    for (from, to) in [("none", "b"), ("none/a", "b"), ("a", "none/b")] {
        assert_eq!(fs.move_as(from, to, Replace), Err(Error::NotFound), "{from} {to}");
    }
    assert_eq!(fs.move_as("a/x", "b", Replace), Err(Error::NotADirectory));
    assert_eq!(fs.move_as("a", "a/x", Replace), Err(Error::NotADirectory));
}

#[test]
fn the_root_and_dots_cannot_be_renamed() {
    let fs = Fs::new();
    fs.mkdir_p("a");
    for (from, to) in [("/", "b"), ("a", "/"), ("a/.", "b"), ("a/..", "b"), ("a", "a/."), ("a", "a/..")] {
        assert!(matches!(fs.move_as(from, to, Replace), Err(Error::Busy(_))), "{from} {to}");
    }
}

#[test]
fn a_trailing_slash_asks_for_a_directory() {
    let fs = Fs::new();
    files(&fs, &["file"]);
    fs.mkdir_p("dir");
    assert_eq!(fs.move_as("file/", "x", Replace), Err(Error::NotADirectory));
    assert_eq!(fs.move_as("file", "x/", Replace), Err(Error::NotADirectory));
    assert_eq!(fs.move_as("dir/", "x/", Replace), Ok(()));
    assert_eq!(fs.names("/"), ["file", "x"]);
}

#[test]
fn rename_marks_both_directories_and_the_moved_file() {
    let (fs, clock) = Fs::with_clock();
    fs.mkdir_p("a");
    fs.mkdir_p("b");
    files(&fs, &["a/x"]);
    let before = fs.stat("a/x");
    let now = clock.forward(10);
    fs.move_to("a/x", "b/x");
    for directory in ["a", "b"] {
        assert_eq!((fs.stat(directory).modified, fs.stat(directory).changed), (now, now));
    }
    let after = fs.stat("b/x");
    assert_eq!((after.modified, after.changed, after.born), (before.modified, now, before.born));
}

#[test]
fn a_replaced_file_with_other_names_loses_one_of_them() {
    let fs = Fs::new();
    files(&fs, &["a", "b"]);
    fs.hard_link("b", "c");
    fs.move_to("a", "b");
    assert_eq!((fs.stat("c").links, fs.read_text("c")), (1, "b".into()));
}

#[test]
fn a_rename_that_replaces_is_told_as_a_removal_and_a_rename() {
    let fs = Fs::new();
    files(&fs, &["a", "b"]);
    let events = fs.events(8, false).unwrap();
    fs.move_to("a", "b");
    let kinds: Vec<EventKind> = std::iter::from_fn(|| match events.next(std::time::Duration::ZERO) {
        Next::Event(event) => Some(event.kind),
        _ => None,
    })
    .collect();
    assert_eq!(kinds, [EventKind::Removed, EventKind::Renamed]);
}

#[test]
fn moving_a_directory_elsewhere_needs_permission_to_write_it() {
    let fs = Fs::new();
    fs.mkdir_p("to");
    fs.chmod("to", 0o777);
    let mine = user(5, 5);
    fs.path_make(&mine, at("dir"), 0o555, NewNode::Directory).unwrap();
    assert_eq!(fs.path_rename(&mine, at("dir"), at("to/dir"), Replace), Err(Error::AccessDenied));
    assert_eq!(fs.path_rename(&mine, at("dir"), at("renamed"), Replace), Ok(()));
    fs.chmod("renamed", 0o755);
    assert_eq!(fs.path_rename(&mine, at("renamed"), at("to/dir"), Replace), Ok(()));
}

#[test]
fn renames_in_opposite_directions_never_make_a_circle() {
    let fs = Fs::new();
    for round in 0..200 {
        fs.mkdir_p("a");
        fs.mkdir_p("b");
        std::thread::scope(|scope| {
            scope.spawn(|| drop(fs.move_as("a", "b/a", Replace)));
            scope.spawn(|| drop(fs.move_as("b", "a/b", Replace)));
        });
        assert_eq!(fs.tree().len(), 2, "round {round}: both still hang from the root");
        for path in ["a/b", "b/a", "a", "b"] {
            drop(fs.path_rmdir(&ROOT, at(path)));
        }
        assert!(fs.names("/").is_empty());
    }
}

#[test]
fn a_name_that_is_replaced_again_and_again_is_always_there() {
    let fs = Fs::new();
    files(&fs, &["name"]);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..1500 {
                fs.write_file("next", round.to_string());
                fs.move_to("next", "name");
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            let entry = fs.lookup(&ROOT, NodeId::ROOT, b"name").unwrap();
            fs.forget(entry.node, 1);
            assert!(fs.path_read(&ROOT, at("name")).is_ok());
        }
    });
    assert_eq!(fs.reference_count(), 0);
}
