//! Diffs: what each kind of change is reported as, and what a diff costs.

use bough::DiffKind::{Added, Changed, Removed, Renamed};
use bough::{Aspects, DiffEntry, DiffKind, FileKind, NewNode, RefId, RenameMode, SetAttr, SetTime, Time, XattrMode};

use crate::support::*;

/// A change as the tests write it: kind, path, path before, aspects.
type Line = (DiffKind, String, Option<String>, Aspects);

fn entries(fs: &Fs, before: RefId, after: RefId) -> Vec<DiffEntry> {
    let mut diff = fs.volume.diff(before, after).unwrap();
    let mut found: Vec<DiffEntry> = std::iter::from_fn(|| diff.next_entry().unwrap()).collect();
    found.sort_by(|a, b| (&a.path, a.kind).cmp(&(&b.path, b.kind)));
    found
}

fn lines(fs: &Fs, before: RefId, after: RefId) -> Vec<Line> {
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let line = |entry: &DiffEntry| (entry.kind, text(&entry.path), entry.old_path.as_deref().map(text), entry.aspects);
    entries(fs, before, after).iter().map(line).collect()
}

fn line(kind: DiffKind, path: &str, aspects: &[Aspects]) -> Line {
    (kind, path.into(), None, Aspects(aspects.iter().fold(0, |all, one| all | one.0)))
}

fn moved(kind: DiffKind, path: &str, old: &str, aspects: &[Aspects]) -> Line {
    (kind, path.into(), Some(old.into()), line(kind, path, aspects).3)
}

/// What `change` changes in a small tree, with a clock that goes on.
fn diff_of(change: impl Fn(&Fs)) -> Vec<Line> {
    let (fs, clock) = Fs::with_clock();
    fs.mkdir_p("dir/sub");
    fs.write_file("file", "content");
    fs.write_file("dir/inner", "inner");
    fs.write_file("dir/sub/deep", "deep");
    fs.symlink("file", "link");
    fs.hard_link("dir/inner", "dir/twin");
    let before = RefId::Snapshot(fs.snapshot("before"));
    clock.forward(10);
    change(&fs);
    lines(&fs, before, fs.main())
}

const CONTENT: Aspects = Aspects::CONTENT;
const TIMES: Aspects = Aspects::TIMES;

#[test]
fn a_tree_does_not_differ_from_itself() {
    assert_eq!(diff_of(|_| ()), []);
    assert_eq!(diff_of(|fs| drop(fs.read_file("file"))), [], "access times are no difference");
}

#[test]
fn what_is_undone_is_no_difference() {
    let undone = diff_of(|fs| {
        fs.write_file("new", "");
        fs.remove_file("new");
        fs.move_to("file", "elsewhere");
        fs.move_to("elsewhere", "file");
        fs.chmod("file", 0);
        fs.chmod("file", 0o666);
    });
    assert_eq!(undone, []);
}

#[test]
fn what_is_new_is_added_and_what_is_gone_removed() {
    let changes = diff_of(|fs| {
        fs.mkdir_p("new/in");
        fs.write_file("new/in/file", "");
        fs.remove_file("file");
        fs.remove_file("dir/sub/deep");
        fs.remove_dir("dir/sub");
    });
    let expected = [
        line(Removed, "dir/sub", &[]),
        line(Removed, "dir/sub/deep", &[]),
        line(Removed, "file", &[]),
        line(Added, "new", &[]),
        line(Added, "new/in", &[]),
        line(Added, "new/in/file", &[]),
    ];
    assert_eq!(changes, expected);
}

#[test]
fn each_aspect_of_a_change_is_told_on_its_own() {
    let set = |set: SetAttr| diff_of(|fs| assert_eq!(fs.set("file", set).kind, FileKind::File));
    let none = SetAttr::default();
    let changed = |aspects: &[Aspects]| vec![line(Changed, "file", aspects)];
    assert_eq!(set(SetAttr { mode: Some(0o600), ..none }), changed(&[Aspects::MODE]));
    assert_eq!(set(SetAttr { uid: Some(5), ..none }), changed(&[Aspects::OWNER]));
    assert_eq!(set(SetAttr { gid: Some(5), ..none }), changed(&[Aspects::OWNER]));
    assert_eq!(set(SetAttr { modified: Some(SetTime::At(Time(1))), ..none }), changed(&[TIMES]));
    assert_eq!(set(SetAttr { accessed: Some(SetTime::At(Time(1))), ..none }), []);
    assert_eq!(set(SetAttr { flags: Some(bough::flags::NO_DUMP), ..none }), changed(&[Aspects::FLAGS]));
    assert_eq!(diff_of(|fs| fs.write_file("file", "CONTENT")), changed(&[CONTENT, TIMES]));
    assert_eq!(diff_of(|fs| fs.write_file("file", "content")), changed(&[TIMES]), "the same bytes again: touched");
    let xattr = |fs: &Fs| fs.path_set_xattr(&ROOT, at("file"), b"user.x", b"1", XattrMode::Set).unwrap();
    assert_eq!(diff_of(xattr), changed(&[Aspects::XATTRS]));
    assert_eq!(diff_of(|fs| fs.chmod("dir", 0o700)), [line(Changed, "dir", &[Aspects::MODE])]);
    assert_eq!(diff_of(|fs| fs.chmod("/", 0o700)), [line(Changed, "", &[Aspects::MODE])]);
}

#[test]
fn one_byte_of_a_large_file_is_found() {
    let fs = Fs::new();
    fs.write_file("large", vec![1; 20 * CHUNK as usize]);
    let before = RefId::Snapshot(fs.snapshot("before"));
    let handle = fs.open("large", WRITE);
    fs.put(handle, 13 * CHUNK + 7, [1]);
    let modified = Some(SetTime::At(fs.view_of(before).stat("large").modified));
    fs.set("large", SetAttr { modified, ..SetAttr::default() });
    assert_eq!(lines(&fs, before, fs.main()), [], "written, but the same");
    fs.put(handle, 13 * CHUNK + 7, [2]);
    fs.set("large", SetAttr { modified, ..SetAttr::default() });
    assert_eq!(lines(&fs, before, fs.main()), [line(Changed, "large", &[CONTENT])]);
}

#[test]
fn a_file_that_moved_is_a_rename() {
    assert_eq!(diff_of(|fs| fs.move_to("file", "dir/file")), [moved(Renamed, "dir/file", "file", &[])]);
    let changed_too = diff_of(|fs| {
        fs.move_to("file", "new name");
        fs.write_file("new name", "other");
    });
    assert_eq!(changed_too, [moved(Renamed, "new name", "file", &[CONTENT, TIMES])]);
}

#[test]
fn a_file_replaced_as_editors_save_is_a_change() {
    let saved = diff_of(|fs| {
        fs.write_file(".file.tmp", "edited");
        fs.chmod(".file.tmp", 0o600);
        fs.move_to(".file.tmp", "file");
    });
    assert_eq!(saved, [line(Changed, "file", &[CONTENT, Aspects::MODE, TIMES])]);
    let made_anew = diff_of(|fs| {
        fs.remove_file("file");
        fs.write_file("file", "edited");
    });
    assert_eq!(made_anew, [line(Changed, "file", &[CONTENT, TIMES])]);
}

#[test]
fn a_backup_kept_by_rename_is_a_rename_and_an_addition() {
    let saved = diff_of(|fs| {
        fs.move_to("file", "file~");
        fs.write_file("file", "edited");
    });
    assert_eq!(saved, [line(Added, "file", &[]), moved(Renamed, "file~", "file", &[])]);
}

#[test]
fn what_another_of_the_tree_took_the_place_of_is_gone() {
    let changes = diff_of(|fs| fs.move_to("dir/sub/deep", "file"));
    assert_eq!(changes, [line(Removed, "file", &[]), moved(Renamed, "file", "dir/sub/deep", &[])]);
    let directory = diff_of(|fs| {
        fs.remove_file("dir/sub/deep");
        fs.mkdir_p("dir/other");
        fs.remove_dir("dir/sub");
        fs.move_to("dir/other", "dir/sub");
    });
    assert_eq!(directory, [line(Removed, "dir/sub/deep", &[])], "a new directory in place of another");
    let chain = diff_of(|fs| {
        fs.move_to("dir/sub/deep", "file");
        fs.move_to("link", "dir/sub/deep");
    });
    let expected = [
        moved(Renamed, "dir/sub/deep", "link", &[]),
        line(Removed, "file", &[]),
        moved(Renamed, "file", "dir/sub/deep", &[]),
    ];
    assert_eq!(chain, expected);
}

#[test]
fn exchanged_files_are_two_renames() {
    let changes = diff_of(|fs| fs.move_as("file", "dir/sub/deep", RenameMode::Exchange).unwrap());
    let expected = [moved(Renamed, "dir/sub/deep", "file", &[]), moved(Renamed, "file", "dir/sub/deep", &[])];
    assert_eq!(changes, expected);
}

#[test]
fn a_renamed_directory_is_one_rename_and_what_changed_inside_shows_both_paths() {
    let changes = diff_of(|fs| {
        fs.move_to("dir", "moved");
        fs.write_file("moved/sub/deep", "changed");
        fs.write_file("moved/new", "");
        fs.remove_file("moved/twin");
    });
    let expected = [
        line(Removed, "dir/twin", &[]),
        moved(Renamed, "moved", "dir", &[]),
        line(Added, "moved/new", &[]),
        moved(Changed, "moved/sub/deep", "dir/sub/deep", &[CONTENT, TIMES]),
    ];
    assert_eq!(changes, expected);
}

#[test]
fn a_file_moved_within_a_renamed_directory_shows_its_old_path() {
    let changes = diff_of(|fs| {
        fs.move_to("dir", "moved");
        fs.move_to("moved/sub/deep", "moved/up");
    });
    assert_eq!(changes, [moved(Renamed, "moved", "dir", &[]), moved(Renamed, "moved/up", "dir/sub/deep", &[])]);
}

#[test]
fn hard_links_are_told_name_by_name() {
    assert_eq!(diff_of(|fs| fs.hard_link("file", "second")), [line(Added, "second", &[])]);
    assert_eq!(diff_of(|fs| fs.remove_file("dir/twin")), [line(Removed, "dir/twin", &[])]);
    assert_eq!(diff_of(|fs| fs.move_to("dir/twin", "twin")), [moved(Renamed, "twin", "dir/twin", &[])]);
    let both = ["dir/inner", "dir/twin"].map(|path| line(Changed, path, &[CONTENT, TIMES]));
    assert_eq!(diff_of(|fs| fs.write_file("dir/twin", "both")), both, "it is another under each of its names");
    let written = diff_of(|fs| {
        fs.write_file("dir/twin", "both");
        fs.move_to("dir/twin", "twin");
        fs.hard_link("twin", "third");
    });
    // Which of two new names the lost one has become is not told.
    let told = |added: &str, renamed: &str| {
        let mut told = [line(Added, added, &[]), moved(Renamed, renamed, "dir/twin", &[CONTENT, TIMES])];
        told.sort_by(|a, b| a.1.cmp(&b.1));
        [&both[..1], &told[..]].concat()
    };
    assert!(written == told("third", "twin") || written == told("twin", "third"), "{written:?}");
}

#[test]
fn a_replaced_directory_tells_what_was_in_it() {
    let with_another = diff_of(|fs| {
        fs.remove_file("dir/sub/deep");
        fs.remove_dir("dir/sub");
        fs.mkdir_p("dir/sub");
        fs.write_file("dir/sub/other", "");
    });
    assert_eq!(with_another, [line(Removed, "dir/sub/deep", &[]), line(Added, "dir/sub/other", &[])]);
    let with_a_file = diff_of(|fs| {
        fs.remove_file("dir/sub/deep");
        fs.remove_dir("dir/sub");
        fs.write_file("dir/sub", "a file now");
        fs.chmod("dir/sub", 0o755);
    });
    let kind = line(Changed, "dir/sub", &[Aspects::KIND, TIMES]);
    assert_eq!(with_a_file, [kind, line(Removed, "dir/sub/deep", &[])]);
    let with_a_directory = diff_of(|fs| {
        fs.remove_file("file");
        fs.mkdir_p("file/x");
    });
    assert_eq!((with_a_directory[0].0, with_a_directory[0].3.has(Aspects::KIND)), (Changed, true));
    assert_eq!(with_a_directory[1..], [line(Added, "file/x", &[])]);
}

#[test]
fn links_and_devices_differ_by_what_they_say() {
    let retarget = diff_of(|fs| {
        fs.remove_file("link");
        fs.symlink("elsewhere", "link");
    });
    assert_eq!(retarget, [line(Changed, "link", &[CONTENT, TIMES])]);
    let fs = Fs::new();
    fs.make_at("device", NewNode::CharDevice(1));
    let before = RefId::Snapshot(fs.snapshot("before"));
    fs.remove_file("device");
    fs.make_at("device", NewNode::CharDevice(2));
    assert!(lines(&fs, before, fs.main())[0].3.has(CONTENT));
}

#[test]
fn a_diff_the_other_way_round_is_the_opposite() {
    let fs = Fs::new();
    fs.write_file("old", "");
    let before = RefId::Snapshot(fs.snapshot("before"));
    fs.move_to("old", "new");
    fs.write_file("added", "");
    let back = lines(&fs, fs.main(), before);
    assert_eq!(back, [line(Removed, "added", &[]), moved(Renamed, "old", "new", &[])]);
}

#[test]
fn any_two_trees_can_be_compared_and_each_entry_says_what_it_is() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    let (a, b) = (RefId::Branch(fs.branch("a", fs.main())), RefId::Branch(fs.branch("b", fs.main())));
    fs.view_of(a).write_file("dir/a", "");
    fs.view_of(b).symlink("x", "dir/b");
    let found = entries(&fs, a, b);
    let seen: Vec<_> = found.iter().map(|entry| (entry.kind, entry.file_kind, entry.path.as_slice())).collect();
    let expected = [(Removed, FileKind::File, &b"dir/a"[..]), (Added, FileKind::Symlink, b"dir/b")];
    assert_eq!(seen, expected);
    assert_eq!(found[1].inode, fs.view_of(b).stat("dir/b").inode);
}

#[test]
fn a_diff_shows_the_trees_as_they_were_when_it_began() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let before = RefId::Snapshot(fs.snapshot("before"));
    fs.write_file("file", "changed");
    let mut diff = fs.volume.diff(before, fs.main()).unwrap();
    fs.remove_file("file");
    fs.write_file("later", "");
    fs.volume.delete_ref(before).unwrap();
    let entry = diff.next_entry().unwrap().unwrap();
    assert_eq!((entry.kind, entry.path), (Changed, b"file".to_vec()));
    assert_eq!(diff.next_entry(), Ok(None));
    assert_eq!(diff.next_entry(), Ok(None), "and stays at its end");
}

#[test]
fn a_diff_costs_what_differs_and_not_what_there_is() {
    let fs = Fs::new();
    let begun = std::time::Instant::now();
    for directory in 0..200 {
        let path = format!("d{directory}");
        fs.mkdir_p(&path);
        let parent = fs.node(&path);
        for file in 0..1000_u32 {
            let made = fs.make(&ROOT, parent, format!("f{file}").as_bytes(), 0o644, NewNode::File).unwrap();
            fs.forget(made.node, 1);
        }
    }
    let made = begun.elapsed();
    let before = RefId::Snapshot(fs.snapshot("before"));
    fs.write_file("d7/f500", "changed");
    fs.remove_file("d100/f1");
    fs.write_file("d199/new", "");
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = std::time::Instant::now();
        assert_eq!(entries(&fs, before, fs.main()).len(), 3);
        times.push(begun.elapsed());
    }
    // Looking at each of the 200,000 files takes a good part of what making them took.
    let quickest = times.into_iter().min().unwrap();
    assert!(quickest < made / 500, "{quickest:?} where making them took {made:?}");
}

/// Of each path that differs: whether the earlier tree has changed it since the two parted, and whether the later one has.
fn doers(fs: &Fs, before: RefId, after: RefId) -> Vec<(String, bool, bool)> {
    let all = entries(fs, before, after);
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    all.iter().map(|entry| (text(&entry.path), entry.changed_by.before, entry.changed_by.after)).collect()
}

fn doer(path: &str, before: bool, after: bool) -> (String, bool, bool) {
    (path.into(), before, after)
}

#[test]
fn a_difference_tells_whose_doing_it_is_though_the_clock_stands_still() {
    let (fs, clock) = Fs::with_clock();
    for name in ["both", "gone there", "lost", "mine", "moves", "read", "theirs"] {
        fs.write_file(name, "before");
    }
    clock.forward(10);
    fs.write_file("gone here", "made within the tick");
    let branch = RefId::Branch(fs.branch("b", fs.main()));
    let view = fs.view_of(branch);
    for name in ["both", "lost", "new there", "read", "theirs"] {
        fs.write_file(name, "by main");
    }
    fs.remove_file("gone there");
    for name in ["both", "mine", "new here"] {
        view.write_file(name, "by the branch");
    }
    view.read_file("read");
    ["gone here", "lost"].iter().for_each(|name| view.remove_file(name));
    view.move_to("moves", "moved");
    let expected = [
        doer("both", true, true),
        doer("gone here", false, true),
        doer("gone there", false, false),
        doer("lost", true, true),
        doer("mine", false, true),
        doer("moved", false, true),
        doer("new here", false, true),
        doer("new there", true, false),
        doer("read", true, false),
        doer("theirs", true, false),
    ];
    assert_eq!(doers(&fs, fs.main(), branch), expected);
}

#[test]
fn whose_doing_a_difference_is_is_told_across_snapshots_and_deleted_parents() {
    let (fs, clock) = Fs::with_clock();
    ["early", "late", "mine"].iter().for_each(|name| fs.write_file(name, "before"));
    clock.forward(10);
    let write = |id: RefId, name: &str| fs.view_of(id).write_file(name, "after");
    let expected = [doer("early", true, false), doer("late", true, false), doer("mine", false, true)];

    let snapshot = RefId::Snapshot(fs.snapshot("s"));
    fs.write_file("early", "by main");
    let branch = RefId::Branch(fs.branch("of the snapshot", snapshot));
    fs.snapshot("between");
    fs.write_file("late", "by main");
    write(branch, "mine");
    assert_eq!(
        doers(&fs, fs.main(), branch),
        expected,
        "what main did after the snapshot, before the branch grew, too"
    );

    ["early", "late", "mine"].iter().for_each(|name| fs.write_file(name, "before"));
    clock.forward(10);
    let parent = RefId::Branch(fs.branch("parent", fs.main()));
    fs.write_file("early", "by main");
    let child = RefId::Branch(fs.branch("child", parent));
    fs.write_file("late", "by main");
    write(child, "mine");
    fs.volume.delete_ref(parent).unwrap();
    assert_eq!(doers(&fs, fs.main(), child), expected);
}
