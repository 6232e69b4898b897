//! Paths of a branch taken back to what the base has there.

use std::fs;
use std::sync::Arc;

use bough::DiffKind::{Added, Changed, Removed, Renamed};
use bough::{BranchId, Error, OwnRanges, RefId, RenameMode, SetAttr, View};

use super::Place;
use super::differences::lines;
use crate::support::*;

/// A branch over a base that nobody views but while something is done in it.
struct Try {
    place: Place,
    branch: BranchId,
}

impl Try {
    /// With something done in it.
    fn new(change: impl FnOnce(&View)) -> Try {
        let place = Place::new();
        let branch = place.branch("try", place.base());
        let made = Try { place, branch };
        change(&made.view());
        made
    }

    fn id(&self) -> RefId {
        RefId::Branch(self.branch)
    }

    fn view(&self) -> Arc<View> {
        self.place.view_of(self.id())
    }

    fn try_revert(&self, paths: &[&str]) -> bough::Result<()> {
        let paths: Vec<Vec<u8>> = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        self.place.volume.revert(self.branch, self.place.base(), &paths)
    }

    fn revert(&self, path: &str) {
        self.try_revert(&[path]).unwrap();
    }

    fn merge(&self, path: &str) {
        self.place.volume.merge(self.branch, self.place.base(), &[path.as_bytes().to_vec()]).unwrap();
    }

    /// What became of which path; where it was before, after a `<`.
    fn changes(&self) -> Vec<String> {
        let all = lines(&self.place, self.place.base(), self.id());
        let text = |(kind, path, old, _): (bough::DiffKind, String, Option<String>, bough::Aspects)| {
            let letter = match kind {
                Added => 'A',
                Removed => 'D',
                Changed => 'M',
                Renamed => 'R',
            };
            old.map_or_else(|| format!("{letter} {path}"), |old| format!("{letter} {path} < {old}"))
        };
        all.into_iter().map(text).collect()
    }

    /// Inodes that the branch holds.
    fn held(&self) -> u64 {
        self.place.volume.ref_info(self.id()).unwrap().inodes
    }

    fn ends_clean(self) {
        assert_eq!(self.changes(), [""; 0]);
        assert_eq!(self.held(), 0, "the branch holds nothing that the base has");
        assert_eq!(self.view().tree(), self.place.view_of(self.place.base()).tree());
        self.place.assert_untouched();
    }
}

#[test]
fn a_changed_file_is_the_bases_again_and_the_rest_stays() {
    let made = Try::new(|view| {
        view.write_file("file", "ours");
        view.write_file("dir/sub/deep", "ours");
    });
    made.revert("file");
    assert_eq!(made.changes(), ["M dir/sub/deep"]);
    assert_eq!(made.view().read_text("file"), "content");
    assert_eq!(made.view().read_text("dir/sub/deep"), "ours");
    made.revert("dir/sub/deep");
    made.ends_clean();
}

#[test]
fn what_is_new_goes_and_what_was_removed_comes_back() {
    let made = Try::new(|view| {
        view.mkdir_p("new/inner");
        view.write_file("new/inner/file", "1");
        view.remove_file("file");
        view.remove_file("dir/inner");
        view.remove_file("link");
        view.symlink("elsewhere", "link");
    });
    made.revert("new");
    made.revert("file");
    assert_eq!(made.changes(), ["D dir/inner", "M link"]);
    assert_eq!(made.view().read_text("file"), "content");
    made.try_revert(&["link", "dir/inner"]).unwrap();
    made.ends_clean();
}

#[test]
fn a_directory_goes_back_with_all_below_it() {
    let made = Try::new(|view| {
        view.write_file("dir/sub/deep", "ours");
        view.write_file("dir/sub/new", "new");
        view.remove_file("dir/twin");
        view.chmod("dir", 0o700);
        view.write_file("file", "ours");
    });
    made.revert("dir");
    assert_eq!(made.changes(), ["M file"]);
    made.revert("file");
    made.ends_clean();
}

#[test]
fn a_removed_tree_comes_back_whole() {
    let remove = |view: &View| {
        for path in ["dir/inner", "dir/twin", "dir/sub/deep"] {
            view.remove_file(path);
        }
        view.remove_dir("dir/sub");
        view.remove_dir("dir");
    };
    let made = Try::new(remove);
    let refused = made.try_revert(&["dir/sub/deep"]).unwrap_err().to_string();
    assert!(refused.contains("removed or moved"), "{refused}");
    made.revert("dir");
    made.ends_clean();
    let made = Try::new(|view| {
        remove(view);
        view.mkdir_p("dir");
        view.write_file("dir/own", "1");
    });
    made.revert("dir");
    made.ends_clean();
}

#[test]
fn what_moved_goes_back_by_either_path() {
    for path in ["dir", "away/moved"] {
        let made = Try::new(|view| {
            view.mkdir_p("away");
            view.move_to("dir", "away/moved");
            view.write_file("away/moved/sub/deep", "ours");
            view.write_file("away/moved/new", "new");
            view.remove_file("away/moved/twin");
        });
        made.revert(path);
        assert_eq!(made.changes(), ["A away"], "{path}");
        assert_eq!(made.view().names("dir"), ["inner", "sub", "twin"]);
        made.revert("away");
        made.ends_clean();
    }
}

#[test]
fn what_took_the_place_of_something_goes_when_that_comes_back() {
    let made = Try::new(|view| {
        view.move_to("file", "moved");
        view.write_file("file", "another");
    });
    made.revert("moved");
    assert_eq!(made.view().read_text("file"), "content");
    made.ends_clean();
    let made = Try::new(|view| view.move_as("file", "large", RenameMode::Exchange).unwrap());
    made.revert("file");
    made.ends_clean();
    let made = Try::new(|view| view.move_to("large", "file"));
    made.revert("file");
    made.ends_clean();
}

#[test]
fn a_file_goes_back_under_all_its_names() {
    let made = Try::new(|view| {
        view.write_file("dir/inner", "ours");
        view.hard_link("dir/twin", "third");
        view.remove_file("dir/twin");
    });
    made.revert("dir/inner");
    assert_eq!(made.view().stat("dir/twin").links, 2);
    made.ends_clean();
    let made = Try::new(|view| view.write_file("dir/twin", "ours"));
    made.revert("dir/inner");
    made.ends_clean();
}

#[test]
fn everything_goes_back_at_once() {
    let made = Try::new(|view| {
        view.move_to("dir", "moved");
        view.write_file("moved/new", "1");
        view.set(".", SetAttr { mode: Some(0o700), ..SetAttr::default() });
    });
    made.revert("");
    made.ends_clean();
}

#[test]
fn what_the_base_has_by_now_shows_where_a_path_went_back() {
    let made = Try::new(|view| {
        view.write_file("file", "ours");
        view.write_file("new", "ours");
        view.remove_file("large");
        view.move_to("dir/sub/deep", "dir/deeper");
    });
    // As an accept does it.
    fs::write(made.place.host("temporary"), "accepted").unwrap();
    fs::rename(made.place.host("temporary"), made.place.host("file")).unwrap();
    fs::write(made.place.host("new"), "accepted").unwrap();
    fs::remove_file(made.place.host("large")).unwrap();
    fs::rename(made.place.host("dir/sub/deep"), made.place.host("dir/deeper")).unwrap();
    made.try_revert(&["file", "new", "large", "dir/deeper", "dir/sub/deep"]).unwrap();
    assert_eq!((made.changes(), made.held()), (Vec::new(), 0));
    let view = made.view();
    assert_eq!((view.read_text("file"), view.read_text("new")), ("accepted".into(), "accepted".into()));
    assert_eq!((view.exists("large"), view.exists("dir/sub/deep")), (false, false));
    assert_eq!(view.read_text("dir/deeper"), "deep");
    fs::write(made.place.host("large"), "again").unwrap();
    assert_eq!(view.read_text("large"), "again", "a name that was given back hides nothing");
}

#[test]
fn a_new_directory_that_the_base_has_too_by_now_keeps_what_is_in_it() {
    let made = Try::new(|view| {
        view.mkdir_p("new/sub/inner");
        for path in ["new/mine", "new/theirs", "new/sub/inner/mine", "new/sub/inner/theirs"] {
            view.write_file(path, path);
        }
        view.move_to("file", "new/moved");
    });
    fs::create_dir_all(made.place.host("new/sub/inner")).unwrap();
    for path in ["new/theirs", "new/sub/inner/theirs"] {
        fs::write(made.place.host(path), path).unwrap();
    }
    made.try_revert(&["new/theirs", "new/sub/inner/theirs"]).unwrap();
    made.merge("new");
    assert_eq!(made.changes(), ["A new/mine", "R new/moved < file", "A new/sub/inner/mine"]);
    let view = made.view();
    assert_eq!(view.names("new"), ["mine", "moved", "sub", "theirs"]);
    for path in ["new/mine", "new/theirs", "new/sub/inner/mine", "new/sub/inner/theirs"] {
        assert_eq!(view.read_text(path), path);
    }
    view.remove_file("new/sub/inner/theirs");
    drop(view);
    made.merge("new");
    made.merge("missing");
    assert_eq!(made.changes(), ["A new/mine", "R new/moved < file", "A new/sub/inner/mine", "D new/sub/inner/theirs"]);
    made.try_revert(&["new"]).unwrap();
    assert_eq!((made.changes(), made.held()), (Vec::new(), 0));
    assert_eq!(made.view().read_text("file"), "content");
}

#[test]
fn a_branch_goes_back_to_any_other_tree() {
    let place = Place::new();
    place.write_file("file", "first");
    place.mkdir_p("own/inner");
    place.write_file("own/inner/x", "first");
    let first = place.snapshot("first");
    let branch = place.branch("try", RefId::Snapshot(first));
    let view = place.view_of(RefId::Branch(branch));
    view.write_file("file", "second");
    view.write_file("own/inner/x", "second");
    view.move_to("own", "moved");
    view.write_file("dir/sub/deep", "second");
    drop(view);
    let revert = |paths: &[&str]| {
        let paths: Vec<Vec<u8>> = paths.iter().map(|path| path.as_bytes().to_vec()).collect();
        place.volume.revert(branch, RefId::Snapshot(first), &paths).unwrap();
    };
    revert(&["own"]);
    let view = place.view_of(RefId::Branch(branch));
    assert_eq!((view.read_text("own/inner/x"), view.read_text("file")), ("first".into(), "second".into()));
    assert!(!view.exists("moved"));
    drop(view);
    revert(&["file", "dir"]);
    assert_eq!(place.view_of(RefId::Branch(branch)).tree(), place.tree());
}

#[test]
fn directories_that_went_back_count_their_subdirectories() {
    let place = Place::new();
    let links = |view: &View, path: &str| view.path_attr(&ROOT, at(path)).unwrap().links;
    let (dir, root) = (links(&place, "dir"), links(&place, "/"));
    place.write_file("dir/sub/x", "first");
    place.remove_dir("empty");
    assert_eq!((links(&place, "dir"), links(&place, "/")), (dir, root - 1));
    let first = RefId::Snapshot(place.snapshot("first"));
    let branch = place.branch("try", first);
    let view = place.view_of(RefId::Branch(branch));
    view.write_file("dir/sub/y", "second");
    view.mkdir_p("empty/again");
    drop(view);
    place.volume.revert(branch, first, &[b"dir/sub".to_vec(), b"empty".to_vec()]).unwrap();
    let view = place.view_of(RefId::Branch(branch));
    assert_eq!((links(&view, "dir"), links(&view, "/")), (dir, root - 1));
    view.remove_file("dir/sub/x");
    view.remove_file("dir/sub/deep");
    view.remove_dir("dir/sub");
    assert_eq!(links(&view, "dir"), dir - 1);
}

#[test]
fn a_branch_in_use_and_what_is_no_path_are_refused_and_nothing_changes() {
    let made = Try::new(|view| view.write_file("file", "ours"));
    let view = made.view();
    assert!(matches!(made.try_revert(&["file"]), Err(Error::Busy(_))));
    drop(view);
    for path in ["/file", "file/", "a//b", "..", "dir/../file", "."] {
        assert!(matches!(made.try_revert(&[path]), Err(Error::Invalid(_))), "{path}");
    }
    made.revert("nothing/there");
    made.revert("file/below");
    assert_eq!(made.changes(), ["M file"]);
}

#[test]
fn the_parts_of_a_file_that_are_not_the_bases_are_told() {
    let place = Place::new();
    let ranges = |path: &str, from: u64, most: usize| {
        let OwnRanges { size, ranges } =
            place.volume.own_ranges(place.main(), place.stat(path).inode, from, most).unwrap();
        (size, ranges.into_iter().map(|range| (range.start, range.end)).collect::<Vec<_>>())
    };
    let size = 10 * CHUNK;
    assert_eq!(ranges("large", 0, 10), (size, vec![]));
    let handle = place.open("large", BOTH);
    place.put(handle, 3 * CHUNK + 5, "x");
    place.put(handle, 4 * CHUNK + 5, "x");
    let hole = bough::Allocation::Punch;
    place.allocate(&ROOT, bough::NodeId::ROOT, Some(handle), 5 * CHUNK, CHUNK, hole).unwrap();
    place.put(handle, 8 * CHUNK, "x");
    let all = [(3 * CHUNK, 6 * CHUNK), (8 * CHUNK, 9 * CHUNK)];
    assert_eq!(ranges("large", 0, 10), (size, all.to_vec()));
    assert_eq!(ranges("large", 0, 1), (size, all[..1].to_vec()));
    assert_eq!(ranges("large", 4 * CHUNK + 7, 1), (size, vec![(4 * CHUNK + 7, 6 * CHUNK)]));
    place.truncate("large", 7 * CHUNK + 9);
    assert_eq!(ranges("large", 0, 10), (7 * CHUNK + 9, all[..1].to_vec()));
    place.truncate("large", 9 * CHUNK);
    assert_eq!(ranges("large", 0, 10), (9 * CHUNK, vec![all[0], (7 * CHUNK + 9, 9 * CHUNK)]));
    place.put(handle, 20 * CHUNK, "end");
    let end = 20 * CHUNK + 3;
    assert_eq!(ranges("large", 0, 10), (end, vec![all[0], (7 * CHUNK + 9, end)]));
    place.release(handle).unwrap();
    place.write_file("new", "new");
    assert_eq!(ranges("new", 1, 10), (3, vec![(1, 3)]));
    let of = |path: &str| place.volume.own_ranges(place.main(), place.stat(path).inode, 0, 1);
    assert_eq!(of("dir"), Err(Error::IsADirectory));
    place.assert_untouched();
}

#[test]
fn no_part_of_a_file_that_another_was_copied_over_is_told_to_be_the_bases() {
    let place = Place::new();
    place.write_file("file", "");
    let (source, target) = (place.open("large", READ), place.open("file", BOTH));
    let (root, size) = (bough::NodeId::ROOT, 10 * CHUNK);
    assert_eq!(place.copy_range(&ROOT, root, Some(source), 0, root, Some(target), 0, size), Ok(size));
    let own = place.volume.own_ranges(place.main(), place.stat("file").inode, CHUNK, 10).unwrap();
    let ranges: Vec<_> = own.ranges.iter().map(|range| (range.start, range.end)).collect();
    assert_eq!((own.size, ranges), (size, vec![(CHUNK, size)]));
    place.release(source).unwrap();
    place.release(target).unwrap();
    place.assert_untouched();
}

#[test]
fn a_branch_goes_back_as_it_was_seen_or_not_at_all() {
    let made = Try::new(|view| ["file", "new"].iter().for_each(|name| view.write_file(name, "mine")));
    let (volume, base) = (&made.place.volume, made.place.base());
    let changes = || volume.ref_info(made.id()).unwrap().changes;
    let revert = |path: &str, seen: Option<u64>| {
        volume.revert_unchanged(made.branch, base, &[path.as_bytes().to_vec()], false, seen)
    };
    let seen = changes();
    let now = revert("new", Some(seen)).unwrap();
    assert_eq!(now, changes());
    assert_eq!(revert("file", Some(seen)), Err(Error::Stale), "it is another since");
    made.view().write_file("by another", "");
    assert_eq!(revert("file", Some(now)), Err(Error::Stale));
    assert_eq!(made.changes(), ["A by another", "M file"]);
    revert("file", Some(changes())).unwrap();
    revert("by another", None).unwrap();
    made.ends_clean();
}
