//! Sequences that once failed, shrunk and understood.

use bough::{NamePolicy, RenameMode};

use super::naive::{How, Path, What};
use super::operations::{Io, Op};
use super::run;

fn path(text: &str) -> Path {
    Path { text: text.into(), follow: false }
}

fn make(text: &str, what: What) -> Op {
    Op::Make(path(text), 0o777, what)
}

fn directory(text: &str) -> Op {
    make(text, What::Directory)
}

fn file(text: &str) -> Op {
    make(text, What::File)
}

fn rename(from: &str, to: &str) -> Op {
    Op::Rename(path(from), path(to), RenameMode::Replace)
}

fn snapshot() -> Op {
    Op::Snapshot { branch: "main", name: Some("one") }
}

fn as_superuser(ops: impl IntoIterator<Item = Op>) {
    let steps: Vec<(usize, Op)> = ops.into_iter().map(|op| (0, op)).collect();
    run(&steps, NamePolicy::Posix);
}

#[test]
fn a_diff_names_what_is_new_in_a_new_directory_at_the_place_of_one_that_moved() {
    as_superuser([
        directory("d"),
        directory("d/a"),
        snapshot(),
        rename("d", "c"),
        directory("d"),
        directory("d/a"),
        Op::Diff("one", "main"),
    ]);
}

#[test]
fn a_diff_names_what_is_new_in_a_directory_that_took_the_place_of_one_that_is_gone() {
    as_superuser([
        directory("d"),
        directory("c"),
        file("d/a"),
        snapshot(),
        Op::Unlink(path("d/a")),
        Op::Rmdir(path("d")),
        rename("c", "d"),
        file("d/a"),
        Op::Diff("one", "main"),
        Op::Diff("main", "one"),
    ]);
}

#[test]
fn a_path_that_ends_in_a_slash_names_no_new_file_and_removes_none() {
    as_superuser([
        file("a"),
        make("b/", What::Fifo),
        make("a/", What::Symlink("b")),
        Op::Link(path("a"), path("b/")),
        Op::Unlink(path("a/")),
    ]);
}

#[test]
fn a_rename_that_may_not_search_its_directory_does_not_tell_what_is_there() {
    let in_secret = rename("d/a", "b");
    run(
        &[(0, directory("d")), (0, Op::Chmod(path("d"), 0)), (1, in_secret.clone()), (0, file("d/a")), (1, in_secret)],
        NamePolicy::Posix,
    );
}

#[test]
fn a_file_made_through_a_link_with_two_names_is_made_beside_the_name_used() {
    let through = Path { text: "b/a".into(), follow: true };
    let how = How { write: true, create: Some(0o644), ..How::default() };
    as_superuser([
        directory("a"),
        directory("b"),
        make("a/a", What::Symlink("c")),
        Op::Link(path("a/a"), path("b/a")),
        Op::With(through, how, Io::Append { length: 3, fill: 7 }),
    ]);
}

#[test]
fn a_branch_that_is_no_longer_shown_can_be_deleted() {
    as_superuser([Op::Branch { name: "two", from: "main" }, Op::Switch("two"), Op::DeleteRef("main")]);
}

#[test]
fn no_replace_is_refused_for_the_name_that_is_taken_whatever_else_is_wrong() {
    as_superuser([
        directory("d"),
        directory("d/a"),
        Op::Rename(path("d"), path("d/a"), RenameMode::NoReplace),
        Op::Rename(path("d"), path("d/b"), RenameMode::Exchange),
    ]);
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_moved_out_of_a_directory_that_is_gone_does_not_go_back_alone() {
    let before = [directory("c"), file("c/d"), file("a")];
    let after = [rename("c/d", "a"), Op::Rmdir(path("c")), file("b")];
    let steps: Vec<(usize, Op)> = before.into_iter().chain(after).map(|op| (0, op)).collect();
    super::reverts::over_nothing(&steps);
}

#[test]
fn what_an_append_only_file_holds_is_neither_punched_nor_zeroed_beyond_its_end_either() {
    let how = How { write: true, append: true, ..How::default() };
    as_superuser([
        file("a"),
        Op::With(path("a"), how, Io::Append { length: 1, fill: 7 }),
        Op::SetFlags(path("a"), bough::flags::APPEND),
        Op::With(path("a"), how, Io::Punch { offset: 1, length: 1 }),
        Op::With(path("a"), how, Io::Zero { offset: 1, length: 1, keep: false }),
        Op::With(path("a"), how, Io::Append { length: 1, fill: 7 }),
    ]);
}
