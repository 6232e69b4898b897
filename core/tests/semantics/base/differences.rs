//! Diffs over a base: against the base itself, and between branches.

use std::fs;

use bough::DiffKind::{Added, Changed, Removed, Renamed};
use bough::{Aspects, DiffKind, RefId};

use super::Place;
use crate::support::*;

pub(super) type Line = (DiffKind, String, Option<String>, Aspects);

pub(super) fn lines(place: &Place, before: RefId, after: RefId) -> Vec<Line> {
    let mut diff = place.volume.diff(before, after).unwrap();
    let text = |path: Vec<u8>| String::from_utf8(path).unwrap();
    let entries = std::iter::from_fn(|| diff.next_entry().unwrap());
    let mut lines: Vec<Line> =
        entries.map(|entry| (entry.kind, text(entry.path), entry.old_path.map(text), entry.aspects)).collect();
    lines.sort_by(|a, b| (&a.1, a.0).cmp(&(&b.1, b.0)));
    lines
}

fn line(kind: DiffKind, path: &str, aspects: &[Aspects]) -> Line {
    (kind, path.into(), None, Aspects(aspects.iter().fold(0, |all, one| all | one.0)))
}

const CONTENT: Aspects = Aspects::CONTENT;
const TIMES: Aspects = Aspects::TIMES;

#[test]
fn a_diff_against_the_base_tells_what_was_changed() {
    let place = Place::new();
    let change = || lines(&place, place.base(), place.main());
    assert_eq!(change(), []);
    place.write_file("file", "changed");
    place.write_file("dir/sub/new", "new");
    place.remove_file("dir/sub/deep");
    place.chmod("large", 0o600);
    place.move_to("link", "dir/link");
    let expected = [
        (Renamed, "dir/link".into(), Some("link".into()), Aspects::default()),
        line(Removed, "dir/sub/deep", &[]),
        line(Added, "dir/sub/new", &[]),
        line(Changed, "file", &[CONTENT, TIMES]),
        line(Changed, "large", &[Aspects::MODE]),
    ];
    assert_eq!(change(), expected);
    place.assert_untouched();
}

#[test]
fn a_file_with_several_names_is_told_under_each_that_was_looked_at() {
    let place = Place::new();
    for name in ["dir/second", "dir/sub/third"] {
        fs::hard_link(place.host("file"), place.host(name)).unwrap();
    }
    let told = || {
        let mut diff = place.volume.diff(place.base(), place.main()).unwrap();
        let entries = std::iter::from_fn(|| diff.next_entry().unwrap());
        let mut told: Vec<(String, bool)> =
            entries.map(|entry| (String::from_utf8(entry.path).unwrap(), entry.further_names)).collect();
        told.sort();
        told
    };
    place.write_file("file", "changed");
    assert_eq!(told(), [("file".into(), true)], "of the others nothing is known, but that there are some");
    place.stat("dir/second");
    assert_eq!(told(), [("dir/second".into(), true), ("file".into(), true)]);
    place.stat("dir/sub/third");
    assert_eq!(told(), [("dir/second".into(), false), ("dir/sub/third".into(), false), ("file".into(), false)]);
    let aspects = lines(&place, place.base(), place.main());
    assert!(aspects.iter().all(|line| (line.0, line.3) == (Changed, Aspects(CONTENT.0 | TIMES.0))), "{aspects:?}");
}

#[test]
fn what_is_undone_is_no_difference() {
    let place = Place::new();
    place.move_to("dir/sub/deep", "away");
    place.move_to("away", "dir/sub/deep");
    place.write_file("new", "");
    place.remove_file("new");
    assert_eq!(lines(&place, place.base(), place.main()), []);
}

#[test]
fn one_name_of_several_that_goes_is_one_removal() {
    let place = Place::new();
    place.remove_file("dir/twin");
    assert_eq!(lines(&place, place.base(), place.main()), [line(Removed, "dir/twin", &[])]);
    // The other name was not looked at before the first one went.
    assert_eq!(place.read_text("dir/inner"), "inner");
    assert_eq!(lines(&place, place.base(), place.main()), [line(Removed, "dir/twin", &[])]);
}

#[test]
fn a_name_that_was_looked_at_late_is_no_other_file() {
    let place = Place::new();
    place.chmod("dir/inner", 0o600);
    assert_eq!(place.stat("dir/twin").mode, 0o600);
    let both = ["dir/inner", "dir/twin"].map(|path| line(Changed, path, &[Aspects::MODE]));
    assert_eq!(lines(&place, place.base(), place.main()), both, "it has changed with the other");
}

#[test]
fn a_change_is_told_by_a_name_that_shows_when_the_one_it_was_made_by_has_gone() {
    let place = Place::new();
    place.write_file("dir/inner", "changed");
    place.remove_file("dir/inner");
    assert_eq!(place.read_text("dir/twin"), "changed");
    let expected = [line(Removed, "dir/inner", &[]), line(Changed, "dir/twin", &[CONTENT, TIMES])];
    assert_eq!(lines(&place, place.base(), place.main()), expected);
}

#[test]
fn a_change_is_not_told_of_a_path_that_the_base_gave_to_something_else() {
    for (replaced, kept) in [("dir/inner", "dir/twin"), ("dir/twin", "dir/inner")] {
        let place = Place::new();
        assert_eq!(place.stat("dir/inner").inode, place.stat("dir/twin").inode);
        place.chmod(kept, 0o600);
        fs::remove_file(place.host(replaced)).unwrap();
        fs::write(place.host(replaced), "unrelated").unwrap();
        let changed = lines(&place, place.base(), place.main());
        let paths: Vec<(DiffKind, &str)> = changed.iter().map(|line| (line.0, &*line.1)).collect();
        assert_eq!(paths, [(Changed, kept)], "{changed:?}");
        assert!(changed[0].3.has(Aspects::MODE));
    }
}

#[test]
fn a_renamed_directory_is_one_difference() {
    let place = Place::new();
    place.move_to("dir", "moved");
    let expected = [(Renamed, "moved".into(), Some("dir".into()), Aspects::default())];
    assert_eq!(lines(&place, place.base(), place.main()), expected);
    place.write_file("moved/sub/deep", "ours");
    let deep = (Changed, "moved/sub/deep".into(), Some("dir/sub/deep".into()), Aspects(CONTENT.0 | TIMES.0));
    assert_eq!(lines(&place, place.base(), place.main()), [expected[0].clone(), deep]);
}

#[test]
fn a_removed_tree_is_told_file_by_file() {
    let place = Place::new();
    for path in ["dir/inner", "dir/twin", "dir/sub/deep"] {
        place.remove_file(path);
    }
    place.remove_dir("dir/sub");
    place.remove_dir("dir");
    let removed = ["dir", "dir/inner", "dir/sub", "dir/sub/deep", "dir/twin"].map(|path| line(Removed, path, &[]));
    assert_eq!(lines(&place, place.base(), place.main()), removed);
}

#[test]
fn branches_differ_by_what_each_changed() {
    let place = Place::new();
    let other = RefId::Branch(place.branch("other", place.base()));
    place.write_file("file", "one");
    place.view_of(other).remove_file("dir/sub/deep");
    let expected = [line(Removed, "dir/sub/deep", &[]), line(Changed, "file", &[CONTENT, TIMES])];
    assert_eq!(lines(&place, place.main(), other), expected);
    let expected = [line(Added, "dir/sub/deep", &[]), line(Changed, "file", &[CONTENT, TIMES])];
    assert_eq!(lines(&place, other, place.main()), expected);
}

#[test]
fn a_file_that_the_base_changed_too_differs() {
    let place = Place::new();
    place.chmod("large", 0o600);
    fs::write(place.host("large"), "theirs").unwrap();
    let found = lines(&place, place.base(), place.main());
    assert!(found[0].3.has(CONTENT) && found[0].3.has(Aspects::MODE), "{found:?}");
}

#[test]
fn a_removed_name_is_a_removal_whatever_the_base_puts_there() {
    let place = Place::new();
    let other = RefId::Branch(place.branch("other", place.base()));
    place.remove_file("file");
    place.remove_file("dir/sub/deep");
    fs::rename(place.host("large"), place.host("file")).unwrap();
    fs::remove_file(place.host("dir/sub/deep")).unwrap();
    fs::write(place.host("dir/sub/deep"), "another").unwrap();
    let removed = [line(Removed, "dir/sub/deep", &[]), line(Removed, "file", &[])];
    assert_eq!(lines(&place, place.base(), place.main()), removed);
    assert_eq!(lines(&place, other, place.main()), removed);
    let added = [line(Added, "dir/sub/deep", &[]), line(Added, "file", &[])];
    assert_eq!(lines(&place, place.main(), place.base()), added);
    let third = RefId::Branch(place.branch("third", place.main()));
    assert_eq!(lines(&place, place.main(), third), [], "both hide them");
}

#[test]
fn a_removed_name_is_told_though_the_base_moves_another_name_of_a_changed_file_there() {
    let place = Place::new();
    place.chmod("dir/twin", 0o600);
    place.remove_file("file");
    fs::rename(place.host("dir/inner"), place.host("file")).unwrap();
    let found = lines(&place, place.base(), place.main());
    let told = |line: &&Line| (line.0 == Removed && line.1 == "file") || line.2.as_deref() == Some("file");
    assert_eq!(found.iter().filter(told).count(), 1, "{found:?}");
}

#[test]
fn whose_doing_a_difference_is_is_told_of_what_the_base_has_too() {
    let place = Place::new();
    let other = RefId::Branch(place.branch("other", place.base()));
    place.view_of(other).write_file("file", "by the other");
    place.view_of(other).write_file("dir/sub/deep", "by the other");
    place.chmod("large", 0o600);
    place.remove_file("dir/sub/deep");
    let mut diff = place.volume.diff(other, place.main()).unwrap();
    let all = std::iter::from_fn(|| diff.next_entry().unwrap());
    let mut doers: Vec<_> = all
        .map(|entry| (String::from_utf8(entry.path).unwrap(), entry.changed_by.before, entry.changed_by.after))
        .collect();
    doers.sort();
    let doer = |path: &str, before, after| (path.to_owned(), before, after);
    assert_eq!(doers, [doer("dir/sub/deep", true, true), doer("file", true, false), doer("large", false, true)]);
}
