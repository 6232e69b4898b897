//! Attributes: each on its own, times, and what changes them.

use bough::{Attr, Error, NewNode, NodeId, SetAttr, SetTime, Time, ViewOptions, WriteAt, XattrMode, flags};

use crate::support::*;

const NONE: SetAttr = SetAttr {
    mode: None,
    uid: None,
    gid: None,
    size: None,
    accessed: None,
    modified: None,
    changed: None,
    born: None,
    flags: None,
};
const DAY: i64 = 24 * 3600;

fn seconds(time: Time) -> i64 {
    time.seconds()
}

/// What setting `set` changes of the file, the counters of change left out.
fn change(fs: &Fs, set: SetAttr) -> (Attr, Attr) {
    let before = fs.stat("file");
    let after = fs.set("file", set);
    assert_eq!(after, fs.stat("file"), "what is answered is what is there");
    assert_eq!(after.version, before.version + 1);
    (Attr { version: 0, ..before }, Attr { version: 0, ..after })
}

#[test]
fn each_attribute_is_set_on_its_own() {
    let (fs, clock) = Fs::with_clock();
    fs.write_file("file", "12345");
    let now = clock.forward(5);
    let at = |seconds| Time::new(seconds, 7);
    let changed = now;
    type Expected = fn(Attr) -> Attr;
    let table: [(SetAttr, Expected); 8] = [
        (SetAttr { mode: Some(0o7421), ..NONE }, |attr| Attr { mode: 0o7421, ..attr }),
        (SetAttr { uid: Some(7), mode: Some(0o7421), ..NONE }, |attr| Attr { uid: 7, ..attr }),
        (SetAttr { gid: Some(8), mode: Some(0o7421), ..NONE }, |attr| Attr { gid: 8, ..attr }),
        (SetAttr { accessed: Some(SetTime::At(at(1))), ..NONE }, |attr| Attr { accessed: Time::new(1, 7), ..attr }),
        (SetAttr { modified: Some(SetTime::At(at(2))), ..NONE }, |attr| Attr { modified: Time::new(2, 7), ..attr }),
        (SetAttr { born: Some(at(3)), ..NONE }, |attr| Attr { born: Time::new(3, 7), ..attr }),
        (SetAttr { flags: Some(flags::NO_DUMP), ..NONE }, |attr| Attr { flags: flags::NO_DUMP, ..attr }),
        (SetAttr { accessed: Some(SetTime::Now), ..NONE }, |attr| Attr { accessed: Time::new(1005, 0), ..attr }),
    ];
    for (set, expected) in table {
        let (before, after) = change(&fs, set);
        assert_eq!(after, Attr { changed, ..expected(before) }, "{set:?}");
    }
    let (before, after) = change(&fs, SetAttr { changed: Some(at(4)), ..NONE });
    assert_eq!(after, Attr { changed: at(4), ..before });
}

#[test]
fn setting_nothing_changes_nothing_but_the_time_of_change() {
    let (fs, clock) = Fs::with_clock();
    fs.write_file("file", "x");
    let now = clock.forward(5);
    let (before, after) = change(&fs, NONE);
    assert_eq!(after, Attr { changed: now, ..before });
}

#[test]
fn truncation_sets_size_and_the_times_of_content() {
    let (fs, clock) = Fs::with_clock();
    fs.write_file("file", "12345");
    let now = clock.forward(5);
    let (before, after) = change(&fs, SetAttr { size: Some(2), ..NONE });
    assert_eq!((after.size, after.modified, after.changed, after.accessed), (2, now, now, before.accessed));
}

#[test]
fn several_attributes_are_set_all_or_none() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    let before = fs.stat("dir");
    let set = SetAttr { mode: Some(0o700), size: Some(0), ..NONE };
    assert_eq!(fs.path_set_attr(&ROOT, at("dir"), &set), Err(Error::IsADirectory));
    let set = SetAttr { mode: Some(0o10000), uid: Some(5), ..NONE };
    assert!(matches!(fs.path_set_attr(&ROOT, at("dir"), &set), Err(Error::Invalid(_))));
    let set = SetAttr { flags: Some(1 << 30), uid: Some(5), ..NONE };
    assert!(matches!(fs.path_set_attr(&ROOT, at("dir"), &set), Err(Error::Invalid(_))));
    assert_eq!(fs.stat("dir"), before);
    fs.write_file("file", "x");
    let before = fs.stat("file");
    let set = SetAttr { mode: Some(0o600), size: Some(1 << 63), ..NONE };
    assert_eq!(fs.path_set_attr(&ROOT, at("file"), &set), Err(Error::FileTooLarge));
    assert_eq!(fs.stat("file"), before);
}

#[test]
fn only_regular_files_have_a_size_to_set() {
    let fs = Fs::new();
    fs.symlink("x", "link");
    fs.make_at("fifo", NewNode::Fifo);
    let set = SetAttr { size: Some(0), ..NONE };
    assert_eq!(fs.path_set_attr(&ROOT, at("/"), &set), Err(Error::IsADirectory));
    assert!(matches!(fs.path_set_attr(&ROOT, at("fifo"), &set), Err(Error::Invalid(_))));
    assert!(matches!(fs.path_set_attr(&ROOT, at("link").no_follow(), &set), Err(Error::Invalid(_))));
}

#[test]
fn a_new_file_has_all_its_times_from_its_birth() {
    let (fs, clock) = Fs::with_clock();
    let now = clock.forward(5);
    fs.write_file("file", "");
    let attr = fs.stat("file");
    assert_eq!([attr.accessed, attr.modified, attr.changed, attr.born], [now; 4]);
    let root = fs.stat("/");
    assert_eq!((root.modified, root.changed, seconds(root.born)), (now, now, 1000));
}

#[test]
fn every_change_sets_the_times_that_belong_to_it() {
    let (fs, clock) = Fs::with_clock();
    fs.mkdir_p("dir");
    fs.write_file("dir/file", "x");
    let set = |name, value| fs.path_set_xattr(&ROOT, at("dir/file"), name, value, XattrMode::Set);
    let times = |path| (seconds(fs.stat(path).modified), seconds(fs.stat(path).changed));
    clock.set(2000);
    fs.hard_link("dir/file", "dir/second");
    assert_eq!((times("dir/file"), times("dir")), ((1000, 2000), (2000, 2000)), "link");
    clock.set(3000);
    fs.remove_file("dir/second");
    assert_eq!((times("dir/file"), times("dir")), ((1000, 3000), (3000, 3000)), "unlink");
    clock.set(4000);
    fs.chmod("dir/file", 0o600);
    assert_eq!((times("dir/file"), times("dir")), ((1000, 4000), (3000, 3000)), "chmod");
    clock.set(5000);
    set(b"user.x", b"1").unwrap();
    assert_eq!(times("dir/file"), (1000, 5000), "setxattr");
    clock.set(6000);
    fs.write_file("dir/file", "y");
    assert_eq!((times("dir/file"), times("dir")), ((6000, 6000), (3000, 3000)), "write");
    clock.set(7000);
    fs.mkdir_p("dir/sub");
    assert_eq!(times("dir"), (7000, 7000), "mkdir");
    clock.set(8000);
    fs.remove_dir("dir/sub");
    assert_eq!(times("dir"), (8000, 8000), "rmdir");
}

#[test]
fn writing_nothing_changes_no_times() {
    let (fs, clock) = Fs::with_clock();
    fs.write_file("file", "x");
    let before = fs.stat("file");
    clock.forward(5);
    let handle = fs.open("file", WRITE);
    assert_eq!(fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(9), b""), Ok(0));
    assert_eq!(fs.stat("file"), before);
}

#[test]
fn reading_sets_the_access_time_by_the_relatime_rule() {
    let (fs, clock) = Fs::with_clock();
    fs.write_file("file", "x");
    let accessed = || seconds(fs.stat("file").accessed);
    clock.set(2000);
    fs.read_file("file");
    assert_eq!(accessed(), 2000, "first read after the write");
    clock.set(3000);
    fs.read_file("file");
    assert_eq!(accessed(), 2000, "not older than a day, and read since");
    clock.set(2000 + DAY - 1);
    fs.read_file("file");
    assert_eq!(accessed(), 2000);
    clock.set(2000 + DAY);
    fs.read_file("file");
    assert_eq!(accessed(), 2000 + DAY, "a day old");
    clock.set(2000 + DAY + 10);
    fs.chmod("file", 0o600);
    clock.set(2000 + DAY + 20);
    fs.read_file("file");
    assert_eq!(accessed(), 2000 + DAY + 20, "changed since");
    let attr = fs.stat("file");
    assert_eq!((seconds(attr.modified), seconds(attr.changed)), (1000, 2000 + DAY + 10), "reading sets no other time");
}

#[test]
fn listing_sets_the_access_time_of_a_directory() {
    let (fs, clock) = Fs::with_clock();
    fs.mkdir_p("dir");
    clock.set(2000);
    fs.names("dir");
    assert_eq!(seconds(fs.stat("dir").accessed), 2000);
}

#[test]
fn a_coarse_clock_makes_only_the_first_read_of_a_fresh_file_set_the_time() {
    let (fs, _clock) = Fs::with_clock();
    fs.write_file("file", "x");
    fs.read_file("file");
    let after = fs.stat("file");
    assert!(after.accessed > after.modified);
    fs.read_file("file");
    assert_eq!(fs.stat("file"), after);
}

#[test]
fn access_times_stay_with_noatime_and_with_the_flag() {
    let (fs, clock) = Fs::with_clock();
    fs.write_file("file", "x");
    fs.write_file("flagged", "x");
    fs.set_flags("flagged", flags::NO_ACCESS_TIME);
    let options = ViewOptions { no_access_time: true, ..ViewOptions::default() };
    let view = fs.volume.view(fs.main(), "noatime", options).unwrap();
    clock.set(2000);
    view.read_file("file");
    view.names("/");
    fs.read_file("flagged");
    assert_eq!(seconds(fs.stat("file").accessed), 1000);
    assert_eq!(seconds(fs.stat("/").accessed), 1000);
    assert_eq!(seconds(fs.stat("flagged").accessed), 1000);
}

#[test]
fn times_have_nanoseconds_and_reach_before_1970() {
    let fs = Fs::new();
    fs.write_file("file", "");
    for time in [Time::new(-5, 999_999_999), Time::new(0, 1), Time::new(4_000_000_000, 123_456_789)] {
        let attr = fs.set("file", SetAttr { modified: Some(SetTime::At(time)), ..NONE });
        assert_eq!((attr.modified.seconds(), attr.modified.nanoseconds()), (time.seconds(), time.nanoseconds()));
    }
    assert_eq!((Time::new(-5, 999_999_999).seconds(), Time::new(-5, 999_999_999).nanoseconds()), (-5, 999_999_999));
}

#[test]
fn times_outside_1677_to_2262_are_stored_as_the_nearest_within() {
    assert_eq!(Time::new(i64::MAX, 0), Time(i64::MAX));
    assert_eq!(Time::new(i64::MIN, 999_999_999).seconds() / (365 * DAY), -292);
    assert_eq!(Time::new(20_000_000_000, 0), Time(i64::MAX));
    assert!(Time::new(-20_000_000_000, 0) < Time::new(-9_000_000_000, 0));
}

#[test]
fn the_version_counts_every_change() {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let mut last = fs.stat("file").version;
    let mut grew = |what: &str| {
        let now = fs.stat("file").version;
        assert!(now > last, "{what}");
        last = now;
    };
    fs.write_file("file", "y");
    grew("write");
    fs.chmod("file", 0o600);
    grew("chmod");
    fs.hard_link("file", "second");
    grew("link");
    fs.move_to("file", "moved");
    fs.move_to("moved", "file");
    grew("rename");
    fs.path_set_xattr(&ROOT, at("file"), b"user.x", b"", XattrMode::Set).unwrap();
    grew("xattr");
    let root = fs.stat("/").version;
    fs.write_file("new", "");
    assert!(fs.stat("/").version > root);
}

#[test]
fn flags_are_kept_as_they_are_set() {
    let fs = Fs::new();
    fs.write_file("file", "");
    fs.set_flags("file", flags::ALL);
    assert_eq!(fs.stat("file").flags, flags::ALL);
    fs.set_flags("file", 0);
    assert_eq!(fs.stat("file").flags, 0);
}

#[test]
fn setting_attributes_of_a_stale_node_says_so() {
    let fs = Fs::new();
    fs.write_file("file", "");
    let node = fs.node("file");
    fs.forget(node, 1);
    fs.remove_file("file");
    assert_eq!(fs.set_attr(&ROOT, node, None, &SetAttr { mode: Some(0), ..NONE }), Err(Error::Stale));
}
